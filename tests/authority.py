"""Certificates for tests, made by the openssl command: an authority, and whom it vouches for."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

_CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key: two PEM files."""

    cert: Path
    key: Path

    def replace(self, other: Pair) -> None:
        """Put another pair's contents into these files."""
        self.key.write_bytes(other.key.read_bytes())
        self.cert.write_bytes(other.cert.read_bytes())


class Authority:
    """A certificate authority with a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True)
        self._pair = Pair(folder / "ca.pem", folder / "ca.key")
        arguments = ("-x509", "-days", "30", "-subj", f"/CN={folder.name}")
        _openssl("req", *_CURVE, *arguments, "-keyout", self._pair.key, "-out", self._pair.cert)

    @property
    def file(self) -> Path:
        """Its own certificate."""
        return self._pair.cert

    def issue(self, name: str, san: str, *, expired: bool = False) -> Pair:
        """Vouch for subject alternative names, such as `IP:127.0.0.1,DNS:localhost`; none at all for an empty text."""
        pair = Pair(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        request, extensions = self._folder / f"{name}.csr", self._folder / f"{name}.ext"
        _openssl("req", *_CURVE, "-subj", f"/CN={name}", "-keyout", pair.key, "-out", request)
        extensions.write_text(f"subjectAltName={san}\n" if san else "basicConstraints=CA:FALSE\n")
        dates = ("-days", "-1") if expired else ("-days", "30")
        signer = ("-CA", self._pair.cert, "-CAkey", self._pair.key, "-CAcreateserial")
        _openssl("x509", "-req", "-in", request, *signer, *dates, "-extfile", extensions, "-out", pair.cert)
        return pair


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
