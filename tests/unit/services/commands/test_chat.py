"""`paddock chat` from a pipe: one turn a line. What a terminal adds is in test_terminal.py."""

from __future__ import annotations

import json

import pytest

from paddock.v1.chat_pb2 import BuiltinTool, Role
from paddock.v1.generate_pb2 import FinishReason
from services.errors import QueueFullError
from tests.unit.services.commands.fake_server import answer, call, finished, started, text

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Current weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


@pytest.fixture
def tools(tmp_path):
    path = tmp_path / "tools.json"
    path.write_text(json.dumps([WEATHER, {"type": "brave_search"}]))
    return str(path)


def turns(request):
    return [
        (Role.Name(m.role).removeprefix("ROLE_"), "".join(p.text or p.json for p in m.content))
        for m in request.chat.messages
    ]


def test_each_line_is_a_turn_and_answers_are_printed(server, run):
    server.scripts.extend([answer("Hel", "lo."), answer("Bye.\n")])
    result = run("chat", stdin="hi\n\nbye\n")
    assert (result.code, result.out, result.err) == (0, "Hello.\nBye.\n", "")


def test_the_conversation_is_sent_whole(server, run):
    server.scripts.extend([answer("A"), answer("B")])
    run("chat", "--system", "be brief", stdin="one\ntwo")
    assert turns(server.requests[1]) == [
        ("SYSTEM", "be brief"),
        ("USER", "one"),
        ("ASSISTANT", "A"),
        ("USER", "two"),
    ]


def test_options_are_sent_with_each_turn(server, run):
    server.scripts.append(answer("A"))
    run("chat", "--model", "m", "--seed", "3", "--max-tokens", "9", "--regex", "a", stdin="one\n")
    request = server.requests[0]
    assert (request.model, request.sampling.seed, request.max_tokens, request.n) == ("m", 3, 9, 1)
    assert request.response_format.regex == "a"


def test_reset_forgets_all_but_the_system_message(server, run):
    server.scripts.extend([answer("A"), answer("B")])
    run("chat", "--system", "s", stdin="one\n/reset\ntwo\n")
    assert turns(server.requests[1]) == [("SYSTEM", "s"), ("USER", "two")]


def test_system_replaces_the_system_message(server, run):
    server.scripts.extend([answer("A"), answer("B")])
    run("chat", stdin="one\n/system be a pirate\ntwo\n")
    assert turns(server.requests[1])[0] == ("SYSTEM", "be a pirate")


def test_quit_ends_and_help_helps(server, run):
    result = run("chat", stdin="/help\n/quit\nnever sent\n")
    assert result.code == 0
    assert "/reset" in result.out
    assert not server.requests


def test_two_slashes_say_one(server, run):
    server.scripts.append(answer("A"))
    run("chat", stdin="//etc/hosts\n")
    assert turns(server.requests[0]) == [("USER", "/etc/hosts")]


def test_an_unknown_command_is_told(server, run):
    result = run("chat", stdin="/rest\n")
    assert result.code == 2
    assert result.err.startswith("paddock chat: there is no /rest: /help lists the commands")


def test_an_unusual_end_is_told(server, run):
    server.scripts.append([started(), text("x"), finished(FinishReason.FINISH_REASON_MAX_TOKENS, tokens=1)])
    assert run("chat", stdin="hi\n").err == "[cut at max_tokens (1)]\n"


def test_an_empty_answer_is_left_out_of_the_conversation(server, run):
    server.scripts.extend([answer(), answer("B")])
    result = run("chat", stdin="one\ntwo\n")
    assert turns(server.requests[1]) == [("USER", "two")]
    assert result.err == "[an empty answer: this turn is forgotten]\n"


def test_in_a_pipe_the_first_error_ends_it(server, run):
    server.scripts.append([QueueFullError("m", 1.5)])
    result = run("chat", stdin="one\ntwo\n")
    assert (result.code, len(server.requests)) == (1, 1)
    assert result.err == "paddock chat: model 'm' has too many requests waiting: try again in 1.5 s\n"


