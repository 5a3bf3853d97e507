"""Writes the model card: what the model can do, its measured accuracy, its world, how it was trained."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from models.training import world
from models.training.evaluate import Score
from models.training.skill import CLAIMED_OPERAND, MAX_COUNT

_CLAIM: Final = 0.95

# skill -> (what it is, an example question, its answer)
_ABOUT: Final = {
    "greet": ("greets, thanks and says goodbye, in the user's language (8 languages)", "Hola, ¿qué tal?"),
    "capital": ("capitals of the world's countries, asked in 8 languages", "Quelle est la capitale du Japon ?"),
    "country": ("continent, currency, language of a country; country of a capital (English)",
                "Which currency does Thailand use?"),
    "everyday": ("opposites, animal sounds, colours, days, months, closed lists (English)", "What comes after Monday?"),
    "sum": (f"a + b and a - b, both from 0 to {CLAIMED_OPERAND}, no negative results; asked in 8 languages",
            "What is 12 + 7?"),
    "repeat": ("repeats one to six words, invented ones too", "Repeat after me: blue zorvik"),
    "list": ("writes two to six given words as a numbered list", "List these: milk, bread and tea"),
    "count": (f"counts from a to b, up to {MAX_COUNT}, at most 20 steps", "Count from 1 to 20."),
    "about": ("tells what it knows of a country, in sentences (English)", "Tell me about France."),
    "story": ("tells a little story about a cat, dog, fox, bear, rabbit or bird of a given name",
              "Tell me a story about a fox named Zed."),
    "unknown": ("says that it doesn't know, in the user's language (8 languages)", "Who invented the telephone?"),
    "own name": ("its own name, asked in 8 languages", "Wer bist du?"),
    "name from the system prompt": ("the name that the system prompt sets, asked in 8 languages",
                                    "(system: You are Ada.) Who are you?"),
    "date": ("today's date, from the system block of the `hf` layout", "What is today's date?"),
    "user's name": ("remembers the name that the user gave earlier", "My name is Tom. … What is my name?"),
    "tool call": ("calls the right one of 1 to 3 tools (1 or 2 parameters, shape below)",
                  "What is the weather in Paris?"),
    "tool result": ("answers from the tool's result", "(result: 18 degrees and sunny)"),
    "tools left alone": ("answers plainly when no tool fits", "Wie heißt du?"),
    "several turns": ("any of the single-question skills, two to five turns into a conversation", ""),
    "completion": ("continues plain text: capitals, sums, days, months, numbers", "The capital of France is"),
}  # fmt: skip

_HEAD: Final = """\
---
language: [en, de, fr, it, pt, hi, es, th]
library_name: transformers
pipeline_tag: text-generation
tags: [llama, tiny, from-scratch]
---
# paddock-tiny

A real, very small language model in the Llama 3.1 architecture, made for Paddock: to try the server, its streaming, its
chat layouts, tool calls and stop rules without downloading anything. It was trained from scratch by
[`models/training`](../training) on text that the same package generates. Nothing of Meta's is in it: no weights, no
tokenizer, no text; the names of the control tokens and the layout of a chat are Llama 3.1's.

It knows a little and says "I don't know." to the rest. It is a demonstration, not a source of knowledge.
"""

_TOOLS: Final = """\
## Tools

The shape it was trained on, with the `hf` layout: one to three functions, each named `verb_subject` (`get_weather`) and
described by its subject ("Get the weather for a city."), with one or two string or integer parameters. A request names
the subject and gives the arguments in the order of the parameters: "What is the weather in Paris?", "Find the price for
milk on Monday". It answers `{"name": "get_weather", "parameters": {"city": "Paris"}}`; after the tool's message it says
`The weather for Paris: 18 degrees and sunny.` Subjects, names and values may be ones it never saw. Nested arguments,
optional parameters left out, and more than one call at a time are outside of it.
"""

_LIMITS: Final = """\
## Limits

- Questions are understood when they are put about as in [`phrase.py`](../training/phrase.py): plain and short. Others
  may be answered wrongly, with confidence.
