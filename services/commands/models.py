"""`paddock models`: what a server serves."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf import json_format

from paddock.v1.model_pb2 import ListModelsResponse, Model, ModelState
from services.commands import option
from services.commands.console import Console, one_line, table

_HEADER = ("NAME", "STATE", "CONTEXT", "BACKEND", "DEVICE", "DTYPE", "DOES", "LOAD")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("name", nargs="?", type=option.text, metavar="NAME", help="tell all about this model")
    option.add_server(parser)
    option.add_json(parser, "the ListModelsResponse, or the Model NAME,")


def run(args: argparse.Namespace, console: Console) -> int:
    """Ask and print."""
    with option.connect(args) as client:
        if args.name is None:
            models = client.models()
            listed = ListModelsResponse(models=models)
            console.write(option.to_json(listed) if args.json else table([_HEADER, *map(_row, models)]))
        else:
            model = client.model(args.name)
            console.write(option.to_json(model) if args.json else table(_facts(model)))
    return 0


def _row(model: Model) -> tuple[str, ...]:
    load = f"{model.load.running} running, {model.load.waiting} waiting" if model.HasField("load") else ""
    backend = model.backend
    context = str(model.context_length or "")
    cells = (model.name, _state(model), context, backend.name, backend.device, backend.dtype, _does(model), load)
    return tuple(one_line(cell) or "-" for cell in cells)


def _does(model: Model) -> str:
    support = model.support
    calls = {
        "generate": support.supports_generate,
        "chat": support.supports_chat,
        "classify": support.supports_classify,
    }
    return ", ".join(name for name, supported in calls.items() if supported)


def _state(model: Model) -> str:
    named = ModelState.Name(model.state) if model.state in ModelState.values() else str(model.state)
    return named.removeprefix("MODEL_STATE_").lower()


def _facts(model: Model) -> list[tuple[str, str]]:
    said = json_format.MessageToDict(model, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    return list(_flat({**said, "state": _state(model)}))


def _flat(said: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """List what is said, one field a line, nested fields by their path."""
    for name, value in said.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", one_line(_plain(value)) or "-"


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
