"""The file of callers, and how a key is looked up."""

from __future__ import annotations

import hashlib
import hmac
import json

import pytest

from services.admission.fair import Priority
from services.admission.limit import LimitsConfig
from services.errors import ConfigError
from services.identity import caller as callers
from services.identity.caller import Caller, line, read_callers
from services.identity.key import digest, new_key

DIGEST = "0" * 64


def read(*entries: object):
    text = "\n".join(entry if isinstance(entry, str) else json.dumps(entry) for entry in entries)
    return read_callers("server.api_keys", "keys.jsonl", text.encode("utf-8", "surrogateescape"))


def test_a_key_is_random_and_its_digest_is_sha_256():
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    for key in keys:
        assert key.startswith("pdk_")
        assert len(key) >= 4 + 43  # 256 bits in base64
        assert digest(key) == hashlib.sha256(key.encode()).hexdigest()


def test_the_line_of_a_key_does_not_tell_it():
    key = new_key()
    written = line("ci", key, ["a"])
    assert key not in written
    assert key[4:] not in written
    assert read(written).of_key(key) == Caller("ci", frozenset({"a"}))


def test_a_key_is_found_by_the_whole_of_its_digest():
    key = new_key()
    known = read(line("ci", key, []), line("other", new_key(), []))
    assert known.of_key(key) == Caller("ci", None)
    for wrong in (key[:-1], key + " ", key.upper(), digest(key), "", "\udcff", "ü"):
        assert known.of_key(wrong) is None


def test_digests_are_compared_in_constant_time(monkeypatch):
    compared, real = [], hmac.compare_digest

    def compare(a, b):
        compared.append((a, b))
        return real(a, b)

    monkeypatch.setattr(callers.hmac, "compare_digest", compare)
    key = new_key()
    known = read(line("ci", key, []))
    known.of_key(key)
    known.of_key("wrong")
    assert compared == [(digest(key), digest(key)), ("", digest("wrong"))]


def test_an_old_and_a_new_key_may_share_a_name():
    old, new = new_key(), new_key()
    known = read(line("ci", old, ["a"]), line("ci", new, []))
    assert (known.of_key(old), known.of_key(new)) == (Caller("ci", frozenset({"a"})), Caller("ci"))


def test_models_that_may_be_asked():
    assert Caller("c").may_ask(["m"])
    assert Caller("c", frozenset({"m"})).may_ask(["x", "m"])
    assert not Caller("c", frozenset({"m"})).may_ask(["x", "mm"])
    assert not Caller("c", frozenset()).may_ask(["m"])


def test_an_empty_list_of_models_allows_none():
    known = read({"name": "c", "san": "c.internal", "models": []})
    assert known.of_certificate(["other", "c.internal"]) == Caller("c", frozenset())
    assert known.of_certificate(["other"]) is None


def test_what_callers_get_where_there_is_not_enough():
    limits = {"requests": 2, "tokens_per_minute": 600}
    known = read({"name": "c", "san": "c", "weight": 2, "priority": "high", "tenant": "t", "limits": limits})
    (caller,) = [known.of_certificate(["c"])]
    assert (caller.weight, caller.priority, caller.tenant) == (2.0, Priority.high, "t")
    assert caller.limits == LimitsConfig(requests=2, tokens_per_minute=600)
    assert read({"name": "c", "san": "c"}).of_certificate(["c"]) == Caller("c", None, 1.0, Priority.normal)


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("{", "line 2: is no JSON"),
        ("[]", "line 2: has other fields"),
        ("7", "line 2: has other fields"),
        ("\udcff", "line 2: is no JSON"),
        ({"name": "c", "sha256": DIGEST, "model": ["m"]}, "line 2: has other fields"),  # would allow all models
        ({"sha256": DIGEST}, "line 2: its name"),
        ({"name": "a b", "sha256": DIGEST}, "line 2: its name"),
        ({"name": "c"}, "line 2: give one of sha256 and san"),
        ({"name": "c", "sha256": DIGEST, "san": "c"}, "line 2: give one of sha256 and san"),
        ({"name": "c", "sha256": "secret"}, "line 2: its sha256"),
        ({"name": "c", "sha256": DIGEST.replace("0", "A")}, "line 2: its sha256"),
        ({"name": "c", "san": ""}, "line 2: its san"),
        ({"name": "c", "san": ["c"]}, "line 2: its san"),
        ({"name": "c", "sha256": DIGEST, "models": "m"}, "line 2: its models"),
        ({"name": "c", "sha256": DIGEST, "models": None}, "line 2: its models"),
        ({"name": "c", "sha256": DIGEST, "models": [7]}, "line 2: its models"),
        ({"name": "c", "sha256": DIGEST, "weight": 0}, "line 2: its weight"),
        ({"name": "c", "sha256": DIGEST, "weight": float("nan")}, "line 2: its weight"),
        ({"name": "c", "sha256": DIGEST, "weight": float("inf")}, "line 2: its weight"),
        ({"name": "c", "sha256": DIGEST, "weight": True}, "line 2: its weight"),
        ({"name": "c", "sha256": DIGEST, "weight": "2"}, "line 2: its weight"),
        ({"name": "c", "sha256": DIGEST, "priority": "urgent"}, "line 2: its priority"),
        ({"name": "c", "sha256": DIGEST, "priority": ["high"]}, "line 2: its priority"),
        ({"name": "c", "sha256": DIGEST, "tenant": ""}, "line 2: its tenant"),
        ({"name": "c", "sha256": DIGEST, "tenant": 7}, "line 2: its tenant"),
        ({"name": "c", "sha256": DIGEST, "limits": 7}, "line 2: its limits"),
        ({"name": "c", "sha256": DIGEST, "limits": {"request": 7}}, "line 2: its limits"),
        ({"name": "c", "sha256": DIGEST, "limits": {"requests": 0}}, "line 2: its limits.requests"),
        ({"name": "c", "sha256": DIGEST, "limits": {"tokens": 1.5}}, "line 2: its limits"),
        ({"name": "c", "sha256": DIGEST, "limits": {"tokens": True}}, "line 2: its limits"),
        ({"name": "c", "sha256": DIGEST, "limits": {"tokens": None}}, "line 2: its limits"),
    ],
)
def test_a_wrong_line_is_told_without_its_words(entry, told):
    with pytest.raises(ConfigError) as caught:
        read("# comment", entry)
    assert str(caught.value).startswith(f"server.api_keys: keys.jsonl {told}")
    assert "secret" not in str(caught.value)


def test_one_key_has_one_entry():
    with pytest.raises(ConfigError, match="line 2: is ci's already"):
        read({"name": "ci", "sha256": DIGEST}, {"name": "other", "sha256": DIGEST})


def test_a_file_that_lists_nobody_is_no_list():
    """It is one that somebody is about to write; as a list it would lock out everybody."""
    for text in ("", "\n\n", "# nobody\n"):
        with pytest.raises(ConfigError, match="lists nobody"):
            read(text)
