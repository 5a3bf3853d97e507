"""`paddock generate`: what it sends, prints and ends with."""

from __future__ import annotations

import json

import pytest

from paddock.v1.chat_pb2 import Role
from paddock.v1.generate_pb2 import (
    Candidate,
    FinishReason,
    GenerateResponse,
    Output,
    ResponseFormat,
    StreamEvent,
    Token,
    TokenDelta,
)
from paddock.v1.guard_pb2 import GuardDecision, GuardEvent, GuardMode, GuardOptions, GuardVerdict
from services.errors import FeatureUnsupportedError
from tests.unit.services.commands.fake_server import answer, call, finished, started, text


def test_prints_the_text_and_nothing_else(server, run):
    server.scripts.append(answer("Hel", "lo", "."))
    result = run("generate", "hi")
    assert (result.code, result.out, result.err) == (0, "Hello.\n", "")


def test_a_text_that_ends_its_line_gets_no_other_end(server, run):
    server.scripts.append(answer("one\n"))
    assert run("generate", "hi").out == "one\n"


def test_sends_a_chat_of_one_message(server, run):
    server.scripts.append(answer("x"))
    run("generate", "hi", "--system", "be brief")
    messages = server.requests[0].chat.messages
    assert [(m.role, m.content[0].text) for m in messages] == [
        (Role.ROLE_SYSTEM, "be brief"),
        (Role.ROLE_USER, "hi"),
    ]


def test_a_call_is_shown_as_one(server, run, tmp_path):
    tools = tmp_path / "tools.json"
    tools.write_text('[{"type": "function", "function": {"name": "now"}}]')
    server.scripts.append([started(), call("{}", id="1", name="now"), finished(FinishReason.FINISH_REASON_TOOL_CALLS)])
    assert run("generate", "hi", "--tools", str(tools)).out == "-> now({})\n"
    assert [tool.function.name for tool in server.requests[0].chat.tools] == ["now"]


def test_guards_are_asked_for(server, run):
    server.scripts += [answer("x"), answer("x")]
    run("generate", "hi", "--guard", "input", "--guard", "output")
    run("generate", "hi", "--guard", "output", "--choice", "a")
    assert server.requests[0].guards == GuardOptions(
        input=GuardMode.GUARD_MODE_ENFORCE, output=GuardMode.GUARD_MODE_ENFORCE
    )
    assert server.requests[1].guards == GuardOptions(output=GuardMode.GUARD_MODE_ENFORCE)
    assert server.requests[1].response_format.choice.strings == ["a"]


def test_raw_sends_a_prompt(server, run):
    server.scripts.append(answer("x"))
    run("generate", "--raw", "Once upon")
    assert server.requests[0].prompt == "Once upon"


@pytest.mark.parametrize("argv", [[], ["-"]])
def test_reads_standard_input(server, run, argv):
    server.scripts.append(answer("x"))
    run("generate", *argv, stdin="two\nlines\n")
    assert server.requests[0].chat.messages[0].content[0].text == "two\nlines\n"


def test_unset_options_stay_unset(server, run):
    server.scripts.append(answer("x"))
    run("generate", "hi")
    request = server.requests[0]
    assert {field.name for field, _ in request.ListFields()} == {"chat"}


def test_every_option_reaches_the_request(server, run):
    server.scripts.append([started(2), finished(), finished(index=1)])
    run(
        *("generate", "hi", "--model", "m", "--max-tokens", "5", "--temperature", "0", "--top-p", "0.5"),
        *("--top-k", "0", "--min-p", "0", "--seed", "0", "--stop", "a", "--stop", "b", "-n", "2", "--logprobs", "0"),
    )
    request = server.requests[0]
    sampling = request.sampling
    names = ("temperature", "top_p", "top_k", "min_p", "seed")
    assert all(sampling.HasField(name) for name in names), "zero is a value"
    assert [getattr(sampling, name) for name in names] == [0, 0.5, 0, 0, 0]
    assert (request.model, request.max_tokens, request.n, request.logprobs) == ("m", 5, 2, 0)
    assert request.HasField("logprobs")
    assert list(request.stop.strings) == ["a", "b"]


