"""What happens while a request is answered, in the words of the serving layer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from backends.types import TokenLogprob, Usage
from paddock.v1 import guard_pb2
from services.call import CallPiece
from services.text import Piece


class FinishReason(Enum):
    """Why an output ended, as clients are told."""

    STOP = "stop"
    MAX_TOKENS = "max_tokens"
    CONTEXT_LIMIT = "context_limit"
    TIME_LIMIT = "time_limit"
    TOOL_CALLS = "tool_calls"
    GUARD_BLOCKED = "guard_blocked"


@dataclass(frozen=True, slots=True)
class PromptScored:
    """Logprobs of the prompt's tokens; none for the first."""

    logprobs: tuple[TokenLogprob | None, ...]


@dataclass(frozen=True, slots=True)
class Delta:
    """New text and tokens of an output."""

    index: int
    piece: Piece


@dataclass(frozen=True, slots=True)
class CallDelta:
    """A part of a tool call of an output; `call_id` is on its first part only."""

    index: int
    piece: CallPiece
    call_id: str | None


@dataclass(frozen=True, slots=True)
class GuardSpoke:
    """A guard has spoken, of an output or, under index 0, of the input; in the words that it was asked in."""

    index: int
    said: guard_pb2.GuardEvent


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of an output; at most one of the two matches is set."""

    index: int
    reason: FinishReason
    completion_tokens: int
    stop_string: str | None = None
    stop_token_id: int | None = None


@dataclass(frozen=True, slots=True)
class Completed:
    """The end of the request; `guard_tokens` is None where no guard was asked."""

    usage: Usage
    guard_tokens: int | None = None


Event = PromptScored | Delta | CallDelta | GuardSpoke | Finished | Completed
