"""Every row of the table in error.proto, from a real client: code, message, details, and nothing that is to stay in."""

from __future__ import annotations

import re

import grpc
import pytest

from backends.errors import (
    ComputeError,
    ContextLengthError,
    InvalidRequestError,
    UnavailableError,
    UnsupportedError,
)
from backends.simulator.config import Fault
from backends.types import Feature
from paddock.v1 import chat_pb2, classify_pb2, generate_pb2, guard_pb2, model_pb2, tokenize_pb2
from services.config import GuardKind
from tests.checkpoint import VOCAB_SIZE
from tests.service.backend import ScriptedBackend, failing
from tests.service.failure import HEADER_LIMIT, failure
from tests.service.judge import guard_config, guard_folder
from tests.service.rig import MODEL, chat, model_config, request, serving, simulator

Code = grpc.StatusCode
SECRET = "correct horse battery staple"

BAD_FIELDS = [
    ({"n": 0}, "n"),
    ({"n": 17}, "n"),
    ({"temperature": -0.5}, "sampling.temperature"),
    ({"temperature": 10.5}, "sampling.temperature"),
    ({"temperature": float("nan")}, "sampling.temperature"),
    ({"temperature": float("inf")}, "sampling.temperature"),
    ({"top_p": 0.0}, "sampling.top_p"),
    ({"top_p": 1.01}, "sampling.top_p"),
    ({"top_k": 2**32 - 1}, "sampling.top_k"),
    ({"min_p": 1.5}, "sampling.min_p"),
    ({"repetition_penalty": 0.0}, "sampling.repetition_penalty"),
    ({"presence_penalty": 2.5}, "sampling.presence_penalty"),
    ({"frequency_penalty": -2.5}, "sampling.frequency_penalty"),
    ({"logit_bias": {VOCAB_SIZE: 1.0}}, f"sampling.logit_bias[{VOCAB_SIZE}]"),
    ({"logit_bias": {3: 101.0}}, "sampling.logit_bias[3]"),
    ({"logit_bias": {3: float("nan")}}, "sampling.logit_bias[3]"),
    ({"logit_bias": dict.fromkeys(range(1025), 1.0)}, "sampling.logit_bias"),
    ({"strings": [""]}, "stop.strings[0]"),
    ({"strings": ["ok", "é" * 513]}, "stop.strings[1]"),
    ({"strings": ["x"] * 17}, "stop.strings"),
    ({"stop_ids": range(65)}, "stop.token_ids"),
    ({"stop_ids": [1, VOCAB_SIZE]}, "stop.token_ids[1]"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"max_tokens": 513}, "max_tokens"),
    ({"max_tokens": 2**32 - 1}, "max_tokens"),
    ({"min_tokens": 25}, "min_tokens"),
    ({"logprobs": 21}, "logprobs"),
    ({"prompt_logprobs": 21}, "prompt_logprobs"),
    ({"prompt": ""}, "prompt"),
    ({"token_ids": generate_pb2.TokenIds()}, "token_ids.ids"),
    ({"token_ids": generate_pb2.TokenIds(ids=[1, VOCAB_SIZE])}, "token_ids.ids[1]"),
    ({"continuations": [{"output_index": 1}]}, "continuations[0].output_index"),
    ({"continuations": [{"output_index": 0}, {"output_index": 0}]}, "continuations[1].output_index"),
    ({"continuations": [{"token_ids": [VOCAB_SIZE]}]}, "continuations[0].token_ids[0]"),
    ({"continuations": [{"token_ids": [1] * 25}]}, "continuations[0].token_ids"),
    (
        {"continuations": [{"finished": {"completion_tokens": 2**32 - 1}}]},
        "continuations[0].finished.completion_tokens",
    ),
    ({"chat": chat()}, "chat.messages"),
    ({"chat": chat("hi", date="31.01.2026")}, "chat.date"),
    ({"chat": chat("hi", date="2026-02-30")}, "chat.date"),
]


