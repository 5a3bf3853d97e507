"""`paddock classify`."""

from __future__ import annotations

import json

import pytest

from paddock.v1.chat_pb2 import Role
from paddock.v1.classify_pb2 import Classification, ClassifyResponse, LabelScore, WindowScore
from paddock.v1.generate_pb2 import Usage
from paddock.v1.guard_pb2 import GuardDecision, GuardVerdict

UNSAFE = GuardVerdict(
    decision=GuardDecision.GUARD_DECISION_UNSAFE, categories=["S1", "S10"], unsafe_probability=0.97314
)
SAFE = GuardVerdict(decision=GuardDecision.GUARD_DECISION_SAFE)


def scores(*values):
    return [LabelScore(label=label, score=value) for label, value in zip(("benign", "bad\n"), values, strict=True)]


def response(**fields):
    usage = Usage(prompt_tokens=42, completion_tokens=7, total_tokens=49)
    return ClassifyResponse(results=[Classification(**fields)], usage=usage)


def test_a_verdict_is_a_line(server, run):
    server.responses["Classify"] = response(verdict=UNSAFE)
    result = run("classify", "some text", "--model", "guard")
    assert result.out == "unsafe: S1, S10, probability of unsafe 0.9731\n"
    assert result.err == "42 tokens read, 7 written\n"
    (request,) = server.requests
    assert (request.model, request.inputs[0].text) == ("guard", "some text")
    assert not request.inputs[0].HasField("third_party")
    assert not request.HasField("normalize_spacing")
    assert not request.HasField("temperature")


def test_a_verdict_without_more_is_a_word(server, run):
    server.responses["Classify"] = response(verdict=SAFE)
    assert run("classify", stdin="x").out == "safe\n"


def test_labels_and_windows_are_tables(server, run):
    windows = [
        WindowScore(start=0, end=9, labels=scores(0.25, 0.75)),
        WindowScore(start=7, end=12, labels=scores(1, 0)),
    ]
    server.responses["Classify"] = response(labels=scores(1, 0.75), windows=windows, neutralized_sequences=2)
    result = run("classify", "x")
    assert result.out == (
        "LABEL   SCORE\nbenign  1.0000\nbad     0.7500\n"
        "BYTES  benign  bad\n0-9    0.2500  0.7500\n7-12   1.0000  0.0000\n"
    )
    assert "2 spelled a control token or the guard's frame and stay text" in result.err


def test_options_make_the_request(server, run):
    server.responses["Classify"] = response(verdict=SAFE)
    run("classify", "x", "--third-party", "--exclude", "S1", "--exclude", "S2", "--temperature", "3", "--keep-spacing")
    (request,) = server.requests
    assert request.inputs[0].third_party
    assert list(request.excluded_categories) == ["S1", "S2"]
    assert (request.temperature, request.normalize_spacing) == (3, False)
    assert request.HasField("normalize_spacing")


def test_a_reply_is_judged_in_its_conversation(server, run):
    server.responses["Classify"] = response(verdict=SAFE)
    run("classify", "how?", "--reply", "so.")
    messages = server.requests[0].inputs[0].chat.messages
    said = [(message.role, message.content[0].text) for message in messages]
    assert said == [(Role.ROLE_USER, "how?"), (Role.ROLE_ASSISTANT, "so.")]


@pytest.mark.parametrize("argv", [["x", "--reply", "y", "--third-party"], ["x", "--temperature", "hot"]])
def test_what_makes_no_sense_is_one_sentence(server, run, argv):
    result = run("classify", *argv)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("paddock classify: ")
    assert result.err.count("\n") == 1
    assert not server.requests


def test_json_prints_the_whole_response(server, run):
    server.responses["Classify"] = response(verdict=UNSAFE)
    result = run("classify", "x", "--json")
    assert json.loads(result.out)["results"][0]["verdict"]["decision"] == "GUARD_DECISION_UNSAFE"
    assert result.err == ""
