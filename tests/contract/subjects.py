"""The backends under test. To add yours, write a `Subject` and list it in `SUBJECTS`.

A subject builds backends that are not loaded yet, small and quick enough for some two hundred requests: a vocabulary of
at least 100 ids, a context length of 512 to 4096 tokens, and a step of about a millisecond (neither instant, or nothing
is left to be cancelled, nor slow). Where it takes a checkpoint, write one into the folder given. Where
it follows grammars, ids spell what `checkpoint.pieces` says.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from backends.base import Backend
from backends.simulator.backend import SimulatorBackend
from backends.simulator.config import Fault
from backends.tensorrt_llm.config import Sampler
from backends.types import Feature
from tests.contract import checkpoint
from tests.tensorrt_llm import fake

VOCAB_SIZE = 512
CONTEXT_LENGTH = 2048
SLOTS = 8


@dataclass(frozen=True)
class Subject:
    """How to build a backend for the suite.

    Attributes:
        name: of the backend.
        build: a generator that computes `SLOTS` requests at once, given a folder that lasts as long as the suite.
        build_broken: a backend whose `load` fails.
        build_poor: a generator without some features, where there is such a thing.
        build_classifier: a sequence classifier, where the backend can be one.
        needs: packages without which its tests are skipped.
        within: what its tests run in.
    """

    name: str
    build: Callable[[Path], Backend]
    build_broken: Callable[[Path], Backend]
    build_poor: Callable[[Path], Backend] | None = None
    build_classifier: Callable[[Path], Backend] | None = None
    needs: tuple[str, ...] = ()
    within: Callable[[], AbstractContextManager[object]] = contextlib.nullcontext

    def missing(self) -> list[str]:
        """Return the packages that it needs and that aren't installed."""
        return [package for package in self.needs if importlib.util.find_spec(package) is None]


def _simulator(**settings: object) -> SimulatorBackend:
    shape = {"vocab_size": VOCAB_SIZE, "last_token_id": VOCAB_SIZE - 1, "context_length": CONTEXT_LENGTH}
    return SimulatorBackend(**shape, max_concurrency=SLOTS, time_per_token_s=0.001, **settings)  # type: ignore[arg-type]


SIMULATOR = Subject(
    name="simulator",
    build=lambda folder: _simulator(),
    build_broken=lambda folder: _simulator(fault=Fault.FAIL_AT_LOAD),
    build_poor=lambda folder: _simulator(lacking=list(Feature)),
    build_classifier=lambda folder: _simulator(num_labels=3),
)


def _transformers(model: Path) -> Backend:
    from backends.transformers.backend import TransformersBackend

    return TransformersBackend(
        checkpoint=str(model), max_concurrency=SLOTS, device="cpu", cache_gib=0.25, num_threads=1
    )


TRANSFORMERS = Subject(
    name="transformers",
    build=lambda folder: _transformers(checkpoint.llama(folder, VOCAB_SIZE, CONTEXT_LENGTH)),
    build_broken=lambda folder: _transformers(folder / "absent"),
    build_classifier=lambda folder: _transformers(checkpoint.deberta(folder, VOCAB_SIZE)),
    needs=("torch", "transformers", "safetensors", "xgrammar", "backends.transformers"),
)


def _tensorrt_llm(folder: Path, **settings: object) -> Backend:
    from backends.tensorrt_llm.backend import TensorrtLlmBackend

    return TensorrtLlmBackend(checkpoint=str(folder), max_concurrency=SLOTS, **settings)


def _checkpoint(folder: Path) -> Path:
    return fake.checkpoint_folder(folder / "checkpoint", VOCAB_SIZE, CONTEXT_LENGTH)


def _engine(folder: Path) -> str:
    return str(fake.engine_folder(folder / "engine", VOCAB_SIZE, CONTEXT_LENGTH))


TENSORRT_LLM = Subject(
    name="tensorrt_llm",
    build=lambda folder: _tensorrt_llm(_checkpoint(folder)),
    build_broken=lambda folder: _tensorrt_llm(folder / "absent"),
    build_poor=lambda folder: _tensorrt_llm(_checkpoint(folder), sampler=Sampler.torch),
    needs=("torch", "transformers", "xgrammar"),
    within=fake.installed,
)

TENSORRT_LLM_LOGPROBS = Subject(
    name="tensorrt_llm-torch-sampler",
    build=lambda folder: _tensorrt_llm(_checkpoint(folder), sampler=Sampler.torch),
    build_broken=lambda folder: _tensorrt_llm(folder / "absent"),
    within=fake.installed,
)

TENSORRT_LLM_ENGINE = Subject(
    name="tensorrt_llm-compiled",
    build=lambda folder: _tensorrt_llm(_checkpoint(folder), engine=_engine(folder)),
    build_broken=lambda folder: _tensorrt_llm(_checkpoint(folder), engine=str(folder / "absent")),
    needs=("torch", "transformers", "xgrammar"),
    within=fake.installed,
)

SUBJECTS = [SIMULATOR, TRANSFORMERS, TENSORRT_LLM, TENSORRT_LLM_LOGPROBS, TENSORRT_LLM_ENGINE]


def _real(name: str, folder: Path, **settings: object) -> Subject:
    """The vendor's own package over real weights; small caches, since some tests load a second one beside the first."""
    small = {"context_length": CONTEXT_LENGTH, "kv_cache": {"memory_fraction": 0.15}, "response_formats": False}
    graphs = {"cuda_graph": {"enabled": False}}
    return Subject(
        name=name,
        build=lambda _: _tensorrt_llm(folder, **{**small, **graphs, **settings}),
        build_broken=lambda absent: _tensorrt_llm(absent / "absent"),
        needs=("tensorrt_llm",),
    )


REAL = os.environ.get("PADDOCK_TEST_TENSORRT_LLM")
"""A checkpoint's folder: test TensorRT-LLM itself, and nothing else (`make test-tensorrt-llm`)."""
if REAL:
    SUBJECTS = [
        _real("tensorrt_llm", Path(REAL)),
        _real("tensorrt_llm-torch-sampler", Path(REAL), sampler=Sampler.torch),
    ]
    if engine := os.environ.get("PADDOCK_TEST_TENSORRT_LLM_ENGINE"):
        SUBJECTS.append(_real("tensorrt_llm-compiled", Path(REAL), engine=engine))
