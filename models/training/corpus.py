"""Strings exchanges into dialogs, for training without end and for evaluation by skill; all from seeds."""

import datetime
import random
from collections.abc import Iterator

from llama.chat import Layout, Message
from models.training import completion, identity, tooling
from models.training.sample import Dialog, Exchange
from models.training.skill import SKILLS, WEIGHTS
from models.training.word import Split, person

_FIRST_DAY = datetime.date(2023, 1, 1)
_DAY_COUNT = 365 * 8

TOOL_SKILLS = ("tool call", "tool choice", "tool result", "tools left alone")
IDENTITY_SKILLS = ("own name", "name from the system prompt", "date", "user's name")
EVALUATED = (*SKILLS, *IDENTITY_SKILLS, *TOOL_SKILLS, "several turns", completion.SKILL)
"""Every skill the evaluation counts."""

SHORT_CHUNKS = 10
"""How many chunks come first that hold short rows only: copying, plain text, single questions without a date."""

# What a training dialog is: up to which share copied words, then calls in brief, then plain text, then tool
# dialogs. The rest is chat.
_COPIES, _CALLS, _TEXTS, _TOOLS = 0.06, 0.12, 0.26, 0.50
# The same in the short chunks.
_SHORT_COPIES, _SHORT_CALLS, _SHORT_TEXTS = 0.25, 0.32, 0.55


def _date(rng: random.Random) -> datetime.date:
    return _FIRST_DAY + datetime.timedelta(days=rng.randrange(_DAY_COUNT))


def _single(rng: random.Random, split: Split) -> Exchange:
    (make,) = rng.choices(tuple(SKILLS.values()), WEIGHTS[split])
    return make(rng, split)


def _system(rng: random.Random, split: Split, name: str | None, nameless: float) -> list[Message]:
    if name:
        return [identity.system_message(identity.naming_prompt(rng, split, name))]
    if rng.random() < nameless:
        return [identity.system_message(identity.nameless_prompt(rng, split))]
    return []


def _chat(rng: random.Random) -> Dialog:
    split = Split.TRAIN
    layout = Layout.META if rng.random() < 0.18 else Layout.HF
    today = _date(rng)
    name = person(rng, split) if rng.random() < 0.3 else None
    system = _system(rng, split, name, nameless=0.35)
    user_name: str | None = None
    messages: list[Message] = []
    for _ in range(rng.choices((1, 2, 3, 4, 5, 6), (30, 14, 16, 16, 12, 12))[0]):
        draw = rng.random()
        who = 0.32 if name else 0.06
        date = who + 0.07
        if draw < who:
            exchange = identity.who(rng, split, name)
        elif draw < date:
            exchange = identity.today(rng, split, today if layout is Layout.HF else None)
        elif draw < date + 0.05 and user_name is None:
            user_name = person(rng, split)
            exchange = identity.introduction(rng, split, user_name)
        elif draw < date + (0.23 if user_name else 0.07):
            exchange = identity.my_name(rng, split, user_name)
        else:
            exchange = _single(rng, split)
        messages.extend(exchange.messages)
    return Dialog("chat", (*system, *messages), (), layout, today)


def _beside_tools(rng: random.Random, split: Split, tools: tuple[tooling.Function, ...], name: str | None) -> Exchange:
    """A question that no tool is for."""
    draw = rng.random()
    if draw < 0.3:
        return tooling.unfit(rng, split, tools)
    if draw < 0.4:
        return identity.who(rng, split, name)
    return _single(rng, split)


def _tool_exchange(
    rng: random.Random, split: Split, skill: str, tools: tuple[tooling.Function, ...], name: str | None
) -> Exchange:
    if skill in ("tool call", "tool choice"):
        return tooling.tool_call(rng, split, tools)
    if skill == "tool result":
        return tooling.tool_result(rng, split, tools)
    return _beside_tools(rng, split, tools, name)


