"""The `meta` layout against Meta's own `llama-models`, id for id."""

import dataclasses
import datetime
import json
import random
import re
from pathlib import Path

import llama_models
import pytest
from llama_models.datatypes import RawMessage, RawTextItem, StopReason, ToolPromptFormat
from llama_models.datatypes import ToolCall as RawToolCall
from llama_models.llama3.chat_format import ChatFormat
from llama_models.llama3.tokenizer import Tokenizer as MetaTokenizer
from llama_models.llama3.tool_utils import ToolUtils

from llama.chat import BuiltinTool, ChatEncoder, ChatError, Layout, Message, Tool, ToolCall
from llama.chat.meta import _split
from tests.unit.llama.dialog import call, dialog, text

TODAY = datetime.date(2024, 9, 21)


@pytest.fixture(scope="module")
def encoder(llama_31):
    return ChatEncoder(llama_31, Layout.META)


@pytest.fixture(scope="module")
def chat_format(meta_tokenizer):
    return ChatFormat(meta_tokenizer)


def raw(message):
    """The message as `llama-models` has it."""
    parts = [RawTextItem(text=part) for part in message.parts]
    calls = [RawToolCall(call_id="1", tool_name=c.name, arguments=dict(c.arguments)) for c in message.tool_calls]
    reason = StopReason.end_of_message if message.end_of_message else StopReason.end_of_turn
    return RawMessage(role=message.role, content=parts or message.content, tool_calls=calls, stop_reason=reason)


def with_parts_and_ends(rng, messages):
    """Give some messages several parts, and let some of the assistant's wait for a result."""
    for message in messages:
        parts = tuple(text(rng) for _ in range(rng.randint(2, 4))) if rng.random() < 0.3 else ()
        waits = message.role == "assistant" and rng.random() < 0.5
        content = "".join(parts) if parts else message.content
        yield dataclasses.replace(message, parts=parts, content=content, end_of_message=waits)


def test_generated_dialogs_have_chat_formats_ids(encoder, chat_format):
    rng = random.Random(8)
    for number in range(4000):
        messages = list(with_parts_and_ends(rng, dialog(rng, most_calls=3).messages))
        expected = chat_format.encode_dialog_prompt([raw(m) for m in messages], ToolPromptFormat.json).tokens
        assert encoder.encode(messages, today=TODAY).token_ids == expected, f"dialog {number}: {messages}"


def test_with_tools_the_rest_is_still_chat_formats(encoder, chat_format, llama_31):
    """What is added is a system message, and with functions a user message: the others follow as they were."""
    rng = random.Random(9)
    compared = 0
    while compared < 500:
        d = dialog(rng, most_calls=3)
        if not d.tools and not d.builtins:
            continue
        ids = encoder.encode(d.messages, tools=d.tools, builtin_tools=d.builtins, today=d.today).token_ids
        told = d.messages[1:] if d.messages[0].role == "system" else d.messages
        expected = chat_format.encode_dialog_prompt([raw(m) for m in told]).tokens
        ends = [i for i, token in enumerate(ids) if token == llama_31.control_ids["<|eot_id|>"]]
        assert ids[ends[1 if d.tools else 0] + 1 :] == expected[1:]
        compared += 1


def test_calls_are_written_as_tool_utils_does(encoder, meta_tokenizer, llama_31):
    rng = random.Random(10)
    for _ in range(2000):
        made = call(rng, builtin=rng.random() < 0.5)
        ids = encoder.encode([Message("assistant", "", (made,))], today=TODAY).token_ids
        written = ToolUtils.encode_tool_call(
            RawToolCall(call_id="1", tool_name=made.name, arguments=dict(made.arguments)), ToolPromptFormat.json
        )
        inside = ids[ids.index(llama_31.control_ids["<|eot_id|>"]) - len(_encoded(meta_tokenizer, written)) :]
        assert inside[: len(_encoded(meta_tokenizer, written))] == _encoded(meta_tokenizer, written)
        assert (llama_31.control_ids["<|python_tag|>"] in ids) == (made.name == "code_interpreter")


def _encoded(tokenizer, string):
    return tokenizer.encode(string, bos=False, eos=False)


def test_the_first_call_decides_on_the_python_tag(encoder, llama_31):
    code, search = ToolCall("code_interpreter", {"code": "1+1"}), ToolCall("brave_search", {"query": "x"})

    def tags(*calls):
        ids = encoder.encode([Message("assistant", "text", calls)], today=TODAY).token_ids
        return ids.count(llama_31.control_ids["<|python_tag|>"])

    assert (tags(code), tags(code, search), tags(search, code), tags(search)) == (1, 1, 0, 0)


