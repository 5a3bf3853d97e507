"""The API server of the cluster that this process runs in: who it is, who we are to it, and GET.

Source: Kubernetes, "Accessing the Kubernetes API from a Pod".
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path

import h11

from services.checkpoint import in_daemon_thread
from services.errors import ConfigError
from services.identity.file import read
from services.routing.config import KubernetesConfig
from services.time_limit import time_limit

_CONNECT_S = 10.0
"""To connect and greet."""
_READ_BYTES = 2**16
_MAX_HEAD_BYTES = 2**16
_KEEPALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}
"""Seconds, seconds, times: a server that is gone without a word is found out in a minute. Not every system has all."""


class ApiError(Exception):
    """The API server answers, but not as it should.

    Attributes:
        status: of HTTP, or 0.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Body:
    """The body of an answer, as it comes."""

    def __init__(self, connection: h11.Connection, reader: asyncio.StreamReader) -> None:
        self._connection = connection
        self._reader = reader

    async def piece(self) -> bytes:
        """Wait for the next piece; empty at the end."""
        while True:
            event = await self._event()
            if not isinstance(event, h11.Data):
                return b""
            if event.data:
                return bytes(event.data)

    async def status(self) -> int:
        """Wait for the head before it, and give its status."""
        while not isinstance(event := await self._event(), h11.Response):
            pass
        return event.status_code

    async def _event(self) -> object:
        data = b"?"
        try:
            while (event := self._connection.next_event()) is h11.NEED_DATA:
                data = await self._reader.read(_READ_BYTES)
                self._connection.receive_data(data)
        except h11.RemoteProtocolError:
            if data:
                raise
            raise ConnectionResetError("the answer breaks off") from None
        return event


class ApiServer:
    """Answers requests for objects.

    Attributes:
        address: host:port.
    """

    def __init__(self, config: KubernetesConfig) -> None:
        """Find it, and read what makes this process known to it.

        Raises:
            ConfigError: this process doesn't run in a cluster, or has no service account.
        """
        self._folder = Path(config.service_account)
        self.address = config.api_server or _from_environment()
        host, _, self._port = self.address.rpartition(":")
        self._host = host.strip("[]")
        self._credentials()

    @property
    def namespace(self) -> str:
        """The one this process runs in.

        Raises:
            ConfigError: nothing says.
        """
        try:
            return (self._folder / "namespace").read_text("ascii").strip()
        except (OSError, ValueError):
            raise ConfigError(
                f"routing.kubernetes.service_account: {self._folder / 'namespace'} can't be read; give a pod's service "
                "account folder, or set endpoint_slices.namespace"
            ) from None

    @asynccontextmanager
    async def get(self, path: str, seconds: float) -> AsyncIterator[Body]:
        """Ask for a path; yields the body of the answer. All together may take so many seconds.

        Raises:
            ApiError: the answer is none of HTTP, or has another status than 200.
            OSError, asyncio.TimeoutError: there is no connection, or it breaks, or it takes too long.
        """
        try:
            token, context = await in_daemon_thread(self._credentials)
        except ConfigError as error:
            raise ApiError(str(error)) from None
        with time_limit(_CONNECT_S):
            reader, writer = await asyncio.open_connection(
                self._host, int(self._port), ssl=context, server_hostname=self._host
            )
        try:
            _keep_alive(writer.get_extra_info("socket"))
            connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEAD_BYTES)
            headers = [("Host", self.address), ("Authorization", f"Bearer {token}"), *_HEADERS]
            for event in (h11.Request(method="GET", target=path, headers=headers), h11.EndOfMessage()):
                writer.write(connection.send(event) or b"")
            body = Body(connection, reader)
            with time_limit(seconds):
                if (status := await body.status()) != HTTPStatus.OK:
                    raise ApiError(f"it answers with status {status}", status)
                yield body
        except h11.ProtocolError:
            raise ApiError("it doesn't speak HTTP") from None
        finally:
            writer.transport.abort()

    def _credentials(self) -> tuple[str, ssl.SSLContext]:
        """Read whom to trust and what to show: both are replaced from time to time.

        Raises:
            ConfigError: they can't be used.
        """
        key = "routing.kubernetes.service_account"
        authorities = read(key, str(self._folder / "ca.crt"))
        token = read(key, str(self._folder / "token")).decode("latin-1").strip()
        if not (token.isascii() and token.isprintable() and token) or " " in token:
            raise ConfigError(f"{key}: {self._folder / 'token'} holds no token; give a pod's service account folder")
        try:
            return token, ssl.create_default_context(cadata=authorities.decode("ascii"))
        except (ssl.SSLError, ValueError):
            raise ConfigError(
                f"{key}: {self._folder / 'ca.crt'} holds no certificate; give a pod's service account folder"
            ) from None


_HEADERS = [("Accept", "application/json"), ("User-Agent", "paddock"), ("Connection", "close")]


def _from_environment() -> str:
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host or not port.isdecimal():
        raise ConfigError(
            "routing.kubernetes.api_server: is not set, and neither is KUBERNETES_SERVICE_HOST, as it is in a pod; "
            "set it to host:port, or use dns or upstreams instead of endpoint_slices"
        )
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _keep_alive(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
