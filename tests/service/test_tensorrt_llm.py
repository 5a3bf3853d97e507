"""A server over TensorRT-LLM's stand-in: what clients are told of it, and what its death does to their streams."""

from __future__ import annotations

import asyncio
import json
import shutil

import grpc
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from backends.auto.config import AutoConfig
from backends.simulator.config import SimulatorConfig
from backends.tensorrt_llm.config import Sampler, TensorrtLlmConfig
from services.identity.expiry import Expiries
from services.telemetry.metric import Observer
from tests.checkpoint import VOCAB_SIZE
from tests.service.failure import failure
from tests.service.rig import model_config, request, serving, soon, until
from tests.tensorrt_llm import fake


@pytest.fixture
def folder(checkpoint, tmp_path):
    """The test tokenizer, beside what TensorRT-LLM's backend reads."""
    shutil.copytree(checkpoint, tmp_path / "model")
    (tmp_path / "model" / "config.json").write_text(json.dumps(fake.shape(VOCAB_SIZE, 512)))
    (tmp_path / "model" / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<|eot_id|>"}))
    with fake.installed():
        yield tmp_path / "model"


def tensorrt_llm(**settings):
    return TensorrtLlmConfig(max_concurrency=8, **settings)


async def failure_of(task):
    """Wait for a cancelled call; its failure, if it has another."""
    return [e for e in await asyncio.gather(task, return_exceptions=True) if not isinstance(e, asyncio.CancelledError)]


async def test_what_it_can_do_and_what_it_answers(folder):
    async with serving(model_config(folder, tensorrt_llm(response_formats=False))) as rig:
        model = await rig.model()
        assert model.backend.name == "tensorrt_llm"
        assert model.support.supports_seed
        assert model.support.supports_continuation
        assert not model.support.supports_logprobs
        first, again = [await rig.generate(request(temperature=1.0, seed=3)) for _ in range(2)]
        assert first.outputs[0].text == again.outputs[0].text
        await rig.stream(request())


async def test_how_full_its_cache_is_is_told(folder):
    async with serving(model_config(folder, tensorrt_llm())) as rig:
        running = asyncio.ensure_future(rig.stream(request(max_tokens=400)))

        async def told():
            return 0 < (await rig.model()).load.cache_usage <= 1

        await until(told)
        running.cancel()
        assert not (await failure_of(running))


async def test_a_seed_is_refused_where_it_means_nothing(folder):
    async with serving(model_config(folder, tensorrt_llm(sampler=Sampler.torch))) as rig:
        assert not (await rig.model()).support.supports_seed
        failed = await failure(rig.generate(request(temperature=1.0, seed=3)))
        assert failed.code is grpc.StatusCode.UNIMPLEMENTED
        assert failed.told["feature"] == "seed"
        assert (await rig.generate(request(temperature=1.0))).outputs[0].text


async def test_its_death_ends_streams_as_resumable_and_is_told(folder):
    async with serving(model_config(folder, tensorrt_llm())) as rig:
        engine = fake.LLM.made[-1].engine
        streams = [asyncio.ensure_future(failure(rig.stream(request(max_tokens=400)))) for _ in range(4)]
        await rig.until_load(4)

        engine.doomed = lambda sequence: RuntimeError("CUDA error: an illegal memory access was encountered")

        for failed in await asyncio.gather(*streams):
            assert failed.code is grpc.StatusCode.UNAVAILABLE
            assert failed.reason == "MODEL_UNAVAILABLE"
            assert "CUDA" not in str(failed)

        async def told():
            return await rig.serving() == "NOT_SERVING"

        await until(told)
        assert (await soon(rig.server.death())).name == rig.server.models.all[0].name


async def test_a_choice_and_its_reason_are_told(folder):
    shape = {"vocab_size": VOCAB_SIZE, "last_token_id": VOCAB_SIZE - 1}
    second = {"_target_": "tests.unit.backends.auto.test_backend.Second", **shape}
    first = {"_target_": TensorrtLlmConfig._target_, "parallel": {"tensor": 16}}
    config = AutoConfig(tensorrt_llm=first, transformers=second)
    async with serving(model_config(folder, config)) as rig:
        model = await rig.model()
        seen = InMemoryMetricReader()
        observer = Observer(rig.server.models, rig.server.router, Expiries([]), rig.server.limiter)
        observer.register(MeterProvider([seen]).get_meter("test"))
    assert model.backend.name == "transformers"
    assert "needs 16 GPUs here, and there are 8" in model.backend.choice_reason
    (resource,) = seen.get_metrics_data().resource_metrics
    metrics = {metric.name: metric.data.data_points for metric in resource.scope_metrics[0].metrics}
    (point,) = metrics["paddock.model.backend"]
    told = point.attributes
    assert (told["paddock.backend"], told["paddock.backend.choice"]) == ("transformers", model.backend.choice_reason)
    assert SimulatorConfig().vocab_size != model.vocab_size == VOCAB_SIZE
