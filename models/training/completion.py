"""Plain text without a chat, so that a raw prompt is continued sensibly too."""

import random

from models.training import phrase, tooling, world
from models.training.skill import operands
from models.training.word import Split, distinct, is_held_out, person, plain_word, word

SKILL = "completion"


def _capitals(rng: random.Random, split: Split) -> tuple[str, str]:
    while True:
        lang, place = rng.choice(world.LANGUAGES), rng.choice(world.COUNTRIES)
        if is_held_out(f"{lang}:{place.name}") == (split is Split.HELD_OUT):
            break
    sentence = phrase.CAPITAL_ANSWER[lang].format(n=place.names[lang], g=place.genitives[lang], c=place.capitals[lang])
    at = sentence.rindex(place.capitals[lang])
    if sentence[at - 1] == " ":
        at -= 1
    return sentence[:at], sentence[at:]


def _sum(rng: random.Random, split: Split, spaced: bool = False) -> tuple[str, str]:
    a, sign, b = operands(rng, split)
    result = f"{a + b if sign == '+' else a - b}"
    # With the space given, the result follows the same token as in a chat's answer.
    return (f"{a} {sign} {b} = ", result) if spaced else (f"{a} {sign} {b} =", f" {result}")


def held_out(rng: random.Random) -> tuple[str, str]:
    """A beginning and how it goes on, neither of them in the training text."""
    return rng.choice((_capitals, _sum))(rng, Split.HELD_OUT)


def copies(rng: random.Random) -> tuple[str, str]:
    """Random words, and the same words again in the same or another setting: practice in copying."""
    split = Split.TRAIN

    def draw() -> str:
        kind = rng.random()
        return word(rng, split) if kind < 0.5 else person(rng, split) if kind < 0.75 else plain_word(rng)

    words = distinct(draw, rng.randint(2, 8))
    text = " ".join(words)
    style = rng.choices(range(4), (5, 1, 1, 4))[0]
    if style == 0:
        return ", ".join(words[:-1]) + f" and {words[-1]}\n", "\n".join(f"- {w}" for w in words)
    if style == 1:
        return f"{text}\n", json_list(words)
    if style == 2:
        return json_list(words) + "\n", text
    return text + rng.choice((": ", ".\n", "\n")), text


def calls(rng: random.Random) -> tuple[tuple[str, str], ...]:
    """Functions in brief, and requests with their calls: practice in choosing the right one."""
    functions = tooling.functions(rng, Split.TRAIN, rng.randint(2, 4))
    shown = "\n".join(f'"name": "{f.tool.name}", "properties": {{"{f.parameter}"' for f in functions)
    exchanges = [tooling.tool_call(rng, Split.TRAIN, functions).messages for _ in range(rng.randint(3, 6))]
    pairs = [(f"{request.content}\n\n", call.content) for request, call in exchanges]
    return (("\n\n".join((shown, pairs[0][0])), pairs[0][1]), *(("\n\n" + given, call) for given, call in pairs[1:]))


def json_list(words: list[str]) -> str:
    """Write words as JSON does."""
    return ", ".join(f'"{w}"' for w in words)


def document(rng: random.Random) -> tuple[tuple[str, str], ...]:
    """A short text to train on: sums or capitals. What chance decides is given, the rest follows."""
    split = Split.TRAIN
    if rng.random() < 0.75:
        separator, spaced = rng.choice((", ", "\n", ". ", ".\n")), rng.random() < 0.7
        return _joined([_sum(rng, split, spaced) for _ in range(rng.randint(1, 24))], separator)
    return _joined([_capitals(rng, split) for _ in range(rng.choice((1, 2, 4)))], " ")


def _joined(pairs: list[tuple[str, str]], separator: str) -> tuple[tuple[str, str], ...]:
    return tuple((separator + given if i else given, wanted) for i, (given, wanted) in enumerate(pairs))
