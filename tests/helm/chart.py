"""The chart, rendered by Helm 3."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from services import config as configs
from services.commands.command_line import parse
from services.config import PaddockConfig

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "paddock"
PRESETS = {path.stem: path for path in sorted((CHART / "presets").glob("*.yaml"))}
EVERYTHING = Path(__file__).parent / "everything.yaml"
"""Values that turn on all that the chart has, which no preset does."""
SETS = {**PRESETS, "everything": EVERYTHING}
TOOLS = Path(sys.prefix) / "helm" / "bin"
NAMESPACE = "serving"

Object = dict[str, Any]


class RefusedError(Exception):
    """Helm rendered nothing; `str()` is what it said."""


def tool(name: str, *args: str, sent: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program of the chart's tools."""
    program = TOOLS / name
    assert program.exists(), f"{program} is missing: `make test` installs it"
    return subprocess.run([program, *args], input=sent, capture_output=True, text=True, timeout=110, check=False)


@lru_cache(maxsize=256)
def _template(release: str, values: str, preset: str | None, options: tuple[str, ...]) -> str:
    files = ["--values", str(SETS[preset])] if preset else []
    args = ["template", release, str(CHART), "--namespace", NAMESPACE, *files, "--values", "-", *options]
    done = tool("helm", *args, sent=values)
    if done.returncode:
        raise RefusedError(done.stderr)
    return done.stdout


def render(preset: str | None = None, /, *options: str, release: str = "paddock", **values: Any) -> Chart:
    """Render the chart with a preset and values, the later ones on top."""
    return _parsed(_template(release, json.dumps(values), preset, options))


@lru_cache(maxsize=64)
def _parsed(text: str) -> Chart:
    return Chart(text)


def distinct(*presets: str) -> list[Object]:
    """Give each object once that presets have."""
    return list({json.dumps(found): found for preset in presets for found in render(preset).objects}.values())


def helm_4(*values: Mapping[str, Any]) -> dict[str, Any]:
    """Render with Helm 4, and give what tests/helm/render4.py writes."""
    script = str(Path(__file__).parent / "render4.py")
    done = tool("python", script, str(CHART), NAMESPACE, sent=json.dumps(values))
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def one_model(key: str = "mine", /, **model: Any) -> dict[str, Any]:
    """Give values with one model, on a GPU unless it says otherwise."""
    return {"models": {"paddock-tiny": None, key: {"checkpoint": "org/name", **model}}}


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Tell whether a selector of labels holds."""
    wanted = selector.get("matchLabels", {}).items() <= labels.items()
    return wanted and all(labels.get(each["key"]) in each["values"] for each in selector.get("matchExpressions", ()))


class Chart:
    """What Helm wrote."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.objects: list[Object] = [found for found in yaml.load_all(text, yaml.CSafeLoader) if found]

    def all(self, kind: str) -> list[Object]:
        """Give the objects of a kind."""
        return [found for found in self.objects if found["kind"] == kind]

    def one(self, kind: str, name: str | None = None) -> Object:
        """Give the only object of a kind, or of a kind and name."""
        (found,) = (each for each in self.all(kind) if name in (None, each["metadata"]["name"]))
        return found

    def templates(self) -> Iterator[tuple[str, Object]]:
        """Give the pods that there will be, with the name of what makes them and their role in it."""
        for found in self.objects:
            name, spec = f"{found['kind']}/{found['metadata']['name']}", found.get("spec", {})
            if found["kind"] == "Pod":
                yield name, found
            elif found["kind"] == "LeaderWorkerSet":
                for role in ("leaderTemplate", "workerTemplate"):
                    yield f"{name}/{role}", spec["leaderWorkerTemplate"][role]
            elif found["kind"] in ("Deployment", "StatefulSet", "Job"):
                yield name, spec["template"]

    def pod(self, name: str) -> Object:
        """Give the template of the pods of one workload."""
        return dict(self.templates())[name]


@lru_cache(maxsize=64)
def _composed(overrides: tuple[str, ...], files: tuple[tuple[str, str], ...]) -> PaddockConfig:
    with TemporaryDirectory() as folder:
        return configs.load(list(overrides), str(_written(dict(files), Path(folder))))


def loaded(chart: Chart, pod: Mapping[str, Any]) -> PaddockConfig:
    """Load a pod's configuration as its process does: with its arguments, and what it has mounted at /etc/paddock."""
    args = parse(pod["spec"]["containers"][0]["args"])
    assert args.config_dir == "/etc/paddock"
    return _composed(tuple(args.overrides), tuple(config_files(chart, pod).items()))


def config_files(chart: Chart, pod: Mapping[str, Any]) -> dict[str, str]:
    """Give what a pod has mounted at /etc/paddock: texts by path."""
    spec = pod["spec"]
    (name,) = (mount["name"] for mount in spec["containers"][0]["volumeMounts"] if mount["mountPath"] == "/etc/paddock")
    (volume,) = (volume for volume in spec["volumes"] if volume["name"] == name)
    data = chart.one("ConfigMap", volume["configMap"]["name"])["data"]
    return {item["path"]: data[item["key"]] for item in volume["configMap"]["items"]}


def config_dir(chart: Chart, pod: Mapping[str, Any], folder: Path) -> Path:
    """Write what a pod has mounted at /etc/paddock, and give its place."""
    return _written(config_files(chart, pod), folder)


def _written(files: Mapping[str, str], folder: Path) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder
