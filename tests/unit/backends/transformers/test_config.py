"""The config is the constructor, and neither costs an import of PyTorch."""

from __future__ import annotations

import dataclasses
import inspect
import subprocess
import sys

import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf
from omegaconf.errors import MissingMandatoryValue

from backends.transformers.backend import TransformersBackend
from backends.transformers.config import TransformersConfig


def test_fields_and_arguments_agree():
    fields = {field.name: field.default for field in dataclasses.fields(TransformersConfig)}
    arguments = {
        name: parameter.default for name, parameter in inspect.signature(TransformersBackend).parameters.items()
    }
    assert fields.pop("_target_") == f"{TransformersBackend.__module__}.{TransformersBackend.__qualname__}"
    assert (fields.pop("checkpoint"), arguments.pop("checkpoint")) == ("???", inspect.Parameter.empty)
    assert fields == arguments


def test_hydra_builds_it():
    backend = instantiate(OmegaConf.structured(TransformersConfig(checkpoint="/models/a", device="cpu")))
    assert isinstance(backend, TransformersBackend)
    with pytest.raises(MissingMandatoryValue):
        instantiate(OmegaConf.structured(TransformersConfig()))


def test_neither_imports_torch():
    code = "import backends.transformers.config, backends.transformers.backend as b, sys;"
    code += "b.TransformersBackend(checkpoint='x'); sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"device": "tpu"}, "device"),
        ({"device": "cuda:x"}, "device"),
        ({"dtype": "int8"}, "dtype"),
        ({"max_concurrency": 0}, "max_concurrency"),
        ({"prefill_chunk": 0}, "prefill_chunk"),
        ({"prefill_chunk": 64, "max_batch_tokens": 63}, "max_batch_tokens"),
        ({"context_length": 1}, "context_length"),
        ({"context_length": -1}, "context_length"),
        ({"cache_gib": 0.0}, "cache_gib"),
        ({"cache_gib": float("nan")}, "cache_gib"),
        ({"num_threads": 0}, "num_threads"),
    ],
)
def test_arguments_out_of_range(fields, name):
    with pytest.raises(ValueError, match=name):
        TransformersBackend(checkpoint="/models/a", **fields)
