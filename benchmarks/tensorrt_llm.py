"""What our side of TensorRT-LLM costs per token, with a stand-in engine that emits at a set rate and computes nothing.

The engine's thread makes one token for each stream a step, as fast as the rate asks, and hands over `stream_interval`
of them at once. What is measured is the process's CPU time per token, less that of the engine's thread. Two consumers:
the backend alone (the deltas of `generate` are taken and dropped), and a whole server, with clients in another process.

    python -m benchmarks.tensorrt_llm [--streams 256] [--rate 28000] [--intervals 1 8] [--seconds 5] [--repeats 3]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any

from backends.tensorrt_llm.backend import TensorrtLlmBackend
from backends.tensorrt_llm.config import TensorrtLlmConfig
from backends.types import GenerationRequest, Sampling
from benchmarks.result import RESULTS, save, spread, table
from services.config import ModelConfig, PaddockConfig, ServerConfig
from services.server import Server
from tests.checkpoint import VOCAB_SIZE, write_tokenizer
from tests.tensorrt_llm import fake, result

_CONTEXT = 131_072


class _Emitter(threading.Thread):
    """An engine that emits token 65 to each stream, some at a time."""

    def __init__(self, interval_s: float, together: int) -> None:
        super().__init__(name="emitter", daemon=True)
        self.alive = True
        self.max_seq_len = _CONTEXT
        self.cpu_s = 0.0
        self.late_s = 0.0
        self.running: dict[int, Any] = {}
        self._interval_s, self._together = interval_s * together, together
        self._left: dict[Any, int] = {}
        self._some = threading.Event()
        self.start()

    def submit(self, sequence: Any) -> None:
        self._left[sequence.result] = sequence.params.max_tokens
        self._some.set()

    def cancel(self, request_id: int) -> None:
        raise NotImplementedError(request_id)

    def stop(self) -> None:
        self.alive = False
        self._some.set()

    def run(self) -> None:
        self._some.wait()
        due = time.perf_counter()
        while self.alive:
            due += self._interval_s
            time.sleep(max(0.0, due - time.perf_counter()))
            begun = time.thread_time()
            self.late_s = max(self.late_s, time.perf_counter() - due)
            responses = []
            for output, left in tuple(self._left.items()):
                new = min(left, self._together)
                responses.append((output, result.Response([65] * new, [], None if left > new else "length")))
                self._left[output] = left - new
                if left == new:
                    del self._left[output]
            _deliver(responses)
            self.cpu_s += time.thread_time() - begun


def _deliver(responses: list[tuple[Any, Any]]) -> None:
    """Hand a step over with one call to the loop, as TensorRT-LLM does for a batch."""
    entries = [(output._aqueue, response) for output, response in responses]  # noqa: SLF001 - the stand-in's own
    if entries:
        entries[0][0].loop.call_soon_threadsafe(result._put_all, entries)  # noqa: SLF001 - the stand-in's own


@contextlib.contextmanager
def _engine(interval_s: float, together: int) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder, fake.installed():
        checkpoint = write_tokenizer(Path(folder))
        (checkpoint / "config.json").write_text(json.dumps(fake.shape(VOCAB_SIZE, _CONTEXT)), encoding="utf-8")
        fake.LLM.make_engine = staticmethod(lambda **_: _Emitter(interval_s, together))
        yield checkpoint


def main() -> None:
    """Run the measurement, or its client process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=256)
    parser.add_argument("--rate", type=int, default=28_000, help="tokens per second, all streams together")
    parser.add_argument("--intervals", type=int, nargs="+", default=[1, 8], help="stream_interval")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="two streams, a moment, one repeat: does it run?")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the result")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.streams, arguments.seconds, arguments.repeats, arguments.rate = 2, 0.5, 1, 200
    tokens = int(arguments.rate * arguments.seconds / arguments.streams)
    interval_s = arguments.streams / arguments.rate
    results = []
    consumers = {"backend alone": _backend, "whole server": _server}
    for name, together in itertools.product(consumers, arguments.intervals):
        runs = []
        for _ in range(arguments.repeats):
            with _engine(interval_s, together) as checkpoint:
                runs.append(asyncio.run(consumers[name](checkpoint, arguments.streams, tokens)))
        results.append({"what": name, "stream_interval": together, "runs": runs})
    report = {"settings": vars(arguments), "results": results}
    print(markdown(report))
    print(f"\nwritten to {save('tensorrt_llm', report, arguments.out)}")


def markdown(report: Mapping[str, Any]) -> str:
    """Write the table of a saved result."""
    header = ["what", "stream_interval", "tokens/s", "our CPU us/token", "the stand-in's CPU us/token, not counted"]
    return table(header, [_row(result) for result in report["results"]])


def _row(measured: Mapping[str, Any]) -> list[str]:
    figures = [
        spread([run[key] for run in measured["runs"]], digits)
        for key, digits in (("tokens_per_s", 0), ("us_per_token", 1), ("engine_us_per_token", 1))
    ]
    return [measured["what"], str(measured["stream_interval"]), *figures]


async def _backend(checkpoint: Path, streams: int, tokens: int) -> dict[str, float]:
    backend = TensorrtLlmBackend(checkpoint=str(checkpoint), max_concurrency=streams, response_formats=False)
    await backend.load()

    async def take() -> None:
        wanted = GenerationRequest(prompt=(1,), max_tokens=tokens, sampling=Sampling(seed=0, temperature=0.0))
        async with aclosing(backend.generate(wanted)) as deltas:
            async for _ in deltas:
                pass

    with _cost(streams * tokens) as cost:
        await asyncio.gather(*(take() for _ in range(streams)))
    await backend.close()
    return cost


async def _server(checkpoint: Path, streams: int, tokens: int) -> dict[str, float]:
    config = TensorrtLlmConfig(max_concurrency=streams, response_formats=False)
    model = ModelConfig(name="simulator", checkpoint=str(checkpoint), backend=config, max_queue=streams)
    server = Server(PaddockConfig(models={"simulator": model}, server=ServerConfig(address="127.0.0.1:0", drain_s=1.0)))
    await server.start()
    await server.load()
    client = [sys.executable, "-m", "benchmarks.wire", "--client", server.address, "--streams", str(streams)]
    client += ["--rate", str(streams), "--seconds", str(tokens)]  # a token per stream and second, for so many seconds
    with _cost(streams * tokens) as cost:
        process = await asyncio.create_subprocess_exec(*client, stdout=subprocess.PIPE)
        output, _ = await process.communicate()
    cost["tokens_per_s"] = json.loads(output)["tokens"] / json.loads(output)["seconds"]
    await server.stop()
    return cost


@contextlib.contextmanager
def _cost(tokens: int) -> Iterator[dict[str, float]]:
    """Measure this process's CPU time, the stand-in's thread apart."""
    engine: Any = fake.LLM.made[-1].engine
    cost: dict[str, float] = {}
    begun, cpu, engine_cpu = time.perf_counter(), time.process_time(), engine.cpu_s
    yield cost
    engine_us = (engine.cpu_s - engine_cpu) * 1e6 / tokens
    cost["tokens_per_s"] = tokens / (time.perf_counter() - begun)
    cost["us_per_token"] = (time.process_time() - cpu) * 1e6 / tokens - engine_us
    cost["engine_us_per_token"] = engine_us
    cost["engine_late_s"] = engine.late_s


if __name__ == "__main__":
    main()
