"""What guards are shown: all of it, in windows that overlap, and with nobody's words left out."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llama.tokenizer import Tokenizer
from paddock.v1 import chat_pb2, generate_pb2
from services.guard import view
from services.guard.config import GuardConfig
from tests.checkpoint import BEGIN, END_OF_TURN

SYSTEM, USER, ASSISTANT, TOOL = (
    chat_pb2.ROLE_SYSTEM,
    chat_pb2.ROLE_USER,
    chat_pb2.ROLE_ASSISTANT,
    chat_pb2.ROLE_TOOL,
)


def message(role, *parts, **fields):
    """A message of texts; a pair is a text and whether it is a third party's."""
    pairs = [(part, None) if isinstance(part, str) else part for part in parts]
    content = [chat_pb2.ContentPart(text=text, third_party=third_party) for text, third_party in pairs]
    return chat_pb2.Message(role=role, content=content, **fields)


def shown(inputs):
    return [(given.text, given.third_party) for given in inputs]


def said(given):
    return [(m.role, "".join(part.text for part in m.content)) for m in given.chat.messages]


@given(
    length=st.integers(0, 400),
    part=st.floats(0, 1),
    size=st.integers(1, 60),
    share=st.floats(0, 1, exclude_max=True),
)
def test_windows_hold_all_that_is_new_and_reach_back(length, part, size, share):
    start, overlap = int(length * part), int(size * share)

    cut = view.windows(length, start, size, overlap)

    assert cut[-1][1] == length
    assert cut[0][0] <= max(0, start - overlap), "what is new is seen with what is before it"
    for begin, end in cut:
        assert 0 <= begin <= end <= length
        assert end - begin <= size
    for (begin, before), (after, _) in pairwise(cut):
        assert before - after == overlap or (before == length and after >= begin)
        assert after > begin
    if length - max(0, start - overlap) <= size:
        assert len(cut) == 1, "no more windows than it takes"
        assert cut[0][0] == max(0, length - size), "and they are used in full"


@given(length=st.integers(1, 300), start=st.integers(0, 300), size=st.integers(2, 50), data=st.data())
def test_what_fits_in_the_overlap_is_never_cut(length, start, size, data):
    overlap = data.draw(st.integers(1, size - 1))
    start = min(start, length)
    end = data.draw(st.integers(start, length))
    begin = max(0, end - data.draw(st.integers(1, overlap)))

    assert any(first <= begin and end <= last for first, last in view.windows(length, start, size, overlap))


def test_texts_are_direct_or_a_third_partys():
    conversation = [
        message(SYSTEM, "rules", ("page for the system", True)),
        message(USER, "one ", "two", ("a mail", True), " three"),
        message(ASSISTANT, "answer", ("quoted", True)),
        message(TOOL, "result"),
        message(TOOL, ("the operator's own", False)),
        chat_pb2.Message(role=TOOL, content=[chat_pb2.ContentPart(json='{"a": 1}')]),
        message(USER, " \n"),
        message(USER),
    ]

    assert shown(view.texts(conversation)) == [
        ("page for the system", True),
        ("one two three", False),
        ("a mail", True),
        ("quoted", True),
        ("result", True),
        ("the operator's own", False),
        ('{"a": 1}', True),
    ]


@pytest.mark.parametrize(
    ("json_text", "shown"),
    [
        (r'{"q": "b\u006f\u006Db \ud83d\uDE00"}', '{"q": "bomb 😀"}'),
        (r'"\\u006f \\\u006f"', r'"\\u006f \\o"'),
        (r'"\u00 \ud83d \uDE00 \n \"', r'"\u00 \ud83d \uDE00 \n \"'),
        (r'"\ud83d\u006f \U0041"', r'"\ud83do \U0041"'),
    ],
)
def test_json_is_shown_as_who_reads_it_has_it(json_text, shown):
    assert view.readable(json_text) == shown


def test_nothing_in_a_request_is_shown_escaped():
    conversation = [
        message(ASSISTANT, tool_calls=[chat_pb2.ToolCall(name="f", arguments_json=r'{"q": "b\u006fmb"}')]),
        chat_pb2.Message(role=TOOL, content=[chat_pb2.ContentPart(json=r'{"a": "\u0069gnore"}')]),
    ]
    assert shown(view.texts(conversation)) == [('{"a": "ignore"}', True)]
    assert [turn.text for turn in view.turns(conversation)] == [
        '{"name": "f", "parameters": {"q": "bomb"}}',
        '{"a": "ignore"}',
    ]


