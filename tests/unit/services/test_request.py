"""What a request amounts to, by itself: defaults in their layers, and nothing that can't be told back."""

from __future__ import annotations

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.simulator.config import SimulatorConfig
from backends.types import Capabilities, Feature
from llama.chat import ChatEncoder
from llama.tokenizer import Tokenizer
from paddock.v1 import chat_pb2, generate_pb2, guard_pb2
from services import request as requests
from services import response as responses
from services import sampling as samplings
from services.admission.admission import Admission
from services.config import ModelConfig, SamplingDefaults
from services.errors import ConfigError, FeatureUnsupportedError, InvalidArgumentError
from services.guard.config import GuardConfig, GuardMode, GuardSubject
from services.model import Loaded, ServedModel
from services.token_bytes import SpanBytes, TokenBytes
from tests.checkpoint import END_OF_TEXT, END_OF_TURN, VOCAB_SIZE


@pytest.fixture(scope="module")
def tokenizer(checkpoint):
    """The test tokenizer."""
    return Tokenizer((checkpoint / "tokenizer.json").read_text())


@pytest.fixture
def served(tokenizer):
    """A model and what is known of it, without a server."""

    def make(features=frozenset(Feature), defaults=None, generation_config=None, guards=()):
        config = ModelConfig(
            name="m",
            checkpoint="x",
            backend=SimulatorConfig(),
            sampling=defaults or SamplingDefaults(),
            guards=list(guards),
        )
        capabilities = Capabilities(
            context_length=64, vocab_size=VOCAB_SIZE, max_concurrency=4, features=features, max_logprobs=20
        )
        sampling = samplings.defaults(
            dataclasses.asdict(config.sampling), generation_config or {}, features, "models.m"
        )
        stops = (END_OF_TEXT, END_OF_TURN)
        admission = Admission("m", lambda: 4, 4, 60.0)
        return ServedModel("m", config), Loaded(
            *(tokenizer, ChatEncoder(tokenizer), stops, sampling, capabilities, admission),
            *(TokenBytes(tokenizer), SpanBytes(tokenizer)),
        )

    return make


def request(**fields):
    return generate_pb2.GenerateRequest(**{"prompt": "the horse", **fields})


def test_unset_is_not_zero(served):
    model, loaded = served(generation_config={"temperature": 0.6, "top_k": 50, "top_p": 0.9})

    unset = requests.plan(request(), model, loaded).sampling
    zeros = requests.plan(
        request(sampling=generate_pb2.Sampling(temperature=0, top_k=0, seed=0)), model, loaded
    ).sampling

    assert (unset.temperature, unset.top_k) == (pytest.approx(0.6), 50)
    assert (zeros.temperature, zeros.top_k, zeros.seed) == (0, 0, 0)
    assert zeros.top_p == pytest.approx(0.9)


def test_layers(served):
    """Request over the model's configuration over generation_config.json over what changes nothing."""
    model, loaded = served(
        defaults=SamplingDefaults(temperature=0.7, top_p=0.8), generation_config={"temperature": 0.6, "top_k": 50}
    )

    sampling = requests.plan(request(sampling=generate_pb2.Sampling(temperature=0.5)), model, loaded).sampling

    assert sampling.temperature == 0.5
    assert sampling.top_p == pytest.approx(0.8)
    assert sampling.top_k == 50
    assert sampling.min_p == 0


def test_greedy_by_generation_config(served):
    model, loaded = served(generation_config={"do_sample": False, "temperature": 0.6})

    assert requests.plan(request(), model, loaded).sampling.temperature == 0


SAMPLING = st.builds(
    lambda **values: generate_pb2.Sampling(**{name: value for name, value in values.items() if value is not None}),
    temperature=st.none() | st.floats(0, 10, width=32),
    top_p=st.none() | st.floats(0, 1, exclude_min=True, width=32),
    top_k=st.none() | st.integers(0, 2**31 - 1),
    min_p=st.none() | st.floats(0, 1, width=32),
    repetition_penalty=st.none() | st.floats(0, 10, exclude_min=True, width=32),
    presence_penalty=st.none() | st.floats(-2, 2, width=32),
    frequency_penalty=st.none() | st.floats(-2, 2, width=32),
    seed=st.none() | st.integers(0, 2**64 - 1),
    logit_bias=st.dictionaries(st.integers(0, VOCAB_SIZE - 1), st.floats(-100, 100, width=32), max_size=3),
)
STOP = st.builds(
    lambda **values: generate_pb2.Stop(**{name: value for name, value in values.items() if value is not None}),
    strings=st.lists(st.text("abé", min_size=1, max_size=3), max_size=16),
    token_ids=st.lists(st.integers(0, VOCAB_SIZE - 1), max_size=64),
    ignore_eos=st.none() | st.booleans(),
    include_in_output=st.none() | st.booleans(),
)


