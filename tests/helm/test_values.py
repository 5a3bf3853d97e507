"""Wrong values are refused, with their path and what to do."""

from __future__ import annotations

import json

import jsonschema
import pytest
import yaml
from google.protobuf import json_format

from paddock.v1 import classify_pb2, generate_pb2
from tests.helm.chart import CHART, EVERYTHING, SETS, RefusedError, helm_4, one_model, render

SCHEMA = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
VALUES = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))


def leaves(value, path=()):
    """Give the path of each value."""
    if isinstance(value, dict) and value:
        for key, each in value.items():
            yield from leaves(each, (*path, key))
    else:
        yield path


def test_the_schema_is_one_and_takes_what_there_is():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.Draft202012Validator(SCHEMA).validate(VALUES)
    for path in SETS.values():
        jsonschema.Draft202012Validator(SCHEMA).validate(yaml.safe_load(path.read_text(encoding="utf-8")))


def test_a_chart_that_has_this_one_in_it_may_turn_it_off():
    """By the key that is customary; Helm gives it to this chart too."""
    jsonschema.Draft202012Validator(SCHEMA).validate({"enabled": True, "global": {"imageRegistry": "x"}})


def test_every_object_of_the_schema_is_closed():
    """But for those that Kubernetes or Paddock's own configuration define."""
    open_ones = []

    def look(schema, path):
        if isinstance(schema, dict):
            kinds = schema.get("type")
            is_object = "properties" in schema and "object" in (kinds if isinstance(kinds, list) else [kinds])
            if is_object and schema.get("additionalProperties") is not False:
                open_ones.append(path)
            for key, each in schema.items():
                look(each, f"{path}.{key}")

    look(SCHEMA, "")
    assert {path.rpartition(".")[2] for path in open_ones} == {"server", "telemetry", "routing", "settings"}


def test_a_misspelled_key_is_refused_wherever_it_is():
    """Helm would take it for nothing, and so would whoever reads the cluster."""
    validator = jsonschema.Draft202012Validator(SCHEMA)
    refused = 0
    for path in leaves({key: value for key, value in VALUES.items() if key not in ("config", "podSecurityContext")}):
        if path[-2:-1] and path[-2] in ("requests", "limits", "labels", "matchLabels", "settings", "config"):
            continue  # any name will do there
        if "networkPolicy" in path and len(path) > 2:
            continue
        broken = json.loads(json.dumps(VALUES))
        inner = broken
        for key in path[:-1]:
            inner = inner[key]
        inner[f"{path[-1]}x"] = inner.pop(path[-1])
        assert not validator.is_valid(broken), path
        refused += 1
    assert refused > 100


REFUSED = {
    "models.mine.parallelism.tensor": {"parallelism": {"tensor": 0}},
    "models.mine.parallelism.pipeline": {"parallelism": {"pipeline": "2"}},
    "models.mine.engine.precision": {"engine": {"precision": "fp16"}},
    "models.mine.engine.cachePrecision": {"engine": {"cachePrecision": "int8"}},
    "models.mine.engine.cacheMemoryFraction": {"engine": {"cacheMemoryFraction": 1.1}},
    "models.mine.backend": {"backend": "vllm"},
    "models.mine.workload": {"workload": "DaemonSet"},
    "models.mine.guards.0.mode": {"guards": [{"model": "x", "subject": "input", "mode": False}]},
    "models.mine.drain.timeoutSeconds": {"drain": {"timeoutSeconds": 0}},
    "models.mine.config.server.drain_s": {"config": {"server": {"drain_s": 3}}},
    "models.mine.settings.checkpoint": {"settings": {"checkpoint": "x"}},
    "models.mine.resources.limits.memory": {"resources": {"limits": {"memory": "4 GB"}}},
    "models.mine.name": {"name": "two words"},
    "models.mine.autoscaling.prometheusAddress": {"autoscaling": {"prometheusAddress": "prometheus:9090"}},
}


