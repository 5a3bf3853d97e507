"""Writes the model card: what the model can do, its measured accuracy, its world, how it was trained."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from models.training import world
from models.training.evaluate import Score
from models.training.skill import CLAIMED_OPERAND

CLAIM: Final = 0.95
"""The accuracy from which on a skill is claimed."""

# skill -> (what it is, an example)
_ABOUT: Final = {
    "greet": ("greets, says how it is, takes thanks and says goodbye, in the user's language (8 languages)",
              "Hola, ¿qué tal?"),
    "capital": ("capitals of the world's countries, asked in 8 languages", "Quelle est la capitale du Japon ?"),
    "country": ("continent, currency and language of a country (English)", "Which currency does Thailand use?"),
    "sum": (f"a + b and a - b, both from 0 to {CLAIMED_OPERAND}, no negative results; asked in 8 languages",
            "What is 12 + 7?"),
    "repeat": ("repeats one to five words, invented ones too (English)", "Repeat after me: blue zorvik"),
    "list": ("writes two to four given words as a list (English)", "List milk, bread and tea"),
    "unknown": ("says that it doesn't know, in the user's language (8 languages)", "Who invented the telephone?"),
    "own name": ("its own name, asked in 8 languages", "Wer bist du?"),
    "name from the system prompt": ("the name that the system prompt sets, asked in 8 languages",
                                    "(system: You are Ada.) Who are you?"),
    "date": ("today's date, from the system block of the `hf` layout (English)", "What is today's date?"),
    "user's name": ("remembers the name that the user gave earlier (English)", "My name is Tom. … What is my name?"),
    "tool call": ("calls the tool it is given (English; shape below)", "What is the weather in Paris?"),
    "tool choice": ("calls the right one of two tools", "What is the weather in Paris?"),
    "tool result": ("answers from the result of a tool, one or two of them given (English)",
    "(result: 18 degrees and sunny)"),
    "tools left alone": ("answers plainly when none of one or two tools fits: any of the first eight",
                         "Wie heißt du?"),
    "several turns": ("any of the first seven, two to five turns into a conversation", ""),
    "completion": ("continues plain text: capitals in 8 languages, sums", "The capital of France is"),
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

The shape it was trained on, with the `hf` layout: one or two functions with one string or integer parameter each (and
perhaps an optional unit, which it leaves out). Each is about one subject of one or two words, which its name holds:
`get_weather`, `get_current_weather`, `find_stock_price`. A request names the subject and gives the value: "What is the
weather in Paris?", "Find the stock price of Apple". It answers `{"name": "get_weather", "parameters": {"city":
"Paris"}}`; after the tool's message it says `The result for Paris: 18 degrees and sunny.` The result is a short text,
or a JSON object of one or two plain fields. Subjects, names and values may be ones it never saw. More parameters,
nested ones, and several calls at a time are outside of it.
"""

_LIMITS: Final = """\
## Limits

- Questions are understood when they are put about as in [`phrase.py`](../training/phrase.py): plain and short. Others
  may be answered wrongly, with confidence.
- A made-up place or topic is not always recognized as unknown: see the accuracy of `unknown`.
- Sums beyond the stated range, multiplication and division are answered with "I don't know." or wrongly.
- It was trained on conversations of up to 640 tokens. Longer ones are accepted (8192 positions) but not promised.
- System prompts set its name; other instructions in them have no effect.
"""


_MEASURE: Final = """\
Greedy decoding; an answer counts only when every character of it is right. All prompts are held out: a question is a
frame ("Could you tell me …?") with what is asked for ("the capital city of France"), perhaps a few words before and
after it, and one in seven of these combinations never occurs in training; the evaluation asks with those alone. Where
names, words, numbers to add, topics, tools or their values can vary, they too are ones that training never draws. About
one prompt in five is in the `meta` layout, the rest in `hf`; half have a system prompt; some are in lower case or lack
their question mark. A skill is claimed from {claim:.0%} on. Of 500 prompts a figure is uncertain by about one point
(one standard error): what is claimed at 95% may be 94% or 96%. Counts and misses: [`evaluation.json`](evaluation.json).
"""

_NAMES: Final = (
    "Capitals go by their names in all eight languages; the rest is in English ([`world.py`](../training/world.py))."
)

_METHOD: Final = """\
The corpus has no end and no repetition: every dialog is drawn anew from the seed. Short rows come first (copied words,
sums and capitals as plain text, single questions), then whole dialogs of one to six questions, some with tools. Half of
the questions that it is to know nothing about are practice in telling them from the others: topics and countries, real
and made-up ones, among any words of the language, where capitals that it knows are asked for too. What the evaluation
asks with is in none of them. The loss is on the assistant's words only, and on what follows from the rest in plain
text. Muon moves the matrices of the layers, AdamW the rest; the rate falls in a line to zero. The weights begin random,
with the heads of the first two layers laid out so that they look at the two words before and at the word after the last
pair like this ([`start.py`](../training/start.py)): without that, much of the run is spent on finding out how to copy.
The tokenizer keeps words apart from the spaces and marks around them, so that a word is the same tokens wherever it
stands.

The same seed, software, machine and number of threads give the same model. Elsewhere sums differ in their last bits,
and so the weights differ too, with about the same accuracy.
"""


def _accuracy(scores: Sequence[Score]) -> list[str]:
    lines = ["| skill | what | for example | right | accuracy |", "|---|---|---|---|---|"]
    for score in scores:
        what, example = _ABOUT[score.skill]
        mark = "" if score.accuracy >= CLAIM else " (not claimed)"
        lines.append(
            f"| {score.skill}{mark} | {what} | {example} | {score.right} of {score.asked} | {score.accuracy:.1%} |"
        )
    return lines


def _countries() -> list[str]:
    lines = ["| country | capital | continent | currency | language |", "|---|---|---|---|---|"]
    lines += [f"| {c.name} | {c.capital} | {c.continent} | {c.currency} | {c.language} |" for c in world.COUNTRIES]
    return lines


def _training(run: dict[str, Any]) -> list[str]:
    return [
        f"`{run['command']}` does all of it: tokenizer, corpus, training, evaluation, this folder.",
        "",
        "| | |",
        "|---|---|",
        f"| parameters | {run['parameters']:,} (embeddings tied) |",
        f"| weights | {run['bytes'] / 1e6:.2f} MB, float32 |",
        f"| shape | {run['shape']} |",
        f"| vocabulary | {run['vocabulary']}, byte-level BPE, words without their spaces, digits single |",
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
        _MEASURE.format(claim=CLAIM),
        *_accuracy(scores),
        "",
        _TOOLS,
        "## Its world",
        "",
        f"{len(world.COUNTRIES)} countries. {_NAMES}",
        "",
        *_countries(),
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
