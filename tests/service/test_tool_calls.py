"""Tool calls in every form, over a real connection: streamed, cut, resumed, called off."""

from __future__ import annotations

import itertools
import json

import pytest

from backends.types import Candidate, Finish, FinishReason, TokenDelta, TokenLogprob, Usage
from llama.chat import PYTHON_TAG
from paddock.v1 import chat_pb2, generate_pb2
from tests.checkpoint import CONTROL_TOKENS, TEXT_IDS
from tests.service.answer import Stream, folded
from tests.service.backend import ScriptedBackend, end
from tests.service.failure import failure
from tests.service.rig import chat, model_config, request, serving, simulator
from tests.service.test_continuation import cut_after, resume
from tests.service.test_streaming import ids_of
from tests.walk import accepts

CITY = '{"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}'
FUNCTIONS = [
    chat_pb2.Tool(function={"name": "weather", "parameters_json": CITY}),
    chat_pb2.Tool(function={"name": "now"}),
]
BUILTINS = [
    chat_pb2.Tool(builtin=chat_pb2.BUILTIN_TOOL_BRAVE_SEARCH),
    chat_pb2.Tool(builtin=chat_pb2.BUILTIN_TOOL_CODE_INTERPRETER),
]
TAG_ID, END_OF_MESSAGE = (TEXT_IDS + CONTROL_TOKENS.index(name) for name in (PYTHON_TAG, "<|eom_id|>"))

CALLS = {
    "json": ('{"name": "weather", "parameters": {"city":  "Zürich 🐎"}}', [("weather", '{"city":  "Zürich 🐎"}')]),
    "typed": ('\n{"type": "function", "name": "now"}', [("now", "{}")]),
    "backwards": ('{"parameters": {"city": "B"}, "name": "weather"}', [("weather", '{"city": "B"}')]),
    "several": ('{"name": "now"}; {"name": "weather", "parameters": {}}', [("now", "{}"), ("weather", "{}")]),
    "tagged": (
        "One. <function=now>{}</function><function=weather>{\"city\": \"it's}\"}</function>",
        [("now", "{}"), ("weather", '{"city": "it\'s}"}')],
    ),
    "after the token": (PYTHON_TAG + '{"name": "now", "parameters": {}}', [("now", "{}")]),
    "search": (PYTHON_TAG + 'brave_search.call(query="Grüße 🐎")', [("brave_search", '{"query": "Grüße 🐎"}')]),
    "code": (PYTHON_TAG + 'print("é")\n', [("code_interpreter", '{"code": "print(\\"é\\")\\n"}')]),
}  # fmt: skip
FORCED = {
    "weather": '{"name": "weather", "parameters": {"city": "Bern"}}',
    "now": '{"name": "now", "parameters": {}}',
}
NO_CALLS = {
    "text": "It rains < 3 mm.",
    "cut": '{"name": "weather", "parameters": {"city": "Zür',
    "closed wrongly": 'One. <function=weather>{"city": "B"]</function> and on',
    "one of two": '{"name": "now"}; {"name": "other"}',
    "literal token": "<|python_tag|>print(1)",
    "unknown": "<function=other>{}</function>",
}
TOOLS = [*FUNCTIONS, *BUILTINS]


async def script_of(rig, answer: str, by_character: bool = False) -> list[int]:
    """Tokenize an answer; the tag's name at its start stands for the token."""
    start, rest = ([TAG_ID], answer[len(PYTHON_TAG) :]) if answer in TAGGED else ([], answer)
    if not by_character:
        return [*start, *await ids_of(rig, rest)]
    return [*start, *itertools.chain.from_iterable([await ids_of(rig, character) for character in rest])]


TAGGED = {answer for answer, _ in CALLS.values() if answer.startswith(PYTHON_TAG)}


def scripted(checkpoint, script):
    return serving(model_config(checkpoint, simulator(script=script, context_length=4096)))


def asked(**fields):
    fields = {"max_tokens": 300, **fields}
    return request(chat=chat("Rain?", tools=fields.pop("tools", TOOLS), **fields.pop("choice", {})), **fields)


