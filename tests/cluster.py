"""A stand-in for the API server of Kubernetes: EndpointSlices, listed and watched, over TLS, for who shows a token.

It keeps to "Kubernetes API Concepts": versions, events since one, bookmarks, 410 Gone for what is forgotten.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from services.routing.config import KubernetesConfig
from tests.authority import Authority

TOKEN = "the-token"
NAMESPACE = "models"
PATH = f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices"
SELECTOR = "kubernetes.io/service-name=workers"


def endpoint(address: str, pod: str | None = None, **conditions: bool | None) -> dict[str, Any]:
    """Give an endpoint as a slice has it."""
    told: dict[str, Any] = {"addresses": [address], "conditions": conditions, "zone": "a", "nodeName": "n"}
    if pod is not None:
        told["targetRef"] = {"kind": "Pod", "name": pod, "uid": f"uid-{pod}"}
    return told


def slice_of(name: str, *endpoints: dict[str, Any], port: int = 50051, family: str = "IPv4") -> dict[str, Any]:
    """Give a slice, whose port has the name grpc. Without endpoints it has none at all, as Go writes it."""
    ports = [{"name": "metrics", "port": 9, "protocol": "TCP"}, {"name": "grpc", "port": port, "protocol": "TCP"}]
    metadata = {"name": name, "labels": {"kubernetes.io/service-name": "workers"}}
    return {"metadata": metadata, "addressType": family, "endpoints": list(endpoints) or None, "ports": ports}


class Cluster:
    """The stand-in.

    Attributes:
        config: how it is found.
        folder: a pod's service account.
        requests: queries so far.
        status: what it answers every request with instead, if set.
        token: that it accepts.
        body: what it answers lists with instead, if set.
    """

    def __init__(self, folder: Path) -> None:
        self._authority = Authority(folder / "authority")
        pair = self._authority.issue("api", "IP:127.0.0.1")
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._tls.load_cert_chain(pair.cert, pair.key)
        self.folder = folder / "serviceaccount"
        self.folder.mkdir()
        self.reset()
        self._port = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    def reset(self) -> None:
        """Forget everything, tests' settings too."""
        (self.folder / "ca.crt").write_bytes(self._authority.file.read_bytes())
        (self.folder / "token").write_text(f"{TOKEN}\n")
        (self.folder / "namespace").write_text(NAMESPACE)
        self.requests: list[dict[str, str]] = []
        self.status = 0
        self.token = TOKEN
        self.body: bytes | None = None
        self._slices: dict[str, dict[str, Any]] = {}
        self._version = 100
        self._forgotten = 100
        self._history: list[tuple[int, bytes]] = []
        self._news = asyncio.Condition()
        self._quit = False

    @property
    def config(self) -> KubernetesConfig:
        """How it is found."""
        return KubernetesConfig(f"127.0.0.1:{self._port}", str(self.folder))

    @property
    def lists(self) -> int:
        """How often it was asked for a list."""
        return sum("watch" not in query for query in self.requests)

    @property
    def watches(self) -> list[str]:
        """From which versions watches were asked for."""
        return [query["resourceVersion"] for query in self.requests if "watch" in query]

    async def start(self) -> None:
        """Listen; where it did before, if it did."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self._port, ssl=self._tls)
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Listen no more, and break all connections."""
        if self._server is not None:
            self._server.close()
        await self.drop()

    async def drop(self) -> None:
        """Break all connections."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def put(self, *slices: dict[str, Any]) -> None:
        """Add slices, or put them in the place of those with their names."""
        for one in slices:
            name = one["metadata"]["name"]
            await self._happened("MODIFIED" if name in self._slices else "ADDED", one)

    async def delete(self, name: str) -> None:
        """Delete a slice."""
        await self._happened("DELETED", self._slices[name])

    async def bookmark(self) -> None:
        """Tell the version, which has moved on because of what nobody here asked for."""
        await self._happened("BOOKMARK", {"kind": "EndpointSlice", "metadata": {}})

    async def say(self, line: bytes) -> None:
        """Send a line to who watches now."""
        async with self._news:
            self._version += 1
            self._history.append((self._version, line))
            self._news.notify_all()

    def forget(self) -> None:
        """Forget all events so far: whoever asks for those since an earlier version is told that they are gone."""
        self._history.clear()
        self._forgotten = self._version = self._version + 1

    async def end(self) -> None:
        """End all watches, as after their time."""
        async with self._news:
            self._quit = True
            self._news.notify_all()

    async def _happened(self, kind: str, one: dict[str, Any]) -> None:
        one = {**one, "metadata": {**one["metadata"], "resourceVersion": str(self._version + 1)}}
        if kind == "DELETED":
            del self._slices[one["metadata"]["name"]]
        elif kind != "BOOKMARK":
            self._slices[one["metadata"]["name"]] = one
        await self.say(json.dumps({"type": kind, "object": one}).encode() + b"\n")

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            await self._answer(head, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client is gone, or the connection is broken on purpose
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _answer(self, head: Sequence[str], writer: asyncio.StreamWriter) -> None:
        url = urlsplit(head[0].split(" ")[1])
        query = {key: value[0] for key, value in parse_qs(url.query).items()}
        assert url.path == PATH
        assert query["labelSelector"] == SELECTOR
        self.requests.append(query)
        self._quit = False
        if self.status or f"Authorization: Bearer {self.token}" not in head:
            return await self._send(writer, self.status or 401, b"{}")
        if "watch" not in query:
            listed = {"metadata": {"resourceVersion": str(self._version)}, "items": list(self._slices.values()) or None}
            return await self._send(writer, 200, json.dumps(listed).encode() if self.body is None else self.body)
        since = int(query["resourceVersion"])
        if since < self._forgotten:
            gone = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old"}}
            return await self._send(writer, 200, json.dumps(gone).encode() + b"\n")
        return await self._follow(writer, since)

    async def _follow(self, writer: asyncio.StreamWriter, since: int) -> None:
        """Send events in chunks that end where no line does: a client must not rely on it."""
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not self._quit:
            lines = b"".join(line for version, line in self._history if version > since)
            since = self._version
            for part in (lines[: len(lines) // 3], lines[len(lines) // 3 :]):
                if part:
                    writer.write(b"%x\r\n%b\r\n" % (len(part), part))
                    await writer.drain()
            async with self._news:
                await self._news.wait_for(lambda seen=since: self._quit or self._version != seen)  # type: ignore[misc]
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    async def _send(self, writer: asyncio.StreamWriter, status: int, body: bytes) -> None:
        writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body)
        await writer.drain()