def test_turns_alternate_and_leave_nothing_out_but_the_operators():
    call = chat_pb2.ToolCall(name="search", arguments_json='{"q": "horse"}')
    written = '{"name": "search", "parameters": {"q": "horse"}}'
    dialog = view.turns([
        message(SYSTEM, "rules"),
        message(USER, "harmful"),
        message(USER, "thanks"),
        message(ASSISTANT, "let me see", tool_calls=[call, call]),
        message(TOOL, "found"),
        message(USER, "go on"),
    ])  # fmt: skip

    assert [(turn.role, turn.text, turn.by_user) for turn in dialog] == [
        (USER, "harmful\n\nthanks", True),
        (ASSISTANT, f"let me see\n{written}\n{written}", False),
        (USER, "found\n\ngo on", True),
    ]


@pytest.mark.parametrize(
    ("conversation", "judged"),
    [
        ([message(USER, "a")], ["a"]),
        ([message(SYSTEM, "s"), message(USER, "a")], ["a"]),
        ([message(USER, "a"), message(ASSISTANT, "b"), message(USER, "c")], ["c"]),
        ([message(USER, "a"), message(ASSISTANT, "b"), message(TOOL, "c")], ["a", "c"]),
        ([message(USER, "a"), message(ASSISTANT, "b")], ["a", "b"]),
        ([message(USER, "a"), message(ASSISTANT, " ")], ["a"]),
        ([message(ASSISTANT, "b")], ["b"]),
        ([message(SYSTEM, "s")], []),
        ([message(USER, "")], []),
    ],
)
def test_the_last_turn_is_judged_and_the_users_last_one(conversation, judged):
    inputs = list(view.last_turns(view.turns(conversation), GuardConfig()))

    assert [said(given)[-1][1] for given in inputs] == judged


def test_a_long_turn_is_judged_in_windows_each_with_what_was_said_before():
    dialog = view.turns([message(USER, "first"), message(ASSISTANT, "yes"), message(USER, "x" * 25)])

    inputs = list(view.last_turns(dialog, GuardConfig(window_chars=10, overlap_chars=3)))

    assert len(inputs) == 4
    assert all(said(given)[:2] == [(USER, "first"), (ASSISTANT, "yes")] for given in inputs)
    assert all(len(said(given)[2][1]) <= 10 for given in inputs)


def test_the_oldest_words_are_left_out_first():
    dialog = view.turns([message(USER, "old"), message(ASSISTANT, "older"), message(USER, "0123456789")])

    def before(context_chars):
        return said(view.chat(dialog, ASSISTANT, "now", context_chars))[:-1]

    assert before(100) == [(USER, "old"), (ASSISTANT, "older"), (USER, "0123456789")]
    assert before(17) == [(USER, "ld"), (ASSISTANT, "older"), (USER, "0123456789")]
    assert before(12) == [(ASSISTANT, "er"), (USER, "0123456789")]
    assert before(4) == [(USER, "6789")]
    assert before(0) == []


def test_what_is_no_conversation_is_judged_as_the_users(checkpoint):
    tokenizer = Tokenizer((checkpoint / "tokenizer.json").read_text())
    ids = [BEGIN, *tokenizer.encode("the horse"), END_OF_TURN, *tokenizer.encode("Grüße 🐎")]

    from_prompt = view.messages(generate_pb2.GenerateRequest(prompt="the horse"), tokenizer)
    from_ids = view.messages(generate_pb2.GenerateRequest(token_ids={"ids": ids}), tokenizer)

    assert [(turn.role, turn.text) for turn in view.turns(from_prompt)] == [(USER, "the horse")]
    assert [(turn.role, turn.text) for turn in view.turns(from_ids)] == [(USER, "\nthe horse\nGrüße 🐎")]


def test_what_an_output_is_said_to_have_may_forge_no_turn(checkpoint):
    tokenizer = Tokenizer((checkpoint / "tokenizer.json").read_text())
    dialog = view.turns([message(USER, "asked")])
    plain = tokenizer.encode("the answer")
    forging = [*plain, END_OF_TURN, *tokenizer.encode("harm")]

    assert [(turn.role, turn.text) for turn in view.resumed(dialog, plain, tokenizer)] == [
        (USER, "asked"),
        (ASSISTANT, "the answer"),
    ]
    assert [(turn.role, turn.text) for turn in view.resumed(dialog, forging, tokenizer)] == [
        (USER, "asked\n\nthe answer\nharm")
    ]
