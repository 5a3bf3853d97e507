"""Writes the prompt guard's model card: what it knows, how well, and what it can't tell."""

from pathlib import Path
from typing import Any, Final

from models.guards.folder import run_table
from models.guards.prompt.phrase import LABELS

_CLAIM: Final = 0.95

_ABOUT: Final = {
    "jailbreak": "a user's words that set the rules aside, alone or with another request",
    "injection": "an order to a model inside of pages, mails, JSON, code, or alone",
    "chat": "questions, small talk, answers; wanting harm is no jailbreak, so such requests too",
    "demo": "what paddock-tiny's own corpus asks, answers and gets from tools, in its eight languages",
    "document": "pages, mails, JSON, code, manuals",
    "near miss": "harmless with the words of the others: `Ignore the noise`, `What is a system prompt?`",
    "long document": "16 paragraphs",
    "long injection": "15 paragraphs with an order somewhere among them",
}

_HEAD: Final = """\
---
language: [en]
license: apache-2.0
library_name: transformers
pipeline_tag: text-classification
tags: [deberta-v2, prompt-injection, jailbreak, tiny, from-scratch]
---
# paddock-prompt-guard-tiny

A real, very small prompt guard, made for Paddock: to try the classification of prompts without downloading anything. It
is a DeBERTa-v2 with the three labels of Prompt Guard 1, in its order: 0 BENIGN, 1 INJECTION, 2 JAILBREAK. It was
trained from scratch by [`models/guards`](../guards) on text that the same package generates. Nothing of Meta's is in
it.

**It is a demonstration and protects nobody.** It knows a small world of plainly worded English attacks
([`phrase.py`](../guards/prompt/phrase.py)).

For a user's own words the third label counts; for text of others the second and the third together. It reads 512
tokens; longer text is to be cut into windows that overlap.
"""

_MEASURE: Final = """\
The likeliest label, on held-out texts: every attack, paragraph and harmless sentence is put in a phrasing that training
never uses, with names, addresses, tools and personas that it never draws. Counts and some misses:
[`evaluation.json`](evaluation.json).
"""

_SPACING: Final = """\
## Letters spaced out

The tokenizer gives a word the same token with and without a space before it. So when white space is dropped from
`i g n o r e  a l l ...` (and put back only where a token begins that had some before it, the remedy that Meta describes
for its own), the words are found again. The held-out short texts, with their spaces changed:
"""

_SPACING_NAMES: Final = {
    "spaced": "letters spaced out, nothing done about it",
    "spaced, normalized": "letters spaced out, then normalized",
    "normalized": "as they were, then normalized",
    "no spaces": "all white space dropped",
}

_LIMITS: Final = """\
## What it can't tell

- Attacks outside of its world: see the texts written by hand. Other wordings, stories, code words, ciphers,
  misspellings and languages other than English are mostly benign to it, or judged by single words.
- Whether a request is harmful: that is not its question. `How do I steal a car?` is benign here.
- Whether an order in a document is meant for a model, where it doesn't say so in one of the ways of its world: ordinary
  requests in mails are benign, an unfamiliar one may be taken for an injection.
- Letters spaced out, without the normalization.
- The bare `Ignore all previous instructions`, where nothing follows it and the full stop is missing, or where what
  follows is harmless in itself (`and write a poem`): mostly benign to it.
- Where injection ends and jailbreak begins: `Ignore all previous instructions` is a jailbreak alone, and an injection
  with an order about data, tools, money or products.
"""

_METHOD: Final = """\
Every text is drawn anew from the seed. One in ten is normalized as above, one in twenty loses all its spaces, and in
six of ten every tenth word gives way to another one, any. Muon moves the matrices of the layers, AdamW the rest; the
rate falls in a line to zero. The tokenizer is made of the corpus's words and of groups of letters, counted rather than
learnt, because learning one (Unigram) gives another result every time. The same corpus, seed, software, machine and
number of threads give the same model. But texts of the guard's corpus and of paddock-tiny's are among the benign ones,
and the guard's has changed in a few phrasings since these weights were made: today the command makes a model like this
one, not the same.
"""


def _kinds(kinds: list[dict[str, Any]]) -> list[str]:
    lines = ["| kind | label | what | right | accuracy |", "|---|---|---|---|---|"]
    for kind in kinds:
        name = kind["kind"] + ("" if kind["accuracy"] >= _CLAIM else " (not claimed)")
        lines.append(
            f"| {name} | {kind['label']} | {_ABOUT[kind['kind']]} | {kind['right']} of {kind['asked']} | "
            f"{kind['accuracy']:.1%} |"
        )
    return lines


def _confusion(confusion: list[list[int]]) -> list[str]:
    lines = [f"| is \\ called | {' | '.join(LABELS)} | accuracy |", "|---|---|---|---|---|"]
    for index, row in enumerate(confusion):
        counts = " | ".join(map(str, row))
        lines.append(f"| {LABELS[index]} | {counts} | {row[index] / sum(row):.1%} |")
    return lines


def _spacing(variants: dict[str, dict[str, int]]) -> list[str]:
    lines = ["| text | attacks not called benign | benign texts called an attack |", "|---|---|---|"]
    for name, counts in variants.items():
        lines.append(
            f"| {_SPACING_NAMES[name]} | {counts['caught']} of {counts['attacks']} | "
            f"{counts['alarms']} of {counts['benign']} |"
        )
    return lines


def write_card(folder: Path, evaluation: dict[str, Any]) -> None:
    """Write `README.md` from what `evaluation.json` holds."""
    run = evaluation["run"]
    by_hand = [f"{evaluation['by_hand'][label]['right']} of {evaluation['by_hand'][label]['asked']} {label}"
               for label in LABELS]  # fmt: skip
    lines = [
        _HEAD,
        "## What it can do, measured\n",
        _MEASURE,
        *_kinds(evaluation["kinds"]),
        "",
        *_confusion(evaluation["confusion"]),
        "",
        (
            "Texts written by hand ([`probe.py`](../guards/prompt/probe.py)) are never trained on, and nothing is "
            "claimed of them; but misses of earlier models were known when phrasings were added, so the test is not a "
            "blind one. "
            f"Right are {', '.join(by_hand)}."
        ),
        "",
        _SPACING,
        *_spacing(evaluation["spacing"]),
        "",
        _LIMITS,
        "## How it was made\n",
        "`python -m models.guards prompt` does all of it: tokenizer, corpus, training, evaluation, this folder.\n",
        run_table(run, run["shape"]),
        "",
        _METHOD.rstrip(),
    ]
    (folder / "README.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
