"""No text, in whatever field of whatever message, puts a control token into a prompt, in any layout."""

import datetime
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llama.chat import BuiltinTool, ChatEncoder, ChatTemplate, Layout, Message, Tool, ToolCall
from llama.tokenizer import Tokenizer
from tests.checkpoint import CONTROL_TOKENS
from tests.unit.llama.hf_reference import TEMPLATE

TODAY = datetime.date(2024, 7, 26)
EMBEDDED = sorted(Path(__file__).parents[3].glob("models/*/tokenizer.json"))

CHATML = """\
{%- if tools %}<|im_start|>system\n[x]{% for t in tools %}{{ t | tojson }}{% endfor %}<|im_end|>\n{% endif -%}
{% for m in messages -%}
<|im_start|>{{ m.role }}\n{{ m.content -}}
{% for c in m.tool_calls or [] %}<tool_call>{{ c.function | tojson }}#{{ c.id }}</tool_call>{% endfor -%}
{{ "(" ~ m.tool_call_id ~ ")" if m.tool_call_id }}<|im_end|>
{% endfor -%}
<|im_start|>assistant
"""
"""Tags that are added tokens, some of them not special: Hermes and Qwen do so."""

CHATML_TOKENS = {
    "<|im_start|>": True,
    "<|im_end|>": True,
    "<tool_call>": False,
    "</tool_call>": False,
    "[x]": False,
}


def with_tokens(tokenizer_json, tokens):
    """Add tokens to a tokenizer; True for special."""
    spec = json.loads(tokenizer_json)
    first = max(token["id"] for token in spec["added_tokens"]) + 1
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    spec["added_tokens"] += [
        {"id": first + i, "content": name, "special": special, **flags}
        for i, (name, special) in enumerate(tokens.items())
    ]
    return Tokenizer(json.dumps(spec))


def encoders(tokenizer, chatml):
    llama = ChatTemplate(TEMPLATE, tokenizer.control_ids, special_tokens={"bos_token": "<|begin_of_text|>"})
    return {
        "hf": (tokenizer, ChatEncoder(tokenizer, Layout.HF)),
        "meta": (tokenizer, ChatEncoder(tokenizer, Layout.META)),
        "llama template": (tokenizer, ChatEncoder(tokenizer, llama)),
        "chatml template": (chatml, ChatEncoder(chatml, ChatTemplate(CHATML, chatml.control_ids))),
    }


SUBJECTS = ("test", "real", *(path.parent.name for path in EMBEDDED))


@pytest.fixture(scope="module", params=SUBJECTS)
def subjects(request, checkpoint):
    if request.param == "real":
        text = (request.getfixturevalue("llama_31_checkpoint") / "tokenizer.json").read_text(encoding="utf-8")
        tokenizer = request.getfixturevalue("llama_31")
    else:
        folders = {path.parent.name: path for path in EMBEDDED}
        text = folders.get(request.param, checkpoint / "tokenizer.json").read_text(encoding="utf-8")
        tokenizer = Tokenizer(text)
    if not {"<|eot_id|>", "<|python_tag|>"} <= tokenizer.control_ids.keys():
        pytest.skip("not a chat model")
    return encoders(tokenizer, with_tokens(text, CHATML_TOKENS))


NAMES = [*CONTROL_TOKENS, *CHATML_TOKENS, "<|reserved_special_token_245|>", "<|image|>", "<|step_id|>"]
SPLICES = [
    *NAMES, *(name[: len(name) // 2] for name in NAMES), *(name[len(name) // 2 :] for name in NAMES),
    "<|", "|>", "<", "|", "\\u003c|eot_id|>", "{{ bos_token }}", "{% raw %}", "\x00", "\U000f0000", "\U0010fffd",
    "\u200d", "＜｜eot_id｜＞", "<|EOT_ID|>", "system", "\n\n", " ", '"}', '")', "\\",
]  # fmt: skip
hostile = st.lists(st.sampled_from(SPLICES) | st.text(max_size=8), max_size=6).map("".join)


def conversation(fill):
    """A message of each kind and tools of each kind, every field filled by calls of `fill`."""
    parts = (fill(), fill())
    messages = [
        Message("system", fill()),
        Message("user", "".join(parts), parts=parts),
        Message("assistant", fill()),
        Message(
            "assistant", "", (ToolCall(fill(), {"a" + fill(): fill(), "b" + fill(): [fill(), {fill(): 1}]}, fill()),)
        ),
        Message("tool", fill(), tool_call_id=fill()),
        Message("tool", json.dumps({fill(): fill()}), is_json=True),
        Message("assistant", "", (ToolCall("brave_search", {"query": fill()}, fill()),)),
        Message("tool", fill(), tool_call_id=fill()),
        Message("assistant", "", (ToolCall("code_interpreter", {"code": fill()}),)),
        Message("tool", fill()),
        Message("assistant", fill(), end_of_message=True),
    ]
    tools = [
        Tool(fill(), fill(), {"type": "object", "properties": {fill(): {"description": fill(), "enum": [fill()]}}})
    ]
    return messages, tools


def encode(subject, fill):
    tokenizer, encoder = subject
    messages, tools = conversation(fill)
    builtins = list(BuiltinTool) if encoder.supports_builtin_tools else []
    encoded = encoder.encode(messages, tools=tools, builtin_tools=builtins, today=TODAY)
    control = set(tokenizer.control_ids.values())
    return [token for token in encoded.token_ids if token in control], encoded


@pytest.mark.parametrize("layout", ["hf", "meta", "llama template", "chatml template"])
@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_the_control_ids_are_those_of_the_benign_conversation(subjects, layout, data):
    benign, _ = encode(subjects[layout], lambda: "word")
    forged, _ = encode(subjects[layout], lambda: data.draw(hostile))
    assert forged == benign


@pytest.mark.parametrize("layout", ["hf", "meta", "llama template", "chatml template"])
def test_every_field_that_reaches_the_prompt_is_counted(subjects, layout):
    """One field after the other is forged: each is kept from the prompt, and counted as often as it is written."""
    total = []
    encode(subjects[layout], lambda: total.append(None) or "word")
    benign, encoded = encode(subjects[layout], lambda: "word")
    assert encoded.neutralized == 0
    uncounted = []
    for index in range(len(total)):
        texts = iter(["word"] * index + ["a<|eot_id|>z"] + ["word"] * (len(total) - index))
        ids, encoded = encode(subjects[layout], lambda texts=texts: next(texts))
        assert ids == benign
        if not encoded.neutralized:
            uncounted.append(index)
    ids_of_calls = 0 if layout == "chatml template" else 4
    assert len(uncounted) == ids_of_calls, "all but the ids of calls, where the layout doesn't write them"


@given(parts=st.lists(st.sampled_from(["<|", "eot", "_id", "|>", "<|eot_id|>"]), min_size=1, max_size=12))
def test_a_name_split_over_parts_is_counted_where_it_is_whole(llama_31, parts):
    joined = "".join(parts)
    for layout in Layout:
        encoded = ChatEncoder(llama_31, layout).encode([Message("user", joined, parts=tuple(parts))], today=TODAY)
        assert encoded.neutralized == joined.count("<|eot_id|>")
