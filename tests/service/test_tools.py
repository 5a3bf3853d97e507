"""Tools in a conversation: calls as events, in their order, and what comes back into the next prompt."""

from __future__ import annotations

import json

import pytest

from paddock.v1 import chat_pb2, tokenize_pb2
from tests.checkpoint import END_OF_TEXT
from tests.service.failure import failure
from tests.service.rig import MODEL, chat, model_config, request, serving, simulator
from tests.service.test_streaming import ids_of

SCHEMA = '{"type": "object", "properties": {"city": {"type": "string"}}}'
WEATHER = chat_pb2.Tool(function={"name": "weather", "description": "Tells it.", "parameters_json": SCHEMA})
CALL = '{"name": "weather", "parameters": {"city": "Zürich"}}'


async def answer_with(checkpoint, rig, text: str):
    """Ask a server whose model answers any prompt with a text."""
    script = await ids_of(rig, text)
    async with serving(model_config(checkpoint, simulator(script=script, context_length=2048))) as scripted:
        wanted = request(chat=chat("Rain?", tools=[WEATHER]), max_tokens=100)
        events = [event async for message in scripted.stub.GenerateStream(wanted) for event in message.events]
        unary = await scripted.generate(wanted)
        await scripted.until_idle()
        return events, unary.outputs[0], script


async def test_a_call_comes_as_a_call(rig, checkpoint):
    events, output, script = await answer_with(checkpoint, rig, CALL)
    deltas = [event.tool_call_delta for event in events if event.HasField("tool_call_delta")]

    assert not any(event.token_delta.text for event in events)
    assert deltas[0].name == "weather"
    assert deltas[0].id
    assert json.loads("".join(delta.arguments_json for delta in deltas)) == {"city": "Zürich"}
    assert [token.id for delta in deltas for token in delta.tokens] == script
    assert events[-2].finished.reason == 5, "TOOL_CALLS"
    assert events[-2].finished.stop_token_id == END_OF_TEXT
    assert not output.text
    assert output.tool_calls[0].name == "weather"
    assert json.loads(output.tool_calls[0].arguments_json) == {"city": "Zürich"}
    assert [token.id for token in output.tokens] == script
    assert output.finished.reason == 5


@pytest.mark.parametrize(
    "text",
    [
        "It rains.",
        "  It rains.",
        '{"name": "weather", "parameters": {"city"',
        '{"a": 1}',
        "{}",
        "{",
        "[1]",
        ' {"name": 3}',
    ],
)
async def test_what_is_no_call_is_text(rig, checkpoint, text):
    events, output, _ = await answer_with(checkpoint, rig, text)

    assert "".join(event.token_delta.text for event in events) == text
    assert events[-2].finished.reason == 1, "STOP"
    assert output.text == text
    assert not output.tool_calls


async def test_text_is_not_held_back_for_tools(rig, checkpoint):
    events, _, _ = await answer_with(checkpoint, rig, "It rains the whole day and the whole night.")

    assert sum(bool(event.token_delta.text) for event in events) > 1


async def test_a_call_that_is_cut_short_is_text(rig, checkpoint):
    script = await ids_of(rig, CALL)
    async with serving(model_config(checkpoint, simulator(script=script, context_length=2048))) as scripted:
        stream = await scripted.stream(request(chat=chat("Rain?", tools=[WEATHER]), max_tokens=5))

        assert stream.only.reason == "MAX_TOKENS"
        assert CALL.startswith(stream.only.text)
        assert stream.only.text


async def test_arguments_come_as_they_are_written(rig, checkpoint):
    events, _, _ = await answer_with(checkpoint, rig, CALL)
    deltas = [event.tool_call_delta for event in events if event.HasField("tool_call_delta")]

    assert len(deltas) > 1
    assert [delta.HasField("name") for delta in deltas] == [True] + [False] * (len(deltas) - 1)
    assert "".join(delta.arguments_json for delta in deltas) == '{"city": "Zürich"}'


async def test_tool_mode_none_shows_no_tools(rig):
    """And reads no calls: TOOL_MODE_NONE is as if there were no tools."""
    none = chat_pb2.ToolChoice(mode=chat_pb2.TOOL_MODE_NONE)
    counts = [
        (await rig.stub.Tokenize(tokenize_pb2.TokenizeRequest(model=MODEL, chat=wanted))).token_count
        for wanted in (chat("hi"), chat("hi", tools=[WEATHER], tool_choice=none), chat("hi", tools=[WEATHER]))
    ]

    assert counts[0] == counts[1] < counts[2]


async def test_a_calls_result_reaches_the_prompt(rig):
    conversation = chat("Rain?", tools=[WEATHER])
    conversation.messages.add(
        role=chat_pb2.ROLE_ASSISTANT, tool_calls=[{"id": "1", "name": "weather", "arguments_json": '{"city": "Bern"}'}]
    )
    conversation.messages.add(role=chat_pb2.ROLE_TOOL, tool_call_id="1", content=[{"json": '{"rain":  true}'}])

    told = await rig.stub.Tokenize(tokenize_pb2.TokenizeRequest(model=MODEL, chat=conversation))

    prompt = b"".join(token.piece for token in told.tokens).decode()
    assert '"parameters": {"city": "Bern"}' in prompt
    assert '{"rain":  true}' in prompt, "kept as written"
    assert SCHEMA.split('"')[1] in prompt


BAD_TOOLS = {
    "chat.tools[0].function.name": [chat_pb2.Tool(function={"name": "two words"})],
    "chat.tools[0].function.parameters_json": [chat_pb2.Tool(function={"name": "f", "parameters_json": "[1]"})],
    "chat.tools[0]": [chat_pb2.Tool()],
    "chat.tools": [WEATHER, WEATHER],
}


@pytest.mark.parametrize("field", BAD_TOOLS)
async def test_a_bad_tool_is_named(rig, field):
    failed = await failure(rig.generate(request(chat=chat("Rain?", tools=BAD_TOOLS[field]))))

    assert field in failed.violations


async def test_a_choice_without_tools_is_refused(rig):
    choice = chat_pb2.ToolChoice(mode=chat_pb2.TOOL_MODE_REQUIRED)

    failed = await failure(rig.generate(request(chat=chat("Rain?", tool_choice=choice))))

    assert list(failed.violations) == ["chat.tool_choice"]


async def test_arguments_nested_without_end_are_refused(rig):
    deep = chat_pb2.Tool(function={"name": "f", "parameters_json": '{"a":' * 5_000 + "1" + "}" * 5_000})

    failed = await failure(rig.generate(request(chat=chat("Rain?", tools=[deep]))))

    assert "chat.tools[0].function.parameters_json" in failed.violations
