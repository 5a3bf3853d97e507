"""Names: short enough, never the same twice, and the same from version to version where they can't be changed."""

from __future__ import annotations

import re
import shutil

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.helm import chart as charts
from tests.helm.chart import CHART, SETS, RefusedError, render

LABEL = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
DNS_LABEL = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
LONG = "llama-3-1-405b-instruct-quantized-in-house-for-the-lawyers-"


def check_names(chart):
    """Check that no object overwrites another, and that all names and labels are ones."""
    seen = set()
    services = {found["metadata"]["name"] for found in chart.all("Service")}
    for found in chart.objects:
        identity = (found["kind"], found["metadata"]["name"])
        assert identity not in seen, identity
        seen.add(identity)
        assert DNS_LABEL.fullmatch(identity[1]), identity
        # Its controller makes a headless Service of its name, unless there is one, and ranks find each other by that.
        assert found["kind"] != "LeaderWorkerSet" or identity[1] not in services, identity
        if found["kind"] in ("StatefulSet", "LeaderWorkerSet"):
            assert len(identity[1]) <= 63 - len("-0123456789")  # the label of a revision
        for labels in (
            found["metadata"].get("labels", {}),
            *(pod["metadata"]["labels"] for _, pod in chart.templates()),
        ):
            assert all(LABEL.fullmatch(value) for value in labels.values()), labels


@pytest.mark.parametrize("name", SETS)
def test_presets_have_names(name):
    check_names(render(name))


def test_long_names_that_begin_alike_stay_apart():
    models = {f"{LONG}{letter}": {"checkpoint": "org/name", "cache": {"size": "1Gi"}} for letter in "ab"}
    chart = render(None, release="r" * 53, models=models, tls=CERTIFICATES)
    check_names(chart)
    assert len(chart.all("Deployment")) == 4  # with the gateway and the default's
    selectors = [str(found["spec"]["selector"]) for found in chart.all("Service")]
    assert len(set(selectors)) == 4  # the gateway has two Services


CERTIFICATES = {"enabled": True, "certManager": {"enabled": True, "issuerRef": {"name": "ca"}}}


def test_models_that_are_called_like_parts():
    keys = (
        "gateway",
        "models",
        "model",
        "tls-gateway",
        "cache-model",
        "model-gateway",
        "test",
        "build",
        "default-deny",
    )
    models = {key: {"checkpoint": "org/name", "cache": {"size": "1Gi"}} for key in keys}
    check_names(render(models=models, tls=CERTIFICATES))


KEY = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True)


@given(
    keys=st.lists(KEY, min_size=2, max_size=4, unique=True),
    release=st.from_regex(r"[a-z]([-a-z0-9]{0,51}[a-z0-9])?", fullmatch=True),
)
@settings(max_examples=5, suppress_health_check=[HealthCheck.too_slow])
def test_any_names(keys, release):
    models = {key: {"checkpoint": "org/name", "cache": {"size": "1Gi"}} for key in keys}
    check_names(render(None, release=release, models={"paddock-tiny": None, **models}))


@pytest.mark.parametrize("release", ["70b", "llama-3.1"])
def test_a_release_that_services_can_not_be_named_after_is_refused(release):
    """Helm takes the name, and so would Kubernetes all objects but the Services."""
    with pytest.raises(RefusedError, match=r"fullnameOverride: names of Services begin with a letter .* set it"):
        render(None, release=release)


def test_a_release_may_be_called_like_a_number():
    chart = render(None, release="405", fullnameOverride="large")
    check_names(chart)
    assert chart.one("Service", "large-gateway")["spec"]["selector"]["app.kubernetes.io/instance"] == "405"


def test_two_models_of_one_name_are_refused():
    twice = {key: {"checkpoint": "org/name", "name": "same"} for key in "ab"}
    with pytest.raises(RefusedError, match=r"models\.b\.name: \"same\" is also that of models\.a"):
        render(models=twice)


IMMUTABLE = {
    "Deployment": ["selector"],
    "StatefulSet": ["selector", "serviceName", "podManagementPolicy", "volumeClaimTemplates"],
    "LeaderWorkerSet": [],
    "PersistentVolumeClaim": ["accessModes", "storageClassName", "resources"],
    "Service": ["clusterIP"],
    "RoleBinding": [],
}


@pytest.fixture(scope="module")
def later(tmp_path_factory):
    """The chart as a later version of it, with a later Paddock."""
    folder = tmp_path_factory.mktemp("later") / "paddock"
    shutil.copytree(CHART, folder)
    path = folder / "Chart.yaml"
    about = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump({**about, "version": "2.3.4", "appVersion": "5.6.7+build.8"}), encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", ["cpu-embedded", "llama-3-1-405b-bf16-two-nodes", "everything"])
def test_an_upgrade_changes_nothing_that_cannot_be(name, later, monkeypatch):
    before = render(name)
    monkeypatch.setattr(charts, "CHART", later)
    charts._template.cache_clear()
    after = render(name)
    charts._template.cache_clear()
    check_names(after)
    assert "5.6.7" in after.text
    known = {(found["kind"], found["metadata"]["name"]): found for found in after.objects}
    for found in before.objects:
        kind, its = found["kind"], (found["kind"], found["metadata"]["name"])
        if kind == "Job":
            assert its not in known or found["spec"] == known[its]["spec"]
            continue
        for field in IMMUTABLE.get(kind, ()):
            assert found["spec"].get(field) == known[its]["spec"].get(field), (its, field)
        if kind == "RoleBinding":
            assert found["roleRef"] == known[its]["roleRef"]
    for where, pod in before.templates():
        if not where.startswith("Job/"):
            assert pod["metadata"] == after.pod(where)["metadata"]  # a new chart alone starts no pod anew
