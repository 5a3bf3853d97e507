"""What makes a pool's workers known to this server, and this server to them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import grpc

from services.errors import ConfigError
from services.identity.certificate import channel_credentials
from services.identity.file import Reloaded
from services.routing.config import PoolConfig


class Credential:
    """A pool's.

    Attributes:
        tls: whom to trust and what to show, read again when it changes; None for plain connections.
        server_name: in the workers' certificates; None for the host of their address.
        files: what it reads, to be followed.
    """

    def __init__(self, where: str, config: PoolConfig, namespace: str = "") -> None:
        """Read the files of a pool that is configured at a key; its service, if it has one, is in a namespace.

        Raises:
            ConfigError: one can't be used.
        """
        tls = config.tls
        self.server_name = tls.server_name or (None if config.upstreams else _discovered(config, namespace))
        self.tls: Reloaded[grpc.ChannelCredentials] | None = None
        if tls.ca_file is not None:
            files = {f"{where}.tls.ca_file": tls.ca_file}
            if tls.cert_file is not None and tls.key_file is not None:
                files |= {f"{where}.tls.cert_file": tls.cert_file, f"{where}.tls.key_file": tls.key_file}
            self.tls = Reloaded(files, lambda contents: channel_credentials(files, contents))
        self._key: Reloaded[str] | None = None
        if config.api_key_file is not None:
            name = f"{where}.api_key_file"
            self._key = Reloaded({name: config.api_key_file}, lambda contents: _key(name, contents))
        self.files: Sequence[Reloaded[Any]] = [file for file in (self.tls, self._key) if file is not None]

    @property
    def way(self) -> Hashable:
        """Equal for pools, and for times, whose connections are secured alike."""
        return None if self.tls is None else (self.server_name, *self.tls.contents.values())

    @property
    def metadata(self) -> Sequence[tuple[str, str]]:
        """What each call says of who makes it."""
        return () if self._key is None else (("authorization", f"Bearer {self._key.value}"),)


def _discovered(config: PoolConfig, namespace: str) -> str | None:
    """Give the one name of all the workers that are discovered."""
    if config.endpoint_slices is not None:
        return f"{config.endpoint_slices.service}.{namespace}.svc"
    return config.dns.rpartition(":")[0].strip("[]") if config.dns is not None else None


def _key(name: str, contents: Mapping[str, bytes]) -> str:
    try:
        key = contents[name].decode("ascii").strip()
    except ValueError:
        key = ""
    if not key or not key.isprintable() or " " in key:
        raise ConfigError(f"{name}: holds no key; write one key into the file, and nothing else")
    return key
