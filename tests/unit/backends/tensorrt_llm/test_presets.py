"""Each preset fits the machine that its file names, and not one with half the GPUs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from backends.errors import UnfitError
from backends.tensorrt_llm.machine import check_machine
from backends.tensorrt_llm.model import Model
from llama.architecture import PRESETS as SHAPES
from llama.memory import Precision
from llama.placement import Placement, share
from services import config as configs
from services.planner.device import GPUS
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


def test_two_nodes_can_do_without_chunked_prefill():
    config = settings("llama-31-405b-instruct-two-nodes")
    config.chunked_prefill, config.max_batch_tokens = False, config.context_length
    with fake.machine_of([fake.H100] * 8):
        check_machine(config, model_of("llama-31-405b-instruct-two-nodes", config))


@pytest.mark.parametrize("name", PRESETS)
def test_what_it_says_of_its_memory_is_what_the_planner_says(name):
    config, comment = settings(name), (CONF / f"{name}.yaml").read_text(encoding="utf-8").replace("\n# ", " ")
    stored = Precision.fp8 if "fp8" in name else Precision.bf16
    placement = Placement(config.parallel.tensor, config.parallel.pipeline)
    held = share(model_of(name, config).shape, placement, stored, stored)
    said = re.search(r"Weights ([\d.]+) GB a GPU.*?([\d.]+) KiB of .*? room for some ([\d,]+) tokens", comment)
    assert float(said[1]) == round(held.weights / 1e9, 1)
    assert float(said[2]) == held.token / 1024
    assert int(said[3].replace(",", "")) == float(f"{held.room(GPUS['H100-SXM'].memory) // held.token:.3g}")


def test_405b_in_bf16_does_not_fit_one_node():
    config = settings("llama-31-405b-instruct-two-nodes")
    config.parallel.pipeline = 1
    with fake.machine_of([fake.H100] * 8), pytest.raises(UnfitError, match="the weights take 101"):
        check_machine(config, model_of("405b", config))
