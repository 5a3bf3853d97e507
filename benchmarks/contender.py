"""A process that runs workloads, one after the other, for the command that measures it.

Each contender has its own process, so that its memory is its own and its end is nobody else's. It writes one JSON line
when ready, and one for each workload read from standard input. All waits are limited: who is late is killed, and the
reason stands in the table.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from benchmarks.workload import Request, Timeline, summary

ROOT = Path(__file__).parents[1]


class ContenderError(Exception):
    """It could not start, took too long, or ended; the text says which."""


class Contender:
    """Started when first needed, and again after it failed; never again once it could not start."""

    def __init__(self, command: Sequence[str], *, threads: int, start_s: float = 120.0) -> None:
        self._command, self._threads, self._start_s = list(command), threads, start_s
        self._process: subprocess.Popen[bytes] | None = None
        self._unread = b""
        self._errors: IO[bytes] | None = None
        self._refusal: ContenderError | None = None

    def run(self, requests: Sequence[Request], limit_s: float, **options: Any) -> dict[str, Any]:
        """Run a workload; give its summary with what the contender adds.

        Raises:
            ContenderError: see there.
        """
        self._start()
        answer = self._ask({"requests": [asdict(request) for request in requests], **options}, limit_s)
        if "error" in answer:
            raise ContenderError(answer["error"])
        timelines = [Timeline(**timeline) for timeline in answer.pop("timelines")]
        wanted = sum(request.tokens for request in requests)
        if len(timelines) == len(requests) and sum(t.tokens for t in timelines) != wanted:
            raise ContenderError(f"{sum(t.tokens for t in timelines)} tokens instead of {wanted}")
        return {**summary(timelines), **answer}

    def stop(self) -> None:
        """End the process. Idempotent."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                with suppress(BrokenPipeError):  # what it never read
                    pipe.close() if pipe else None
            self._process = None
        if self._errors is not None:
            self._errors.close()
            self._errors = None

    def _start(self) -> None:
        if self._refusal is not None:
            raise self._refusal
        if self._process is not None:
            return
        self._unread = b""
        environment = {**os.environ, "OMP_NUM_THREADS": str(self._threads), "HF_HUB_OFFLINE": "1"}
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `stop`
        try:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                cwd=ROOT,
                env=environment,
            )
            self._read(self._start_s)
        except (OSError, ContenderError) as error:
            self.stop()
            self._refusal = ContenderError(f"did not start: {error}")
            raise self._refusal from error

    def _ask(self, message: dict[str, Any], limit_s: float) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()
            return self._read(limit_s)
        except (OSError, ContenderError) as error:
            self.stop()
            raise ContenderError(str(error)) from error

    def _read(self, limit_s: float) -> dict[str, Any]:
        """Wait for a line."""
        assert self._process is not None
        assert self._process.stdout is not None
        until, output = time.monotonic() + limit_s, self._process.stdout.fileno()
        while b"\n" not in self._unread:
            readable, _, _ = select.select([output], [], [], max(0.0, until - time.monotonic()))
            if not readable:
                raise ContenderError(f"took more than {limit_s:.0f} s")
            read = os.read(output, 1 << 20)
            if not read:
                raise ContenderError(f"ended: {last_words(self._errors)}")
            self._unread += read
        line, _, self._unread = self._unread.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer


def last_words(errors: IO[bytes] | None) -> str:
    """Give the last line that a process wrote to standard error."""
    if errors is None:
        return "without a word"
    errors.seek(0)
    lines = errors.read().decode(errors="replace").splitlines()
    return next((line.strip()[:200] for line in reversed(lines) if line.strip()), "without a word")