@pytest.mark.parametrize(("fields", "field"), BAD_FIELDS, ids=lambda value: value if isinstance(value, str) else "")
async def test_a_bad_field_is_named(rig, fields, field):
    failed = await failure(rig.generate(request(**fields)))

    assert failed.code is Code.INVALID_ARGUMENT
    assert field in failed.violations
    assert failed.kinds == ["BadRequest", "RequestInfo"]


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (chat_pb2.Message(content=[{"text": "hi"}]), "chat.messages[0].role"),
        (chat_pb2.Message(role=77, content=[{"text": "hi"}]), "chat.messages[0].role"),
        (chat_pb2.Message(role=chat_pb2.ROLE_USER, content=[{}]), "chat.messages[0].content[0]"),
        (chat_pb2.Message(role=chat_pb2.ROLE_USER, content=[{"json": "{}"}]), "chat.messages[0].content[0].json"),
        (
            chat_pb2.Message(role=chat_pb2.ROLE_USER, content=[{"text": "hi"}], tool_call_id="1"),
            "chat.messages[0].tool_call_id",
        ),
        (
            chat_pb2.Message(role=chat_pb2.ROLE_USER, content=[{"text": "hi"}], tool_calls=[{"name": "f"}]),
            "chat.messages[0].tool_calls",
        ),
    ],
    ids=["no role", "unknown role", "empty part", "json of a user", "tool_call_id of a user", "tool_calls of a user"],
)
async def test_a_bad_message_is_named(rig, message, field):
    failed = await failure(rig.generate(request(chat=chat_pb2.Chat(messages=[message]))))

    assert failed.code is Code.INVALID_ARGUMENT
    assert field in failed.violations


async def test_a_system_message_in_the_middle_is_refused(rig):
    late = chat("hi", "hello")
    late.messages.add(role=chat_pb2.ROLE_SYSTEM, content=[{"text": "obey"}])

    failed = await failure(rig.generate(request(chat=late)))

    assert failed.code is Code.INVALID_ARGUMENT
    assert list(failed.violations) == ["chat.messages[2].role"]


async def test_a_missing_input_is_named(rig):
    failed = await failure(rig.generate(generate_pb2.GenerateRequest(model=MODEL)))

    assert failed.code is Code.INVALID_ARGUMENT
    assert list(failed.violations) == ["input"]


async def test_all_bad_fields_are_told_at_once(rig):
    failed = await failure(rig.generate(request(temperature=-1, top_p=2, n=99, max_tokens=0, strings=[""])))

    assert {"sampling.temperature", "sampling.top_p", "n", "max_tokens", "stop.strings[0]"} <= failed.violations.keys()


@pytest.mark.parametrize("method", ["Generate", "GenerateStream"])
async def test_very_many_bad_fields_fit_in_a_status(rig, method):
    biases = {2**32 - 1 - index: 101.0 for index in range(1000)}
    content = [chat_pb2.ContentPart(json="x") for _ in range(20)]
    many = chat_pb2.Chat(messages=[chat_pb2.Message(role=77, content=content) for _ in range(4096)])

    for wanted in (request(chat=many, logit_bias=biases), request(logit_bias=biases, strings=["" for _ in range(17)])):
        call = getattr(rig.stub, method)(wanted)
        failed = await failure(call if method == "Generate" else call.read())
        assert failed.code is Code.INVALID_ARGUMENT
        assert 1 <= len(failed.violations) <= 64
        assert failed.size < HEADER_LIMIT


async def test_the_stream_refuses_as_the_unary_call_does(rig):
    failed = await failure(rig.stream(request(temperature=-1)))

    assert failed.code is Code.INVALID_ARGUMENT
    assert "sampling.temperature" in failed.violations


@pytest.mark.parametrize("tokens", [512, 600])
async def test_a_prompt_that_is_too_long(rig, tokens):
    failed = await failure(rig.generate(request(token_ids=generate_pb2.TokenIds(ids=[7] * tokens))))

    assert failed.code is Code.INVALID_ARGUMENT
    assert failed.reason == "CONTEXT_LENGTH_EXCEEDED"
    assert failed.told == {"prompt_tokens": str(tokens), "limit": "511"}
    assert list(failed.violations) == ["token_ids"]


async def test_a_prompt_that_just_fits(rig):
    answer = await rig.generate(request(token_ids=generate_pb2.TokenIds(ids=[7] * 511)))

    assert answer.outputs[0].finished.reason == generate_pb2.FINISH_REASON_CONTEXT_LIMIT
    assert len(answer.outputs[0].tokens) == 1


async def test_a_prompt_that_is_too_long_is_not_quoted(rig):
    failed = await failure(rig.generate(request(prompt=SECRET * 100)))

    assert failed.reason == "CONTEXT_LENGTH_EXCEEDED"
    assert "horse" not in failed.message


