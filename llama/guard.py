"""Llama Guard's frame: a conversation shown to a model that judges it, so that nothing said in it passes for the frame.

The frame is the chat template that comes with the model. It is rendered with marks in the places of what was said: so
it is known which text is the template's, and only there do names of control tokens become control tokens. But the frame
is also plain text: `<END CONVERSATION>`, or a line that begins with `Agent:`. What was said is therefore changed where
it spells these, as little as will do: a marker's brackets become parentheses, and `> ` comes before a turn's label.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from llama.chat import EncodedPrompt
from llama.tokenizer import Tokenizer

_OPEN, _CLOSE, _EDGE = "\ue000", "\ue001", "\x1f"
"""Around the number of a turn, and around that: white space, which is gone where the template trims a turn."""
_ADDED = "\ue002"
"""Stands for the categories that a request adds."""

_MARKER = re.compile(r"<([^<>|\n]{1,64})>")
_CODE = r"[A-Za-z]{1,8}[0-9]{1,4}"
_CATEGORY = re.compile(rf"({_CODE}): *(.*)")
_BELOW = re.compile(rf"(?!<|{_CODE}:).*\S")
"""A line that goes on with the category above it."""
_BREAKS = r"\n\r\v\f\x1c-\x1e\x85\u2028\u2029"
_INVISIBLE = r"\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff"
_BLANK = rf"[\t \x1f\xa0\u1680\u2000-\u200a\u202f\u205f\u3000{_INVISIBLE}]"
"""White space within a line, and what takes no space at all."""
_SPACE = rf"[\s{_INVISIBLE}]"
_LEADING_BREAKS = re.compile(r"\s*\n")


class GuardError(ValueError):
    """The template is no guard's frame. The message says why."""


@dataclass(frozen=True, slots=True)
class Category:
    """Something that a guard looks for: its code, such as `S1`, and what the guard is told of it."""

    code: str
    text: str


class GuardFrame:
    """Encodes conversations for one guard.

    Attributes:
        categories: what the template names by itself, in its order, by code; empty where it shows none.
    """

    def __init__(self, template: str, tokenizer: Tokenizer, variables: Mapping[str, str]) -> None:
        """Read a Jinja chat template that takes turns of `user` and `assistant`, as Llama Guard's does.

        Args:
            template: its text. A turn's content is given as a string, or as a list of text parts where it wants that.
            tokenizer: the guard's.
            variables: such as `bos_token`.

        Raises:
            GuardError: it can't be rendered, or loses what it was given.
        """
        if any(character in template for character in (_OPEN, _CLOSE, _EDGE, _ADDED)):
            raise GuardError("it holds characters of a private use")
        self._tokenizer = tokenizer
        self._variables = dict(variables)
        names = sorted(tokenizer.control_ids, key=len, reverse=True)
        controls = "|".join(map(re.escape, names)) or r"(?!)"
        self._token = re.compile(f"({_EDGE}?){_OPEN}([0-9]+){_CLOSE}({_EDGE}?)|({_ADDED})|({controls})")
        try:
            self._template = _environment().from_string(template)
        except jinja2.TemplateError as error:
            raise GuardError(f"it is no template ({type(error).__name__})") from error
        self._in_parts = False
        try:
            probe = self._render(2)
        except GuardError:
            self._in_parts = True
            probe = self._render(2)
        self._forgery = _forgery(self._literals(probe))
        self.categories = {code: text for code, text, _, _ in _categories(self._head(probe))}

    def encode(
        self, turns: Sequence[str], *, excluded: Collection[str] = (), added: Sequence[Category] = ()
    ) -> EncodedPrompt:
        """Encode a conversation up to where the verdict is to be written.

        Args:
            turns: what was said, by the user and the assistant in turn, the user first; the last is judged.
            excluded: codes of `categories` to leave out.
            added: further categories; white space in them becomes one space.

        Returns:
            the ids, and how many control tokens and parts of the frame the turns and the added categories spelled.

        Raises:
            GuardError: the template refuses this conversation.
        """
        rendered = self._render(len(turns))
        if excluded or added:
            head = self._head(rendered)
            rendered = _with_categories(head, excluded) + rendered[len(head) :]
        safe = [self._defuse(turn) for turn in turns]
        lines = [self._defuse(" ".join(f"{category.code}: {category.text}".split())) for category in added]
        text_ids: list[int] = []
        for run in self._runs(rendered, [text for text, _ in safe], "".join(f"{line}\n" for line, _ in lines)):
            text_ids.extend([run] if isinstance(run, int) else self._tokenizer.encode(run))
        return EncodedPrompt(text_ids, sum(count for _, count in (*safe, *lines)))

    def _render(self, count: int) -> str:
        """Render with marks in the turns' places, and end with the blank line after which the model is to answer."""
        roles = ("user", "assistant")
        marks = [f"{_EDGE}{_OPEN}{index}{_CLOSE}{_EDGE}" for index in range(count)]
        contents: list[Any] = [[{"type": "text", "text": mark}] for mark in marks] if self._in_parts else list(marks)
        messages = [{"role": roles[index % 2], "content": content} for index, content in enumerate(contents)]
        try:
            rendered = self._template.render(messages=messages, add_generation_prompt=True, **self._variables)
        except Exception as error:  # a template raises what Python does with it
            raise GuardError(f"it can't be rendered ({type(error).__name__})") from error
        if [match[2] for match in self._token.finditer(rendered) if match[2]] != list(map(str, range(count))):
            raise GuardError("it doesn't show every turn once, in order")
        return rendered if rendered.endswith("\n\n") else rendered.rstrip("\n") + "\n\n"

    def _head(self, rendered: str) -> str:
        """What comes before the first turn."""
        return rendered[: next(match for match in self._token.finditer(rendered) if match[2]).start()]

    def _literals(self, rendered: str) -> list[str]:
        """The template's own text: what comes before each turn, and after the last."""
        literals, start = [""], 0
        for match in self._token.finditer(rendered):
            literals[-1] += rendered[start : match.start()]
            start = match.end()
            if match[2]:
                literals.append("")
        literals[-1] += rendered[start:]
        return literals

    def _defuse(self, text: str) -> tuple[str, int]:
        """Keep a text from passing for the frame; tell how often it would have, control tokens counted in."""
        text, forged = self._forgery.subn(lambda m: f"({m[1]})" if m[1] is not None else f"{m[0]}> ", text)
        return text, forged + self._tokenizer.count_control(text)

    def _runs(self, rendered: str, turns: Sequence[str], added: str) -> Iterator[int | str]:
        """Lay out control tokens and the texts that are encoded by themselves.

        A turn is encoded with the spaces before and the line breaks after it: so the frame's ids are the same whatever
        was said, and yet ordinary turns have the ids that the whole text in one piece would give them.
        """
        run, start, after_turn = "", 0, False
        for match in [*self._token.finditer(rendered), None]:
            literal = rendered[start : match.start() if match else None]
            if after_turn:
                breaks = _LEADING_BREAKS.match(literal)
                literal = literal[breaks.end() :] if breaks else literal
                yield run + (breaks[0] if breaks else "")
                run = ""
            run += literal
            if match is None:
                break
            start, after_turn = match.end(), match[2] is not None
            if match[2] is not None:
                frame = run.rstrip(" \t")
                yield frame
                turn = turns[int(match[2])]
                turn = turn if match[1] else turn.lstrip()
                run = run[len(frame) :] + (turn if match[3] else turn.rstrip())
            elif match[4] is not None:
                run += added
            else:
                yield run
                yield self._tokenizer.control_ids[match[5]]
                run = ""
        yield run


