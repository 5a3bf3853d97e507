"""Servers to measure: processes on a free port of the loopback, waited for within limits and killed at the end."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from benchmarks.contender import ROOT, last_words
from benchmarks.peers import FOLDER, PYTHON

_START_LIMIT_S = 180.0
_END_LIMIT_S = 10.0


class ServerError(Exception):
    """It did not start; the text says why."""


@dataclass(frozen=True)
class Server:
    """A running server.

    Attributes:
        address: host:port.
        model: what requests call its model.
    """

    address: str
    pid: int
    model: str

    def cpu_s(self, *, children: bool = False) -> float:
        """User and system time so far; with that of the processes that it started and that run, if asked for."""
        return cpu_seconds(self.pid) + (sum(map(cpu_seconds, _descendants(self.pid))) if children else 0.0)

    def settle(self, limit_s: float = 15.0) -> bool:
        """Wait until it does nothing any more, not even for clients that have gone; tell whether it came to rest."""
        until = time.monotonic() + limit_s
        while time.monotonic() < until:
            before = self.cpu_s()
            time.sleep(0.5)
            if self.cpu_s() - before < 0.05:
                return True
        return False


def cpu_seconds(pid: int) -> float:
    """Give user and system time of a process so far (proc(5), fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _descendants(pid: int) -> list[int]:
    children = [
        int(child) for path in Path(f"/proc/{pid}/task").glob("*/children") for child in path.read_text().split()
    ]
    return [*children, *(further for child in children for further in _descendants(child))]


@contextmanager
def paddock(*overrides: str) -> Iterator[Server]:
    """Run `paddock serve`; its one model is called by no name."""
    quiet = ["server.address=127.0.0.1:0", "telemetry.log_level=WARNING"]
    with printing([sys.executable, "-m", "services.cli", "serve", *quiet, *overrides]) as server:
        yield server


def paddock_checkpoint(folder: Path, threads: int, slots: int) -> list[str]:
    """Give the overrides that serve a checkpoint."""
    backend = {"max_concurrency": slots, "num_threads": threads, "cache_gib": 2}
    named = ["model=custom", "models.custom.name=bench", f"models.custom.checkpoint={folder}"]
    return [*named, "models.custom.chat_layout=none", *(f"models.custom.backend.{k}={v}" for k, v in backend.items())]


@contextmanager
def printing(command: Sequence[str]) -> Iterator[Server]:
    """Run a server that prints ` on 127.0.0.1:PORT` when it serves."""
    with _process(command, stdout=subprocess.PIPE) as (process, errors):
        yield Server(_printed_address(process, errors), process.pid, "")


def _printed_address(process: subprocess.Popen[bytes], errors: IO[bytes]) -> str:
    assert process.stdout is not None
    until, output, printed = time.monotonic() + _START_LIMIT_S, process.stdout.fileno(), b""
    while True:
        for line in printed.decode().splitlines(keepends=True):
            if " on 127.0.0.1:" in line and line.endswith("\n"):
                return "127.0.0.1:" + line.rpartition(":")[2].strip()
        readable, _, _ = select.select([output], [], [], max(0.0, until - time.monotonic()))
        read = os.read(output, 65_536) if readable else b""
        if not read:
            raise ServerError(f"it did not serve: {last_words(errors)}")
        printed += read


@contextmanager
def http(command: Callable[[int], Sequence[str]], path: str, model: str) -> Iterator[Server]:
    """Run a server given its port, and wait until GET `path` is answered with 200."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with _process(command(port), stdout=subprocess.DEVNULL) as (process, errors):
        until = time.monotonic() + _START_LIMIT_S
        while not _answers(f"http://127.0.0.1:{port}{path}"):
            if process.poll() is not None or time.monotonic() > until:
                raise ServerError(f"it did not serve: {last_words(errors)}")
            time.sleep(0.2)
        yield Server(f"127.0.0.1:{port}", process.pid, model)


def transformers_serve(folder: Path, threads: int, slots: int, *, batching: bool) -> tuple[list[str], str]:
    """Give the command of `transformers serve`, less its port, and its path of health."""
    command = [str(FOLDER / "transformers"), "serve", str(folder), "--device", "cpu", "--host", "127.0.0.1"]
    if batching:  # two pages of 256 tokens a request: by default its cache takes most of the memory
        command += ["--continuous-batching", "--cb-num-blocks", str(2 * slots + 8)]
    return [*_limited(threads), *command], "/health"


def llama_cpp_server(file: Path, threads: int) -> tuple[list[str], str]:
    """Give the command of llama-cpp-python's server, which computes one request at a time."""
    options = ["--model", str(file), "--n_threads", str(threads), "--n_threads_batch", str(threads), "--n_ctx", "4096"]
    options += ["--interrupt_requests", "false"]  # by default a new request ends the one in progress
    kinds = ["--type_k", "0", "--type_v", "0"]  # GGML_TYPE_F32
    return [str(PYTHON), "-m", "llama_cpp.server", "--host", "127.0.0.1", *options, *kinds], "/v1/models"


def llama_server(file: Path, threads: int, slots: int, tokens: int) -> tuple[list[str], str]:
    """Give the command of llama.cpp's own server, which batches continuously; `tokens` are those of each slot."""
    threading = ["--threads", str(threads), "--threads-batch", str(threads), "--threads-http", "4"]
    cache = ["--parallel", str(slots), "--ctx-size", str(slots * tokens), "--cache-type-k", "f32"]
    command = [str(FOLDER / "llama-server"), "--model", str(file), "--host", "127.0.0.1", "--log-disable"]
    return [*command, *threading, *cache, "--cache-type-v", "f32"], "/health"


def _limited(threads: int) -> list[str]:
    return ["env", f"OMP_NUM_THREADS={threads}", "HF_HUB_OFFLINE=1"]


def _answers(url: str) -> bool:
    with suppress(OSError), urllib.request.urlopen(url, timeout=2.0) as answer:  # noqa: S310 - our own loopback
        return bool(answer.status == 200)
    return False


@contextmanager
def _process(command: Sequence[str], stdout: int) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    with tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(command, stdout=stdout, stderr=errors, cwd=ROOT)
        except OSError as error:
            raise ServerError(str(error)) from error
        try:
            yield process, errors
        finally:
            process.terminate()
            try:
                process.wait(_END_LIMIT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()