@pytest.mark.parametrize("by_character", [False, True])
@pytest.mark.parametrize("form", CALLS)
async def test_a_call_in_any_form_comes_as_a_call(rig, checkpoint, form, by_character):
    answer, calls = CALLS[form]
    script = await script_of(rig, answer, by_character)
    async with scripted(checkpoint, [*script, END_OF_MESSAGE]) as server:
        wanted = asked(logprobs=1, seed=7)
        stream = await server.stream(wanted)
        whole = await server.generate(wanted)

    assert stream.only.reason == "TOOL_CALLS"
    assert stream.only.finished.stop_token_id == END_OF_MESSAGE
    assert [(call.name, call.arguments_json) for call in stream.only.calls] == calls
    assert all(json.loads(call.arguments_json) is not None for call in stream.only.calls)
    assert len({call.id for call in stream.only.calls}) == len(calls)
    assert stream.only.text == ("One. " if form == "tagged" else "")
    assert stream.only.ids == script
    assert all(token.HasField("logprob") for token in stream.only.tokens)
    whole.started.request_id = stream.started.request_id
    assert whole == folded(stream)


@pytest.mark.parametrize("shape", NO_CALLS)
async def test_anything_else_is_its_text(rig, checkpoint, shape):
    answer = NO_CALLS[shape]
    script = await script_of(rig, answer)
    async with scripted(checkpoint, script) as server:
        stream = await server.stream(asked())
        whole = await server.generate(asked())

    assert stream.only.reason == "STOP"
    assert stream.only.text == whole.outputs[0].text == answer
    assert stream.only.ids == script
    assert not whole.outputs[0].tool_calls


@pytest.mark.parametrize("form", CALLS)
async def test_a_call_that_is_cut_is_its_text(rig, checkpoint, form):
    answer, _ = CALLS[form]
    script = await script_of(rig, answer)
    async with scripted(checkpoint, script) as server:
        for fields, reason in (
            ({"max_tokens": len(script) - 1}, "MAX_TOKENS"),
            ({"strings": [answer.rstrip()[-2:]]}, "STOP"),
        ):
            stream = await server.stream(asked(**fields))
            whole = (await server.generate(asked(**fields))).outputs[0]
            assert stream.only.reason == reason
            assert not whole.tool_calls
            assert whole.text == stream.only.text
            assert answer.removeprefix(PYTHON_TAG).startswith(whole.text.rstrip("\ufffd"))