def test_outputs_are_printed_one_below_the_other_however_they_come(server, run):
    server.scripts.append([started(3), text("b1", 1), text("a1", 0), text("c", 2), finished(index=2), text("b2", 1)])
    server.scripts[0] += [finished(index=1), text("a2", 0), finished()]
    assert run("generate", "hi", "-n", "3").out == ("--- 1 of 3 ---\na1a2\n--- 2 of 3 ---\nb1b2\n--- 3 of 3 ---\nc\n")


def test_logprobs_are_listed_after_the_text(server, run):
    token = Token(id=7, piece=b"\xc3", logprob=-0.5, rank=2, candidates=[Candidate(id=1, piece=b" a", logprob=-0.1)])
    event = StreamEvent(token_delta=TokenDelta(text="é", tokens=[token, Token(id=8, piece=b"\xa9")]))
    server.scripts.append([started(), event, finished()])
    assert run("generate", "hi", "--logprobs", "1").out == (
        "é\n"
        "ID  PIECE   LOGPROB  RANK  ALTERNATIVES\n"
        '7   "\\xc3"  -0.5000  2     " a" -0.1000\n'
        '8   "\\xa9"  -        -\n'
    )


def test_json_prints_the_whole_response(server, run):
    server.responses["Generate"] = GenerateResponse(outputs=[Output(text="¡hola!")])
    result = run("generate", "hi", "--json")
    assert result.code == 0
    assert json.loads(result.out)["outputs"][0]["text"] == "¡hola!"
    assert "¡hola!" in result.out


@pytest.mark.parametrize(
    ("reason", "remark"),
    [
        (FinishReason.FINISH_REASON_MAX_TOKENS, "[cut at max_tokens (12)]\n"),
        (FinishReason.FINISH_REASON_CONTEXT_LIMIT, "[cut: the model's context is full]\n"),
        (FinishReason.FINISH_REASON_TIME_LIMIT, "[cut at the time limit]\n"),
        (FinishReason.FINISH_REASON_GUARD_BLOCKED, "[blocked by a guard]\n"),
        (FinishReason.FINISH_REASON_CANCELLED, "[ended by the server]\n"),
        (77, "[ended for reason 77]\n"),
    ],
)
def test_an_unusual_end_is_told_beside_the_text(server, run, reason, remark):
    server.scripts.append([started(), text("x"), finished(reason, tokens=12)])
    result = run("generate", "hi")
    assert (result.code, result.out, result.err) == (0, "x\n", remark)


def test_a_guard_is_named(server, run):
    verdict = GuardVerdict(decision=GuardDecision.GUARD_DECISION_UNSAFE, categories=["S1", "S9"])
    guard = StreamEvent(guard=GuardEvent(guard_model="guard", verdict=verdict))
    server.scripts.append([started(), guard, finished(FinishReason.FINISH_REASON_GUARD_BLOCKED)])
    assert run("generate", "hi").err == "[blocked by guard: S1, S9]\n"


def test_a_base_model_gets_the_text_as_a_raw_prompt(server, run):
    server.scripts.extend([[FeatureUnsupportedError("chat", "base")], answer(" a time")])
    result = run("generate", "Once upon")
    assert (result.code, result.out) == (0, " a time\n")
    assert server.requests[1].prompt == "Once upon"
    assert "raw prompt" in result.err


def test_a_base_model_can_not_take_a_system_message(server, run):
    server.scripts.append([FeatureUnsupportedError("chat", "base")])
    result = run("generate", "hi", "--system", "x")
    assert result.code == 1
    assert result.err == (
        "paddock generate: model 'base' does not support chat: send raw text with paddock generate --raw\n"
    )


