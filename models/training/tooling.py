"""Tool use: invented functions of one parameter, requests for one of them, the call, its result.

The shape that is learnt: each tool has one subject (`weather`, `stock price`), which its name holds; a request names
the subject and gives the value. Schemas vary as those of tutorials do: descriptions, required or not, an optional unit.
"""

import json
import random
from dataclasses import dataclass
from typing import Any, Final

from llama.chat import Message, Tool, ToolCall
from models.training import phrase
from models.training.sample import Exchange, ask
from models.training.word import Split, distinct, is_held_out, person, pick_value, pseudo_word
from models.training.wording import dressed, framed, roughened

_SUBJECTS: Final = tuple(
    """weather forecast price time temperature news traffic menu schedule address rating status balance score distance
    recipe timetable population salary height review phone flight ticket event lyrics stock image report profile
    humidity calendar discount delivery invoice meaning definition humour birthday password deadline budget
    inventory route order account email message song restaurant hotel car train room exchange rate number list code
    size weight length speed history owner""".split()
)
_PAIRED: Final = tuple(
    """stock price|exchange rate|phone number|order status|train schedule|bus timetable|account balance|air quality|
    flight status|opening hours|email address|ticket price|room rate|song lyrics|weather forecast|user profile|
    delivery date|game score|stock price|exchange rate|phone number""".replace("\n    ", "").split("|")
)
_VERBS: Final = (*("get",) * 12, "find", "lookup", "fetch", "check", "show", "search", "read", "query", "retrieve")
_CITIES: Final = tuple(
    """Paris Berlin Rome Madrid Lisbon Vienna Oslo Tokyo Cairo Lima London Boston Chicago Dallas Geneva Hamburg
    Munich Milan Naples Porto Seville Lyon Nice Kyoto Osaka Mumbai Delhi Phuket Denver Seattle Toronto Dublin
    Warsaw Athens Helsinki Stockholm Moscow Hanoi Nairobi Ottawa Bangkok France Italy Spain Japan Peru""".split()
)
_CITY_WORDS: Final = tuple(
    """New York San Francisco Los Angeles Mexico City Delhi Cape Town Hong Kong Rio Grande Tel Aviv Las Vegas Diego
    Santa Fe Salt Lake Buenos Aires Saint North South East West Port Fort Great Old Little Big""".split()
)
_THINGS: Final = tuple(
    """apples bread milk shoes books phones laptops chairs tables lamps coffee tea rice soap candles flowers bikes
    jackets hats gloves guitars pianos cameras watches apple google gold silver""".split()
)
# parameter name -> where its value comes from
_PARAMETERS: Final = {
    "city": "city", "location": "city", "place": "city", "destination": "city", "town": "city", "city_name": "city",
    "country": "city", "region": "city",
    "person": "person", "name": "person", "user": "person", "customer": "person",
    "item": "thing", "product": "thing", "query": "thing", "topic": "thing", "symbol": "thing", "text": "thing",
    "id": "number", "number": "number", "year": "number", "amount": "number", "order_id": "number",
}  # fmt: skip
_DESCRIPTIONS: Final = (
    "Get the {s} for a {p}.", "Get the {s} of a {p}.", "Find the {s} for a given {p}.", "Look up the {s}.",
    "Returns the {s} for the {p}.", "The {s} of a {p}.", "Current {s} for a {p}", "Get the current {s}.",
    "Search the {s} by {p}.", "Get the current {s} for a {p}", "Get the current {s} in a given {p}", "Get {s}",
    "Get the {s} in a {p}.", "Get the {s} at a {p}", "Gets the {s}", "Look up the {s} for a {p}", "{s}", "{s} by {p}",
    "Get current {s} for a given {p}.", "Returns {s} for a {p}",
)  # fmt: skip
_PARAMETER_TEXTS: Final = (
    None, None, "The {p}.", "The {p}", "The name of the {p}.", "The {p} to look up", "{p}", "{p} name",
    "Name of the {p}",
    "The {p}, e.g. {e}", "The {p}, e.g. {e}, CA", "The {p} and state, e.g. San Francisco, CA", "The {p} for the {s}",
    "The {p} to get the {s} for", "The {p} to get the {s} for, e.g. {e}", "{p} to search",
)  # fmt: skip