def test_a_tool_call_makes_the_round(server, run, tools):
    calls = [call("", id="c1", name="get_weather"), call('{"city": '), call('"Paris"}')]
    done = finished(FinishReason.FINISH_REASON_TOOL_CALLS)
    server.scripts.extend([[started(), text("Let me see."), *calls, done], answer("18 degrees.")])
    result = run("chat", "--tools", tools, stdin='weather?\n{"celsius": 1.80e1}\n')
    assert result.out == 'Let me see.\n-> get_weather({"city": "Paris"})\n18 degrees.\n'
    assistant, tool = server.requests[1].chat.messages[1:]
    assert (assistant.content[0].text, assistant.tool_calls[0].id) == ("Let me see.", "c1")
    assert assistant.tool_calls[0].arguments_json == '{"city": "Paris"}'
    assert (tool.role, tool.tool_call_id) == (Role.ROLE_TOOL, "c1")
    assert tool.content[0].json == '{"celsius": 1.80e1}', "kept as written"


def test_calls_at_once_are_each_answered(server, run, tools):
    calls = [call('{"city": "Rome"}', 0, id="a", name="f"), call('{"city": "Oslo"}', 1, id="b", name="g")]
    server.scripts.extend([[started(), *calls, finished(FinishReason.FINISH_REASON_TOOL_CALLS)], answer("ok")])
    result = run("chat", "--tools", tools, stdin="both?\nsunny\nNaN\n")
    assert result.out == '-> f({"city": "Rome"})\n-> g({"city": "Oslo"})\nok\n'
    first, sunny, second, nan = server.requests[1].chat.messages[1:]
    assert [[c.id for c in m.tool_calls] for m in (first, second)] == [["a"], ["b"]], "a message each"
    assert [(m.tool_call_id, m.content[0].text) for m in (sunny, nan)] == [("a", "sunny"), ("b", "NaN")]


def test_a_call_that_broke_off_is_text(server, run, tools):
    begun = [call("", id="a", name="f"), call('{"x"')]
    server.scripts.extend([[started(), *begun, text('{"name": "f", "parameters": {"x"]'), finished()], answer("ok")])
    result = run("chat", "--tools", tools, stdin="go\non\n")
    assert result.out == '-> f({"x")\n{"name": "f", "parameters": {"x"]\nok\n'
    assert result.err == "[the tool call broke off: it is text]\n"
    assert turns(server.requests[1])[1] == ("ASSISTANT", '{"name": "f", "parameters": {"x"]')
    assert not server.requests[1].chat.messages[1].tool_calls


def test_the_end_of_input_instead_of_a_result_ends_it(server, run, tools):
    calls = [call("{}", id="a", name="f")]
    server.scripts.append([started(), *calls, finished(FinishReason.FINISH_REASON_TOOL_CALLS)])
    assert run("chat", "--tools", tools, stdin="go\n").code == 0
    assert len(server.requests) == 1


def test_tool_definitions_reach_the_request(server, run, tools):
    server.scripts.append(answer("A"))
    run("chat", "--tools", tools, stdin="hi\n")
    weather, search = server.requests[0].chat.tools
    assert (weather.function.name, weather.function.description) == ("get_weather", "Current weather")
    assert json.loads(weather.function.parameters_json) == WEATHER["function"]["parameters"]
    assert search.builtin == BuiltinTool.BUILTIN_TOOL_BRAVE_SEARCH


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("[", "{path} is not JSON: Expecting value: line 1 column 2 (char 1)"),
        ("{}", "{path} is not a JSON list of tools"),
        ("[1]", "{path}: [0] is not an object"),
        (
            '[{"type": "x"}]',
            "{path}: [0].type is 'x': it must be function, brave_search or wolfram_alpha or code_interpreter",
        ),
        ('[{"type": "function"}]', "{path}: [0].function is missing"),
        ('[{"type": "function", "function": {}}]', "{path}: [0].function.name is missing"),
        ('[{"type": "function", "function": {"name": 1}}]', "{path}: [0].function.name is not a string"),
    ],
)
def test_a_wrong_tool_file_is_told_by_place(run, tmp_path, content, complaint):
    path = tmp_path / "t.json"
    path.write_text(content)
    result = run("chat", "--tools", str(path))
    assert (result.code, result.err) == (2, f"paddock chat: --tools: {complaint.format(path=path)}\n")


def test_a_missing_tool_file_is_told(run, tmp_path):
    result = run("chat", "--tools", str(tmp_path / "none.json"))
    assert result.code == 2
    assert result.err.endswith("none.json can't be read: No such file or directory\n")