def test_effective_parameters_put_back_are_the_same_plan(served):
    model, loaded = served(generation_config={"temperature": 0.6, "top_p": 0.9, "repetition_penalty": 1.1})

    @given(SAMPLING, STOP, st.none() | st.integers(1, 64), st.integers(1, 16))
    def check(sampling, stop, max_tokens, n):
        planned = requests.plan(request(sampling=sampling, stop=stop, max_tokens=max_tokens, n=n), model, loaded)
        used = responses.started(planned, "id", "m").parameters
        again = request(
            sampling=used.sampling, stop=used.stop, max_tokens=used.max_tokens, min_tokens=used.min_tokens, n=used.n
        )
        assert requests.plan(again, model, loaded) == planned

    check()


def test_any_bytes_are_planned_or_refused(served):
    """No request, however odd, ends in another error than one that says what is wrong with it."""
    model, loaded = served()
    number = st.one_of(st.none(), st.floats(width=32), st.just(math.nan))

    @given(
        st.builds(
            lambda **values: generate_pb2.Sampling(**{name: v for name, v in values.items() if v is not None}),
            temperature=number,
            top_p=number,
            min_p=number,
            repetition_penalty=number,
            presence_penalty=number,
            frequency_penalty=number,
            top_k=st.none() | st.integers(0, 2**32 - 1),
            logit_bias=st.dictionaries(st.integers(0, 2**32 - 1), st.floats(width=32), max_size=3),
        ),
        st.integers(0, 2**32 - 1),
        st.integers(0, 2**32 - 1),
        st.lists(st.integers(0, 2**32 - 1), max_size=3),
        st.integers(0, 20),
    )
    def check(sampling, max_tokens, min_tokens, ids, n):
        wanted = request(sampling=sampling, max_tokens=max_tokens, min_tokens=min_tokens, n=n, stop={"token_ids": ids})
        wanted.continuations.add(output_index=n, token_ids=ids)
        try:
            planned = requests.plan(wanted, model, loaded)
        except (InvalidArgumentError, FeatureUnsupportedError):
            return
        for index in range(planned.n):
            planned.request(index)

    check()


def test_the_content_parts_of_a_chat_are_bounded(served):
    model, loaded = served()
    request = generate_pb2.GenerateRequest()
    message = request.chat.messages.add(role=2)
    message.content.extend([message.content.add(text="x")] * 16_384)
    with pytest.raises(InvalidArgumentError, match="16385 content parts"):
        requests.plan(request, model, loaded)


def test_a_small_schema_that_would_write_a_large_prompt_is_refused(served):
    model, loaded = served()
    request = generate_pb2.GenerateRequest()
    request.chat.messages.add(role=2).content.add(text="x")
    schema = '{"a":' + "[" * 900 + "0," * 3000 + "0" + "]" * 900 + "}"
    request.chat.tools.add().function.MergeFrom(chat_pb2.FunctionTool(name="f", parameters_json=schema))
    with pytest.raises(InvalidArgumentError, match="32 levels"):
        requests.plan(request, model, loaded)


def test_a_call_has_the_same_name_again_and_another_elsewhere(served):
    model, loaded = served()

    def name(text, seed):
        wanted = generate_pb2.GenerateRequest(prompt=text)
        wanted.sampling.seed = seed
        return requests.plan(wanted, model, loaded).call_id(0, 0)

    assert name("a", 1) == name("a", 1)
    assert len({name("a", 1), name("a", 2), name("b", 1)}) == 3


def test_a_json_part_is_json(served):
    model, loaded = served()
    request = generate_pb2.GenerateRequest()
    request.chat.messages.add(role=2).content.add(text="x")
    request.chat.messages.add(role=4).content.add(json="{")
    with pytest.raises(InvalidArgumentError) as caught:
        requests.plan(request, model, loaded)
    assert [violation.field for violation in caught.value.violations] == ["chat.messages[1].content[0].json"]


