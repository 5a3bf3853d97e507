"""services.tool_choice: the grammar that a forced call is held to."""

from __future__ import annotations

import json

import pytest

from paddock.v1 import chat_pb2
from services.checks import Checks
from services.errors import InvalidArgumentError
from services.grammar import json_value
from services.tool_choice import call_grammar, callable_tools, check_choice
from tests.walk import accepts

REQUIRED = chat_pb2.ToolChoice(mode=chat_pb2.TOOL_MODE_REQUIRED)
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
NODE = {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}, "enum": {"$ref": "#/$defs/leaf"}}}
TREE = {
    "type": "object",
    "properties": {"root": {"$ref": "#/$defs/node"}, "self": {"$ref": "#"}, "$ref": {"type": "string"}},
    "$defs": {"node": NODE, "leaf": {"enum": [1, {"$ref": "#/data"}]}},
}


def function(name: str, parameters: object = None) -> chat_pb2.Tool:
    return chat_pb2.Tool(function={"name": name, "parameters_json": json.dumps(parameters) if parameters else ""})


def builtin(tool: int) -> chat_pb2.Tool:
    return chat_pb2.Tool(builtin=tool)


def grammar_for(*tools: chat_pb2.Tool, choice: chat_pb2.ToolChoice = REQUIRED) -> str:
    checks = Checks()
    chat = chat_pb2.Chat(tools=tools, tool_choice=choice)
    check_choice(chat, "chat", checks)
    grammar = call_grammar(chat, "chat", checks)
    checks.done()
    assert grammar is not None
    return grammar.source


def allowed(grammar: str, name: str, **arguments: object) -> bool:
    return accepts(grammar, json.dumps({"name": name, "parameters": arguments}))


def test_a_required_call_is_of_any_tool_with_its_own_arguments():
    grammar = grammar_for(function("weather", CITY), function("now"), builtin(chat_pb2.BUILTIN_TOOL_CODE_INTERPRETER))
    assert allowed(grammar, "weather", city="Bern")
    assert allowed(grammar, "now")
    assert allowed(grammar, "code_interpreter", code="1")
    assert not allowed(grammar, "weather", city=1)
    assert not allowed(grammar, "now", city="Bern")
    assert not allowed(grammar, "code_interpreter", query="1")
    assert not allowed(grammar, "other")


def test_a_named_function_is_the_only_one():
    choice = chat_pb2.ToolChoice(function_name="now")
    grammar = grammar_for(function("weather", CITY), function("now"), choice=choice)
    assert allowed(grammar, "now")
    assert not allowed(grammar, "weather", city="Bern")
    assert callable_tools(chat_pb2.Chat(tools=[function("now"), function("f")], tool_choice=choice)) == {"now"}


def test_a_built_in_tool_can_be_named():
    choice = chat_pb2.ToolChoice(function_name="brave_search")
    grammar = grammar_for(builtin(chat_pb2.BUILTIN_TOOL_BRAVE_SEARCH), function("f"), choice=choice)
    assert allowed(grammar, "brave_search", query="x")
    assert not allowed(grammar, "brave_search", query="x", more=1)


def test_name_and_arguments_come_in_this_order():
    grammar = grammar_for(function("f", CITY))
    assert accepts(grammar, '{"name": "f", "parameters": {"city": "Bern"}}')
    assert not accepts(grammar, '{"parameters": {"city": "Bern"}, "name": "f"}')


@pytest.mark.parametrize("tools", [[function("f", TREE)], [function("g", CITY), function("f", TREE)]], ids=len)
def test_references_follow_the_schema_to_its_place(tools):
    grammar = grammar_for(*tools)
    assert allowed(grammar, "f", root={"next": {"next": {"enum": 1}}}, self={"root": {}})
    assert allowed(grammar, "f", root={"enum": {"$ref": "#/data"}}), "data is not touched"
    assert not allowed(grammar, "f", root={"next": {"next": 1}})
    assert not allowed(grammar, "f", self={"root": 1})


def test_arguments_are_an_object():
    grammar = grammar_for(function("f", {"description": "anything"}))
    assert allowed(grammar, "f", anything=1)
    assert not accepts(grammar, '{"name": "f", "parameters": 1}')
    with pytest.raises(InvalidArgumentError) as caught:
        grammar_for(function("f", CITY), function("g", {"type": "string"}))
    assert [violation.field for violation in caught.value.violations] == ["chat.tools[1].function.parameters_json"]


@pytest.mark.parametrize(
    "schema",
    [
        {"anyOf": [{"type": "string"}]},
        {"anyOf": [CITY, {}]},
        {"oneOf": [CITY, {"type": "null"}]},
        {"allOf": [{"type": "array"}]},
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"enum": [{"a": 1}, 1]}}},
        {"type": ["object", "null"]},
    ],
    ids=str,
)
def test_a_schema_that_lets_other_values_through_is_refused(schema):
    with pytest.raises(InvalidArgumentError, match="its type is not object"):
        grammar_for(function("f", schema))


def test_a_composed_schema_of_objects_will_do():
    grammar = grammar_for(function("f", {"anyOf": [CITY, {"const": {"a": 1}}, {"allOf": [{"maxProperties": 0}]}]}))
    assert allowed(grammar, "f", city="Bern")
    assert allowed(grammar, "f", a=1)
    assert allowed(grammar, "f")


@pytest.mark.parametrize(
    ("choice", "field"),
    [
        (chat_pb2.ToolChoice(function_name="other"), "chat.tool_choice.function_name"),
        (chat_pb2.ToolChoice(function_name=""), "chat.tool_choice.function_name"),
        (chat_pb2.ToolChoice(mode=99), "chat.tool_choice.mode"),
    ],
)
def test_a_choice_of_nothing_is_refused(choice, field):
    with pytest.raises(InvalidArgumentError) as caught:
        grammar_for(function("f"), choice=choice)
    assert [violation.field for violation in caught.value.violations] == [field]


def test_schemas_of_all_tools_share_what_may_be_spent(monkeypatch):
    made = []
    make = json_value.array
    monkeypatch.setattr(json_value, "array", lambda *given: made.append(1) or make(*given))
    lists = {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "null"}, "minItems": 2000}}}
    with pytest.raises(InvalidArgumentError, match="is too complex"):
        grammar_for(*(function(f"f{i}", lists) for i in range(20)))
    assert sum(made) < 20 + 5
