"""docs/configuration.md lists every key with its default."""

import dataclasses
import re
from pathlib import Path

import pytest

from backends.auto.config import AutoConfig
from backends.simulator.config import SimulatorConfig
from backends.tensorrt_llm import config as tensorrt_llm
from backends.transformers.config import TransformersConfig
from services.admission.limit import LimitsConfig
from services.config import ModelConfig, SamplingDefaults, ServerConfig
from services.guard.config import GuardConfig
from services.identity.config import TlsConfig, UpstreamTlsConfig
from services.routing.config import (
    EndpointSlicesConfig,
    KubernetesConfig,
    OutlierConfig,
    PoolConfig,
    RetryConfig,
    RoutedModelConfig,
    RoutingConfig,
    UpstreamConfig,
)
from services.telemetry.config import TelemetryConfig

DOC = (Path(__file__).parents[3] / "docs" / "configuration.md").read_text(encoding="utf-8")
TENSORRT_LLM_GROUPS = {
    field.name: field.default_factory
    for field in dataclasses.fields(tensorrt_llm.TensorrtLlmConfig)
    if field.default is dataclasses.MISSING
}
SECTIONS = [
    ("server.", ServerConfig, ("limits", "tls")),
    ("server.limits.", LimitsConfig, ()),
    ("server.tls.", TlsConfig, ()),
    ("telemetry.", TelemetryConfig, ()),
    ("models.NAME.", ModelConfig, ("limits", "sampling", "guards", "backend")),
    ("models.NAME.limits.", LimitsConfig, ()),
    ("models.NAME.guards[N].", GuardConfig, ()),
    ("routing.", RoutingConfig, ("models", "kubernetes", "outlier", "retry")),
    ("routing.models.NAME.", RoutedModelConfig, ("limits", "pools")),
    ("routing.models.NAME.limits.", LimitsConfig, ()),
    ("routing.models.NAME.pools[N].", PoolConfig, ("upstreams", "tls")),
    ("routing.models.NAME.pools[N].endpoint_slices.", EndpointSlicesConfig, ()),
    ("routing.models.NAME.pools[N].tls.", UpstreamTlsConfig, ()),
    ("routing.models.NAME.pools[N].upstreams[N].", UpstreamConfig, ()),
    ("routing.kubernetes.", KubernetesConfig, ()),
    ("routing.outlier.", OutlierConfig, ()),
    ("routing.retry.", RetryConfig, ()),
    ("models.NAME.sampling.", SamplingDefaults, ()),
    ("models.NAME.backend.", TransformersConfig, ("_target_",)),
    ("models.NAME.backend.", AutoConfig, ("_target_", "_recursive_")),
    ("models.NAME.backend.", SimulatorConfig, ("_target_",)),
    ("models.NAME.backend.", tensorrt_llm.TensorrtLlmConfig, ("_target_", *TENSORRT_LLM_GROUPS)),
    *((f"models.NAME.backend.{name}.", group, ()) for name, group in TENSORRT_LLM_GROUPS.items()),
]


@pytest.mark.parametrize(
    ("prefix", "config", "elsewhere"), SECTIONS, ids=lambda value: getattr(value, "__name__", None)
)
def test_every_key_is_documented_with_its_default(prefix, config, elsewhere):
    rows = section(prefix, config, elsewhere)
    for field in dataclasses.fields(config):
        if field.name not in elsewhere:
            assert rows.get(prefix + field.name) == shown(field), field.name


def section(prefix, config, elsewhere):
    """The rows of the one table that has the config's last key: two backends share key names."""
    last = f"| `{prefix}{[f.name for f in dataclasses.fields(config) if f.name not in elsewhere][-1]}` |"
    table = next(block for block in DOC.split("\n\n") if last in block)
    return dict(re.findall(r"^\| `([\w.[\]]+)` \| (.*?) \|", table, re.MULTILINE))


def shown(field):
    if field.default is dataclasses.MISSING and field.default_factory is not dataclasses.MISSING:
        return f"`{field.default_factory()}`"
    value = getattr(field.default, "value", field.default)
    if value is None:
        return "`null`"
    if value == "???":
        return "required"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"
