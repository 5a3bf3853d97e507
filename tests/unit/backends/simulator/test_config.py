"""The settings and the constructor say the same, and Hydra joins them."""

import inspect
from dataclasses import fields

import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf
from omegaconf.errors import ConfigKeyError, ValidationError

from backends.simulator.backend import SimulatorBackend
from backends.simulator.config import Fault, SimulatorConfig
from backends.types import Feature


def test_constructor_takes_the_fields_with_their_defaults():
    config = SimulatorConfig()
    settings = {field.name: getattr(config, field.name) for field in fields(config) if field.name != "_target_"}
    parameters = inspect.signature(SimulatorBackend).parameters
    assert list(parameters) == list(settings)
    for name, parameter in parameters.items():
        default = list(parameter.default) if isinstance(parameter.default, tuple) else parameter.default
        assert default == settings[name], name


async def test_hydra_instantiates_it():
    yaml = "{max_concurrency: 3, script: [1, 2], lacking: [TOP_K], fault: FAIL_AT_TOKEN, fault_at_token: 7}"
    config = OmegaConf.merge(OmegaConf.structured(SimulatorConfig), OmegaConf.create(yaml))
    backend = instantiate(config)
    assert isinstance(backend, SimulatorBackend)
    capabilities = await backend.load()
    await backend.close()
    assert capabilities.max_concurrency == 3
    assert Feature.TOP_K not in capabilities.features
    assert backend._script == (1, 2)
    assert backend._fault is Fault.FAIL_AT_TOKEN


@pytest.mark.parametrize(
    ("yaml", "error"),
    [("{fault: EXPLODE}", ValidationError), ("{max_concurency: 3}", ConfigKeyError), ("{script: x}", ValidationError)],
)
def test_mistakes_in_yaml_are_found(yaml, error):
    with pytest.raises(error):
        OmegaConf.merge(OmegaConf.structured(SimulatorConfig), OmegaConf.create(yaml))


@pytest.mark.parametrize(
    "settings",
    [
        {"vocab_size": 100},  # the default range of ids lies beyond it
        {"first_token_id": -1},
        {"first_token_id": 10, "last_token_id": 9},
        {"first_token_id": 10, "last_token_id": 28},
        {"context_length": 1},
        {"max_concurrency": 0},
    ],
)
def test_impossible_settings_are_refused(settings):
    with pytest.raises(ValueError, match=r"\d"):
        SimulatorBackend(**settings)
