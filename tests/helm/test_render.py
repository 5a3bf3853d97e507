"""Every preset, and all that the chart has: alike by Helm 3 and 4, valid for every Kubernetes, and as recorded."""

from __future__ import annotations

import json
import os
from pathlib import Path

import jsonschema
import pytest
import yaml

from tests.helm.chart import CHART, EVERYTHING, PRESETS, SETS, Chart, distinct, helm_4, render, tool

HERE = Path(__file__).parent
MINORS = [f"1.{minor}" for minor in range(29, 38)]
WANTED = {
    "cpu-embedded",
    "llama-3-1-8b-tp1",
    "llama-3-1-70b-tp2",
    "llama-3-1-70b-tp4",
    "llama-3-1-405b-fp8-tp8",
    "llama-3-1-405b-bf16-two-nodes",
    "llama-guard-3-8b",
    "prompt-guard-86m",
}


def test_every_preset_is_there():
    assert PRESETS.keys() == WANTED


def test_helm_lint_finds_nothing():
    for options in ([], ["--values", str(EVERYTHING)]):
        done = tool("helm", "lint", "--strict", "--quiet", str(CHART), *options)
        assert (done.returncode, done.stdout.strip()) == (0, ""), done.stdout


def test_helm_4_renders_the_same():
    values = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in SETS.values()]
    said = helm_4(*values)
    assert said["version"].startswith("v4.")
    assert said["findings"] == []
    for name, text in zip(SETS, said["rendered"], strict=True):
        assert sort(Chart(text).objects) == sort(render(name).objects), name


def sort(objects):
    """Bring objects into an order that doesn't depend on Helm's."""
    return sorted(objects, key=lambda found: (found["kind"], found["metadata"]["name"]))


CRDS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (HERE / "schema").glob("*.json")}


def closed(schema):
    """Refuse fields that a schema doesn't know, which an API server would drop without a word."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: closed(value) for key, value in schema.items()}
    named = isinstance(schema.get("properties"), dict) and schema.get("type") == "object"
    return {"additionalProperties": False, **inner} if named else inner


def test_kubernetes_takes_all_of_it():
    """With nothing unknown, neither fields nor kinds. Pods of a LeaderWorkerSet are looked at as pods."""
    objects = distinct(*SETS)
    custom = [found for found in objects if found["kind"].lower() in CRDS]
    assert {found["kind"].lower() for found in custom} == CRDS.keys()
    for found in custom:
        jsonschema.Draft202012Validator(closed(CRDS[found["kind"].lower()])).validate(found)
    pods = [
        {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": name}, "template": template}
        for name, template in render("everything").templates()
        if name.startswith("LeaderWorkerSet/")
    ]
    assert len(pods) == 2
    plain = [found for found in objects if found["kind"].lower() not in CRDS]
    sent = json.dumps({"minors": MINORS, "objects": plain + pods})
    done = tool("python", str(HERE / "validate.py"), sent=sent)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_what_is_wrong_is_found():
    """The checks above can fail."""
    deployment = render().one("Deployment", "paddock-gateway")
    broken = {**deployment, "spec": {**deployment["spec"], "replica": 1}}
    unknown = {**deployment, "kind": "Deploymint"}
    sent = json.dumps({"minors": ["1.29"], "objects": [deployment, broken, unknown]})
    said = tool("python", str(HERE / "validate.py"), sent=sent).stdout.splitlines()
    assert len(said) == 2
    assert "replica" in said[0]
    assert "unknown kind" in said[1]
    scaled = render("everything").all("ScaledObject")[0]
    with pytest.raises(jsonschema.ValidationError, match="pollingIntervals"):
        jsonschema.Draft202012Validator(closed(CRDS["scaledobject"])).validate(
            {**scaled, "spec": {**scaled["spec"], "pollingIntervals": 5}}
        )


def test_what_a_kubernetes_before_1_30_lacks_is_not_used():
    assert "sleep: {seconds: 15}" in render().text
    assert "sleep: {seconds" not in render(None, "--kube-version", "1.29.0").text
    assert render(None, "--kube-version", "1.29.0").pod("Deployment/paddock-gateway")["spec"]["containers"][0][
        "lifecycle"
    ] == {"preStop": {"exec": {"command": ["sleep", "15"]}}}


@pytest.mark.parametrize("name", SETS)
def test_golden(name):
    """What has changed is seen in review. Of presets, what the default lacks. PADDOCK_GOLDEN=write records it."""
    default = [] if name in ("cpu-embedded", "everything") else render("cpu-embedded").objects
    objects = [found for found in sort(render(name).objects) if found not in default]
    text = "---\n".join(yaml.dump(found, width=120, Dumper=yaml.CSafeDumper) for found in objects)
    path = HERE / "golden" / f"{name}.yaml"
    if os.environ.get("PADDOCK_GOLDEN") == "write":
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text


def test_no_golden_file_is_left_over():
    assert {path.stem for path in (HERE / "golden").iterdir()} == SETS.keys()
    assert EVERYTHING.exists()


def test_the_default_is_the_cpu_preset():
    """No GPU, no token, no storage; nothing of other projects' kinds."""
    chart = render()
    assert sort(chart.objects) == sort(render("cpu-embedded").objects)
    assert {found["apiVersion"] for found in chart.objects} == {
        "apps/v1", "networking.k8s.io/v1", "policy/v1", "rbac.authorization.k8s.io/v1", "v1",
    }  # fmt: skip
    for word in ("nvidia.com", "HF_TOKEN", "persistentVolumeClaim", "secret"):
        assert word not in chart.text