@pytest.mark.parametrize("arguments", [{}, {"query": 5}, {"q": "x"}, {"query": "x", "n": 1}])
def test_a_built_in_tool_takes_its_one_argument(encoder, arguments):
    """Meta's code raises a bare KeyError, writes what is no string, or drops what it doesn't know."""
    calls = (ToolCall("weather", {}), ToolCall("brave_search", arguments))
    with pytest.raises(ChatError, match="the string query") as caught:
        encoder.encode([Message("user", "u"), Message("assistant", "", calls)], today=TODAY)
    assert caught.value.field == "messages[1].tool_calls[1]"


# The prompts with tools that `llama-models` documents.


def documented_prompt(containing):
    """The first example of prompt_format.md that contains a text."""
    document = (Path(llama_models.__file__).parent / "llama3_1/prompt_format.md").read_text(encoding="utf-8")
    prompts = re.findall(r"##### Input Prompt Format\n```\n(.*?)\n```", document, re.DOTALL)
    return next(prompt for prompt in prompts if containing in prompt).removesuffix("\n\n") + "\n\n"


def written(llama_31, ids):
    return b"".join(map(llama_31.piece, ids)).decode()


def test_built_in_tools_are_shown_as_documented(encoder, llama_31):
    messages = [
        Message("system", "You are a helpful assistant."),
        Message("user", "Search the web for the latest price of 1oz gold?"),
    ]
    ids = encoder.encode(
        messages, builtin_tools=[BuiltinTool.BRAVE_SEARCH, BuiltinTool.WOLFRAM_ALPHA], today=TODAY
    ).token_ids
    assert written(llama_31, ids) == documented_prompt("latest price of 1oz gold")


def test_functions_are_shown_as_documented(encoder, llama_31):
    """All but the schema itself: Meta's example bends it into a list that has lost the types."""
    prompt = documented_prompt("Here is a list of functions in JSON format")
    before, rest = prompt.split("in JSON format:\n")
    _, after = rest.split("\n\nReturn")
    schema = {"type": "object", "properties": {"n": {"type": "integer"}, "genre": {"type": "string"}}}
    tools = [Tool("trending_songs", "Returns the trending songs", schema), Tool("f", "", {})]
    messages = [
        Message("system", "You are a helpful assistant."),
        Message("user", "Use tools to get latest trending songs"),
    ]

    text = written(llama_31, encoder.encode(messages, tools=tools, today=TODAY).token_ids)

    assert text.startswith(before + "in JSON format:\n")
    assert text.endswith("\n\nReturn" + after)
    shown = text.removeprefix(before + "in JSON format:\n").removesuffix("\n\nReturn" + after)
    read = json.JSONDecoder().raw_decode
    first, end = read(shown)
    second, _ = read(shown[end + 1 :])
    assert [first, second] == [tool.as_dict() for tool in tools]
    assert shown == json.dumps(first, indent=4) + "\n" + json.dumps(second, indent=4)


# Meta's tokenizer cuts long texts, which changes ids; `meta` follows it.


def runs():
    rng = random.Random(1)
    kinds = ("a", "b ", " ", "\x1c", "\u3000", "😀", "\n")
    yield from ((k * n)[:n] for n in (0, 1, 25_000, 25_001, 75_001) for k in kinds)
    yield from ("a" * 400_001, "b " * 400_001)
    for _ in range(8):
        yield "".join(
            rng.choice(kinds) * rng.choice((1, 100, 24_999, 25_000, 25_001, 60_000)) for _ in range(rng.randint(1, 6))
        )


def test_long_texts_are_cut_where_meta_cuts_them():
    for string in runs():
        blocks = [string[i : i + 400_000] for i in range(0, len(string), 400_000)]
        split = MetaTokenizer._split_whitespaces_or_nonwhitespaces
        assert list(_split(string)) == [piece for block in blocks for piece in split(block, 25_000)]


@pytest.mark.parametrize("character", ["a", " ", "\n", "-", "7", "😀", "ก"])
def test_long_runs_have_chat_formats_ids(encoder, chat_format, character):
    messages = [Message("user", character * 100_000)]
    expected = chat_format.encode_dialog_prompt([raw(m) for m in messages]).tokens
    assert encoder.encode(messages, today=TODAY).token_ids == expected
