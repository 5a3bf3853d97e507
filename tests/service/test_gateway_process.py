"""Gateway and workers as processes, one of which is killed."""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack

from tests.process import paddock, simulator
from tests.service.answer import Stream
from tests.service.rig import Client, request, soon

HEAVY = ("torch", "transformers", "safetensors", "numpy", "xgrammar")
"""What a gateway is installed without."""


async def test_a_worker_is_killed_and_no_client_notices(checkpoint, tmp_path):
    for package in HEAVY:
        (tmp_path / f"{package}.py").write_text("raise ImportError('not installed')")
    slow = simulator(checkpoint, time_per_token_s=0.01)
    async with AsyncExitStack() as stack:
        workers = [await stack.enter_async_context(paddock(*slow)) for _ in range(2)]
        upstreams = ", ".join([f'{{address: "{await worker.ready()}"}}' for worker in workers])
        routed = ["model=[]", "routing=custom", "routing.models.custom.name=simulator"]
        pools = f"routing.models.custom.pools=[{{name: main, upstreams: [{upstreams}]}}]"
        gateway = await stack.enter_async_context(paddock(*routed, pools, PYTHONPATH=str(tmp_path)))
        client = Client(await gateway.ready())
        wanted = [request(model="simulator", temperature=1.0, seed=seed, max_tokens=100) for seed in range(8)]
        calls = [client.stub.GenerateStream(each) for each in wanted]
        streams = [Stream(each) for each in wanted]

        async def read(call, stream, tokens):
            while len(stream.only.ids) < tokens:
                stream.add(await call.read())

        await soon(asyncio.gather(*(read(*pair, 5) for pair in zip(calls, streams, strict=True))))
        workers[0].signal(signal.SIGKILL)
        await soon(asyncio.gather(*(read(*pair, 100) for pair in zip(calls, streams, strict=True))))
        attempts = [int(dict(await soon(call.trailing_metadata()))["x-paddock-attempts"]) for call in calls]
        twins = await asyncio.gather(*(client.stream(each) for each in wanted))
        await client.channel.close()
        gateway.signal()
        assert await gateway.end() == 0

    assert set(attempts) == {1, 2}
    assert [stream.outputs for stream in streams] == [twin.outputs for twin in twins]
    assert "Traceback" not in gateway.stderr
