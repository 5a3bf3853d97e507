"""Each preset fits the machine that its file names, and not one with half the GPUs."""

from __future__ import annotations

from pathlib import Path

import pytest

from backends.errors import UnfitError
from backends.tensorrt_llm.machine import check_machine
from backends.tensorrt_llm.model import Model
from llama.architecture import PRESETS as SHAPES
from services import config as configs
from tests.tensorrt_llm import fake

CONF = Path(__file__).parents[4] / "conf" / "model"
PRESETS = sorted(p.stem for p in CONF.glob("*.yaml") if "backend: tensorrt_llm" in p.read_text(encoding="utf-8"))


def settings(name):
    (model,) = configs.load([f"model={name}"]).models.values()
    return model.backend


def model_of(name, config):
    shape = SHAPES[f"llama-3.1-{next(size for size in ('405b', '70b', '8b') if size in name)}"]
    length = config.context_length or shape.positions
    return Model(Path("/model"), length, shape, "fp8" if "fp8" in name else "bfloat16", False, 128009)


def test_there_are_presets_of_all_sizes():
    assert len(PRESETS) == 6


@pytest.mark.parametrize("name", PRESETS)
def test_it_fits_its_machine(name):
    config = settings(name)
    parallel = config.parallel
    here = min(parallel.tensor * parallel.pipeline, parallel.gpus_per_node or 8)
    with fake.machine_of([fake.H100] * here):
        check_machine(config, model_of(name, config))
    with fake.machine_of([fake.H100] * (here - 1)), pytest.raises(UnfitError, match=f"needs {here} GPUs"):
        check_machine(config, model_of(name, config))


def test_405b_in_bf16_does_not_fit_one_node():
    config = settings("llama-31-405b-instruct-two-nodes")
    config.parallel.pipeline = 1
    with fake.machine_of([fake.H100] * 8), pytest.raises(UnfitError, match="the weights take 101"):
        check_machine(config, model_of("405b", config))