def test_text_before_an_error_stays_and_ends_its_line(server, run):
    server.scripts.append([started(), text("half a"), RuntimeError("secret")])
    result = run("generate", "hi")
    assert (result.code, result.out) == (1, "half a\n")
    assert "secret" not in result.err


def test_the_call_carries_a_request_id_and_says_who_calls(server, run):
    server.scripts.append(answer("x"))
    run("generate", "hi")
    assert len(server.metadata[0]["x-request-id"]) == 32
    assert server.metadata[0]["user-agent"].startswith("paddock-cli/")


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["hi", "--top-p", "x"], "argument --top-p: 'x' is not a number; see paddock generate --help"),
        (["hi", "--temperature", "nan"], "argument --temperature: 'nan' is not a number; see paddock generate --help"),
        (["hi", "--top-k", "-1"], "argument --top-k: '-1' is not in [0, 4294967295]; see paddock generate --help"),
        (
            ["hi", "--max-tokens", "1.5"],
            "argument --max-tokens: '1.5' is not a whole number; see paddock generate --help",
        ),
        (["hi", "--timeout", "0"], "argument --timeout: '0' is not more than 0; see paddock generate --help"),
        (["hi", "there"], "unrecognized arguments: there; see paddock generate --help"),
        (["hi", "--raw", "--system", "x"], "--system and --tools need a chat: leave out --raw"),
        (["hi", "--raw", "--tools", "x"], "--system and --tools need a chat: leave out --raw"),
        (["hi", "--tools", "/absent"], "--tools: /absent can't be read: No such file or directory"),
        (["\udcff"], "argument TEXT: it is not UTF-8 text; see paddock generate --help"),
        (
            ["hi", "--address", "http://a:1"],
            "argument --address: 'http://a:1' is not HOST:PORT, such as 127.0.0.1:50051; see paddock generate --help",
        ),
    ],
)
def test_bad_usage_is_one_sentence_and_no_call(server, run, argv, sentence):
    result = run("generate", *argv)
    assert (result.code, result.out, result.err) == (2, "", f"paddock generate: {sentence}\n")
    assert not server.requests


@pytest.mark.parametrize(
    ("argv", "kind", "value"),
    [
        (["--json-object"], "json_object", ResponseFormat.JsonObject()),
        (["--json-schema", "{}"], "json_schema", "{}"),
        (["--json-schema", "@{path}"], "json_schema", '{"type": "é"}\n'),
        (["--regex", "a+"], "regex", "a+"),
        (["--regex", ""], "regex", ""),
        (["--ebnf", "@{path}"], "ebnf", '{"type": "é"}\n'),
        (["--choice", "@yes", "--choice", "no"], "choice", ResponseFormat.Choice(strings=["@yes", "no"])),
    ],
)
def test_the_form_of_the_answer_reaches_the_request(server, run, tmp_path, argv, kind, value):
    path = tmp_path / "form"
    path.write_text('{"type": "é"}\n', encoding="utf-8")
    server.scripts.append(answer("x"))
    assert run("generate", "hi", *(word.replace("{path}", str(path)) for word in argv)).code == 0
    form = server.requests[0].response_format
    assert (form.WhichOneof("kind"), getattr(form, kind)) == (kind, value)


@pytest.mark.parametrize(
    ("argv", "complaint"),
    [
        (["--regex", "@{path}/none"], "argument --regex: {path}/none can't be read: Not a directory"),
        (["--ebnf", "@{path}"], "argument --ebnf: {path} is not UTF-8 text"),
        (["--regex", "a", "--choice", "b"], "argument --choice: not allowed with argument --regex"),
    ],
)
def test_a_form_that_can_not_be_sent_is_told(run, tmp_path, argv, complaint):
    path = tmp_path / "form"
    path.write_bytes(b"\xff")
    result = run("generate", "hi", *(word.replace("{path}", str(path)) for word in argv))
    assert result.code == 2
    assert result.err.startswith(f"paddock generate: {complaint.replace('{path}', str(path))}")
