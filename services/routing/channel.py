"""Connections to workers: one per address, however many models a worker serves."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc.aio

from services.routing.config import RoutingConfig


class Channels:
    """All of a server's."""

    def __init__(self, config: RoutingConfig, max_send_bytes: int, max_receive_bytes: int) -> None:
        """Take the sizes of the largest messages, in bytes."""
        self._options = _options(config, max_send_bytes, max_receive_bytes)
        self._open: dict[str, grpc.aio.Channel] = {}
        self._users: dict[str, int] = {}

    def acquire(self, address: str) -> grpc.aio.Channel:
        """Give the connection to an address; `release` says that it is no longer used."""
        if address not in self._open:
            self._open[address] = grpc.aio.insecure_channel(address, options=self._options)
        self._users[address] = self._users.get(address, 0) + 1
        return self._open[address]

    async def release(self, address: str) -> None:
        """Close a connection that nobody uses any more."""
        self._users[address] -= 1
        if not self._users[address]:
            del self._users[address]
            await self._open.pop(address).close()

    async def close(self) -> None:
        """Close all."""
        await asyncio.gather(*(channel.close() for channel in self._open.values()))


def _options(config: RoutingConfig, max_send_bytes: int, max_receive_bytes: int) -> list[tuple[str, Any]]:
    """Channel arguments (grpc_types.h); times are in milliseconds there."""
    return [
        ("grpc.use_local_subchannel_pool", 1),  # another server of this process has connections of its own
        ("grpc.enable_retries", 0),  # retries are made here, where they can be counted
        ("grpc.max_send_message_length", max_send_bytes),
        ("grpc.max_receive_message_length", max_receive_bytes),
        ("grpc.keepalive_time_ms", round(config.keepalive_s * 1000)),
        ("grpc.keepalive_timeout_ms", round(config.keepalive_timeout_s * 1000)),
        ("grpc.http2.ping_timeout_ms", round(config.keepalive_timeout_s * 1000)),  # of pings that measure the way, too
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 1000),
        ("grpc.max_reconnect_backoff_ms", 5000),
    ]
