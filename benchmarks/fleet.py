"""A gateway and its workers as processes: workers are hurt on purpose, and begin again at the address they had."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from benchmarks.contender import ROOT
from benchmarks.server import ServerError, cpu_seconds

_START_LIMIT_S = 120.0
_END_LIMIT_S = 30.0
_PORTS = (20_000, 32_000)
"""Below those that Linux gives to connections (ip(7): ip_local_port_range)."""
_LAST_LINES = 1000


class Process:
    """One `paddock serve`, which may be started several times.

    Attributes:
        address: where it listens, each time.
        errors: the last lines that it wrote to standard error, of all its lives.
        tracebacks: how many it wrote.
    """

    def __init__(self, arguments: Sequence[str], **environment: str) -> None:
        self._environment = {**os.environ, **environment}
        self.address = f"127.0.0.1:{free_port()}"
        self.errors: list[str] = []
        self.tracebacks = 0
        self._arguments = list(arguments)
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        """The process id of its present life."""
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start it, and wait until it serves.

        Raises:
            ServerError: it does not.
        """
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.cli", "serve", f"server.address={self.address}", *self._arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=ROOT,
            env=self._environment,
        )
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._reading = asyncio.get_running_loop().create_task(self._read(self._process.stderr))
        printed = b"\n"
        with suppress(asyncio.TimeoutError):
            while printed and b" on 127.0.0.1:" not in printed:
                printed = await asyncio.wait_for(self._process.stdout.readline(), _START_LIMIT_S)
        if b" on 127.0.0.1:" not in printed:
            raise ServerError(f"it did not serve: {' '.join(self.errors[-3:]) or 'without a word'}")

    async def _read(self, errors: asyncio.StreamReader) -> None:
        while line := await errors.readline():
            self.tracebacks += b"Traceback (most recent call last)" in line
            self.errors = [*self.errors[1 - _LAST_LINES :], line.decode(errors="replace").strip()]

    def send(self, number: int) -> None:
        """Send a signal, if it runs."""
        if self._process is not None and self.alive:
            self._process.send_signal(number)

    def cpu_s(self) -> float:
        """User and system time of its present life."""
        return cpu_seconds(self.pid)

    async def end(self, number: int = signal.SIGTERM) -> int:
        """End it by a signal; gives the exit code. One that takes too long is killed."""
        assert self._process is not None
        self.send(number)
        try:
            code = await asyncio.wait_for(self._process.wait(), _END_LIMIT_S)
        except asyncio.TimeoutError:
            self.send(signal.SIGKILL)
            code = await self._process.wait()
        if self._reading is not None:
            await self._reading
        return code


class Wire:
    """A TCP connection's way to a worker: as a worker that is killed, when it is cut.

    Attributes:
        address: where it begins.
    """

    def __init__(self, target: str) -> None:
        self._target = target
        self._server: asyncio.Server | None = None
        self._transports: set[asyncio.WriteTransport] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.address = "127.0.0.1:0"

    async def mend(self) -> None:
        """Let connections through: at the same address, where there was one."""
        host, port = self.address.split(":")
        self._server = await asyncio.start_server(self._connect, host, int(port))
        self.address = f"{host}:{self._server.sockets[0].getsockname()[1]}"

    def cut(self) -> None:
        """Break all connections, and let none through."""
        if self._server is not None:
            self._server.close()
        self.drop()

    def drop(self) -> None:
        """Break all connections; others may be made."""
        for transport in self._transports:
            transport.abort()

    async def close(self) -> None:
        """Cut, and end all that runs."""
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, port = self._target.partition(":")
        try:
            there = await asyncio.open_connection(host, int(port))
        except OSError:
            writer.transport.abort()
            return
        for source, sink in ((reader, there[1]), (there[0], writer)):
            task = asyncio.ensure_future(self._pump(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            self._transports.add(sink.transport)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while chunk := await source.read(65_536):
                sink.write(chunk)
                await sink.drain()
        except OSError:
            pass
        finally:
            self._transports.discard(sink.transport)
            sink.transport.abort()


def free_port() -> int:
    """Find a port that nobody listens on, where the system takes none for connections that are made meanwhile."""
    while True:
        port = random.randrange(*_PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def routed(folder: Path, models: Sequence[str], addresses: Sequence[str]) -> list[str]:
    """Give the arguments of a gateway that has models at workers, and write what they name."""
    upstreams = ", ".join(f'{{address: "{address}"}}' for address in addresses)
    lines = [f"  {model}: {{name: {model}, pools: [{{name: main, upstreams: [{upstreams}]}}]}}\n" for model in models]
    file = folder / "routing" / "fleet.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("# @package routing\nmodels:\n" + "".join(lines), encoding="utf-8")
    return ["--config-dir", str(folder), "model=[]", "routing=fleet"]


@asynccontextmanager
async def running(*processes: Process) -> AsyncIterator[None]:
    """Start processes, all at once, and kill those that still run at the end."""
    try:
        await asyncio.gather(*(process.start() for process in processes))
        yield
    finally:
        for process in processes:
            process.send(signal.SIGKILL)
        await asyncio.gather(*(process.end(signal.SIGKILL) for process in processes if process.alive))