def _with_tools(rng: random.Random) -> Dialog:
    split = Split.TRAIN
    name = person(rng, split) if rng.random() < 0.15 else None
    messages = _system(rng, split, name, nameless=0.4)
    tools = tooling.functions(rng, split, rng.choices((1, 2, 3), (4, 6, 1))[0])
    # Several exchanges: the schemas are long, and read anew by each of them.
    for _ in range(rng.choice((1, 2, 3, 4))):
        skill = rng.choices(TOOL_SKILLS[2:], (3, 2))[0]
        messages.extend(_tool_exchange(rng, split, skill, tools, name).messages)
    return Dialog("tools", tuple(messages), tuple(f.tool for f in tools), Layout.HF, _date(rng))


def _short(rng: random.Random) -> Dialog:
    """One or two questions in the `meta` layout, with a system prompt only where it gives a name."""
    split = Split.TRAIN
    name = person(rng, split) if rng.random() < 0.2 else None
    messages = [identity.system_message(identity.naming_prompt(rng, split, name))] if name else []
    for _ in range(rng.choice((1, 1, 2))):
        if (name and rng.random() < 0.6) or rng.random() < 0.08:
            messages.extend(identity.who(rng, split, name).messages)
        else:
            messages.extend(_single(rng, split).messages)
    return Dialog("short", tuple(messages), (), Layout.META)


def _training_dialog(rng: random.Random, short: bool) -> Dialog:
    draw = rng.random()
    if draw < (_SHORT_COPIES if short else _COPIES):
        return Dialog("copy", text=(completion.copies(rng),))
    if draw < (_SHORT_CALLS if short else _CALLS):
        return Dialog("calls", text=completion.calls(rng))
    if draw < (_SHORT_TEXTS if short else _TEXTS):
        return Dialog("text", text=completion.document(rng))
    if short:
        return _short(rng)
    return _with_tools(rng) if draw < _TOOLS else _chat(rng)


def training_dialogs(seed: int, chunk: int, count: int) -> Iterator[Dialog]:
    """Yield one chunk of the training corpus: the same for the same seed and chunk number."""
    rng = random.Random(f"paddock:{seed}:train:{chunk}")
    for _ in range(count):
        yield _training_dialog(rng, short=0 <= chunk < SHORT_CHUNKS)


def _held_out(rng: random.Random, skill: str) -> Dialog:
    split = Split.HELD_OUT
    today = _date(rng)
    if skill == completion.SKILL:
        return Dialog(skill, text=(completion.held_out(rng),))
    layout = Layout.META if rng.random() < 0.2 else Layout.HF
    if skill in TOOL_SKILLS:
        system = _system(rng, split, None, nameless=0.5)
        count = {"tool call": 1, "tool choice": 2}.get(skill) or rng.randint(1, 2)
        tools = tooling.functions(rng, split, count)
        exchange = _tool_exchange(rng, split, skill, tools, None)
        return Dialog(skill, (*system, *exchange.messages), tuple(f.tool for f in tools), Layout.HF, today)
    name = person(rng, split) if skill.startswith("name") else None
    system = _system(rng, split, name, nameless=0.5)
    before: tuple[Message, ...] = ()
    if skill == "several turns":
        for _ in range(rng.randint(1, 4)):
            before += _single(rng, split).messages
        exchange = _single(rng, split)
    elif skill in ("own name", "name from the system prompt"):
        exchange = identity.who(rng, split, name)
    elif skill == "date":
        layout = Layout.HF
        exchange = identity.today(rng, split, today)
    elif skill == "user's name":
        user_name = person(rng, split)
        before = identity.introduction(rng, split, user_name).messages
        if rng.random() < 0.5:
            before += _single(rng, split).messages
        exchange = identity.my_name(rng, split, user_name)
    else:
        exchange = SKILLS[skill](rng, split)
    return Dialog(skill, (*system, *before, *exchange.messages), (), layout, today)


def held_out_dialogs(seed: int, skill: str, count: int) -> Iterator[Dialog]:
    """Yield evaluation dialogs of one skill, put in phrasings (and values) that training never uses."""
    rng = random.Random(f"paddock:{seed}:held-out:{skill}")
    for _ in range(count):
        yield _held_out(rng, skill)
