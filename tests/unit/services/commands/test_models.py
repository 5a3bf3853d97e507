"""`paddock models`."""

from __future__ import annotations

import json

from paddock.v1.generate_pb2 import EffectiveParameters, Sampling
from paddock.v1.model_pb2 import (
    BackendInfo,
    GetModelResponse,
    ListModelsResponse,
    Load,
    Model,
    ModelState,
    Support,
)

READY = Model(
    name="paddock-tiny",
    aliases=["tiny", "default"],
    state=ModelState.MODEL_STATE_READY,
    context_length=2048,
    backend=BackendInfo(name="transformers", device="cpu", dtype="float32"),
    support=Support(supports_chat=True, supports_classify=True),
    load=Load(running=2),
    defaults=EffectiveParameters(sampling=Sampling(temperature=0.7)),
)
LOADING = Model(name="b\x1b[2J\nig", state=ModelState.MODEL_STATE_LOADING, backend=BackendInfo(name="tensorrt_llm"))


def test_prints_a_table(server, run):
    server.responses["ListModels"] = ListModelsResponse(models=[LOADING, READY])
    assert run("models").out == (
        "NAME          STATE    CONTEXT  BACKEND       DEVICE  DTYPE    DOES            LOAD\n"
        "b␛[2J ig      loading  -        tensorrt_llm  -       -        -               -\n"
        "paddock-tiny  ready    2048     transformers  cpu     float32  chat, classify  2 running, 0 waiting\n"
    )


def test_an_unknown_state_is_a_number(server, run):
    server.responses["ListModels"] = ListModelsResponse(models=[Model(name="m", state=9)])
    assert run("models").out.splitlines()[1].split() == ["m", "9", "-", "-", "-", "-", "-", "-"]


def test_a_name_tells_all_about_one(server, run):
    server.responses["GetModel"] = GetModelResponse(model=READY)
    lines = dict(line.split(maxsplit=1) for line in run("models", "tiny").out.splitlines())
    assert server.requests[0].model == "tiny"
    assert lines["state"] == "ready"
    assert lines["aliases"] == "tiny, default"
    assert lines["support.supports_chat"] == "yes"
    assert lines["support.supports_tools"] == "no"
    assert lines["load.waiting"] == "0"
    assert lines["defaults.sampling.temperature"] == "0.7"
    assert "defaults.sampling.seed" not in lines


def test_json_prints_what_the_server_says(server, run):
    server.responses["ListModels"] = ListModelsResponse(models=[READY])
    server.responses["GetModel"] = GetModelResponse(model=READY)
    (listed,) = json.loads(run("models", "--json").out)["models"]
    assert listed == json.loads(run("models", "tiny", "--json").out)
    assert (listed["state"], listed["load"]) == ("MODEL_STATE_READY", {"running": 2, "waiting": 0})