@pytest.mark.parametrize(
    "name",
    ["absent", "SIM", "sim ", "sim\n\r\t\0", "モデル" * 40, "🐎" * 128, "\u202e\u0000" * 64, "%s%n{0}"],
)
async def test_an_unknown_model(rig, name):
    failed = await failure(rig.generate(request(model=name)))

    assert failed.code is Code.NOT_FOUND
    assert failed.reason == "MODEL_NOT_FOUND"
    assert failed.told == {"model": name, "served": MODEL}
    assert failed.size < HEADER_LIMIT
    assert "\n" not in failed.message


@pytest.mark.parametrize("name", ["x" * 20_480, "🐎" * 20_480], ids=["ascii", "unicode"])
@pytest.mark.parametrize("method", ["Generate", "Tokenize", "Detokenize", "GetModel", "Classify"])
async def test_a_very_long_model_name(rig, method, name):
    kinds = {
        "Generate": generate_pb2.GenerateRequest,
        "Tokenize": tokenize_pb2.TokenizeRequest,
        "Detokenize": tokenize_pb2.DetokenizeRequest,
        "GetModel": model_pb2.GetModelRequest,
        "Classify": classify_pb2.ClassifyRequest,
    }
    failed = await failure(getattr(rig.stub, method)(kinds[method](model=name)))

    assert failed.code in (Code.NOT_FOUND, Code.INVALID_ARGUMENT)
    assert failed.size < HEADER_LIMIT


async def test_an_unknown_model_among_very_many(checkpoint):
    models = [model_config(checkpoint, name=f"organization/a-model-with-quite-a-long-name-{i:03}") for i in range(150)]
    async with serving(*models, load=False) as rig:
        failed = await failure(rig.model("absent"))

        assert failed.code is Code.NOT_FOUND
        assert failed.reason == "MODEL_NOT_FOUND"
        assert models[0].name in failed.told["served"]
        assert failed.size < HEADER_LIMIT


async def test_a_model_must_be_named_where_there_are_several(checkpoint):
    several = (model_config(checkpoint, aliases=["simulator"]), model_config(checkpoint, name="other"))
    async with serving(*several) as rig:
        failed = await failure(rig.generate(request(model="")))
        assert failed.code is Code.INVALID_ARGUMENT
        assert list(failed.violations) == ["model"]

        failed = await failure(rig.generate(request(model="third")))
        assert failed.told["served"] == "other,sim"

        named = await rig.generate(request(model="simulator"))
        assert named.started.model == MODEL

        asked = request(model="simulator")
        told = await rig.stub.Tokenize(tokenize_pb2.TokenizeRequest(model=MODEL, generate=asked))
        assert told.token_count == named.started.prompt_tokens, "a name and its alias agree"
        failed = await failure(rig.stub.Tokenize(tokenize_pb2.TokenizeRequest(model="other", generate=asked)))
        assert list(failed.violations) == ["generate.model"]


async def test_the_only_model_beside_guards_needs_no_name(checkpoint, tmp_path):
    folder = guard_folder(tmp_path)
    guards = [guard_config(folder, GuardKind.llama_guard, name=f"guard {i}") for i in range(2)]
    async with serving(*guards) as rig:
        assert (await failure(rig.model(""))).code is Code.INVALID_ARGUMENT
    async with serving(*guards, model_config(checkpoint)) as rig:
        assert (await rig.model("")).name == MODEL
        assert (await rig.generate(request(model=""))).started.model == MODEL


UNBUILT = [
    ("response_format", {"response_format": generate_pb2.ResponseFormat(regex="[a-z]+")}),
    ("response_format", {"response_format": generate_pb2.ResponseFormat(json_object={})}),
    ("guards", {"guards": guard_pb2.GuardOptions(input=guard_pb2.GUARD_MODE_ENFORCE)}),
]


@pytest.mark.parametrize(("feature", "fields"), UNBUILT)
async def test_what_is_not_built_is_refused(rig, feature, fields):
    failed = await failure(rig.generate(request(**fields)))

    assert failed.code is Code.UNIMPLEMENTED
    assert failed.reason == "FEATURE_UNSUPPORTED"
    assert failed.told == {"feature": feature, "model": MODEL}


FUNCTION = chat_pb2.Tool(function=chat_pb2.FunctionTool(name="weather", description="Tells the weather."))
UNBUILT_TOOLS = {
    "required": ([FUNCTION], chat_pb2.ToolChoice(mode=chat_pb2.TOOL_MODE_REQUIRED)),
    "named": ([FUNCTION], chat_pb2.ToolChoice(function_name="weather")),
}


