"""`paddock serve` as a process of its own."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.checkpoint import TEXT_IDS, VOCAB_SIZE

PATIENCE_S = 40.0
"""The longest wait for a process, on a machine that is busy with other things."""


def simulator(checkpoint: Path, **settings: object) -> list[str]:
    """Give the overrides that serve a simulator with the test tokenizer."""
    shape = {"vocab_size": VOCAB_SIZE, "last_token_id": TEXT_IDS - 1, "context_length": 512}
    backend = [f"models.simulator.backend.{key}={value}" for key, value in {**shape, **settings}.items()]
    return ["model=simulator", f"models.simulator.checkpoint={checkpoint}", *backend]


class Process:
    """A running `paddock serve`, and what it has written so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.stdout = ""
        self.stderr = ""
        self._news = asyncio.Condition()
        self._readers = [
            asyncio.ensure_future(self._read("stdout", process.stdout)),
            asyncio.ensure_future(self._read("stderr", process.stderr)),
        ]

    async def _read(self, name: str, stream: asyncio.StreamReader | None) -> None:
        assert stream is not None
        while chunk := await stream.read(65_536):
            async with self._news:
                setattr(self, name, getattr(self, name) + chunk.decode(errors="replace"))
                self._news.notify_all()
        async with self._news:
            self._news.notify_all()

    async def wrote(self, pattern: str, where: str = "stderr") -> re.Match[str]:
        """Wait for a line that matches."""

        def found() -> re.Match[str] | None:
            match = re.search(pattern, getattr(self, where))
            if match is None and self._process.returncode is not None:
                raise AssertionError(f"it ended, without {pattern!r}:\n{self.stderr}")
            return match

        async with self._news:
            matched = await asyncio.wait_for(self._news.wait_for(found), PATIENCE_S)
        assert isinstance(matched, re.Match)
        return matched

    async def address(self) -> str:
        """Wait until it listens, and give where."""
        return (await self.wrote(r"listening on (\S+);"))[1]

    async def ready(self) -> str:
        """Wait until it serves, and give where."""
        return (await self.wrote(r"Paddock serves .* on (\S+)\n", "stdout"))[1]

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def signal(self, number: int = signal.SIGTERM) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    async def end(self) -> int:
        """Wait for its end and give the exit code."""
        code = await asyncio.wait_for(self._process.wait(), PATIENCE_S)
        await asyncio.wait_for(asyncio.gather(*self._readers), PATIENCE_S)
        return code

    async def kill(self) -> None:
        """End it, whatever it does."""
        if self._process.returncode is None:
            self._process.kill()
        await self.end()


@asynccontextmanager
async def paddock(*arguments: str, **environment: str) -> AsyncIterator[Process]:
    """Run `paddock serve` on a free port, and kill it at the end if it still runs."""
    if not any(argument.startswith("server.address=") for argument in arguments):
        arguments = ("server.address=127.0.0.1:0", *arguments)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.cli",
        "serve",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[1],
        env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
    )
    running = Process(process)
    try:
        yield running
    finally:
        await running.kill()
