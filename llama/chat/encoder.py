"""From a conversation to ids, in the model's layout."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from enum import Enum

from llama.chat import hf, meta
from llama.chat.message import BuiltinTool, ChatError, Message, Tool
from llama.chat.segment import STRUCTURE, Control, EncodedPrompt, Segment
from llama.chat.template import ChatTemplate
from llama.tokenizer import Tokenizer


class Layout(str, Enum):
    """How Llama 3.1 conversations are laid out: `llama.chat.hf`, `llama.chat.meta`."""

    HF = "hf"
    META = "meta"


_SEGMENTS = {Layout.HF: hf.segments, Layout.META: meta.segments}

_FRAME = ("system", "user", "assistant", "ipython", "\n\n")
"""Texts that stand in every prompt: encoded once."""


class ChatEncoder:
    """Encodes conversations for one tokenizer in one layout.

    Attributes:
        supports_tools: functions can be shown to the model.
        supports_builtin_tools: Llama 3.1's own tools can.
    """

    def __init__(self, tokenizer: Tokenizer, layout: Layout | ChatTemplate = Layout.HF) -> None:
        """Take what belongs together.

        Raises:
            ChatError: the tokenizer lacks control tokens of the layout.
        """
        self._tokenizer = tokenizer
        self._control: Mapping[str, int] = tokenizer.control_ids
        if isinstance(layout, ChatTemplate):
            self._segments = layout.segments
            self.supports_tools, self.supports_builtin_tools = layout.supports_tools, layout.supports_builtin_tools
        else:
            self._segments = _SEGMENTS[layout]
            missing = STRUCTURE - self._control.keys()
            if missing:
                raise ChatError("layout", f"the tokenizer lacks {', '.join(sorted(missing))}")
            self.supports_tools = self.supports_builtin_tools = True
        self._known = dict(zip(_FRAME, tokenizer.encode_all(_FRAME), strict=True))

    def encode(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[Tool] = (),
        builtin_tools: Sequence[BuiltinTool] = (),
        today: datetime.date,
    ) -> EncodedPrompt:
        """Encode a conversation up to and including the header of the answer.

        Args:
            messages: at least one.
            tools: functions the model may call; only where `supports_tools`.
            builtin_tools: Llama 3.1's own that it may call; only where `supports_builtin_tools`.
            today: the date that `hf`, most templates, and `meta` with tools tell the model.

        Raises:
            ChatError: the layout can't hold the conversation.
        """
        return self._encode(list(self._segments(messages, tools, builtin_tools, today)))

    def _encode(self, segments: Sequence[Segment]) -> EncodedPrompt:
        texts = [segment for segment in segments if isinstance(segment, str) and segment not in self._known]
        encoded = iter(self._tokenizer.encode_all(texts))
        ids: list[int] = []
        for segment in segments:
            if isinstance(segment, Control):
                ids.append(self._control[segment.name])
            else:
                ids += self._known[segment] if segment in self._known else next(encoded)
        # Between control tokens joined: what several parts of a message spell together counts too.
        text = "".join([segment if isinstance(segment, str) else "\0" for segment in segments])
        return EncodedPrompt(ids, self._tokenizer.count_control(text))
