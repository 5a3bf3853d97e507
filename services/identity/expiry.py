"""When certificates end: told in the log ahead of it, and by a metric.

Python's `ssl` doesn't say when a certificate ends that isn't an authority's, so that is read here (RFC 5280, 4.1).
"""

from __future__ import annotations

import asyncio
import datetime
import logging
import re
import ssl
import time
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from services.identity.file import Reloaded

_SEQUENCE, _UTC_TIME, _GENERALIZED_TIME, _VERSION = 0x30, 0x17, 0x18, 0xA0
_DAY_S = 86_400.0
_AHEAD_S = (30 * _DAY_S, 7 * _DAY_S, _DAY_S, 0.0)
"""Before the end: at each it is told once."""
_LOOK_S = 60.0
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)

_log = logging.getLogger(__name__)


def ends(pem: bytes) -> float | None:
    """Give when the first of a file's certificates ends, in seconds since the epoch; None where none can be read."""
    found = []
    for block in _CERTIFICATE.findall(pem):
        try:
            found.append(_end(ssl.PEM_cert_to_DER_cert(block.decode("ascii"))))
        except (ValueError, IndexError):
            continue  # OpenSSL has its own opinion of these
    return min(found, default=None)


def _end(der: bytes) -> float:
    certificate = _contents(der, _SEQUENCE)
    fields = list(_elements(_contents(certificate, _SEQUENCE)))
    fields = fields[1:] if fields[0][0] == _VERSION else fields
    validity = fields[3]  # after serial number, signature and issuer
    if validity[0] != _SEQUENCE:
        raise ValueError("no validity")
    _, (tag, value) = _elements(validity[1])
    if tag not in (_UTC_TIME, _GENERALIZED_TIME):
        raise ValueError("no time")
    century = "20" if tag == _UTC_TIME else ""  # up to 2049
    text = f"{century}{value.decode('ascii')}+0000"
    return datetime.datetime.strptime(text, "%Y%m%d%H%M%SZ%z").timestamp()


def _contents(der: bytes, tag: int) -> bytes:
    given, value = next(_elements(der), (0, b""))
    if given != tag:
        raise ValueError("no such element")
    return value


def _elements(der: bytes) -> Iterator[tuple[int, bytes]]:
    """Read elements: their tag, their length, and what they hold (X.690, 8.1)."""
    at = 0
    while at < len(der):
        tag, size, at = der[at], der[at + 1], at + 2
        if size & 0x80:
            count = size & 0x7F
            size, at = int.from_bytes(der[at : at + count], "big"), at + count
        if at + size > len(der):
            raise ValueError("an element ends too early")
        yield tag, der[at : at + size]
        at += size


class Expiries:
    """Of the certificates that are in force."""

    def __init__(self, files: Collection[Reloaded[Any]]) -> None:
        """Take files, among which are certificates."""
        self._files = files
        self._told: dict[tuple[str, float], float] = {}

    def left_s(self) -> Mapping[str, float]:
        """Give the seconds until the first certificate of each file ends, by the key that names the file."""
        now = time.time()
        return {key: end - now for key, end in self._ends().items()}

    def _ends(self) -> Mapping[str, float]:
        found = {key: ends(contents) for file in self._files for key, contents in file.contents.items()}
        return {key: end for key, end in found.items() if end is not None}

    def tell(self) -> None:
        """Log what ends soon, and what has: each once, until there is another certificate."""
        told = {}
        for key, end in self._ends().items():
            left = end - time.time()
            passed = [ahead for ahead in _AHEAD_S if left <= ahead]
            if not passed:
                continue
            told[key, end] = passed[-1]
            if self._told.get((key, end)) != passed[-1]:
                when = datetime.datetime.fromtimestamp(end, datetime.timezone.utc).isoformat(timespec="minutes")
                if left <= 0:
                    _log.error("%s: a certificate has ended, on %s; replace the file", key, when)
                else:
                    _log.warning("%s: a certificate ends on %s; replace the file before", key, when)
        self._told = told

    async def follow(self) -> None:
        """Tell again and again, until cancelled."""
        while self._files:
            self.tell()
            await asyncio.sleep(_LOOK_S)
