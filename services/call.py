"""Holding an answer back while it may be a tool call."""

from __future__ import annotations

from collections.abc import Collection

from llama.call import may_be_call, read_call
from llama.chat import ToolCall
from services.text import Piece


class CallReader:
    """Reads one output's pieces. What can't become a call passes at once; what may is held to the end."""

    def __init__(self, names: Collection[str]) -> None:
        """Take the names of the functions that there are."""
        self._names = names
        self._skipped = ""
        self._held: list[Piece] = []
        self._is_text: bool | None = None
        """None until the first character that is no space has decided."""

    def skip(self, text: str) -> None:
        """Take the text that a resumed output already has."""
        self._skipped = text
        if text.strip():
            self._is_text = not may_be_call(text)

    def push(self, piece: Piece) -> Piece | None:
        """Take a piece; give what is known to be text."""
        self._held.append(piece)
        if self._is_text is None and piece.text.strip():
            self._is_text = not may_be_call(piece.text)
        return self._release() if self._is_text else None

    def finish(self) -> tuple[ToolCall | None, Piece]:
        """Give the call that was held, if it is one, and what was held."""
        held = self._release()
        return read_call(self._skipped + held.text, self._names), held

    def _release(self) -> Piece:
        held, self._held = self._held, []
        return Piece(
            "".join(piece.text for piece in held),
            [token_id for piece in held for token_id in piece.token_ids],
            [logprob for piece in held for logprob in piece.logprobs],
        )
