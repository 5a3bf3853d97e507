"""A checkpoint's own Jinja chat template, rendered so that no text can become a control token.

A template writes control tokens as text, and text of users looks the same. So before the template is compiled, each
control token's name in its literals, and in `bos_token` and its like, is replaced by a mark: one private-use character
that occurs nowhere in the conversation. What is rendered is split at the marks; they become control ids, and everything
else is encoded as plain text. Whatever the template does to a text - join it, cut it, escape it - it holds no mark.

What is compared with text, or edits it (`'</think>' in content`, `content.split('</think>')`), is left as it is:
marked, it would never be found, and text that holds what is replaced would choose where control tokens go. For the same
reason, a mark that comes to `replace` by a variable is turned back into its name.
"""

from __future__ import annotations

import datetime
import json
import re
import secrets
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, TypeGuard

import jinja2
import jinja2.ext
import jinja2.meta
import jinja2.parser
from jinja2 import nodes
from jinja2.filters import do_replace
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from llama.chat.message import BuiltinTool, ChatError, Message, Tool, to_json
from llama.chat.segment import Control, Segment, day_month_year

_MOST_RENDERED = 32 * 2**20
"""Characters that a template may write: more than any request holds, less than would hurt."""

_PRIVATE = [*range(0xF0000, 0xFFFFE), *range(0x100000, 0x10FFFE)]
"""Planes 15 and 16 (Unicode 23.5): no text has these characters but by private agreement."""
_PRIVATE_CHARACTER = re.compile("[\U000f0000-\U000ffffd\U00100000-\U0010fffd]")

_EDITING = frozenset(
    """count endswith find index lstrip partition removeprefix removesuffix replace rfind rindex rpartition rsplit
    rstrip split startswith strip""".split()
)
"""String methods whose arguments are looked for in a text, or put where something was found in it."""

_REMAKING = frozenset(("decode", "encode", "maketrans", "translate"))
"""String methods that could make a mark of other characters."""


_NAMES = " names of marks"
"""A render's variable that no template can name."""


class _Environment(ImmutableSandboxedEnvironment):
    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        if getattr(obj, "__name__", None) == "replace" and isinstance(getattr(obj, "__self__", None), str):
            args = (*args[:1], *(_named(context, value) for value in args[1:]))
        return super().call(context, obj, *args, **kwargs)

    def getattr(self, obj: Any, attribute: str) -> Any:
        # The same outcome, at a third of the price: what is asked for most are a message's fields.
        if type(obj) is dict and attribute in obj and not hasattr(dict, attribute):
            return obj[attribute]
        return super().getattr(obj, attribute)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        return attr not in _REMAKING and super().is_safe_attribute(obj, attr, value)


class _Generation(jinja2.ext.Extension):
    """`{% generation %}`: tells trainers what the assistant said, and means nothing here."""

    tags = {"generation"}  # noqa: RUF012 - Jinja's interface

    def parse(self, parser: jinja2.parser.Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        return nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True), lineno=line)


@jinja2.pass_context
def _replace(context: Context, text: str, old: str, new: str, count: int | None = None) -> str:
    return do_replace(context.eval_ctx, text, old, _named(context, new), count)


def _named(context: Context, value: Any) -> Any:
    """Write the names of control tokens for their marks."""
    return value.translate(context.get(_NAMES) or {}) if isinstance(value, str) else value


def _raise_exception(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)


def _tojson(
    value: Any, ensure_ascii: bool = False, indent: int | None = None, separators: Any = None, sort_keys: bool = False
) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _environment() -> _Environment:
    """Make what transformers renders chat templates with."""
    environment = _Environment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, jinja2.ext.loopcontrols], cache_size=0
    )
    environment.filters["tojson"] = _tojson
    environment.filters["replace"] = _replace
    environment.globals["raise_exception"] = _raise_exception
    return environment


@dataclass(frozen=True, slots=True)
class _Compiled:
    marks: Mapping[str, Control]
    splitting: re.Pattern[str]
    special: Mapping[str, str]
    template: jinja2.Template
    tool_template: jinja2.Template


