"""Cases to ids: the prompt as the model's own template writes it, in two parts, and the verdict."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import jinja2

from llama.tokenizer import Tokenizer
from models.guards.chat.corpus import Case, Turn
from models.guards.chat.hazard import CATEGORIES
from models.guards.chat.tokenizer import BEGIN, END_OF_TURN

CHAT_TEMPLATE: Final = Path(__file__).with_name("chat_template.jinja")

# Stands for a message's content while the template is rendered: a character that no text has.
_CONTENT: Final = "\ue000"
_BLANK: Final = "\n\n"
_CONVERSATION: Final = "<BEGIN CONVERSATION>\n\n"
_END: Final = "<END CONVERSATION>"
_CONTROL: Final = re.compile(r"(<\|\w+\|>)")


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True, autoescape=False)  # noqa: S701 - a prompt
    return environment.from_string(CHAT_TEMPLATE.read_text(encoding="utf-8"))


@cache
def _render(roles: tuple[str, ...], excluded: frozenset[str], added: str) -> str:
    messages = [{"role": role, "content": _CONTENT} for role in roles]
    categories = {**CATEGORIES, "S15": added} if added else CATEGORIES
    return _template().render(
        messages=messages,
        categories={code: f"{name}." for code, name in categories.items()},
        excluded_category_keys=sorted(excluded),
        bos_token=BEGIN,
    )


@dataclass(frozen=True, slots=True)
class Row:
    """A case as ids.

    Attributes:
        frame: the prompt up to the conversation.
        turns: of each message, role and content.
        rest: of the prompt, what follows the conversation.
        verdict: what the guard is to write, with the end of its turn.
        notes: of each message, the id of its first code that is not left out, or of `safe`.
    """

    frame: list[int]
    turns: list[list[int]]
    rest: list[int]
    verdict: list[int]
    notes: list[int]

    @property
    def prompt(self) -> list[int]:
        """All before the verdict."""
        return [*self.frame, *(token for turn in self.turns for token in turn), *self.rest]


class CaseEncoder:
    """Encodes prompts as the server does: nothing in a message can become a control token."""

    def __init__(self, tokenizer_json: str) -> None:
        self.tokenizer = Tokenizer(tokenizer_json)
        self.end_of_turn = self.tokenizer.control_ids[END_OF_TURN]
        self._notes = {word: self.tokenizer.encode(word)[0] for word in ("safe", *CATEGORIES)}

    def _encode(self, text: str) -> list[int]:
        """Encode a stretch of the rendered template, which no message is in."""
        ids: list[int] = []
        for piece in _CONTROL.split(text):
            control = self.tokenizer.control_ids.get(piece)
            ids += self.tokenizer.encode(piece) if control is None else [control]
        return ids

    def _note(self, turn: Turn, excluded: frozenset[str]) -> int:
        codes = [code for code in turn.codes if code not in excluded]
        return self._notes[codes[0] if codes else "safe"]

    def row(self, case: Case) -> Row:
        """Encode a case. Its parts are cut behind blank lines, which no token reaches over."""
        text = _render(tuple(turn.role for turn in case.turns), case.excluded, case.added) + _BLANK
        start, end = text.index(_CONVERSATION) + len(_CONVERSATION), text.index(_END)
        lines = text[start:end].split(_BLANK)[:-1]
        return Row(
            frame=self._encode(text[:start]),
            turns=[
                self.tokenizer.encode(line.replace(_CONTENT, turn.content.strip()) + _BLANK)
                for line, turn in zip(lines, case.turns, strict=True)
            ],
            rest=self._encode(text[end:]),
            verdict=[*self.tokenizer.encode(case.verdict), self.end_of_turn],
            notes=[self._note(turn, case.excluded) for turn in case.turns],
        )
