"""Credentials for gRPC from PEM files, which are checked first: gRPC's own words for a bad one help nobody."""

from __future__ import annotations

import ssl
from collections.abc import Mapping

import grpc

from services.errors import ConfigError
from services.identity.config import TlsConfig
from services.identity.file import Reloaded

_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"
_PRIVATE_KEY = b"PRIVATE KEY-----"
_ENCRYPTED = (b"BEGIN ENCRYPTED PRIVATE KEY", b"Proc-Type: 4,ENCRYPTED")


ServerFiles = Reloaded[grpc.ServerCertificateConfiguration]


def server_files(tls: TlsConfig) -> ServerFiles | None:
    """Read what a server shows and asks for; None without a certificate.

    Raises:
        ConfigError: a file can't be used.
    """
    if tls.cert_file is None or tls.key_file is None:
        return None
    paths = (tls.cert_file, tls.key_file)
    files = {"server.tls.cert_file": tls.cert_file, "server.tls.key_file": tls.key_file}
    if tls.client_ca_file is not None:
        files["server.tls.client_ca_file"] = tls.client_ca_file

    def make(contents: Mapping[str, bytes]) -> grpc.ServerCertificateConfiguration:
        cert, key = contents["server.tls.cert_file"], contents["server.tls.key_file"]
        _check_chain(("server.tls.cert_file", "server.tls.key_file"), paths, cert, key)
        authorities = contents.get("server.tls.client_ca_file")
        if authorities is not None:
            _check_authorities("server.tls.client_ca_file", files["server.tls.client_ca_file"], authorities)
        return grpc.ssl_server_certificate_configuration([(key, cert)], authorities)

    return Reloaded(files, make)


def server_credentials(files: ServerFiles, tls: TlsConfig) -> grpc.ServerCredentials:
    """Give what a server shows and asks for.

    Connections keep what they began with. A new one begins with what the files say then, if it can be used.
    """

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        """Called by a thread of gRPC's before each handshake; None keeps what there is."""
        return files.value if files.refresh() else None

    return grpc.dynamic_ssl_server_credentials(
        files.value,
        fetch,  # type: ignore[arg-type]  # its stubs leave None out, its documentation doesn't
        require_client_authentication=tls.client_ca_file is not None,
    )


def channel_credentials(files: Mapping[str, str], contents: Mapping[str, bytes]) -> grpc.ChannelCredentials:
    """Give whom a client trusts, and what it shows.

    Args:
        files: one of authorities, and where the client shows a certificate, that and its private key; in this order, by
            the keys that name them to whom they are asked of.
        contents: theirs, by the same keys.

    Raises:
        ConfigError: a file can't be used.
    """
    keys = list(files)
    _check_authorities(keys[0], files[keys[0]], contents[keys[0]])
    if len(keys) == 1:
        return grpc.ssl_channel_credentials(contents[keys[0]])
    _, cert_key, key_key = keys
    cert, key = contents[cert_key], contents[key_key]
    _check_chain((cert_key, key_key), (files[cert_key], files[key_key]), cert, key)
    return grpc.ssl_channel_credentials(contents[keys[0]], key, cert)


def _check_chain(keys: tuple[str, str], paths: tuple[str, str], cert: bytes, key: bytes) -> None:
    _check_pem(keys[0], paths[0], cert)
    _check_key(keys[1], paths[1], key)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(*paths, password=lambda: "")
    except (ssl.SSLError, OSError):
        raise ConfigError(
            f"{keys[1]}: {paths[1]} is not the private key of {keys[0]}, {paths[0]}; give two that belong together"
        ) from None


def _check_pem(key: str, path: str, contents: bytes) -> None:
    if _CERTIFICATE not in contents:
        raise ConfigError(f"{key}: {path} holds no certificate; give a PEM file")


def _check_key(key: str, path: str, contents: bytes) -> None:
    if any(mark in contents for mark in _ENCRYPTED):
        raise ConfigError(f"{key}: {path} is encrypted; give the key without a passphrase")
    if _PRIVATE_KEY not in contents:
        raise ConfigError(f"{key}: {path} holds no private key; give a PEM file")


def _check_authorities(key: str, path: str, contents: bytes) -> None:
    _check_pem(key, path, contents)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=contents.decode("ascii", "replace"))
    except (ssl.SSLError, ValueError):
        raise ConfigError(f"{key}: {path} holds a certificate that can't be read; give a PEM file") from None
