"""`paddock key`, and what the other commands do with a key."""

from __future__ import annotations

import json
import re

import pytest

from services.identity.caller import Caller, read_callers


def test_the_line_goes_to_the_file_and_the_key_to_the_person(run):
    result = run("key", "ci", "--model", "a", "--model", "b")
    assert result.code == 0
    key = re.fullmatch(r"the key, shown once: (\S+)\n", result.err)[1]
    assert key not in result.out
    callers = read_callers("server.api_keys", "keys", result.out.encode())
    assert callers.of_key(key) == Caller("ci", frozenset({"a", "b"}))
    assert result.out.endswith("\n")  # for the next one to be appended


def test_without_models_all_may_be_asked(run):
    assert "models" not in json.loads(run("key", "ci").out)
    assert run("key", "ci").out != run("key", "ci").out


@pytest.mark.parametrize("name", ["two words", "", "a" * 65, "ü"])
def test_a_name_that_is_none(run, name):
    result = run("key", name)
    assert (result.code, result.out) == (2, "")
    assert "is no name: use letters" in result.err


def test_a_key_is_sent(server, run, monkeypatch):
    monkeypatch.setenv("PADDOCK_API_KEY", "pdk_x")
    run("models")
    assert [sent["authorization"] for sent in server.metadata] == ["Bearer pdk_x"]


def test_no_key_is_no_metadata(server, run, monkeypatch):
    monkeypatch.setenv("PADDOCK_API_KEY", "")
    run("models")
    assert ["authorization" in sent for sent in server.metadata] == [False]


@pytest.mark.parametrize(
    ("argv", "key", "told"),
    [
        (["--address", "10.0.0.7:1"], "pdk_secret", "would travel unencrypted to 10.0.0.7:1: give --tls-ca"),
        ([], "pdk_secret\n", "PADDOCK_API_KEY holds no key"),
        ([], "pdk secret", "PADDOCK_API_KEY holds no key"),
        (["--tls-ca", "/nowhere"], "", "--tls-ca: /nowhere can't be read"),
        (["--tls-cert", "/nowhere"], "", "--tls-cert and --tls-key belong together"),
        (["--tls-cert", "/nowhere", "--tls-key", "/nowhere"], "", "give --tls-ca, too"),
    ],
)
def test_what_is_refused_before_anything_is_sent(run, monkeypatch, argv, key, told):
    monkeypatch.setenv("PADDOCK_API_KEY", key)
    result = run("models", *argv)
    assert (result.code, result.out) == (2, "")
    assert told in result.err
    assert "secret" not in result.err
