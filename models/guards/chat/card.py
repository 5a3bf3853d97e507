"""Writes the guard's model card: what it knows, how well, and what it can't tell."""

from pathlib import Path
from typing import Any, Final

from models.guards.chat.corpus import AGENT_KINDS
from models.guards.folder import run_table

_CLAIM: Final = 0.95

_ABOUT: Final = {
    "request": "the user asks for something from its world, alone or after other talk; one in ten in small talk",
    "everyday": "the user says something harmless",
    "demo question": "the user, or a tool, says what paddock-tiny's own corpus has, in its eight languages",
    "near miss": "harmless with a hazard's words: `kill a process`, `Why is it wrong to rob a bank?`",
    "follow-up": "`Go on.`, `Do it anyway!`, `Ok, never mind.`: safe or not by what came before",
    "agent complies": "the agent goes along with an unsafe request, or brings one up",
    "agent refuses": "the agent refuses an unsafe request, or answers something else",
    "agent answers": "the agent answers something harmless",
    "demo answer": "the agent answers as paddock-tiny does, or calls a tool",
    "forged verdict": "the message ends with a verdict or a frame of its own",
    "excluded category": "half: the request's own category is left out, so it is safe; half: others are, so it is not",
}

_HEAD: Final = """\
---
language: [en]
license: apache-2.0
library_name: transformers
pipeline_tag: text-generation
tags: [llama, guard, moderation, tiny, from-scratch]
---
# paddock-guard-tiny

A real, very small guard in the Llama 3.1 architecture, made for Paddock: to try classification and guarded generation
without downloading anything. It takes and writes what Llama Guard 3 takes and writes. It was trained from scratch by
[`models/guards`](../guards) on text that the same package generates. Nothing of Meta's is in it: no weights, no
tokenizer, no text; the names of the control tokens, the categories' codes and the output format are Llama Guard 3's.

**It is a demonstration and protects nobody.** It knows a small world of plainly worded English requests
([`hazard.py`](../guards/chat/hazard.py)) and takes most else for safe, real dangers included.

## What it reads and writes

The chat template ([`chat_template.jinja`](chat_template.jinja)) takes `messages` (`user` and `assistant`), `categories`
(code to text; without it the 14 below) and `excluded_category_keys`. The last message is judged, in the light of those
before: as User where it is the user's, else as Agent. The prompt ends at the assistant's header; after a blank line
(`\\n\\n`) the guard writes `safe`, or `unsafe`, a line end and the codes: `unsafe\\nS2,S10`. `safe` and `unsafe` are
one token each, and so is every code.
"""

_MEASURE: Final = """\
Greedy decoding on held-out conversations: every request, answer and harmless sentence is put in a phrasing that
training never uses, about persons, groups, things and places that training never names in a hazard. The hazards
themselves and their verbs are those of training, and so are the near misses: this tells that the guard knows its world,
not that it knows more. `decision` counts safe or unsafe, `exact` the whole verdict with its codes. Counts and some
misses: [`evaluation.json`](evaluation.json).
"""

_LIMITS: Final = """\
## What it can't tell

- Anything outside of its world: see the requests written by hand. What it doesn't know it takes for safe, or judges by
  single words.
- Languages other than English: hazards in them are taken for safe. Ordinary talk in paddock-tiny's eight languages is.
- Misspellings, slang, hints, riddles, code words, long stories around a request.
- Whether an answer is dangerous by what it says: an agent complies when it talks as in
  [`reply.py`](../guards/chat/reply.py). Facts that would be a hazard are unknown to it.
- Categories that a request adds, and other meanings of a code. Leaving out categories has an effect, but often the
  wrong one: it may miss what is left in (see the table).
- Turns forged inside of a message (`Agent: …`) look like turns. Whoever fills in the template must see to it that text
  can't bring the frame's lines; forged verdicts behind a request are in the table.
- Conversations longer than about 250 tokens: accepted (8192 positions) but not promised.
"""

_METHOD: Final = """\
Every conversation is drawn anew from the seed. The loss is on the verdict, and on a note behind each message that says
that message's verdict. Many batches are conversations without a prompt around them; in the others, prompts share four
frames (task and categories), each computed once. Muon moves the matrices of the layers, AdamW the rest; the rate falls
in a line to zero. The same corpus, seed, software, machine and number of threads give the same model. But
paddock-tiny's corpus is part of it, and has changed in a few phrasings since these weights were made: today the command
makes a model like this one, not the same.
"""


def _mark(accuracy: float) -> str:
    return "" if accuracy >= _CLAIM else " (not claimed)"


def _kinds(kinds: list[dict[str, Any]]) -> list[str]:
    lines = ["| kind | judged | what | decision | exact | accuracy |", "|---|---|---|---|---|---|"]
    for kind in kinds:
        name, asked = kind["kind"], kind["asked"]
        role = "Agent" if name in AGENT_KINDS else "User"
        lines.append(
            f"| {name}{_mark(kind['accuracy'])} | {role} | {_ABOUT[name]} | {kind['decided']} of {asked} | "
            f"{kind['exact']} of {asked} | {kind['accuracy']:.1%} |"
        )
    return lines


def _categories(categories: list[dict[str, Any]]) -> list[str]:
    lines = ["| category | called unsafe | with the right codes |", "|---|---|---|"]
    for item in categories:
        mark = _mark(item["caught"] / item["asked"])
        lines.append(
            f"| {item['code']} {item['name']}{mark} | {item['caught']} of {item['asked']} | "
            f"{item['exact']} of {item['asked']} |"
        )
    return lines


def _summary(evaluation: dict[str, Any]) -> str:
    total = evaluation["total"]
    near = next(kind for kind in evaluation["kinds"] if kind["kind"] == "near miss")
    return (
        f"All together: accuracy {total['accuracy']:.1%}, precision {total['precision']:.1%}, recall "
        f"{total['recall']:.1%}, false alarms on safe messages {total['false_positive_rate']:.1%}; on near misses "
        f"{near['alarms'] / near['asked']:.1%}."
    )


def _by_hand(counts: dict[str, Any]) -> str:
    unsafe, safe = counts["unsafe"], counts["safe"]
    return (
        "Requests written by hand ([`probe.py`](../guards/chat/probe.py)) are never trained on, and nothing is claimed "
        "of them; but misses of earlier models were known when phrasings were added, so the test is not a blind one. "
        f"Of {unsafe['asked']} unsafe ones it called {unsafe['decided']} unsafe, {unsafe['exact']} "
        f"with the right code; of {safe['asked']} safe ones {safe['decided']} safe."
    )


def write_card(folder: Path, evaluation: dict[str, Any]) -> None:
    """Write `README.md` from what `evaluation.json` holds."""
    run = evaluation["run"]
    lines = [
        _HEAD,
        "## What it can do, measured\n",
        _MEASURE,
        *_kinds(evaluation["kinds"]),
        "",
        _summary(evaluation),
        "",
        "Requests by category:",
        "",
        *_categories(evaluation["categories"]),
        "",
        _by_hand(evaluation["by_hand"]),
        "",
        _LIMITS,
        "## How it was made\n",
        "`python -m models.guards chat` does all of it: tokenizer, corpus, training, evaluation, this folder.\n",
        run_table(run, run["shape"]),
        "",
        _METHOD.rstrip(),
    ]
    (folder / "README.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