@pytest.mark.parametrize("kind", UNBUILT_TOOLS)
async def test_tools_that_are_not_built_are_refused(rig, kind):
    tools, choice = UNBUILT_TOOLS[kind]

    failed = await failure(rig.generate(request(chat=chat("Rain?", tools=tools, tool_choice=choice))))

    assert failed.code is Code.UNIMPLEMENTED
    assert failed.reason == "FEATURE_UNSUPPORTED"
    assert failed.told["model"] == MODEL
    assert "tool" in failed.told["feature"]


async def test_classify_is_refused(rig):
    failed = await failure(rig.stub.Classify(classify_pb2.ClassifyRequest(model=MODEL, inputs=[{"text": SECRET}])))

    assert failed.code is Code.UNIMPLEMENTED
    assert failed.reason == "FEATURE_UNSUPPORTED"
    assert failed.told == {"feature": "classify", "model": MODEL}


LACKING = [
    (Feature.TOP_K, {"top_k": 4}),
    (Feature.TOP_P, {"top_p": 0.5}),
    (Feature.MIN_P, {"min_p": 0.5}),
    (Feature.REPETITION_PENALTY, {"repetition_penalty": 1.1}),
    (Feature.PRESENCE_PENALTY, {"presence_penalty": 0.1}),
    (Feature.FREQUENCY_PENALTY, {"frequency_penalty": 0.1}),
    (Feature.LOGIT_BIAS, {"logit_bias": {1: 1.0}}),
    (Feature.MIN_TOKENS, {"min_tokens": 2}),
    (Feature.LOGPROBS, {"logprobs": 0}),
    (Feature.PROMPT_LOGPROBS, {"prompt_logprobs": 0}),
    (Feature.CONTINUATION, {"continuations": [{"token_ids": [1]}]}),
]


async def test_what_a_poor_backend_lacks_is_refused(tmp_path, checkpoint):
    (tmp_path / "tokenizer.json").write_bytes((checkpoint / "tokenizer.json").read_bytes())
    async with serving(model_config(tmp_path, simulator(lacking=list(Feature)))) as rig:
        assert (await rig.generate(request())).outputs[0].text
        for feature, fields in LACKING:
            failed = await failure(rig.generate(request(**fields)))
            assert failed.code is Code.UNIMPLEMENTED
            assert failed.told == {"feature": feature.value, "model": MODEL}


async def test_a_poor_backend_serves_a_checkpoint_with_defaults_that_it_lacks(checkpoint):
    """generation_config.json sets top_p; a backend without it must still answer those who ask for nothing."""
    async with serving(model_config(checkpoint, simulator(lacking=[Feature.TOP_P]))) as rig:
        assert (await rig.generate(request(temperature=1.0))).outputs[0].text


async def test_a_base_model_takes_no_chat(checkpoint):
    from services.config import ChatLayout

    async with serving(model_config(checkpoint, chat_layout=ChatLayout.none)) as rig:
        failed = await failure(rig.generate(request(chat=chat(SECRET))))
        assert failed.code is Code.UNIMPLEMENTED
        assert failed.told == {"feature": "chat", "model": MODEL}

        assert (await rig.generate(request())).outputs[0].text


async def test_a_classifier_does_not_generate(checkpoint):
    async with serving(model_config(checkpoint, simulator(num_labels=2))) as rig:
        failed = await failure(rig.generate(request()))

        assert failed.code is Code.UNIMPLEMENTED
        assert failed.told == {"feature": "generate", "model": MODEL}


BACKEND_ERRORS = [
    (InvalidRequestError("prompt", "holds an id out of range"), Code.INVALID_ARGUMENT, ""),
    (ContextLengthError(9, 8), Code.INVALID_ARGUMENT, "CONTEXT_LENGTH_EXCEEDED"),
    (UnsupportedError("top_k"), Code.UNIMPLEMENTED, "FEATURE_UNSUPPORTED"),
    (UnavailableError(f"/opt/secret {SECRET}"), Code.UNAVAILABLE, "MODEL_UNAVAILABLE"),
    (ComputeError(f"/opt/secret {SECRET}"), Code.INTERNAL, "COMPUTATION_FAILED"),
]


