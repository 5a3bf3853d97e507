"""Which backend is chosen, and what is said about it."""

from __future__ import annotations

import logging
from contextlib import aclosing

import pytest

from backends.auto.backend import AutoBackend
from backends.errors import LoadError, UnavailableError
from backends.tensorrt_llm.machine import Gpu
from tests.contract.rig import request, soon
from tests.tensorrt_llm import fake

FIRST = {"_target_": "backends.tensorrt_llm.backend.TensorrtLlmBackend"}
SECOND = {"_target_": "tests.unit.backends.auto.test_backend.Second", "vocab_size": 512, "last_token_id": 511}
LITTLE = 381_340
"""Bytes: the checkpoint's weights, a step of 64 tokens, and keys and values of a hundred."""


class Second:
    """The simulator, which takes no checkpoint."""

    def __new__(cls, checkpoint, **settings):
        from backends.simulator.backend import SimulatorBackend

        assert checkpoint
        return SimulatorBackend(**settings)


@pytest.fixture
def checkpoint(tmp_path):
    return fake.checkpoint_folder(tmp_path / "checkpoint", 512, 1024)


def auto(checkpoint, **first):
    return AutoBackend(checkpoint=str(checkpoint), tensorrt_llm={**FIRST, **first}, simulator=SECOND)


async def told(backend):
    """Load, and give what was chosen and why."""
    capabilities = await soon(backend.load())
    assert backend.health().ready
    async with aclosing(backend.generate(request(max_tokens=3))) as deltas:
        assert [token async for delta in deltas for token in delta.token_ids]
    await soon(backend.close())
    assert not backend.health().ready
    return capabilities.backend, capabilities.choice_reason


async def test_tensorrt_llm_where_all_is_there(checkpoint):
    with fake.installed():
        assert await told(auto(checkpoint)) == ("tensorrt_llm", "the first choice, and fit")


async def test_an_h100_without_the_package_falls_back_and_says_so(checkpoint, caplog):
    with fake.absent(), fake.machine_of([fake.H100]), caplog.at_level(logging.INFO):
        chosen, reason = await told(auto(checkpoint))
    assert chosen == "simulator"
    assert reason.startswith("not tensorrt_llm: tensorrt_llm can't be imported (ModuleNotFoundError)")
    assert "not served by tensorrt_llm: tensorrt_llm can't be imported" in caplog.text
    assert "served by simulator (not tensorrt_llm" in caplog.text
    assert str(checkpoint) not in reason


@pytest.mark.parametrize(
    ("gpus", "settings", "reason"),
    [
        ([], {}, "needs 1 GPUs here, and there are 0"),
        ([fake.H100], {"parallel": {"tensor": 2}}, "needs 2 GPUs here, and there are 1"),
        ([Gpu((7, 5), 10**12)], {}, "TensorRT-LLM needs GPUs of compute capability 8.0 or newer, and one here has 7.5"),
        ([Gpu((9, 0), 10**12)], {"kv_cache": {"dtype": "nvfp4"}}, "kv_cache.dtype nvfp4 needs GPUs of compute"),
        ([Gpu((12, 0), 10**12)], {"kv_cache": {"dtype": "nvfp4"}}, "nvfp4 is not for GPUs of compute capability 12.0"),
        ([Gpu((9, 0), 250_000)], {}, "the weights take 0.00 GB of each GPU"),
        ([Gpu((9, 0), LITTLE)], {"max_batch_tokens": 64}, "of 99 tokens, and context_length is 1024: lower it to 99"),
    ],
    ids=str,
)
async def test_a_machine_that_lacks_something_falls_back(checkpoint, gpus, settings, reason):
    with fake.installed(gpus=gpus):
        chosen, why = await told(auto(checkpoint, **settings))
    assert chosen == "simulator"
    assert reason in why


@pytest.mark.parametrize(("algorithm", "capability"), [("FP8", (8, 6)), ("NVFP4", (9, 0))])
async def test_quantized_weights_want_a_gpu_that_multiplies_them(checkpoint, algorithm, capability):
    (checkpoint / "hf_quant_config.json").write_text(f'{{"quantization": {{"quant_algo": "{algorithm}"}}}}')
    with fake.installed(gpus=[Gpu(capability, 10**12)]):
        chosen, why = await told(auto(checkpoint))
    assert chosen == "simulator"
    assert f"{algorithm} weights needs GPUs" in why


async def test_an_ampere_gpu_may_keep_fp8_keys_and_values(checkpoint):
    with fake.installed(gpus=[Gpu((8, 0), 10**12)]):
        assert (await told(auto(checkpoint, kv_cache={"dtype": "fp8"})))[0] == "tensorrt_llm"


@pytest.mark.parametrize("parallel", [{"tensor": 3}, {"pipeline": 3}], ids=str)
async def test_what_no_machine_can_spread_is_a_mistake(checkpoint, parallel):
    backend = auto(checkpoint, parallel=parallel)
    with fake.installed(), pytest.raises(LoadError, match=rf"^parallel.{next(iter(parallel))} 3: "):
        await soon(backend.load())
    await soon(backend.close())


async def test_of_two_nodes_each_has_its_gpus(checkpoint):
    with fake.installed():
        settings = {"parallel": {"tensor": 4, "pipeline": 2, "gpus_per_node": 4}}
        assert (await told(auto(checkpoint, **settings)))[0] == "tensorrt_llm"


@pytest.mark.parametrize("version", ["1.3.0", None])
async def test_another_release_falls_back(checkpoint, version):
    with fake.installed(version) if version else fake.absent():
        assert (await told(auto(checkpoint)))[0] == "simulator"


async def test_a_broken_checkpoint_is_told_as_it_is(checkpoint):
    (checkpoint / "config.json").write_text("{")
    backend = auto(checkpoint)
    with fake.installed(), pytest.raises(LoadError, match="can't be read"):
        await soon(backend.load())
    await soon(backend.close())


async def test_none_is_fit(checkpoint):
    backend = AutoBackend(checkpoint=str(checkpoint), tensorrt_llm=FIRST)
    with fake.absent(), pytest.raises(LoadError, match=r"no backend is fit.*tensorrt_llm can't be imported"):
        await soon(backend.load())
    await soon(backend.close())


async def test_before_load_it_is_unavailable(checkpoint):
    backend = auto(checkpoint)
    assert not backend.health().ready
    with pytest.raises(UnavailableError):
        await anext(backend.generate(request()))
    await backend.close()