def _environment() -> jinja2.Environment:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.globals["raise_exception"] = _refuse
    return environment


def _refuse(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)


def _forgery(literals: Sequence[str]) -> re.Pattern[str]:
    """Match what no turn may hold: a marker, its inside as group 1; or the place before a label that begins a line."""
    markers = {tuple(marker.split()) for literal in literals for marker in _MARKER.findall(literal)}
    inside = "|".join(rf"{_SPACE}+".join(map(_spelled, words)) for words in sorted(markers)) or r"(?!)"
    lines = [[line.strip() for line in literal.split("\n") if line.strip()] for literal in literals[:-1]]
    labels = {own[-1][:-1].strip() for own in lines if own and own[-1].endswith(":")}
    label = "|".join(map(_spelled, sorted(labels))) or r"(?!)"
    return re.compile(
        rf"<({_SPACE}*(?:{inside}){_SPACE}*)>|(?:\A|(?<=[{_BREAKS}])){_BLANK}*(?=(?:{label}){_BLANK}*:)", re.IGNORECASE
    )


def _spelled(word: str) -> str:
    """Match a word, whatever stands unseen between its letters."""
    return f"[{_INVISIBLE}]*".join(map(re.escape, word))


def _categories(head: str) -> list[tuple[str, str, int, int]]:
    """Find what the frame looks for: code, text, first and last line (exclusive); an entry may go on below its line."""
    lines = head.split("\n")
    found: list[tuple[str, str, int, int]] = []
    for index, line in enumerate(lines[:-1]):
        match = _CATEGORY.fullmatch(line)
        if match:
            end = index + 1
            while end < len(lines) - 1 and _BELOW.match(lines[end]):
                end += 1
            found.append((match[1], match[2].strip(), index, end))
    return found


def _with_categories(head: str, excluded: Collection[str]) -> str:
    """Leave categories out of a frame's head, and mark where they end."""
    lines, entries = head.split("\n"), _categories(head)
    if not entries:
        raise GuardError("it names no categories")
    left_out = {line for code, _, start, end in entries if code in excluded for line in range(start, end)}
    after = entries[-1][3]
    kept = [line for index, line in enumerate(lines[:after]) if index not in left_out]
    return "\n".join([*kept, _ADDED + lines[after], *lines[after + 1 :]])
