"""services.tool_choice: the schema that a forced call is held to."""

from __future__ import annotations

import json

import jsonschema
import pytest

from paddock.v1 import chat_pb2
from services.checks import Checks
from services.errors import InvalidArgumentError
from services.tool_choice import call_schema, callable_tools, check_choice

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


def schema_for(*tools: chat_pb2.Tool, choice: chat_pb2.ToolChoice = REQUIRED) -> dict:
    checks = Checks()
    chat = chat_pb2.Chat(tools=tools, tool_choice=choice)
    check_choice(chat, "chat", checks)
    schema = call_schema(chat, "chat", checks)
    checks.done()
    jsonschema.Draft202012Validator.check_schema(schema)
    return schema


def allowed(schema: dict, name: str, **arguments: object) -> bool:
    return jsonschema.Draft202012Validator(schema).is_valid({"name": name, "parameters": arguments})


def test_a_required_call_is_of_any_tool_with_its_own_arguments():
    schema = schema_for(function("weather", CITY), function("now"), builtin(chat_pb2.BUILTIN_TOOL_CODE_INTERPRETER))
    assert allowed(schema, "weather", city="Bern")
    assert allowed(schema, "now")
    assert allowed(schema, "code_interpreter", code="1")
    assert not allowed(schema, "weather", city=1)
    assert not allowed(schema, "now", city="Bern")
    assert not allowed(schema, "code_interpreter", query="1")
    assert not allowed(schema, "other")


def test_a_named_function_is_the_only_one():
    choice = chat_pb2.ToolChoice(function_name="now")
    schema = schema_for(function("weather", CITY), function("now"), choice=choice)
    assert allowed(schema, "now")
    assert not allowed(schema, "weather", city="Bern")
    assert callable_tools(chat_pb2.Chat(tools=[function("now"), function("f")], tool_choice=choice)) == {"now"}


def test_a_built_in_tool_can_be_named():
    choice = chat_pb2.ToolChoice(function_name="brave_search")
    schema = schema_for(builtin(chat_pb2.BUILTIN_TOOL_BRAVE_SEARCH), function("f"), choice=choice)
    assert allowed(schema, "brave_search", query="x")
    assert not allowed(schema, "brave_search", query="x", more=1)


def test_name_and_arguments_come_in_this_order():
    assert list(schema_for(function("f", CITY))["properties"]) == ["name", "parameters"]


@pytest.mark.parametrize("tools", [[function("f", TREE)], [function("g", CITY), function("f", TREE)]], ids=len)
def test_references_follow_the_schema_to_its_place(tools):
    schema = schema_for(*tools)
    assert allowed(schema, "f", root={"next": {"next": {"enum": 1}}}, self={"root": {}})
    assert allowed(schema, "f", root={"enum": {"$ref": "#/data"}}), "data is not touched"
    assert not allowed(schema, "f", root={"next": {"next": 1}})
    assert not allowed(schema, "f", self={"root": 1})


def test_arguments_are_an_object():
    schema = schema_for(function("f", {"description": "anything"}))
    assert not jsonschema.Draft202012Validator(schema).is_valid({"name": "f", "parameters": 1})
    with pytest.raises(InvalidArgumentError) as caught:
        schema_for(function("f", CITY), function("g", {"type": "string"}))
    assert [violation.field for violation in caught.value.violations] == ["chat.tools[1].function.parameters_json"]


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
        schema_for(function("f"), choice=choice)
    assert [violation.field for violation in caught.value.violations] == [field]