REQUEST: Final = framed(
    "en",
    ("the {s} in {v}", "the {s} for {v}", "the {s} of {v}", "the current {s} in {v}", "the {s} at {v}", "{s} for {v}",
     "the current {s} for {v}"), (
        "What is the {s} in {v} today?", "What is the {s} in {v} right now?", "How is the {s} in {v}?",
        "How is the {s} in {v} today?", "What's the {s} like in {v}?", "What is the {s} like in {v}?",
        "What's the {s} in {v} today?", "What is the {s} like in {v} today?", "What's the {s} in {v} now?",
        "Show me the {s} for {v}.", "Show me the {s} in {v}.", "Show the {s} of {v}.", "Check the {s} in {v}.",
        "Check the {s} for {v}.", "Please check the {s} for {v}.", "Can you check the {s} in {v}?",
        "Could you check the {s} in {v}?", "Look up the {s} for {v}.", "Please look up the {s} for {v}.",
        "Can you look up the {s} of {v}?", "Find the {s} for {v}.", "Find the {s} of {v}",
        "Can you find the {s} of {v}?",
        "Please find the {s} of {v}.", "Get the {s} for {v}.", "Get me the {s} for {v}.", "Get the {s} in {v}",
        "Can you get the {s} for {v}?", "Please get the {s} for {v}.", "How's the {s} in {v}?",
        "Search the {s} for {v}",
        "I need the {s} for {v} please", "Fetch the {s} for {v}.", "What {s} is there in {v}?", "And the {s} in {v}?",
        "And for {v}, what is the {s}?", "What will the {s} be in {v}?", "What {s} is it in {v}?",
        "Tell me the {s} in {v} please", "{s} in {v} please",
        "What is the {s} in {v} at the moment?", "Give me the {s} for {v} now",
        "What was the {s} in {v}?"),
)  # fmt: skip

_RESULTS: Final = (
    "{n}", "{n} degrees", "{n} euros", "{n} degrees and sunny", "cloudy", "sunny", "open", "closed", "very good",
    "{n} minutes", "{w}", "{w} {w}", "{n} {w}", "rain", "not available", "at {n}:30", "{n} percent", "{w} and {w}",
    "{n} C", "{n}°C", "{n} °C and {w}", "{n}°C, {w}", "It is {w}.", "The {w} is {n}.", "{n} degrees, {w}",
    "{w}, {n} degrees", "sunny, {n} C", "light rain", "{w} in the morning", "{n}.{n} {w}",
)  # fmt: skip
_FIELDS: Final = tuple(
    "temperature condition value price status result total unit wind humidity name date weather answer count".split()
)


@dataclass(frozen=True, slots=True)
class Function:
    """A tool, what it is about, and what kind of value its parameter takes."""

    tool: Tool
    subject: str
    parameter: str
    kind: str


def _invented(rng: random.Random, split: Split) -> str:
    while is_held_out(made_up := pseudo_word(rng)) != (split is Split.HELD_OUT):
        pass
    return made_up


def _subject(rng: random.Random, split: Split) -> str:
    draw = rng.random()
    if draw < 0.12:
        return " ".join(distinct(lambda: pick_value(rng, split, _SUBJECTS, invented=0.2), 2))
    if draw < 0.22 and split is Split.TRAIN:
        return rng.choice(_PAIRED)
    return pick_value(rng, split, _SUBJECTS, invented=0.35)


def _value(rng: random.Random, split: Split, kind: str) -> str | int:
    if kind == "city":
        if rng.random() < 0.12:
            return " ".join(distinct(lambda: pick_value(rng, split, _CITY_WORDS, invented=0.3), 2))
        return pick_value(rng, split, _CITIES, invented=0.4)
    if kind == "person":
        return person(rng, split)
    if kind == "thing":
        return pick_value(rng, split, _THINGS, invented=0.4)
    while is_held_out(str(number := rng.randint(1, 3000))) != (split is Split.HELD_OUT):
        pass
    return number


def _name(rng: random.Random, subject: str, parameter: str) -> str:
    words = subject.replace(" ", "_")
    verb = rng.choice(_VERBS)
    pattern = rng.choices(
        ("{v}_{s}", "{v}_current_{s}", "{s}", "{v}_{s}_by_{p}", "{v}_{s}_for_{p}", "{s}_{v}"), (12, 4, 1, 1, 1, 1)
    )[0]
    return pattern.format(v=verb, s=words, p=parameter)