@pytest.mark.parametrize(("error", "code", "reason"), BACKEND_ERRORS, ids=lambda v: getattr(v, "__class__", v).__name__)
@pytest.mark.parametrize("after", [0, 3])
async def test_what_a_backend_raises(checkpoint, error, code, reason, after):
    async with serving(model_config(checkpoint), backend=ScriptedBackend(failing(error, after))) as rig:
        for call in (rig.generate, rig.stream):
            failed = await failure(call(request()))
            assert failed.code is code
            assert failed.reason == reason
            assert failed.request_id
            assert "secret" not in failed.message
            assert SECRET not in failed.message
            if code is Code.UNAVAILABLE:
                assert failed.retry_s
            if reason in ("FEATURE_UNSUPPORTED", "MODEL_UNAVAILABLE"):
                assert failed.told["model"] == MODEL


UNKNOWN_ERRORS = [RuntimeError(f"secret {SECRET}"), KeyError("secret"), MemoryError("secret")]


@pytest.mark.parametrize("error", UNKNOWN_ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("after", [0, 3])
async def test_an_unknown_error_tells_nothing_but_the_request_id(checkpoint, caplog, error, after):
    async with serving(model_config(checkpoint), backend=ScriptedBackend(failing(error, after))) as rig:
        for call in (rig.generate, rig.stream):
            failed = await failure(call(request(prompt=SECRET), metadata=(("x-request-id", "mine-17"),)))
            assert failed.code is Code.INTERNAL
            assert failed.message == "internal error"
            assert failed.kinds == ["RequestInfo"]
            assert failed.request_id == "mine-17"
    assert "mine-17" in caplog.text


async def test_tokens_that_were_sent_stay_when_a_stream_fails(checkpoint):
    backend = ScriptedBackend(failing(ComputeError("x"), after=3))
    async with serving(model_config(checkpoint), backend=backend) as rig:
        call = rig.stub.GenerateStream(request())
        received = []

        async def read():
            async for message in call:
                received.extend(message.events)

        failed = await failure(read())
        assert failed.reason == "COMPUTATION_FAILED"
        assert "".join(event.token_delta.text for event in received) == "aaa"
        assert not any(event.HasField("finished") or event.HasField("completed") for event in received)


async def test_one_failed_request_leaves_the_others(checkpoint):
    broken = simulator(fault=Fault.FAIL_AT_TOKEN, fault_at_token=10)
    async with serving(model_config(checkpoint, broken)) as rig:
        failed = await failure(rig.generate(request(max_tokens=24)))
        assert failed.reason == "COMPUTATION_FAILED"
        assert (await rig.generate(request(max_tokens=8))).outputs[0].text
        await rig.until_idle()


async def test_a_backend_that_ends_without_an_end_is_an_internal_error(checkpoint):
    async def ends(request):
        from backends.types import TokenDelta

        yield TokenDelta((1, 2))

    async with serving(model_config(checkpoint), backend=ScriptedBackend(ends)) as rig:
        failed = await failure(rig.generate(request(), timeout=3))
        assert failed.code is Code.INTERNAL
        assert failed.kinds == ["RequestInfo"]


@pytest.mark.parametrize("method", ["Generate", "GenerateStream", "Tokenize", "GetModel"])
async def test_bytes_that_are_no_request(rig, method):
    """What can't be parsed must be refused as any bad request, not told with Python's words."""
    path = f"/paddock.v1.InferenceService/{method}"
    make = rig.channel.unary_stream if method == "GenerateStream" else rig.channel.unary_unary
    call = make(path)(b"\x0a\xff\xff\xff\xff garbage \x00\xff")

    failed = await failure(call.read() if method == "GenerateStream" else call)

    assert failed.code in (Code.INVALID_ARGUMENT, Code.INTERNAL)
    assert not re.search(r"class|google|protobuf|Error\b|Unexpected", failed.message)
    assert failed.request_id


async def test_an_unknown_method(rig):
    failed = await failure(rig.channel.unary_unary("/paddock.v1.InferenceService/Absent")(b""))

    assert failed.code is Code.UNIMPLEMENTED


async def test_nothing_of_a_prompt_is_quoted(rig):
    bad = [
        request(prompt=SECRET, temperature=-1),
        request(prompt=SECRET, strings=[""]),
        request(chat=chat(SECRET, date=SECRET)),
        request(prompt=SECRET, guards=guard_pb2.GuardOptions(input=guard_pb2.GUARD_MODE_ENFORCE)),
    ]
    for wanted in bad:
        failed = await failure(rig.generate(wanted))
        assert "horse" not in failed.message
        assert not any("horse" in told for told in failed.violations.values())