@pytest.mark.parametrize("path", REFUSED)
def test_the_schema_names_the_path(path):
    """As the validator says it, which Helm has; of one, as Helm does."""
    errors = jsonschema.Draft202012Validator(SCHEMA).iter_errors(one_model(**REFUSED[path]))
    assert [".".join(map(str, error.path)) for error in errors] == [path]
    if path == "models.mine.workload":
        with pytest.raises(RefusedError, match=f"- {path}: "):
            render(**one_model(**REFUSED[path]))


TLS = {"enabled": True}
ISSUED = {"enabled": True, "issuerRef": {"name": "ca"}}
SENTENCES = {
    r"models\.mine\.checkpoint: is missing; set it to": {"checkpoint": ""},
    r"models\.mine\.parallelism: 3 x 1 GPUs can't be shared by 2 nodes": {"parallelism": {"tensor": 3, "nodes": 2}},
    r"models\.mine\.parallelism: the transformers backend computes on one GPU": {
        "backend": "transformers",
        "parallelism": {"tensor": 2},
    },
    r"models\.mine\.device: tensorrt_llm computes on GPUs": {"device": "cpu"},
    r"models\.mine\.device: the simulator computes nothing": {"backend": "simulator"},
    r"models\.mine\.engine\.precision: the transformers backend": {
        "backend": "transformers",
        "engine": {"precision": "fp8"},
    },
    r"models\.mine\.workload: a LeaderWorkerSet is for several nodes": {"workload": "LeaderWorkerSet"},
    r"models\.mine\.workload: a LeaderWorkerSet is for": {
        "workload": "StatefulSet",
        "parallelism": {"tensor": 2, "nodes": 2},
    },
    r"models\.mine\.launch\.existingSecret: is missing": {"parallelism": {"tensor": 2, "nodes": 2}},
    r"models\.mine\.resources\.limits: 4 of nvidia\.com/gpu, and parallelism makes it 2": {
        "parallelism": {"tensor": 2},
        "resources": {"limits": {"nvidia.com/gpu": 4}},
    },
    r"models\.mine\.workload: a StatefulSet makes a cache for each": {"workload": "StatefulSet"},
    r"models\.mine\.engine\.build: there is no cache": {"engine": {"build": {"enabled": True}}},
    r"models\.mine\.engine\.build: only tensorrt_llm": {
        "backend": "transformers",
        "cache": {"size": "1Gi"},
        "engine": {"build": {"enabled": True}},
    },
    r"models\.mine\.engine\.build: engines are compiled on one node": {
        "parallelism": {"tensor": 2, "nodes": 2},
        "launch": {"existingSecret": "ssh"},
        "cache": {"size": "1Gi"},
        "engine": {"build": {"enabled": True}},
    },
    r"models\.mine\.engine\.precision: engines are built": {
        "cache": {"size": "1Gi"},
        "engine": {"precision": "int4", "build": {"enabled": True}},
    },
    r"models\.mine\.cache: is missing, and the ranks of 2 nodes": {
        "parallelism": {"tensor": 2, "nodes": 2},
        "launch": {"existingSecret": "ssh"},
    },
    r"models\.mine\.gpu\.product: is an affinity to nodes": {
        "gpu": {"product": "H100"},
        "affinity": {"nodeAffinity": {"x": {}}},
    },
    r"models\.mine\.autoscaling\.prometheusAddress: is missing": {"autoscaling": {"kind": "keda"}},
    r"models\.mine\.autoscaling\.minReplicas: 5 is more than maxReplicas, 4": {
        "autoscaling": {"kind": "hpa", "minReplicas": 5},
    },
    r"models\.mine\.autoscaling\.kind: hpa finds metrics by labels": {"name": "a/b", "autoscaling": {"kind": "hpa"}},
    r"models\.mine\.guards\[0\]\.model: \"absent\" is no key": {"guards": [{"model": "absent", "subject": "input"}]},
    r"models\.mine\.guards\[0\]\.model: models\.mine is no guard": {"guards": [{"model": "mine", "subject": "input"}]},
}  # fmt: skip


