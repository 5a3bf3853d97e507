"""Many streams at once: each gives what it gives alone, and nothing is held at the end."""

from __future__ import annotations

import asyncio
import importlib.util
import random
from pathlib import Path

import grpc.aio
import pytest

import models
from services.config import ModelConfig
from tests.service.rig import chat, model_config, request, serving, simulator

STREAMS = 64
TINY = Path(models.__file__).parent / "paddock-tiny"


def varied(index: int, seeded: bool, most: int):
    """Build a request unlike its neighbours: prompt, length, stops, logprobs, and sampling when seeded."""
    chance = random.Random(index)
    fields = {"max_tokens": chance.randrange(8, most), "ignore_eos": True}
    if seeded:
        fields |= {"temperature": chance.choice([0.7, 1.0, 1.3]), "seed": index, "top_p": chance.choice([0.8, 1.0])}
    if index % 5 == 0:
        fields["logprobs"] = 2
    if index % 7 == 0:
        fields["strings"] = ["the", "e "]
    if index % 11 == 0:
        fields |= {"n": 2, "temperature": 1.0, "seed": index}
    if index % 3 == 0:
        return request(chat=chat(f"Question {index}?" * (index % 4 + 1)), **fields)
    return request("the horse " * chance.randrange(1, 20) + str(index), **fields)


async def broken_off(rig, wanted) -> None:
    """Read a stream halfway and cancel it."""
    call = rig.stub.GenerateStream(wanted)
    tokens = 0
    while (message := await call.read()) is not grpc.aio.EOF:
        tokens += sum(len(event.token_delta.tokens) for event in message.events)
        if tokens >= wanted.max_tokens // 2:
            call.cancel()
            return


async def check_streams(rig, seeded: bool, most: int, same) -> None:
    """Take 64 streams at once, a third of them cancelled midway, and compare the others with each alone."""
    wanted = [varied(index, seeded, most) for index in range(STREAMS)]
    kept = [index for index in range(STREAMS) if index % 3 != 1]
    alone = {index: await rig.stream(wanted[index]) for index in kept}

    together = await asyncio.gather(
        *(rig.stream(wanted[i]) if i in alone else broken_off(rig, wanted[i]) for i in range(STREAMS))
    )

    for index in kept:
        for got, expected in zip(together[index].outputs, alone[index].outputs, strict=True):
            same(got, expected)
        assert together[index].usage.completion_tokens == alone[index].usage.completion_tokens
    await rig.until_idle()


def equal(got, expected) -> None:
    """Check that two outputs are the same to the last bit."""
    assert got == expected


def equal_but_for_rounding(got, expected) -> None:
    """Check that two outputs are the same; the last bits of logprobs may depend on batch mates."""
    assert got.ids == expected.ids
    assert got.text == expected.text
    assert got.finished == expected.finished
    for one, other in zip(got.tokens, expected.tokens, strict=True):
        assert one.logprob == pytest.approx(other.logprob, abs=1e-4)


@pytest.mark.parametrize("seeded", [False, True], ids=["greedy", "seeded"])
async def test_simulator(checkpoint, seeded):
    backend = simulator(time_per_token_s=0.001, max_concurrency=24)
    async with serving(model_config(checkpoint, backend)) as rig:
        await check_streams(rig, seeded, most=80, same=equal)


@pytest.mark.parametrize("seeded", [False, True], ids=["greedy", "seeded"])
async def test_paddock_tiny(seeded):
    if importlib.util.find_spec("torch") is None or not (TINY / "config.json").is_file():
        pytest.skip("needs torch and models/paddock-tiny")
    from backends.transformers.config import TransformersConfig

    backend = TransformersConfig(checkpoint=str(TINY), device="cpu", max_concurrency=24, num_threads=1)
    config = ModelConfig(name="sim", checkpoint=str(TINY), backend=backend)
    async with serving(config, stall_s=60.0) as rig:
        await check_streams(rig, seeded, most=24, same=equal_but_for_rounding)


async def test_many_connections(rig):
    """As many clients as streams, which come and go."""
    alone = await rig.stream(request(max_tokens=50))
    clients = [rig.client() for _ in range(20)]

    streams = await asyncio.gather(*(client.stream(request(max_tokens=50)) for client in clients))

    assert all(stream.only == alone.only for stream in streams)
    for client in clients:
        await client.channel.close()
