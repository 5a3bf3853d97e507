"""Every file of conf/ composes and can be instantiated, and every mistake is one sentence that names its key."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import hydra.utils
import pytest

from backends.base import Backend
from services import config as configs
from services.config import ConfigError, PaddockConfig
from services.guard.config import GuardMode

CONF = Path(__file__).parents[3] / "conf"
MODELS = sorted(path.stem for path in (CONF / "model").glob("*.yaml") if path.stem != "embedded")
"""All but the file that puts the embedded ones together."""
BACKENDS = sorted(path.stem for path in (CONF / "backend").glob("*.yaml"))
FILL = {"custom": ["models.custom.name=my-llama", "models.custom.checkpoint=/checkpoint"]}
"""What a file leaves to whoever uses it."""


def test_every_group_is_tested_here():
    assert {path.name for path in CONF.iterdir() if path.is_dir() and not path.name.startswith("__")} <= {
        "model",
        "backend",
        "routing",
        "server",
        "telemetry",
    }
    assert MODELS
    assert BACKENDS


@pytest.mark.parametrize("name", MODELS)
def test_every_model_composes_and_its_backend_can_be_made(name):
    config = configs.load([f"model={name}", *FILL.get(name, ())])

    (model,) = config.models.values()
    backend = hydra.utils.instantiate(dataclasses.asdict(model.backend))
    assert isinstance(backend, Backend)
    assert not backend.health().ready


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("model", ["custom", "paddock-tiny"])
def test_every_backend_serves_any_checkpoint(model, name):
    config = configs.load([f"model={model}", f"backend@models.{model}.backend={name}", *FILL.get(model, ())])

    (served,) = config.models.values()
    assert f"backends.{name}." in served.backend._target_


def test_all_models_at_once():
    config = configs.load([f"model=[{','.join(MODELS)}]", *(o for overrides in FILL.values() for o in overrides)])

    assert set(config.models) == set(MODELS)


def test_the_defaults_are_those_of_the_schema():
    config = configs.load([])

    assert list(config.models) == ["paddock-tiny", "paddock-guard-tiny", "paddock-prompt-guard-tiny"]
    assert {guard.model for guard in config.models["paddock-tiny"].guards} == set(list(config.models)[1:])
    assert {guard.mode for guard in config.models["paddock-tiny"].guards} == {GuardMode.off}
    assert config.server == PaddockConfig().server
    assert config.server.address == "127.0.0.1:50051"
    assert not config.server.insecure


AUTO = ["model=paddock-tiny", "backend@models.paddock-tiny.backend=auto"]


@pytest.mark.parametrize(
    ("under", "target"), [("", "backends.transformers.loading.json.loads"), ("transformers.", "os.getcwd")]
)
def test_nothing_is_called_but_backends(under, target):
    """Also where a backend chooses from others."""
    with pytest.raises(ConfigError, match=rf"^models\.paddock-tiny\.backend\.{under}_target_: {target} is not one of"):
        configs.load([*AUTO, f"models.paddock-tiny.backend.{under}_target_={target}"])


def test_limits_of_callers():
    limits = configs.load(["model=simulator", "server.limits.tokens_per_minute=600"]).server.limits
    assert (limits.tokens_per_minute, limits.requests) == (600, None)


def test_limits_of_callers_at_one_model():
    pools = "[{name: main, upstreams: [{address: 'a:1'}]}]"
    routed = ["routing=custom", "routing.models.custom.name=m", f"routing.models.custom.pools={pools}"]
    local = ["model=simulator", "models.simulator.limits.requests=2"]
    config = configs.load([*local, *routed, "routing.models.custom.limits.tokens=7"])
    assert (config.models["simulator"].limits.requests, config.server.limits.requests) == (2, None)
    assert config.routing.models["custom"].limits.tokens == 7
    config.routing.models["custom"].limits.requests_per_minute = 0
    with pytest.raises(ConfigError, match=r"^routing\.models\.custom\.limits\.requests_per_minute: 0 is below 1; "):
        configs._check(config)


def test_a_folder_of_ones_own_comes_first(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_text(
        "# @package models.mine\n"
        "defaults:\n  - /backend@backend: simulator\n  - _self_\nname: mine\ncheckpoint: /somewhere\n"
    )

    assert configs.load(["model=mine"], str(tmp_path)).models["mine"].checkpoint == "/somewhere"


def test_a_file_of_ones_own_takes_the_place_of_a_built_in_one(tmp_path):
    (tmp_path / "model").mkdir()
    for file, old, new in (
        ("model/simulator.yaml", "name: simulator", "name: mine"),
        ("config.yaml", "embedded", "simulator"),
    ):
        built_in = (CONF / file).read_text(encoding="utf-8")
        (tmp_path / file).write_text(built_in.replace(old, new))

    assert [model.name for model in configs.load([], str(tmp_path)).models.values()] == ["mine"]
    assert configs.load(["model=simulator"]).models["simulator"].name == "simulator", "the folder is of one call"


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        (b"a: [\n", r"simulator\.yaml, line 2: .*; correct the file"),
        (b"name: x\nname: y\n", r"simulator\.yaml, line 2: .*duplicate.*; correct the file"),
        (b"a: \x00\n", r"simulator\.yaml: .*; correct the file"),
        (b"a: \xff\n", "can't be read: .*; correct it"),
        (
            b"# @package models.simulator\ndefaults: [/backend@backend: simulator]\nnmae: x\n",
            "'nmae' not in 'ModelConfig'",
        ),
    ],
    ids=["syntax", "twice", "control", "encoding", "key"],
)
def test_a_file_that_can_not_be_used(tmp_path, written, sentence):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "simulator.yaml").write_bytes(written)

    with pytest.raises(ConfigError, match=sentence) as caught:
        configs.load(["model=simulator"], str(tmp_path))
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_absent():
    with pytest.raises(ConfigError, match="--config-dir: no folder /absent"):
        configs.load([], "/absent")


MISTAKES = {
    "server.adress=127.0.0.1:0": "adress",
    "models.simulator.backend.tokens=3": "tokens",
    "models.simulator.backend.fault=sometimes": "models.simulator.backend.fault",
    "models.simulator.tokens=3": "tokens",
    "server.drain_s=soon": "server.drain_s",
    "server.drain_s=-1": "server.drain_s",
    "server.drain_s=0": "server.drain_s",
    "server.drain_s=nan": "server.drain_s",
    "server.keepalive_s=inf": "server.keepalive_s",
    "server.keepalive_timeout_s=1e9": "server.keepalive_timeout_s",
    "server.max_connection_age_s=9999999999": "server.max_connection_age_s",
    "server.max_connection_age_grace_s=9999999999": "server.max_connection_age_grace_s",
    "server.max_request_bytes=1e30": "server.max_request_bytes",
    "server.max_request_bytes=9999999999": "server.max_request_bytes",
    "server.max_response_bytes=9999999999": "server.max_response_bytes",
    "server.max_concurrent_rpcs=0": "server.max_concurrent_rpcs",
    "server.address=nowhere": "server.address",
    "server.address=": "server.address",
    "server.address=127.0.0.1:99999": "server.address",
    "server.address=0.0.0.0:50051": "server.insecure",
    "server.address='[::]:50051'": "server.insecure",
    "server.address=192.168.1.1:50051": "server.insecure",
    "server.address=127.example.com:50051": "server.insecure",
    "server.health_address=nowhere": "server.health_address",
    "server.health_address=": "server.health_address",
    "server.health_address=127.0.0.1:50051": "^server.health_address: .*another port",
    "server.tls.cert_file=a": "^server.tls.key_file: .*set both",
    "server.tls.key_file=a": "^server.tls.cert_file: .*set both",
    "server.tls.client_ca_file=a": "^server.tls.client_ca_file: .*set them",
    "telemetry.log_level=LOUD": "telemetry.log_level",
    "model=absent": "absent",
    "model=custom": "models.custom.(name|checkpoint)",
    "model=[]": "^model",
    "backend@models.simulator.backend=absent": "absent",
    "models.simulator.name='two words'": "models.simulator.name",
    "models.simulator.name=''": "models.simulator.name",
    "models.simulator.aliases=['two words']": "models.simulator.aliases",
    "models.simulator.aliases=['']": "models.simulator.aliases",
    "models.simulator.aliases=[simulator]": "models.simulator",
    "models.simulator.max_tokens=0": "models.simulator.max_tokens",
    "models.simulator.max_queue=-1": "models.simulator.max_queue",
    "models.simulator.max_wait_s=0": "models.simulator.max_wait_s",
    "server.limits.requests=0": "server.limits.requests",
    "server.limits.tokens_per_minute=-1": "server.limits.tokens_per_minute",
    "server.limits.request=1": "server.limits.request",
    "models.simulator.limits.requests=0": "^models.simulator.limits.requests: 0 is below 1; ",
    "models.simulator.chat_layout=alpaca": "models.simulator.chat_layout",
    "models.simulator.guard=llama": "models.simulator.guard",
    "models.simulator.guard=llama_guard": "models.simulator.chat_layout.*none",
    "models.simulator.sampling.temperature=-1": "models.simulator.sampling.temperature",
    "models.simulator.sampling.top_p=7": "models.simulator.sampling.top_p",
    "models.simulator.sampling.top_k=-1": "models.simulator.sampling.top_k",
    "models.simulator.sampling.repetition_penalty=0": "models.simulator.sampling.repetition_penalty",
    "models.simulator.backend._target_=os.system": "_target_",
    "models.simulator.backend=3": "models.simulator.backend",
    "=x": "=x",
    "server": "server",
    "+horse=1": "^horse: there is no such key",
    "+server.adress=x": r"^server\.adress: there is no such key",
    "++models.simulator.tokens=3": r"^models\.simulator\.tokens: there is no such key",
    "+models.simulator.backend.tokens=3": r"^models\.simulator\.backend\.tokens: there is no such key",
    "model=simulator,paddock-tiny": r"^model: .*model=\[simulator,paddock-tiny\]",
}


@pytest.mark.parametrize("override", MISTAKES)
def test_a_mistake_is_one_sentence_that_names_its_key(override):
    base = [] if override.startswith("model=") else ["model=simulator"]

    with pytest.raises(ConfigError) as caught:
        configs.load([*base, override])

    sentence = str(caught.value)
    assert re.search(MISTAKES[override], sentence)
    assert "\n" not in sentence
    assert not re.search(r"\S\. ", sentence)
    assert "Traceback" not in sentence


@pytest.mark.parametrize("name", [name for name in MODELS if "guard" in name])
def test_guards_say_what_they_are_and_take_no_chat(name):
    (model,) = configs.load([f"model={name}"]).models.values()
    assert model.guard.value == ("prompt_guard" if "prompt" in name else "llama_guard")
    assert model.chat_layout is configs.ChatLayout.none


@pytest.mark.parametrize("address", ["127.0.0.1:0", "127.1.2.3:1", "localhost:65535", "'[::1]:0'", "unix:/tmp/x.sock"])
def test_loopback_addresses_need_no_consent(address):
    assert configs.load([f"server.address={address}"]).server.address == address.strip("'")


def test_other_addresses_need_consent():
    config = configs.load(["server.address=0.0.0.0:50051", "server.insecure=true"])

    assert config.server.address == "0.0.0.0:50051"


KEYS, CERTIFICATE, CLIENTS = (
    ["server.api_keys=keys"],
    ["server.tls.cert_file=a", "server.tls.key_file=b"],
    ["server.tls.client_ca_file=c"],
)


@pytest.mark.parametrize(
    ("overrides", "key"),
    [
        ([], "server.address:"),
        (CERTIFICATE, "server.address:"),  # encrypted, but whose?
        (KEYS, "server.api_keys:"),  # identified, but overheard
        ([*KEYS, *CERTIFICATE], None),
        ([*CERTIFICATE, *CLIENTS], None),
        ([*KEYS, "server.insecure=true"], None),
        ([*KEYS, "server.address=127.0.0.1:0"], None),
    ],
)
def test_other_machines_are_let_in_identified_and_unheard(overrides, key):
    overrides = ["server.address=0.0.0.0:50051", *overrides]
    if key is None:
        configs.load(overrides)
        return
    with pytest.raises(ConfigError) as caught:
        configs.load(overrides)
    assert str(caught.value).startswith(key)
    assert "server.insecure=true" in str(caught.value)


def test_two_models_can_not_share_a_name():
    with pytest.raises(ConfigError, match="rename"):
        configs.load(["model=[simulator,paddock-tiny]", "models.simulator.name=paddock-tiny"])


GUARDED = ["model=[paddock-tiny,simulator]", "models.simulator.chat_layout=none"]
JUDGE = "models.simulator.guard=llama_guard"


def attach(**guard):
    """An override that attaches guards; None leaves a key out."""
    entry = ", ".join(f"{key}: {value}" for key, value in {"model": "simulator", "subject": "input", **guard}.items())
    return f"models.paddock-tiny.guards=[{{{entry}}}]"


def test_a_guard_is_attached():
    config = configs.load([*GUARDED, JUDGE, attach(subject="output", mode="annotate")])

    (guard,) = config.models["paddock-tiny"].guards
    assert (guard.model, guard.subject.value, guard.mode.value) == ("simulator", "output", "annotate")
    assert not guard.fail_open


def test_a_guard_goes_by_an_alias_too():
    configs.load([*GUARDED, JUDGE, "models.simulator.aliases=[watchman]", attach(model="watchman")])


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ([attach(model="nobody")], r"guards\[0\].model: 'nobody' is not served here; serve it too"),
        ([attach(model="paddock-tiny")], r"guards\[0\].model: 'paddock-tiny' is the model itself; name another"),
        (
            ["models.simulator.guard=none", attach()],
            r"guards\[0\].model: 'simulator' is no guard; .*models.simulator.guard",
        ),
        (
            ["models.simulator.guard=prompt_guard", attach(subject="output")],
            r"guards\[0\].subject: 'simulator' is a prompt_guard, which judges input only; set it to input",
        ),
        (
            ["models.paddock-tiny.guards=[{model: simulator, subject: input}, {model: simulator, subject: input}]"],
            r"guards\[1\]: 'simulator' guards the input already; leave one out",
        ),
        (["models.paddock-tiny.guards=[{model: simulator}]"], r"guards\[0\].subject: is missing; set it"),
        ([attach(timeout_s=0)], r"guards\[0\].timeout_s: 0 is not above 0"),
        ([attach(timeout_s="inf")], r"guards\[0\].timeout_s: inf is not"),
        ([attach(window_chars=0)], r"guards\[0\].window_chars: 0 is too few"),
        ([attach(step_chars=0)], r"guards\[0\].step_chars: 0 is too few"),
        ([attach(window_chars=10, overlap_chars=10)], r"guards\[0\].overlap_chars: 10 is not in \[0, window_chars\)"),
        ([attach(context_chars=-1)], r"guards\[0\].context_chars: -1 is negative"),
        ([attach(mode="strict")], r"mode: .*expected one of \[off, annotate, enforce\]"),
    ],
)
def test_a_guard_that_can_not_be_is_refused(overrides, sentence):
    with pytest.raises(ConfigError, match=sentence):
        configs.load([*GUARDED, JUDGE, *overrides])
