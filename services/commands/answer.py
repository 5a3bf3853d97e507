"""One output of a stream, put together from its events."""

from __future__ import annotations

from collections.abc import Mapping

from paddock.v1.chat_pb2 import Message as ChatMessage
from paddock.v1.chat_pb2 import Role, ToolCall
from paddock.v1.generate_pb2 import (
    FinishReason,
    OutputFinished,
    StreamEvent,
    Token,
    TokenDelta,
    ToolCallDelta,
)
from paddock.v1.guard_pb2 import GuardDecision, GuardEvent

_REMARKS: Mapping[int, str] = {
    FinishReason.FINISH_REASON_CONTEXT_LIMIT: "cut: the model's context is full",
    FinishReason.FINISH_REASON_TIME_LIMIT: "cut at the time limit",
    FinishReason.FINISH_REASON_CANCELLED: "ended by the server",
}
_USUAL = (FinishReason.FINISH_REASON_STOP, FinishReason.FINISH_REASON_TOOL_CALLS)


class Answer:
    """Text, tool calls and the end of one output."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.text = ""
        self.calls: list[ToolCall] = []
        """As far as they came; at the end, those that count."""
        self.tokens: list[Token] = []
        self.finished: OutputFinished | None = None
        self._flagged: GuardEvent | None = None
        self._call_is_open = False
        self._called_off = False

    def take(self, event: StreamEvent) -> str:
        """Add an event; return what there is to show for it."""
        match event.WhichOneof("event"):
            case "token_delta":
                return self._take_text(event.token_delta)
            case "tool_call_delta":
                return self._take_call(event.tool_call_delta)
            case "guard":
                judged = event.guard.HasField("verdict")  # else it could not be asked, and lets pass
                if judged and event.guard.verdict.decision != GuardDecision.GUARD_DECISION_SAFE:
                    self._flagged = event.guard
            case "finished":
                self.finished = event.finished
                if event.finished.reason != FinishReason.FINISH_REASON_TOOL_CALLS:
                    self._called_off = bool(self.calls)
                    self.calls = []
                return self._close_call()
        return ""

    def _take_text(self, delta: TokenDelta) -> str:
        self.tokens.extend(delta.tokens)
        self.text += delta.text
        return f"{self._close_call()}{delta.text}" if delta.text else ""

    def _take_call(self, delta: ToolCallDelta) -> str:
        self.tokens.extend(delta.tokens)
        shown = delta.arguments_json
        if delta.call_index >= len(self.calls):
            before = self._close_call() or ("\n" if self.text and not self.text.endswith("\n") else "")
            shown = f"{before}-> {delta.name}({shown}"
            self.calls.append(ToolCall(id=delta.id, name=delta.name))
            self._call_is_open = True
        self.calls[delta.call_index].arguments_json += delta.arguments_json
        return shown

    def _close_call(self) -> str:
        was_open, self._call_is_open = self._call_is_open, False
        return ")\n" if was_open else ""

    def remark(self) -> str | None:
        """Return what is unusual about how it ended."""
        if self.finished is None:
            return "ended without a finish reason"
        reason = self.finished.reason
        if reason in _USUAL and self._flagged:
            return f"not safe, says {self._guard()}"
        if reason in _USUAL:
            return "the tool call broke off: it is text" if self._called_off else None
        if reason == FinishReason.FINISH_REASON_MAX_TOKENS:
            return f"cut at max_tokens ({self.finished.completion_tokens})"
        if reason == FinishReason.FINISH_REASON_GUARD_BLOCKED:
            return f"blocked by {self._guard()}"
        return _REMARKS.get(reason, f"ended for reason {reason}")

    def _guard(self) -> str:
        if self._flagged is None:
            return "a guard"
        return ": ".join(filter(None, [self._flagged.guard_model, ", ".join(self._flagged.verdict.categories)]))

    def messages(self) -> list[ChatMessage]:
        """Return it as messages of a conversation: one for each call, which every layout can write."""
        messages = [ChatMessage(role=Role.ROLE_ASSISTANT, tool_calls=[call]) for call in self.calls]
        messages = messages or [ChatMessage(role=Role.ROLE_ASSISTANT)]
        if self.text:
            messages[0].content.add(text=self.text)
        return messages