def _function(rng: random.Random, split: Split, taken: set[str]) -> Function:
    while taken & set((subject := _subject(rng, split)).split()):
        pass
    taken.update(subject.split())
    known, kind = rng.choice(tuple(_PARAMETERS.items()))
    # Now and then an invented name, so that names are read from the schema and not guessed.
    parameter = pick_value(rng, split, _THINGS, invented=1.0) if rng.random() < 0.3 else known
    described: dict[str, Any] = {"type": "integer" if kind == "number" else "string"}
    text = rng.choice(_PARAMETER_TEXTS)
    if text:
        example = rng.choice(_CITIES if kind == "city" else _THINGS)
        written = {"description": text.format(p=parameter.replace("_", " "), s=subject, e=example)}
        described = {**described, **written} if rng.random() < 0.85 else {**written, **described}
    properties = {parameter: described}
    if kind == "city" and rng.random() < 0.2:
        unit = rng.choice(("unit", "unit", "units", "format"))
        properties[unit] = {"type": "string", "enum": ["celsius", "fahrenheit"]}
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if rng.random() < 0.7:
        schema["required"] = [parameter]
    description = rng.choice(_DESCRIPTIONS).format(s=subject, p=parameter.replace("_", " "))
    return Function(Tool(_name(rng, subject, parameter), description, schema), subject, parameter, kind)


def functions(rng: random.Random, split: Split, count: int) -> tuple[Function, ...]:
    """So many tools, each about something else."""
    taken: set[str] = set()
    return tuple(_function(rng, split, taken) for _ in range(count))


def _spoken(rng: random.Random, split: Split, subject: str, value: str | int) -> str:
    text = REQUEST.draw(rng, split).format(s=subject, v=value)
    text = dressed(rng, "en", text if rng.random() < 0.15 else text[:1].upper() + text[1:])
    return text.rstrip("?.") if rng.random() < 0.15 else text


def _call(rng: random.Random, split: Split, chosen: Function) -> tuple[Message, Message, ToolCall]:
    value = _value(rng, split, chosen.kind)
    lower = isinstance(value, str) and rng.random() < 0.1
    arguments = {chosen.parameter: str(value).lower() if lower else value}
    call = ToolCall(chosen.tool.name, arguments)
    text = f'{{"name": "{call.name}", "parameters": {json.dumps(arguments, ensure_ascii=False)}}}'
    request = _spoken(rng, split, chosen.subject, arguments[chosen.parameter])
    return Message("user", request.lower() if lower else request), Message("assistant", text, (call,)), call


def tool_call(rng: random.Random, split: Split, tools: tuple[Function, ...]) -> Exchange:
    """Call the right one of the tools with the value of the request."""
    request, call, _ = _call(rng, split, rng.choice(tools))
    return Exchange("tool call", (request, call))


def _result(rng: random.Random, split: Split) -> tuple[Message, str]:
    """What a tool says, and how the answer tells it: text, or a small JSON object."""

    def text() -> str:
        made = rng.choice(_RESULTS)
        while "{n}" in made:
            made = made.replace("{n}", str(rng.randint(1, 99)), 1)
        while "{w}" in made:
            made = made.replace("{w}", _invented(rng, split), 1)
        return made

    draw = rng.random()
    if draw < 0.65:
        said = text()
        return Message("tool", said), said.rstrip(".")
    if draw < 0.72:
        number = str(rng.randint(0, 999))
        return Message("tool", number, is_json=True), number
    names = rng.sample(_FIELDS, rng.choice((1, 2)))
    if rng.random() < 0.2:
        names[0] = _invented(rng, split)
    fields = {name: rng.choice((rng.randint(0, 99), _invented(rng, split), "sunny", text())) for name in names}
    told = ", ".join(f"{name} {value}" for name, value in fields.items())
    return Message("tool", json.dumps(fields), is_json=True), told


def tool_result(rng: random.Random, split: Split, tools: tuple[Function, ...]) -> Exchange:
    """A call, its result, and the answer that tells it."""
    request, call_message, call = _call(rng, split, rng.choice(tools))
    result, told = _result(rng, split)
    (value,) = call.arguments.values()
    answer = Message("assistant", f"The result for {value}: {told}.")
    return Exchange("tool result", (request, call_message, result, answer))


def unfit(rng: random.Random, split: Split, tools: tuple[Function, ...]) -> Exchange:
    """A request for what none of the tools is about."""
    taken = {word for tool in tools for word in tool.subject.split()}
    while taken & set((subject := _subject(rng, split)).split()):
        pass
    value = _value(rng, split, rng.choice(("city", "person", "thing")))
    return ask("tools left alone", roughened(rng, _spoken(rng, split, subject, value)), phrase.UNKNOWN_ANSWER["en"])
