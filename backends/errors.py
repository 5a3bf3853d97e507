"""What can go wrong in a backend. None of these knows gRPC; `services/status.py` holds the one table that does.

    BackendError
    ├── LoadError                the model can't be loaded; carries the remedy
    │   └── UnfitError           not by this backend on this machine; another may
    ├── InvalidRequestError      the request can't be computed as given
    │   └── ContextLengthError   prompt and continuation don't fit
    ├── UnsupportedError         the backend lacks a feature
    ├── UnavailableError         not loaded, closing, or the engine is gone; another worker may resume the request
    └── ComputeError             this request's computation failed; others go on

Messages are for operators' logs and never quote prompts.
"""

from __future__ import annotations


class BackendError(Exception):
    """Base of every error a backend raises on purpose."""


class LoadError(BackendError):
    """The model can't be loaded. The message is one sentence that names the cause and the remedy."""


class UnfitError(LoadError):
    """This backend can't serve the model on this machine, and another one may.

    The message names no files: clients see it as the reason of a choice.
    """


class InvalidRequestError(BackendError):
    """The request can't be computed.

    Attributes:
        field: dotted path of the `GenerationRequest` field at fault.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


class ContextLengthError(InvalidRequestError):
    """The tokens don't fit: prompt and continuation leave no room for one more, or a window is too long.

    Attributes:
        prompt_tokens: ids given.
        limit: the most that are accepted.
    """

    def __init__(self, prompt_tokens: int, limit: int, field: str = "prompt") -> None:
        super().__init__(field, f"{prompt_tokens} tokens; at most {limit} fit")
        self.prompt_tokens = prompt_tokens
        self.limit = limit


class UnsupportedError(BackendError):
    """The backend lacks what the request needs.

    Attributes:
        feature: its name, as in `Feature`, or a method's.
    """

    def __init__(self, feature: str) -> None:
        super().__init__(f"not supported by this backend: {feature}")
        self.feature = feature


class UnavailableError(BackendError):
    """The backend computes nothing now: not loaded, closing or dead."""


class ComputeError(BackendError):
    """The computation of this request failed; the backend goes on."""