@pytest.mark.parametrize("sentence", SENTENCES)
def test_what_can_not_be_is_told_in_a_sentence(sentence):
    with pytest.raises(RefusedError, match=sentence):
        render(**one_model(**SENTENCES[sentence]))


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"gateway": {"apiKeys": {"existingSecret": "keys"}}}, r"gateway\.apiKeys: keys would travel unencrypted"),
        ({"tls": TLS}, r"tls\.gatewaySecret: is missing"),
        ({"tls": {**TLS, "gatewaySecret": "x"}}, r"tls\.modelSecrets\.paddock-tiny: is missing"),
        ({"tls": {**TLS, "certManager": {"enabled": True}}}, r"tls\.certManager\.issuerRef\.name: is missing"),
        (
            {"tls": {**TLS, "requireClientCertificate": False, "certManager": ISSUED}},
            r"tls\.requireClientCertificate: nobody who calls would be identified",
        ),
        (
            {"tls": {**TLS, "certManager": ISSUED, "clientCA": {"existingSecret": "clients"}}},
            r"tests\.certificate\.existingSecret: is missing",
        ),
        (
            {"gateway": {"autoscaling": {"enabled": True, "minReplicas": 9}}},
            r"gateway\.autoscaling\.minReplicas: 9 is more than maxReplicas, 8",
        ),
        ({"route": {"enabled": True}}, r"route\.parentRefs: is empty"),
        ({"models": {"Capital": {"checkpoint": "org/name"}}}, r"models.*Capital"),
        ({"models": {"paddock-tiny": None}}, r"models: is empty; add one, or .* gateway\.routes"),
        ({"nonsense": 1}, r"nonsense"),
    ],
)
def test_what_can_not_be_of_the_release(values, sentence):
    with pytest.raises(RefusedError, match=sentence):
        render(**values)


def test_a_mesh_may_carry_keys():
    assert render(gateway={"apiKeys": {"existingSecret": "keys"}}, tls={"mesh": True})


NOTES = [
    {},
    {"gateway": {"enabled": False}},
    {"tls": {"mesh": True}},
    {"models": {"paddock-tiny": {"enabled": False}}, "gateway": {"routes": {"far": {"name": "paddock-tiny"}}}},
]


def test_notes_print_a_call():
    said = helm_4(*NOTES)["notes"]
    for values, text in zip(NOTES, said, strict=True):
        service = "paddock-gateway" if values != NOTES[1] else "paddock-model-paddock-tiny"
        assert f"port-forward service/{service} 50051:50051" in text
        assert "localhost:50051 paddock.v1.InferenceService/GenerateStream" in text
        asked = json.loads(text.partition(" -d '")[2].partition("'")[0])
        assert json_format.ParseDict(asked, generate_pb2.GenerateRequest()).model == "paddock-tiny"
        assert ("unencrypted" in text) == (values != NOTES[2])


def test_notes_of_what_is_secured_and_of_guards():
    (text,) = helm_4(yaml.safe_load(EVERYTHING.read_text(encoding="utf-8")))["notes"]
    assert "-cacert ca.crt -cert tls.crt -key tls.key -authority paddock-gateway.serving.svc" in text
    assert "authorization: Bearer KEY" in text
    keyed = {"tls": {"enabled": True, "requireClientCertificate": False, "certManager": ISSUED}}
    keyed["gateway"] = {"apiKeys": {"existingSecret": "keys"}}
    text, by_key = helm_4(one_model(guard="llama_guard"), keyed)["notes"]
    assert "-cacert ca.crt -authority paddock-gateway.serving.svc -H" in by_key
    asked = json.loads(text.partition(" -d '")[2].partition("'")[0])
    assert json_format.ParseDict(asked, classify_pb2.ClassifyRequest()).model == "mine"
