"""The configuration of identity: the files of TLS on either side, and when a plain connection is enough."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Protocol

from services.errors import ConfigError


@dataclass
class TlsConfig:
    """TLS for those who connect to this server; PEM files, read again when they change.

    Attributes:
        cert_file: this server's certificate, and after it those between it and its authority.
        key_file: its private key, not encrypted.
        client_ca_file: authorities of clients; with it, nobody connects without a certificate of theirs.
    """

    cert_file: str | None = None
    key_file: str | None = None
    client_ca_file: str | None = None


@dataclass
class UpstreamTlsConfig:
    """TLS towards workers; PEM files.

    Attributes:
        ca_file: authorities of the workers' certificates; turns TLS on.
        cert_file: the certificate that workers are shown, where they ask for one.
        key_file: its private key, not encrypted.
        server_name: in the workers' certificates, where it isn't the host of their address, or, where discovery is all
            the pool has, that of `dns`, or SERVICE.NAMESPACE.svc of `endpoint_slices`.
    """

    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    server_name: str | None = None


class Listening(Protocol):
    """What of a server's configuration says who may connect, and how."""

    address: str
    insecure: bool
    tls: TlsConfig
    api_keys: str | None
    shared_cache: bool


def check_server(server: Listening) -> None:
    """Check that TLS is complete, and that whoever connects from elsewhere is identified, unheard by others.

    Raises:
        ConfigError: it isn't so, and `insecure` doesn't allow it.
    """
    tls = server.tls
    _check_pair("server.tls", tls.cert_file, tls.key_file)
    if tls.client_ca_file is not None and tls.cert_file is None:
        raise ConfigError("server.tls.client_ca_file: needs server.tls.cert_file and server.tls.key_file; set them")
    if is_loopback(server.address) or server.insecure:
        return
    if tls.client_ca_file is None and server.api_keys is None:
        raise ConfigError(
            f"server.address: {server.address} can be reached from other machines and callers are not identified; "
            "use a loopback address, set server.api_keys or server.tls.client_ca_file, or set server.insecure=true"
        )
    if tls.cert_file is None:
        raise ConfigError(
            f"server.api_keys: keys would travel unencrypted to {server.address}; "
            "set server.tls.cert_file and server.tls.key_file, or set server.insecure=true"
        )


def check_upstream_tls(key: str, tls: UpstreamTlsConfig) -> None:
    """Check the TLS towards workers that is configured at a key.

    Raises:
        ConfigError: it is not complete.
    """
    _check_pair(key, tls.cert_file, tls.key_file)
    for name in ("cert_file", "server_name"):
        if getattr(tls, name) is not None and tls.ca_file is None:
            raise ConfigError(f"{key}.{name}: needs {key}.ca_file, which turns TLS on; set it")


def is_loopback(address: str) -> bool:
    """Tell whether only this machine reaches host:port or unix:PATH."""
    host = address.rpartition(":")[0].strip("[]")
    try:
        return address.startswith("unix:") or host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_pair(key: str, cert_file: str | None, key_file: str | None) -> None:
    if (cert_file is None) != (key_file is None):
        there, missing = ("cert_file", "key_file") if key_file is None else ("key_file", "cert_file")
        raise ConfigError(f"{key}.{missing}: is missing, and {key}.{there} needs it; set both")
