"""Connections to workers: one per address and way to secure it, however many models a worker serves."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Hashable
from typing import Any

import grpc
import grpc.aio

from services.routing.config import RoutingConfig
from services.routing.credential import Credential

_Way = tuple[str, Hashable]


class Channels:
    """All of a server's."""

    def __init__(self, config: RoutingConfig, max_send_bytes: int, max_receive_bytes: int) -> None:
        """Take the sizes of the largest messages, in bytes."""
        self._options = _options(config, max_send_bytes, max_receive_bytes)
        self._open: dict[_Way, grpc.aio.Channel] = {}
        self._users: Counter[grpc.aio.Channel] = Counter()

    def acquire(self, address: str, credential: Credential) -> grpc.aio.Channel:
        """Give the connection to an address; `release` says that it is no longer used."""
        way = (address, credential.way)
        if way not in self._open:
            self._open[way] = self._connect(address, credential)
        self._users[self._open[way]] += 1
        return self._open[way]

    async def release(self, channel: grpc.aio.Channel) -> None:
        """Close a connection that nobody uses any more."""
        self._users[channel] -= 1
        if not self._users[channel]:
            del self._users[channel]
            self._open = {way: other for way, other in self._open.items() if other is not channel}
            await channel.close()

    def _connect(self, address: str, credential: Credential) -> grpc.aio.Channel:
        if credential.tls is None:
            return grpc.aio.insecure_channel(address, options=self._options)
        named = [("grpc.ssl_target_name_override", credential.server_name)] if credential.server_name else []
        return grpc.aio.secure_channel(address, credential.tls.value, options=[*self._options, *named])

    async def close(self) -> None:
        """Close all."""
        await asyncio.gather(*(channel.close() for channel in self._open.values()))


def _options(config: RoutingConfig, max_send_bytes: int, max_receive_bytes: int) -> list[tuple[str, Any]]:
    """Channel arguments (grpc_types.h); times are in milliseconds there."""
    return [
        ("grpc.use_local_subchannel_pool", 1),  # another server of this process has connections of its own
        ("grpc.enable_http_proxy", 0),  # one that the environment names is for the way out, not for workers
        ("grpc.enable_retries", 0),  # retries are made here, where they can be counted
        ("grpc.max_send_message_length", max_send_bytes),
        ("grpc.max_receive_message_length", max_receive_bytes),
        ("grpc.keepalive_time_ms", round(config.keepalive_s * 1000)),
        ("grpc.keepalive_timeout_ms", round(config.keepalive_timeout_s * 1000)),
        ("grpc.http2.ping_timeout_ms", round(config.keepalive_timeout_s * 1000)),  # of pings that measure the way, too
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 1000),
        ("grpc.max_reconnect_backoff_ms", 1000),
    ]
