"""Tool use: invented functions of one or two parameters, a request for one of them, its call, its result.

The shape that is learnt: each tool has one subject (`weather`); its name is verb_subject, its description names the
subject, and the request names the subject and gives the arguments in the order of the parameters.
"""

import json
import random
from dataclasses import dataclass
from typing import Any, Final

from llama.chat import Message, Tool, ToolCall
from models.training.sample import Exchange
from models.training.word import Split, is_held_out, person, pick_value, pseudo_word

_SUBJECTS: Final = tuple(
    """weather forecast price time temperature news traffic menu schedule address rating status balance score distance
    recipe timetable population salary height review phone flight ticket event lyrics stock image report profile
    humidity calendar discount delivery invoice meaning definition humour birthday password deadline budget
    inventory route""".split()
)
_VERBS: Final = ("get", "find", "lookup", "fetch", "check", "show", "search", "read")
_CITIES: Final = tuple(
    """Paris Berlin Rome Madrid Lisbon Vienna Oslo Tokyo Cairo Lima London Boston Chicago Dallas Geneva Hamburg
    Munich Milan Naples Porto Seville Lyon Nice Kyoto Osaka Mumbai Delhi Phuket Denver Seattle Toronto Dublin
    Warsaw Athens Helsinki Stockholm Moscow Hanoi Nairobi Ottawa Bangkok""".split()
)
_THINGS: Final = tuple(
    """apples bread milk shoes books phones laptops chairs tables lamps coffee tea rice soap candles flowers bikes
    jackets hats gloves guitars pianos cameras watches""".split()
)
# parameter name -> where its value comes from
_PARAMETERS: Final = {
    "city": "city", "location": "city", "place": "city", "destination": "city", "town": "city",
    "person": "person", "name": "person", "user": "person", "customer": "person",
    "item": "thing", "product": "thing", "query": "thing", "topic": "thing",
    "id": "number", "number": "number", "year": "number", "amount": "number", "order_id": "number",
    "day": "day", "date": "day",
}  # fmt: skip
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday", "today", "tomorrow")
_DESCRIPTIONS: Final = (
    "Get the {s} for a {p}.", "Get the {s} of a {p}.", "Find the {s} for a given {p}.", "Look up the {s}.",
    "Returns the {s} for the {p}.", "The {s} of a {p}.", "Current {s} for a {p}", "Get the current {s}.",
    "Search the {s} by {p}.",
)  # fmt: skip
_PARAMETER_TEXTS: Final = (None, None, "The {p}.", "The name of the {p}.", "The {p} to look up", "{p}")
_REQUESTS: Final = (
    ("What is the {s} for {v}?", "Get the {s} for {v}.", "Show me the {s} for {v}.", "Find the {s} for {v}",
     "What's the {s} of {v}?", "I need the {s} for {v}.", "Tell me the {s} of {v}.", "What is the {s} in {v}?",
     "Please look up the {s} for {v}.", "How is the {s} in {v}?", "Check the {s} in {v}.", "{s} for {v}, please",
     "Can you find the {s} of {v}?", "What is the {s} of {v}?", "What's the {s} in {v}?",
     "What is the {s} like in {v}?"),
    ("Can you get the {s} for {v}?", "Please find the {s} of {v}.", "Please tell me the {s} for {v}.",
     "Could you check the {s} in {v}?"),
)  # fmt: skip
_RESULTS: Final = (
    "{n}", "{n} degrees", "{n} euros", "{n} degrees and sunny", "cloudy", "sunny", "open", "closed", "very good",
    "{n} minutes", "{w}", "{w} {w}", "{n} {w}", "rain", "not available", "at {n}:30", "{n} percent", "{w} and {w}",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Function:
    tool: Tool
    subject: str
    kinds: dict[str, str]


def _subject(rng: random.Random, split: Split) -> str:
    return pick_value(rng, split, _SUBJECTS, invented=0.35)


def _value(rng: random.Random, split: Split, kind: str) -> str | int:
    if kind == "city":
        return pick_value(rng, split, _CITIES, invented=0.4)
    if kind == "person":
        return person(rng, split)
    if kind == "thing":
        return pick_value(rng, split, _THINGS, invented=0.4)
    if kind == "day":
        return rng.choice(_DAYS)
    while is_held_out(str(number := rng.randint(1, 3000))) != (split is Split.HELD_OUT):
        pass
    return number


def _renamed(rng: random.Random, split: Split, parameter: str) -> str:
    """Now and then an invented parameter name, so that names are read from the schema and not guessed."""
    return pick_value(rng, split, _THINGS, invented=1.0) if rng.random() < 0.35 else parameter


def _function(rng: random.Random, split: Split, taken: set[str]) -> _Function:
    while (subject := _subject(rng, split)) in taken:
        pass
    taken.add(subject)
    names = rng.sample(tuple(_PARAMETERS), rng.choice((1, 1, 1, 2)))
    if len(names) == 2 and _PARAMETERS[names[0]] == _PARAMETERS[names[1]]:
        names = names[:1]
    kinds = {_renamed(rng, split, name): _PARAMETERS[name] for name in names}
    names = list(kinds)
    properties: dict[str, Any] = {}
    text = rng.choice(_PARAMETER_TEXTS)
    for name in names:
        properties[name] = {"type": "integer" if kinds[name] == "number" else "string"}
        if text:
            properties[name]["description"] = text.format(p=name)
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if rng.random() < 0.7:
        schema["required"] = list(names)
    description = rng.choice(_DESCRIPTIONS).format(s=subject, p=names[0])
    tool = Tool(f"{rng.choice(_VERBS)}_{subject}", description, schema)
    return _Function(tool, subject, kinds)


def _functions(rng: random.Random, split: Split) -> list[_Function]:
    taken: set[str] = set()
    return [_function(rng, split, taken) for _ in range(rng.choices((1, 2, 3), (6, 3, 0.7))[0])]


def _request(rng: random.Random, split: Split, chosen: _Function) -> tuple[str, dict[str, str | int]]:
    values = {name: _value(rng, split, kind) for name, kind in chosen.kinds.items()}
    joint = rng.choice((" and ", " on ", " with ", ", ")) if len(values) == 2 else ""
    spoken = joint.join(str(value) for value in values.values())
    text = rng.choice(_REQUESTS[split is Split.HELD_OUT]).format(s=chosen.subject, v=spoken)
    return (text[0].upper() + text[1:] if rng.random() < 0.9 else text), values


def call_text(name: str, arguments: dict[str, str | int]) -> str:
    """A call as the model writes it."""
    return f'{{"name": "{name}", "parameters": {json.dumps(arguments, ensure_ascii=False)}}}'


def tool_call(rng: random.Random, split: Split) -> Exchange:
    """Call the right one of up to three tools with the arguments of the request."""
    functions = _functions(rng, split)
    chosen = rng.choice(functions)
    text, arguments = _request(rng, split, chosen)
    messages = (Message("user", text), Message("assistant", call_text(chosen.tool.name, arguments)))
    return Exchange("tool call", messages, tuple(f.tool for f in functions))


def tool_result(rng: random.Random, split: Split) -> Exchange:
    """A call, its result, and the answer that tells it."""
    functions = _functions(rng, split)
    chosen = rng.choice(functions)
    text, arguments = _request(rng, split, chosen)

    def invented() -> str:
        while is_held_out(made_up := pseudo_word(rng)) != (split is Split.HELD_OUT):
            pass
        return made_up

    result = rng.choice(_RESULTS).replace("{n}", str(rng.randint(1, 99)))
    while "{w}" in result:
        result = result.replace("{w}", invented(), 1)
    first = next(iter(arguments.values()))
    call = ToolCall(chosen.tool.name, arguments)
    answer = f"The {chosen.subject} for {first}: {result}."
    messages = (
        Message("user", text),
        Message("assistant", call_text(call.name, arguments), (call,)),
        Message("tool", result),
        Message("assistant", answer),
    )
    return Exchange("tool result", messages, tuple(f.tool for f in functions))


def beside_tools(rng: random.Random, split: Split, plain: Exchange) -> Exchange:
    """A question that no tool is for, asked with tools at hand."""
    return Exchange("tools left alone", plain.messages, tuple(f.tool for f in _functions(rng, split)))
