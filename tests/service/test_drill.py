"""The drills in short: what befalls a worker's process under load, no client notices.

`python -m benchmarks drill` is the long version: more workers, more streams, again and again.
"""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from benchmarks import twin
from benchmarks.fleet import Process, Wire, routed, running
from benchmarks.twin import DisorderError, hear, seed_of
from paddock.v1 import generate_pb2
from tests.service.rig import Client, soon, until

TIME_PER_TOKEN_S = 0.01
KINDS = 10
"""Each kind of stream once."""
BEGUN = 3
"""Messages after which a stream is well on its way."""
HEAVY = ("torch", "transformers", "safetensors", "numpy", "xgrammar")
"""What a gateway is installed without."""


class Fleet:
    """A gateway, two workers behind wires, and what is asked of them."""

    def __init__(self, workers, wires, gateway, client):
        self.workers = workers
        self.wires = wires
        self.gateway = gateway
        self.client = client

    async def streams(self, befall):
        """Read streams of every kind; once all are on their way, let it happen. Gives how many were resumed."""
        heard_of = [0] * KINDS
        news = asyncio.Event()

        def progress(number):
            heard_of[number] += 1
            news.set()

        kinds = twin.simulated(KINDS)
        reading = [
            asyncio.create_task(hear(self.client.stub, kind, f"drill-{number}", lambda n=number: progress(n)))
            for number, kind in enumerate(kinds)
        ]
        for task in reading:
            task.add_done_callback(lambda _: news.set())
        while any(count < BEGUN and not task.done() for count, task in zip(heard_of, reading, strict=True)):
            news.clear()
            await soon(news.wait())
        await befall()
        streams = await soon(asyncio.gather(*reading))
        await self.until_both_serve()
        for kind, stream in zip(kinds, streams, strict=True):
            kind.request.sampling.seed = seed_of(stream)
        again = (hear(self.client.stub, kind, f"drill-{number}") for number, kind in enumerate(kinds))
        for kind, stream, twin_of in zip(kinds, streams, await soon(asyncio.gather(*again)), strict=True):
            assert twin_of.attempts == 1
            assert stream.answer == twin_of.answer, kind.name
        return sum(stream.attempts > 1 for stream in streams)

    async def until_both_serve(self):
        """Wait until the gateway knows both workers to serve: by its own word, in its log."""

        async def reached():
            return all(self.serves(worker) for worker in self.workers)

        await until(reached)

    def serves(self, worker):
        """Tell whether the gateway says that a worker serves each model, by the last line about it."""
        lines = [
            line for line in self.gateway.errors if f"upstream {self.upstream(worker)} " in line and " model " in line
        ]
        said = {
            line.split(" model ")[1].split(":")[0]: " doesn't serve " not in line for line in lines if "serve" in line
        }
        return len(said) == len(twin.SIMULATED) and all(said.values())

    def upstream(self, worker):
        """Give the address by which the gateway knows a worker."""
        return self.wires[self.workers.index(worker)].address


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def fleet(tmp_path_factory):
    """The processes, which every drill leaves as it found them."""
    folder, lacking = tmp_path_factory.mktemp("fleet"), tmp_path_factory.mktemp("lacking")
    for package in HEAVY:
        (lacking / f"{package}.py").write_text("raise ImportError('not installed')")
    twin.write_config(folder, TIME_PER_TOKEN_S)
    worker = ["--config-dir", str(folder), "model=drill", "server.drain_s=0.1"]
    async with AsyncExitStack() as stack:
        workers = [Process(worker) for _ in range(2)]
        await stack.enter_async_context(running(*workers))
        wires = []
        for one in workers:
            wires.append(Wire(one.address))
            await wires[-1].mend()
            stack.push_async_callback(wires[-1].close)
        alive = [
            "routing.keepalive_s=0.5",
            "routing.keepalive_timeout_s=0.5",
            "routing.outlier.consecutive_failures=1000",
        ]
        route = routed(folder, twin.SIMULATED, [wire.address for wire in wires])
        gateway = Process([*route, *alive], PYTHONPATH=str(lacking))
        await stack.enter_async_context(running(gateway))
        client = Client(gateway.address)
        yield Fleet(workers, wires, gateway, client)
        await client.channel.close()
        assert await gateway.end() == 0
        assert not gateway.tracebacks


async def test_a_worker_is_killed_and_starts_again(fleet):
    async def kill():
        assert await fleet.workers[0].end(signal.SIGKILL) == -signal.SIGKILL
        await fleet.workers[0].start()

    assert await fleet.streams(kill)


async def test_a_worker_hangs_and_goes_on(fleet):
    worker = fleet.workers[1]

    async def hang():
        async def given_up():
            return not fleet.serves(worker)

        worker.send(signal.SIGSTOP)
        try:
            await until(given_up)
        finally:
            worker.send(signal.SIGCONT)

    assert await fleet.streams(hang)


async def test_a_worker_closes_its_connections(fleet):
    async def close():
        for wire in fleet.wires:
            wire.drop()

    assert await fleet.streams(close) > KINDS / 2


async def test_workers_are_rolled_one_after_the_other(fleet):
    async def roll():
        for worker in fleet.workers:
            assert await worker.end() == 0
            await worker.start()
            await fleet.until_both_serve()

    assert await fleet.streams(roll)


def test_a_stream_out_of_order_is_no_stream():
    started = generate_pb2.StreamEvent(started=generate_pb2.Started())
    finished = generate_pb2.StreamEvent(finished=generate_pb2.OutputFinished())
    token = generate_pb2.StreamEvent(token_delta=generate_pb2.TokenDelta(text="x"))
    completed = generate_pb2.StreamEvent(completed=generate_pb2.Completed())
    assert twin._folded([started, token, finished, completed], 1).outputs[0].text == "x"
    for events in (
        [token, finished, completed],
        [started, started, finished, completed],
        [started, finished, token, completed],
        [started, token, completed],
        [started, finished],
        [started, finished, completed, completed],
    ):
        with pytest.raises(DisorderError):
            twin._folded(events, 1)
