"""What a relay leaves behind: nothing, however it ends."""

from __future__ import annotations

import asyncio
import random

import grpc.aio
import pytest

from paddock.v1 import generate_pb2
from services.guard.config import GuardKind
from services.routing.budget import RetryBudget
from services.routing.config import RetryConfig
from services.routing.pool import Pool
from services.routing.relay import Call, StreamRelay
from services.routing.route import Route
from tests.unit.routing.fake import Clock, upstream

STARTED = generate_pb2.GenerateStreamResponse(events=[{"started": {"model": "m"}}]).SerializeToString()


class Worker:
    """A channel to a worker that begins an answer, and says no more until it is lost."""

    def __init__(self) -> None:
        self.asked, self.silent = asyncio.Event(), asyncio.Event()
        self.rest: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def unary_stream(self, _):
        return lambda *_, **__: self

    async def read(self):
        if not self.asked.is_set():
            self.asked.set()
            return STARTED
        self.silent.set()
        return await self.rest

    def cancel(self):
        self.rest.cancel()


async def test_a_client_that_leaves_as_its_worker_is_lost_leaves_nothing_behind():
    made = Route("m", [], GuardKind.none, RetryBudget(0.2, 10.0, Clock()))
    first, second = upstream("a:1"), upstream("b:1")
    first.channel, second.channel = Worker(), Worker()
    second.work = 10**9
    made.pools = [Pool("main", [first, second], random.Random(1))]
    relay = StreamRelay(made, generate_pb2.GenerateRequest(model="m"), b"", Call((), lambda: None), RetryConfig())
    released = asyncio.Event()

    async def write(_):
        pass

    running = asyncio.ensure_future(relay.run(write, released.set))
    await asyncio.wait_for(first.channel.silent.wait(), 10)
    running.cancel()
    nothing = grpc.aio.Metadata(("x-request-id", "1"))
    first.channel.rest.set_exception(grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, nothing, nothing, "gone", ""))

    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(running, 10)
    assert released.is_set()
    assert not second.channel.asked.is_set()
    assert first.work == 0