@pytest.mark.parametrize("by_character", [False, True])
@pytest.mark.parametrize("form", [*CALLS, *NO_CALLS])
async def test_a_stream_cut_at_any_message_is_resumed_there(rig, checkpoint, form, by_character):
    answer = NO_CALLS.get(form) or CALLS[form][0]
    script = await script_of(rig, answer, by_character)
    async with scripted(checkpoint, script) as server:
        wanted = asked(seed=7)
        whole = await server.stream(wanted)
        step = max(1, len(whole.messages) // 8)
        for messages in range(1, len(whole.messages), step):
            held = cut_after(wanted, whole, messages)
            rest = await server.stream(resume(wanted, held))
            if form in CALLS:  # of one that is none, as much was told as had come before that was known
                assert joined(held.only.begun, rest.only.begun) == whole.only.begun
            assert held.only.text + rest.only.text == whole.only.text
            assert held.only.ids + rest.only.ids == whole.only.ids
            assert rest.only.finished == whole.only.finished


@pytest.mark.parametrize("form", CALLS)
async def test_a_stream_cut_between_events_is_resumed_by_its_text_too(rig, checkpoint, form):
    """Ids alone don't tell whether the text of calls that are void was sent."""
    script = await script_of(rig, CALLS[form][0])
    async with scripted(checkpoint, script) as server:
        wanted = asked(seed=7, max_tokens=len(script) - 1)
        whole = await server.stream(wanted)
        events = [event for message in whole.messages for event in message.events]
        for count in (len(events) - 3, len(events) - 2):
            held = Stream(wanted)
            held.add(generate_pb2.GenerateStreamResponse(events=events[:count]))
            again = resume(wanted, held)
            again.continuations[0].text_bytes = len(held.only.text.encode())
            rest = await server.stream(again)
            assert held.only.text + rest.only.text == whole.only.text
            assert held.only.ids + rest.only.ids == whole.only.ids
            assert rest.only.finished == whole.only.finished
            assert rest.usage == whole.usage


async def test_a_text_that_was_received_only_in_part_is_not_cut_in_a_character(rig, checkpoint):
    answer = "Größe 🐎"
    async with scripted(checkpoint, await script_of(rig, answer)) as server:
        for received in range(len(answer.encode()) + 2):
            again = asked(seed=7)
            again.continuations.add(text_bytes=received)
            text = (await server.stream(again)).only.text
            assert answer.endswith(text)
            assert len(text.encode()) <= max(0, len(answer.encode()) - received)


def joined(before: list[chat_pb2.ToolCall], after: list[chat_pb2.ToolCall]) -> list[chat_pb2.ToolCall]:
    """Put what came of calls before and after a cut together."""
    none = chat_pb2.ToolCall()
    return [
        chat_pb2.ToolCall(id=a.id + b.id, name=a.name + b.name, arguments_json=a.arguments_json + b.arguments_json)
        for a, b in itertools.zip_longest(before, after, fillvalue=none)
    ]


async def test_without_tools_nothing_is_read(rig, checkpoint):
    answer, _ = CALLS["json"]
    async with scripted(checkpoint, await script_of(rig, answer)) as server:
        for tools, choice in (([], {}), (TOOLS, {"tool_choice": {"mode": chat_pb2.TOOL_MODE_NONE}})):
            stream = await server.stream(asked(tools=tools, choice=choice))
            assert (stream.only.text, stream.only.reason) == (answer, "STOP")


async def test_a_round_trip(rig, checkpoint):
    """What comes back as calls goes into the next request as it is."""
    answer, _ = CALLS["json"]
    async with scripted(checkpoint, [*await script_of(rig, answer), END_OF_MESSAGE]) as server:
        wanted = asked(tools=FUNCTIONS)
        (output,) = (await server.generate(wanted)).outputs
        wanted.chat.messages.add(role=chat_pb2.ROLE_ASSISTANT, tool_calls=output.tool_calls)
        for call in output.tool_calls:
            wanted.chat.messages.add(role=chat_pb2.ROLE_TOOL, tool_call_id=call.id, content=[{"text": "rain"}])
        (again,) = (await server.generate(wanted)).outputs

    assert again.tool_calls[0].name == "weather"
    assert again.tool_calls[0].id != output.tool_calls[0].id


REQUIRED = {"tool_choice": {"mode": chat_pb2.TOOL_MODE_REQUIRED}}
NOW = {"tool_choice": {"function_name": "now"}}


def noting(seen: list):
    """A backend that notes requests and answers nothing."""

    async def script(wanted):
        seen.append(wanted)
        yield end(wanted)

    return ScriptedBackend(script, context_length=4096)


@pytest.mark.parametrize(("choice", "names"), [(REQUIRED, ["weather", "now"]), (NOW, ["now"])])
async def test_a_forced_call_is_asked_of_the_backend(checkpoint, choice, names):
    seen: list = []
    async with serving(model_config(checkpoint), backend=noting(seen)) as server:
        assert (await server.model()).support.supports_tool_choice
        await server.generate(asked(tools=FUNCTIONS, choice=choice))
        await server.generate(asked(tools=FUNCTIONS))

    forced, free = seen
    assert forced.prompt == free.prompt, "the tools shown are the same"
    assert free.grammar is None
    assert [name for name, call in FORCED.items() if accepts(forced.grammar.source, call)] == names


async def test_only_the_function_named_is_a_call(rig, checkpoint):
    """A backend that doesn't keep to the grammar gets no other call through."""
    answer, _ = CALLS["json"]
    script = await script_of(rig, answer)

    async def disobedient(wanted):
        yield end(wanted, *script)

    async with serving(model_config(checkpoint), backend=ScriptedBackend(disobedient, context_length=4096)) as server:
        (output,) = (await server.generate(asked(tools=FUNCTIONS, choice=NOW))).outputs

    assert output.text == answer


async def test_a_forced_call_needs_grammars(rig):
    assert not (await rig.model()).support.supports_tool_choice
    for choice in (REQUIRED, NOW):
        failed = await failure(rig.generate(asked(tools=FUNCTIONS, choice=choice)))
        assert failed.told["feature"] == "tool_choice"


async def test_a_forced_call_of_nothing_is_refused(checkpoint):
    async with serving(model_config(checkpoint), backend=noting([])) as server:
        choice = {"tool_choice": {"function_name": "other"}}
        failed = await failure(server.generate(asked(tools=FUNCTIONS, choice=choice)))
        assert list(failed.violations) == ["chat.tool_choice.function_name"]


async def test_the_last_token_of_a_call_that_is_cut_is_kept(rig, checkpoint):
    """Ids stay a continuation through a call that is called off."""
    script = await script_of(rig, CALLS["json"][0])
    async with scripted(checkpoint, script) as server:
        stream = await server.stream(asked(max_tokens=len(script)))

    assert stream.only.reason == "MAX_TOKENS"
    assert stream.only.ids == script
    assert stream.only.text == CALLS["json"][0]


LONG = "z" * 3_000
CITY_IS_LONG = json.dumps({"city": LONG})
HELD = {
    "a call known at its end": '{"parameters": ' + CITY_IS_LONG + ', "name": "weather"}',
    "a call that is one long part": '{"name": "weather", "parameters": ' + CITY_IS_LONG + "}",
    "text after all": '{"' + LONG + '": 1}',
    "a call after all that is text": '{"name": "weather", "parameters": ' + CITY_IS_LONG + "]",
}


@pytest.mark.parametrize(("shape", "at_once"), list(zip(HELD, [False, True, True, False], strict=True)))
async def test_what_was_held_for_long_comes_in_events_that_fit(rig, checkpoint, shape, at_once):
    answer = HELD[shape]
    script = await script_of(rig, answer, by_character=True)
    candidates = tuple(Candidate(i, -float(i)) for i in range(1, 21))

    async def long_answer(wanted):
        rest = script[len(wanted.continuation) :]
        size = len(rest) if at_once else 100
        for start in range(0, len(rest), size):
            part = tuple(rest[start : start + size])
            usage = Usage(len(wanted.prompt), len(script))
            finish = Finish(FinishReason.STOP, usage) if start + size >= len(rest) else None
            yield TokenDelta(part, (TokenLogprob(-1.0, 1, candidates),) * len(part), finish=finish)

    script.append(END_OF_MESSAGE)
    backend = ScriptedBackend(long_answer, context_length=16_384)
    async with serving(model_config(checkpoint), backend=backend) as server:
        wanted = asked(logprobs=20, seed=3, max_tokens=8000)
        messages = [message async for message in server.stub.GenerateStream(wanted)]
        events = [event for message in messages for event in message.events]
        stream = stream_of(wanted, messages)
        assert max(event.ByteSize() for event in events) <= 2**19
        assert stream.only.ids == script[:-1]
        if "text" in shape:
            assert (stream.only.text, stream.only.reason) == (answer, "STOP")
        else:
            assert [call.arguments_json for call in stream.only.calls] == [CITY_IS_LONG]
        if shape != "a call after all that is text":  # whose calls and text are both told
            await check_resumed_everywhere(server, wanted, events, stream)


async def check_resumed_everywhere(server, wanted, events, whole):
    """After each event that has tokens, the rest is what comes to who has read so far."""
    counts = [len(event.token_delta.tokens) + len(event.tool_call_delta.tokens) for event in events]
    places = [place for place, count in enumerate(counts, 1) if count]
    for place in places[:: max(1, len(places) // 2)]:
        again = generate_pb2.GenerateRequest()
        again.CopyFrom(wanted)
        again.continuations.add(token_ids=whole.only.ids[: sum(counts[:place])])
        rest = [event async for message in server.stub.GenerateStream(again) for event in message.events]
        told = [event for event in events[:place] if not event.HasField("started")]
        joined = stream_of(wanted, [generate_pb2.GenerateStreamResponse(events=[rest[0], *told, *rest[1:]])])
        assert joined.only == whole.only


def stream_of(wanted, messages):
    stream = Stream(wanted)
    for message in messages:
        stream.add(message)
    stream.check_end()
    return stream