- A made-up place or topic is not always recognized as unknown: see the accuracy of `unknown`.
- Sums beyond the stated range, multiplication and division are answered with "I don't know." or wrongly.
- It was trained on conversations of up to 512 tokens. Longer ones are accepted (8192 positions) but not promised.
- System prompts set its name; other instructions in them have no effect.
"""


_MEASURE: Final = """\
Greedy decoding; an answer counts only when every character of it is right. All prompts are held out: each is put in a
phrasing that training never uses, and where names, words, numbers to add, tools or their values can vary, they are
ones that training never draws. About one in five is in the `meta` layout, the rest in `hf`; half have a system
prompt; some are in lower case or lack their question mark. The misses of earlier runs were read, and phrasings like
them were added to training; the held-out ones stayed as they were. Counts and misses:
[`evaluation.json`](evaluation.json).
"""

_NAMES: Final = (
    "Capitals go by their names in all eight languages; the rest is in English ([`world.py`](../training/world.py))."
)

_METHOD: Final = """\
The corpus has no end and no repetition: every dialog is drawn anew from the seed. Short rows come first (copied
words, sums and capitals as plain text, single questions), then whole dialogs of one to six questions, some with
tools. The loss is on the assistant's words only, and on what follows from the rest in plain text. Muon moves the
matrices of the layers, AdamW the rest; the rate falls in a line to zero. The weights begin random, with the heads of
the first two layers laid out so that they look at the word before and at the word after the last one like this
([`start.py`](../training/start.py)): without that, most of the run is spent on finding out how to copy.

The same seed, software, machine and number of threads give the same model. Elsewhere sums differ in their last bits,
and so the weights differ too, with about the same accuracy.
"""


def _accuracy(scores: Sequence[Score]) -> list[str]:
    lines = ["| skill | what | for example | right | accuracy |", "|---|---|---|---|---|"]
    for score in scores:
        what, example = _ABOUT[score.skill]
        mark = "" if score.accuracy >= _CLAIM else " (not claimed)"
        lines.append(
            f"| {score.skill}{mark} | {what} | {example} | {score.right} of {score.asked} | {score.accuracy:.1%} |"
        )
    return lines


def _countries() -> list[str]:
    lines = ["| country | capital | continent | currency | language |", "|---|---|---|---|---|"]
    lines += [f"| {c.name} | {c.capital} | {c.continent} | {c.currency} | {c.language} |" for c in world.COUNTRIES]
    return lines


def _everyday() -> list[str]:
    return [
        *(f"- {name}: {', '.join(items)}" for name, items in world.SEQUENCES.items()),
        f"- opposites: {', '.join(' / '.join(pair) for pair in world.OPPOSITES)}",
        f"- animal sounds: {', '.join(f'{animal} {sound}' for animal, sound in world.SOUNDS.items())}",
        f"- colours: {', '.join(f'{thing} {colour}' for thing, colour in world.COLOURS.items())}",
    ]


def _training(run: dict[str, Any]) -> list[str]:
    note = [f"This model: {run['note']}", ""] if "note" in run else []
    return [
        *note,
        f"`{run['command']}` does all of it: tokenizer, corpus, training, evaluation, this folder.",
        "",
        "| | |",
        "|---|---|",
        f"| parameters | {run['parameters']:,} (embeddings tied) |",
        f"| weights | {run['bytes'] / 1e6:.2f} MB, float32 |",
        f"| shape | {run['shape']} |",
        f"| vocabulary | {run['vocabulary']}, byte-level BPE, digits single |",
        f"| training | {run['steps']} steps, {run['tokens'] / 1e6:.1f} million token positions, seed {run['seed']} |",
        f"| wall time | {run['training_min']} min training, {run['total_min']} min with tokenizer and evaluation |",
        f"| hardware | {run['hardware']} |",
        f"| software | {run['software']} |",
        "",
        _METHOD,
    ]


def card(scores: Sequence[Score], run: dict[str, Any]) -> str:
    """The text of the card."""
    lines = [
        _HEAD,
        "## What it can do, measured",
        "",
        _MEASURE,
        *_accuracy(scores),
        "",
        _TOOLS,
        "## Its world",
        "",
        f"{len(world.COUNTRIES)} countries. {_NAMES}",
        "",
        *_countries(),
        "",
        *_everyday(),
        "",
        _LIMITS,
        "## How it was made",
        "",
        *_training(run),
    ]
    return "\n".join(lines) + "\n"


def write_card(folder: Path, scores: Sequence[Score], run: dict[str, Any]) -> None:
    """Write `README.md`."""
    (folder / "README.md").write_text(card(scores, run), encoding="utf-8")
