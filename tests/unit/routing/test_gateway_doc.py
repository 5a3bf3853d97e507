"""The commands and files of docs/gateway.md compose."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from services import config
from services.routing.config import EndpointSlicesConfig

TEXT = (Path(__file__).parents[3] / "docs" / "gateway.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^paddock serve (.*?)(?: #.*)?$", TEXT, re.MULTILINE)
FILES = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)


def test_the_page_shows_them():
    assert (len(COMMANDS), len(FILES)) == (3, 4)


def test_a_worker_composes():
    assert list(config.load(shlex.split(COMMANDS[0])).models) == ["simulator"]


def test_the_gateway_composes(tmp_path):
    (tmp_path / "routing").mkdir()
    (tmp_path / "routing" / "mine.yaml").write_text(FILES[0].split("\n", 1)[1])
    _, _, *settings = shlex.split(COMMANDS[2])
    composed = config.load(settings, str(tmp_path))

    assert not composed.models
    assert [pool.name for pool in composed.routing.models["sim"].pools] == ["main", "spare"]


def test_a_service_of_kubernetes_composes(tmp_path):
    (tmp_path / "routing").mkdir()
    (tmp_path / "routing" / "mine.yaml").write_text(FILES[1])
    (pool,) = config.load(["model=[]", "routing=mine"], str(tmp_path)).routing.models["llama"].pools

    assert pool.endpoint_slices == EndpointSlicesConfig("llama-workers", "grpc", None)


def test_a_guard_composes(tmp_path):
    (tmp_path / "routing").mkdir()
    (tmp_path / "routing" / "mine.yaml").write_text(FILES[3])

    assert config.load(["routing=mine"], str(tmp_path)).routing.models["guard"].guard.value == "llama_guard"
