"""The chart and `paddock plan` count alike: what one says the other takes, and presets are plans that fit."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex

import pytest
import yaml

from services import config as configs
from services.commands.command_line import run
from tests.helm.chart import PRESETS, loaded, render

CONF = {
    "cpu-embedded": "paddock-tiny",
    "llama-3-1-8b-tp1": "llama-31-8b-instruct-fp8",
    "llama-3-1-70b-tp2": "llama-31-70b-instruct-fp8-tp2",
    "llama-3-1-70b-tp4": "llama-31-70b-instruct-fp8-tp4",
    "llama-3-1-405b-fp8-tp8": "llama-31-405b-instruct-fp8",
    "llama-3-1-405b-bf16-two-nodes": "llama-31-405b-instruct-two-nodes",
    "llama-guard-3-8b": "llama-guard-3-8b-tensorrt-llm",
    "prompt-guard-86m": "prompt-guard-86m",
}
"""The file of conf/model/ that serves the same without Kubernetes."""

UNITS = {"Gi": 2**30, "Ti": 2**40}


def paddock(capsys, *words):
    """Run a command, and give what it prints."""
    assert run(words) == 0
    return capsys.readouterr().out


def size(quantity):
    """Read a quantity of memory."""
    number, unit = re.fullmatch(r"([0-9]+)([GT]i)", quantity).groups()
    return int(number) * UNITS[unit]


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("llama-3.1-70b", "--gpus", "4", "--weights", "fp8", "--concurrency", "8"), 4),
        (("llama-3.1-405b", "--gpus", "16", "--concurrency", "4"), 8),
        (("llama-3.1-70b", "--gpu", "A100-80GB", "--gpus", "4", "--kv", "fp8"), 4),
        (("llama-guard-3-1b", "--gpu", "T4"), 1),
        (("prompt-guard-86m", "--gpu", "L4"), 1),
        (("llama-guard-3-1b", "--memory", "16", "--bandwidth", "50", "--concurrency", "2"), 0),
        (("llama-guard-3-1b", "--memory", "16", "--bandwidth", "50", "--weights", "f32"), 0),
    ],
)
def test_a_plan_is_values_of_the_chart(capsys, words, wanted):
    """As it is printed, with the checkpoint, which no plan knows, and keys where there are several nodes."""
    values = yaml.safe_load(paddock(capsys, "plan", *words, "--helm-values"))
    (key,) = values["models"]
    planned = json.loads(paddock(capsys, "plan", *words, "--json"))
    values["models"] |= {"paddock-tiny": None}
    more = {"checkpoint": "org/name", "launch": {"existingSecret": "ssh"}, "cache": {"size": "1Ti"}}
    chart = render(models={**values["models"], key: {**values["models"][key], **more}})
    pod = next(pod for name, pod in chart.templates() if re.search(f"-(model|group)-{key}(/leader|$)", name))
    limits = pod["spec"]["containers"][0].get("resources", {}).get("limits", {})
    assert limits.get("nvidia.com/gpu", 0) == wanted
    (model,) = loaded(chart, pod).models.values()
    backend = model.backend
    assert model.name == planned["model"]
    assert (backend.context_length, backend.max_concurrency) == (planned["context"], planned["concurrency"])
    if hasattr(backend, "parallel"):
        assert backend.parallel.tensor == planned["tensor_parallel"]
        assert backend.parallel.pipeline == planned["pipeline_parallel"]
        assert wanted * planned["nodes"] == planned["devices"]
        assert backend.kv_cache.memory_fraction == 0.9
        assert (backend.kv_cache.dtype == "fp8") == (planned["kv"] == "fp8")
    else:
        assert backend.dtype == {"bf16": "bfloat16", "f32": "float32"}[planned["weights"]]


@pytest.mark.parametrize("name", [name for name in PRESETS if name != "cpu-embedded"])
def test_a_preset_is_the_plan_that_it_names(capsys, name):
    text = PRESETS[name].read_text(encoding="utf-8")
    words = shlex.split(re.search(r"^#   paddock (plan .*)$", text, re.MULTILINE)[1])
    planned = json.loads(paddock(capsys, *words, "--json"))
    (values,) = yaml.safe_load(paddock(capsys, *words, "--helm-values"))["models"].values()
    (preset,) = filter(None, yaml.safe_load(text)["models"].values())
    assert planned["concurrency"] == planned["most_concurrency"]  # the number that it names is the most
    for key in ("backend", "device", "parallelism"):
        default = {"backend": "tensorrt_llm", "device": "gpu", "parallelism": {"tensor": 1, "pipeline": 1, "nodes": 1}}
        assert preset.get(key, default[key]) == values[key], key
    assert preset["engine"]["precision"] == values["engine"]["precision"]
    assert (preset["engine"].get("cachePrecision") == "fp8") == (values["engine"]["cachePrecision"] == "fp8")
    length = preset["engine"].get("maxSequenceLength")
    assert length is None or length == planned["context"]
    room = preset["cache"].get("size") or preset["cache"]["ephemeralSize"]
    assert size(room) > 1.1 * planned["weights_bytes"]
    needed = values.get("resources", {}).get("requests", {}).get("memory", "0Gi")
    assert size(preset["resources"]["requests"]["memory"]) >= size(needed)


@pytest.fixture(scope="module")
def plain():
    """All of conf/model/ that presets stand for."""
    renamed = "models.llama-guard-3-8b-tensorrt-llm.name=llama-guard-3-8b"  # the name of the other one there
    return configs.load([f"model=[{','.join(CONF.values())}]", renamed])


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_serves_as_conf_does(name, plain):
    chart = render(name)
    pod = next(
        pod
        for where, pod in chart.templates()
        if pod["metadata"]["labels"]["app.kubernetes.io/component"] == "model" and "Job" not in where
    )
    (served,) = loaded(chart, pod).models.values()
    ours, theirs = dataclasses.asdict(served), dataclasses.asdict(plain.models[CONF[name]])
    if "/ready/" in ours["checkpoint"]:
        assert chart.one("Job")["spec"]["template"]["spec"]["containers"][0]["args"][3] == theirs["checkpoint"]
        for each in (ours, ours["backend"]):
            each["checkpoint"] = theirs["checkpoint"]
    if theirs["backend"].get("device") == "auto":
        theirs["backend"]["device"] = "cpu"
    if theirs["backend"].get("dtype") == "auto":
        theirs["backend"]["dtype"] = ours["backend"]["dtype"]
        assert ours["backend"]["dtype"] in ("auto", "float32")
    assert ours == theirs