def test_a_seed_of_an_output_stays_in_range(served):
    model, loaded = served()
    planned = requests.plan(request(n=3, sampling=generate_pb2.Sampling(seed=2**64 - 1)), model, loaded)

    assert [planned.request(index).sampling.seed for index in range(3)] == [2**64 - 1, 0, 1]


def test_prompt_logprobs_are_asked_for_once(served):
    model, loaded = served()
    wanted = request(n=3, prompt_logprobs=1)
    wanted.continuations.add(output_index=0).finished.completion_tokens = 7
    planned = requests.plan(wanted, model, loaded)

    assert [planned.request(index).prompt_logprobs for index in (1, 2)] == [1, None]
    assert planned.unfinished == 2


def test_a_missing_feature_is_refused_before_anything_is_encoded(served):
    model, loaded = served(features=frozenset())

    with pytest.raises(FeatureUnsupportedError, match="min_p"):
        requests.plan(request(sampling=generate_pb2.Sampling(min_p=0.1)), model, loaded)


def test_a_default_that_the_backend_lacks_is_no_reason_to_refuse(served):
    model, loaded = served(features=frozenset(), generation_config={"temperature": 0.6, "top_p": 0.9, "top_k": 50})

    planned = requests.plan(request(), model, loaded)

    assert (planned.sampling.top_p, planned.sampling.top_k) == (1.0, 0)


@pytest.mark.parametrize("bad", [{"temperature": "hot"}, {"top_p": 7}, {"top_k": -1}, {"repetition_penalty": 0}])
def test_a_generation_config_that_is_wrong_is_told_at_load(bad):
    (name,) = bad
    with pytest.raises(ConfigError, match=rf"^models.m.checkpoint: {name} .* set models.m.sampling.{name}$"):
        samplings.defaults({}, bad, frozenset(Feature), "models.m")


OFF, ANNOTATE, ENFORCE = guard_pb2.GUARD_MODE_OFF, guard_pb2.GUARD_MODE_ANNOTATE, guard_pb2.GUARD_MODE_ENFORCE


def guards(*modes, subject="input"):
    return [
        GuardConfig(model=f"g{number}", subject=GuardSubject(subject), mode=GuardMode[mode])
        for number, mode in enumerate(modes)
    ]


@pytest.mark.parametrize(
    ("configured", "asked", "expected"),
    [
        (["off", "annotate", "enforce"], {}, ["off", "annotate", "enforce"]),
        (["off", "annotate"], {"input": ANNOTATE}, ["annotate", "annotate"]),
        (["off", "annotate", "enforce"], {"input": ENFORCE}, ["enforce"] * 3),
        (["off"], {"input": OFF}, ["off"]),
        (["off"], {"output": OFF}, ["off"]),
    ],
)
def test_a_request_may_tighten_its_guards(served, configured, asked, expected):
    model, loaded = served(guards=guards(*configured))

    plan = requests.plan(request(guards=guard_pb2.GuardOptions(**asked)), model, loaded)

    assert [mode.value for mode in plan.guard_modes] == expected


@pytest.mark.parametrize(
    ("configured", "asked"),
    [(["enforce"], OFF), (["enforce"], ANNOTATE), (["annotate"], OFF), (["off", "enforce"], ANNOTATE), (["off"], 17)],
)
@pytest.mark.parametrize("subject", ["input", "output"])
def test_a_request_may_not_loosen_them(served, subject, configured, asked):
    model, loaded = served(guards=[*guards(*configured, subject=subject), *guards("off", subject="input")])

    with pytest.raises(InvalidArgumentError) as caught:
        requests.plan(request(guards=guard_pb2.GuardOptions(**{subject: asked})), model, loaded)

    assert {violation.field for violation in caught.value.violations} == {f"guards.{subject}"}


@pytest.mark.parametrize("asked", [{"output": ANNOTATE}, {"output": ENFORCE, "input": ENFORCE}])
def test_guards_that_there_are_none_of_are_refused(served, asked):
    model, loaded = served(guards=guards("enforce"))

    with pytest.raises(FeatureUnsupportedError, match="guards"):
        requests.plan(request(guards=guard_pb2.GuardOptions(**asked)), model, loaded)


def test_without_any_guard_even_an_empty_wish_is_refused(served):
    with pytest.raises(FeatureUnsupportedError, match="guards"):
        requests.plan(request(guards=guard_pb2.GuardOptions()), *served())
