"""The workers behind a host name: every address that DNS gives for it."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
from collections.abc import Awaitable, Callable, Collection

from services.checkpoint import in_daemon_thread
from services.time_limit import time_limit

Resolve = Callable[[str], Awaitable[Collection[str]]]
"""Gives the addresses, host:port, behind a name of the same form."""

_PATIENCE_S = 10.0
"""For one answer of DNS."""

_log = logging.getLogger(__name__)


async def resolve(name: str) -> Collection[str]:
    """Ask the system for the addresses of host:port.

    Raises:
        OSError: it knows none, or doesn't answer.
    """
    host, _, port = name.rpartition(":")
    found = await in_daemon_thread(socket.getaddrinfo, host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    return sorted({_address(family, str(where[0]), int(port)) for family, _, _, _, where in found})


def _address(family: socket.AddressFamily, host: str, port: int) -> str:
    return f"[{host}]:{port}" if family == socket.AF_INET6 else f"{host}:{port}"


class Discovery:
    """Follows one name.

    Attributes:
        heard: set once there was an answer, of whatever kind.
    """

    def __init__(self, name: str, refresh_s: float, ask: Resolve, found: Callable[[Collection[str]], None]) -> None:
        """Take whom to ask, and whom to tell what was found."""
        self.heard = asyncio.Event()
        self._name = name
        self._refresh_s = refresh_s
        self._ask = ask
        self._found = found
        self._failing = False

    async def follow(self) -> None:
        """Ask again and again, until cancelled. Without an answer, what was found before stays."""
        while True:
            try:
                with time_limit(_PATIENCE_S):
                    found = await self._ask(self._name)
            except (OSError, asyncio.TimeoutError) as error:
                if not self._failing:
                    _log.warning("%s can't be resolved: %s", self._name, str(error) or "no answer in time")
                self._failing = True
            else:
                self._failing = False
                self._found(found)
            self.heard.set()
            await asyncio.sleep(self._refresh_s * random.uniform(0.8, 1.2))