class ChatTemplate:
    """A chat template that is safe to render with any text.

    Attributes:
        supports_tools: it shows tools to the model.
        supports_builtin_tools: it does so with Llama 3.1's own.
    """

    def __init__(
        self,
        template: str,
        control_names: Collection[str],
        *,
        tool_template: str | None = None,
        special_tokens: Mapping[str, str] | None = None,
    ) -> None:
        """Read a template.

        Args:
            template: Jinja, as transformers understands it.
            control_names: the tokenizer's control tokens.
            tool_template: takes its place where there are tools.
            special_tokens: what it knows as `bos_token`, `eos_token` and so on.

        Raises:
            ChatError: it can't be compiled.
        """
        self._environment = _environment()
        self._sources = (template, template if tool_template is None else tool_template)
        self._special = dict(special_tokens or {})
        self._names = sorted(control_names, key=len, reverse=True)
        try:
            trees = [self._environment.parse(source) for source in self._sources]
            used = [text for tree in trees for text in _texts(tree)] + list(self._special.values())
            self._names = [name for name in self._names if any(name in text for text in used)]
            self._own = frozenset(_PRIVATE_CHARACTER.findall("".join(used)))
            self._compiled = self._compile(self._own)
        except (jinja2.TemplateError, RecursionError, SyntaxError, ValueError) as error:
            raise ChatError("template", f"it is no Jinja that can be used: {type(error).__name__}: {error}") from error
        known = jinja2.meta.find_undeclared_variables(trees[1])
        self.supports_tools = "tools" in known
        self.supports_builtin_tools = "builtin_tools" in known

    def segments(
        self, messages: Sequence[Message], tools: Sequence[Tool], builtins: Sequence[BuiltinTool], today: datetime.date
    ) -> Iterator[Segment]:
        """Lay a conversation out, up to and including the header of the answer.

        Raises:
            ChatError: the template refuses it, fails on it, or writes without end.
        """
        context = _context(messages, tools, builtins, today)
        compiled = self._compiled
        taken = frozenset(_PRIVATE_CHARACTER.findall(to_json(context)))
        if not taken.isdisjoint(compiled.marks):
            compiled = self._compile(taken | self._own)
        template = compiled.tool_template if tools or builtins else compiled.template
        names = {ord(mark): control.name for mark, control in compiled.marks.items()}
        text = _render(template, {**compiled.special, **context, "strftime_now": _clock(today), _NAMES: names})
        for piece in compiled.splitting.split(text):
            if piece:
                yield compiled.marks.get(piece, piece)

    def render(
        self, messages: Sequence[Message], tools: Sequence[Tool], builtins: Sequence[BuiltinTool], today: datetime.date
    ) -> str:
        """Render as everyone else does, with control tokens as text: to compare with, and not to be served.

        Raises:
            ChatError: as `segments`.
        """
        source = self._sources[bool(tools or builtins)]
        context = {**self._special, **_context(messages, tools, builtins, today), "strftime_now": _clock(today)}
        return _render(self._environment.from_string(source), context)

    def _compile(self, taken: frozenset[str]) -> _Compiled:
        free = [chr(code) for code in _PRIVATE if chr(code) not in taken]
        if len(free) < len(self._names):
            raise ChatError("messages", "their text has too many private-use characters")
        chosen = secrets.SystemRandom().sample(free, len(self._names))
        mark_of = dict(zip(self._names, chosen, strict=True))
        pattern = re.compile("|".join(map(re.escape, self._names)) or "(?!)")

        def mark(text: str) -> str:
            return pattern.sub(lambda match: mark_of[match[0]], text)

        return _Compiled(
            marks={mark: Control(name) for name, mark in mark_of.items()},
            splitting=re.compile(f"([{''.join(chosen)}])" if chosen else "(?!)"),
            special={name: mark(value) for name, value in self._special.items()},
            template=self._template(self._sources[0], mark),
            tool_template=self._template(self._sources[1], mark),
        )

    def _template(self, source: str, mark: Callable[[str], str]) -> jinja2.Template:
        tree = self._environment.parse(source)
        for literal in _literals(tree):
            if isinstance(literal, nodes.TemplateData):
                literal.data = mark(literal.data)
            else:
                literal.value = mark(literal.value)
        code = self._environment.compile(tree)
        return jinja2.Template.from_code(self._environment, code, self._environment.make_globals(None))


def _literals(node: nodes.Node) -> Iterator[nodes.TemplateData | nodes.Const]:
    """Find the literals that the template may write."""
    if isinstance(node, nodes.TemplateData) or (isinstance(node, nodes.Const) and isinstance(node.value, str)):
        yield node
        return
    if isinstance(node, (nodes.Compare, nodes.Test)):
        return
    for child in [node.node] if _edits_text(node) and node.node else node.iter_child_nodes():
        yield from _literals(child)


def _edits_text(node: nodes.Node) -> TypeGuard[nodes.Call | nodes.Filter]:
    """Tell whether a node cuts or replaces what a text holds: so its arguments are text, whatever they spell."""
    if isinstance(node, nodes.Filter):
        return node.name == "replace"
    return isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr) and node.node.attr in _EDITING


def _texts(tree: nodes.Template) -> list[str]:
    return [node.data if isinstance(node, nodes.TemplateData) else node.value for node in _literals(tree)]


def _context(
    messages: Sequence[Message], tools: Sequence[Tool], builtins: Sequence[BuiltinTool], today: datetime.date
) -> dict[str, Any]:
    """Give what transformers gives to chat templates, and the date as Llama's know it."""
    context: dict[str, Any] = {
        "messages": [_message(message) for message in messages],
        "tools": [tool.as_dict() for tool in tools] or None,
        "documents": None,
        "add_generation_prompt": True,
        "date_string": day_month_year(today, month_letters=3),
    }
    return {**context, "builtin_tools": [tool.value for tool in builtins]} if builtins else context


def _message(message: Message) -> dict[str, Any]:
    written: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        written["tool_calls"] = [
            {"type": "function", "id": call.id, "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    if message.tool_call_id:
        written["tool_call_id"] = message.tool_call_id
    return written


def _clock(today: datetime.date) -> Callable[[str], str]:
    moment = datetime.datetime.combine(today, datetime.time(), tzinfo=datetime.timezone.utc)
    return moment.strftime


def _render(template: jinja2.Template, context: Mapping[str, Any]) -> str:
    pieces: list[str] = []
    size = 0
    try:
        for piece in template.generate(context):
            size += len(piece)
            if size > _MOST_RENDERED:
                break
            pieces.append(piece)
    except Exception as error:  # a template is a program: anything may come, and none of it is the client's to see
        raise ChatError("messages", "the model's chat template can't write this conversation") from error
    if size > _MOST_RENDERED:
        raise ChatError("messages", f"the model's chat template writes more than {_MOST_RENDERED} characters")
    return "".join(pieces)
