"""Structured output over the wire, on a real model: the form holds, or the finish reason says that it was cut."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest
import pytest_asyncio

pytest.importorskip("xgrammar")

import jsonschema
from grpc import StatusCode as Code

from backends.errors import InvalidRequestError
from backends.transformers import grammar
from backends.transformers.config import TransformersConfig
from paddock.v1 import chat_pb2, generate_pb2
from tests import walk
from tests.service.backend import Breaking, ScriptedBackend, end
from tests.service.failure import failure
from tests.service.gateway import pool, routed, routing
from tests.service.rig import chat, model_config, request, serving
from tests.walk import TINY

Format = generate_pb2.ResponseFormat
STOP, MAX_TOKENS = generate_pb2.FINISH_REASON_STOP, generate_pb2.FINISH_REASON_MAX_TOKENS
SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 12},
        "kind": {"enum": ["cat", "dog", None]},
        "age": {"type": "integer", "minimum": 0, "maximum": 30},
        "tags": {"type": "array", "items": {"type": "string", "pattern": "^[a-z]{1,5}$"}, "maxItems": 3},
    },
    "required": ["name", "age", "tags"],
    "additionalProperties": False,
}
FORMATS = {
    "json_schema": (
        Format(json_schema=json.dumps(SCHEMA)),
        lambda text: jsonschema.validate(json.loads(text), SCHEMA) is None,
    ),
    "json_object": (Format(json_object={}), lambda text: isinstance(json.loads(text), dict)),
    "regex": (Format(regex=r"(?:\d{1,3}\.){3}\d{1,3}"), lambda text: re.fullmatch(r"(?:\d{1,3}\.){3}\d{1,3}", text)),
    "ebnf": (
        Format(ebnf='root ::= x{2,4}\nx ::= "<" [a-z]{0,5} ">"'),
        lambda text: re.fullmatch("(<[a-z]{0,5}>){2,4}", text),
    ),
    "choice": (
        Format(choice={"strings": ["so\nso", '"yes"', "né 😀"]}),
        lambda text: text in ("so\nso", '"yes"', "né 😀"),
    ),
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def real():
    """A server of the embedded model."""
    backend = TransformersConfig(checkpoint=str(TINY), device="cpu", cache_gib=0.25, num_threads=1)
    async with serving(model_config(TINY, backend)) as rig:
        yield rig


@pytest.mark.parametrize("kind", FORMATS)
async def test_what_ends_by_the_models_end_has_the_form(real, kind):
    wanted, holds = FORMATS[kind]
    made = await real.generate(
        request(chat=chat("Tell me of a cat."), response_format=wanted, n=6, temperature=1.5, seed=1, max_tokens=120)
    )
    for output in made.outputs:
        if output.finished.reason == STOP:
            assert holds(output.text), output.text
        else:
            assert output.finished.reason == MAX_TOKENS
    assert kind == "json_object" or any(output.finished.reason == STOP for output in made.outputs)


@pytest.mark.parametrize("kind", FORMATS)
async def test_an_interrupted_output_goes_on_in_form(real, kind):
    wanted = request(response_format=FORMATS[kind][0], temperature=1.0, seed=7, max_tokens=40)
    whole = (await real.generate(wanted)).outputs[0]
    ids = [token.id for token in whole.tokens]
    wanted.continuations.add(output_index=0, token_ids=ids[: len(ids) // 2])
    rest = (await real.generate(wanted)).outputs[0]
    assert [token.id for token in rest.tokens] == ids[len(ids) // 2 :]
    assert rest.finished.reason == whole.finished.reason


async def test_a_lost_stream_goes_on_in_form(real, monkeypatch):
    """Behind a gateway, whose only worker loses the request once and then can be asked again."""
    wanted = request(response_format=FORMATS["json_schema"][0], temperature=1.0, seed=7, max_tokens=40)
    undisturbed = await real.stream(wanted)
    (model,) = real.server.models.all
    breaking = Breaking(model.backend, at_token=20)
    monkeypatch.setattr(model, "backend", breaking)
    breaking.ready = True
    async with serving(routing=routing(routed(pool(real.address)))) as gateway:
        stream = await gateway.stream(wanted)

    assert not breaking.losses
    assert stream.outputs == undisturbed.outputs
    assert stream.usage == undisturbed.usage


async def test_a_continuation_out_of_form_is_refused(real):
    wanted = request(response_format=Format(choice={"strings": ["yes"]}))
    wanted.continuations.add(output_index=0, token_ids=[1, 2, 3])
    failed = await failure(real.generate(wanted))
    assert failed.code is Code.INVALID_ARGUMENT
    assert list(failed.violations) == ["continuations"]


@pytest.mark.parametrize(("forced", "field"), [(False, "response_format"), (True, "chat.tool_choice")])
async def test_what_the_backend_says_of_a_grammar_names_the_field_that_asked_for_it(checkpoint, forced, field):
    async def script(wanted):
        raise InvalidRequestError("grammar", "can't be followed")
        yield

    called = chat("Rain?", tools=[TOOL], tool_choice=chat_pb2.ToolChoice(function_name="weather"))
    wanted = request(chat=called) if forced else request(response_format=FORMATS["regex"][0])
    async with serving(model_config(checkpoint), backend=ScriptedBackend(script)) as rig:
        failed = await failure(rig.generate(wanted))
    assert (failed.code, failed.violations) == (Code.INVALID_ARGUMENT, {field: "can't be followed"})


TOOL = chat_pb2.Tool(function=chat_pb2.FunctionTool(name="weather"))
BESIDE = {
    "stop.strings": {"strings": ["a"]},
    "stop.token_ids": {"stop_ids": [5]},
    "stop.ignore_eos": {"ignore_eos": True},
    "stop.include_in_output": {"include_in_output": True},
    "response_format": {"chat": chat("Rain?", tools=[TOOL])},
}


@pytest.mark.parametrize("field", BESIDE)
async def test_what_would_end_an_output_out_of_form_is_refused(real, field):
    failed = await failure(real.generate(request(response_format=FORMATS["regex"][0], **BESIDE[field])))
    assert failed.code is Code.INVALID_ARGUMENT
    assert list(failed.violations) == [field]


async def test_tools_that_are_not_called_may_stand_beside_it(real):
    asked = chat("Rain?", tools=[TOOL], tool_choice=chat_pb2.ToolChoice(mode=chat_pb2.TOOL_MODE_NONE))
    made = await real.generate(request(chat=asked, response_format=FORMATS["choice"][0], stop_ids=[walk.STOP]))
    assert FORMATS["choice"][1](made.outputs[0].text)


async def test_a_keyword_that_can_not_be_enforced_is_told_by_its_path(real):
    schema = json.dumps({"properties": {"age": {"type": "integer", "multipleOf": 7}}})
    failed = await failure(real.generate(request(response_format=Format(json_schema=schema))))
    assert failed.code is Code.INVALID_ARGUMENT
    assert failed.violations == {"response_format.json_schema": "/properties/age/multipleOf: can't be enforced"}


async def test_a_grammar_that_turns_out_too_ambiguous_is_the_requests_fault(real, monkeypatch):
    monkeypatch.setattr(grammar, "_PATIENCE_S", 0.0)
    monkeypatch.setattr(grammar, "_PATIENCE_PER_TOKEN_S", 0.0)
    failed = await failure(
        real.generate(request(response_format=Format(ebnf='root ::= a "!"\na ::= [a-z] | [a-z] a a?')))
    )
    assert failed.code is Code.INVALID_ARGUMENT
    assert "ambiguous" in failed.violations["response_format"]


async def test_an_empty_format_is_refused(real):
    failed = await failure(real.generate(request(response_format=Format())))
    assert list(failed.violations) == ["response_format"]


async def test_the_example_of_the_docs_runs(real):
    page = (Path(__file__).parents[2] / "docs" / "structured-output.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, object] = {}
    await asyncio.to_thread(exec, example.replace("127.0.0.1:50051", real.server.address), names)
    assert names["output"].text.startswith('{"city": "')


async def test_get_model_says_so(real):
    assert (await real.model()).support.supports_response_format


async def test_the_backend_is_given_one_grammar_for_all_outputs(checkpoint):
    seen = []

    async def script(wanted):
        seen.append(wanted)
        yield end(wanted, 1)

    async with serving(model_config(checkpoint), backend=ScriptedBackend(script)) as rig:
        await rig.generate(request(response_format=Format(regex="a"), n=2))
        await rig.generate(request())
    assert seen[0].grammar == seen[1].grammar
    assert seen[0].grammar.source.startswith("root ::= ")
    assert seen[2].grammar is None
