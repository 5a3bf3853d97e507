"""What can go wrong in the serving layer. None of these knows gRPC; `services/status.py` holds the one table that does.

    ConfigError                   the configuration can't be used; ends the process with exit code 2
    ServiceError
    ├── InvalidArgumentError      one or more fields of the request are wrong
    │   └── PromptTooLongError    the prompt leaves no room for an answer
    ├── ModelNotFoundError        no model of that name here
    ├── FeatureUnsupportedError   the model lacks what the request needs
    ├── ModelUnavailableError     it is loading or has failed
    ├── GuardUnavailableError     a guard that is enforced could not be asked
    ├── DrainingError             the server is shutting down
    ├── OverloadedError           the server handles as many calls as it may
    ├── RequestTooSlowError       the request did not arrive in time
    ├── QueueFullError            too many requests wait already, or too many to be done in time
    ├── LimitExceededError        who calls asks more than they may
    ├── CredentialMissingError    nothing says who calls
    ├── CredentialInvalidError    what says who calls is nobody's
    ├── ModelNotPermittedError    who calls may not ask this model
    ├── DeadlineTooShortError     the deadline came before a first token
    └── ReaderStalledError        the client stopped reading

Messages of service errors reach clients: they never quote prompts or internals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class ConfigError(Exception):
    """The configuration can't be used. The message is one sentence that names the key and the remedy."""


class ServiceError(Exception):
    """Base of the serving layer's errors."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A field, as a dotted path into the request message, and what is wrong with it."""

    field: str
    description: str


class InvalidArgumentError(ServiceError):
    """One or more fields are wrong; all that were found are told at once."""

    def __init__(self, violations: Sequence[Violation]) -> None:
        super().__init__("; ".join(f"{v.field}: {v.description}" for v in violations))
        self.violations = tuple(violations)


class PromptTooLongError(InvalidArgumentError):
    """The prompt has `prompt_tokens` ids where at most `limit` fit."""

    def __init__(self, field: str, prompt_tokens: int, limit: int) -> None:
        super().__init__([Violation(field, f"{prompt_tokens} tokens; at most {limit} fit")])
        self.prompt_tokens = prompt_tokens
        self.limit = limit


_MOST_NAMED = 1024
"""Characters of names in a message: a status must fit in 8 KiB of metadata, and says them twice."""


def _within_a_status(names: Sequence[str]) -> tuple[str, ...]:
    told: list[str] = []
    left = _MOST_NAMED
    for name in names:
        left -= len(name) + 1
        if left < 0:
            return (*told, "...")
        told.append(name)
    return tuple(told)


class ModelNotFoundError(ServiceError):
    """No model called `model` is served; `served` are, as many as can be told."""

    def __init__(self, model: str, served: Sequence[str]) -> None:
        told = _within_a_status(served)
        super().__init__(f"model {model!r} is not served here; served: {', '.join(told)}")
        self.model = model
        self.served = told


class FeatureUnsupportedError(ServiceError):
    """`model` can't do `feature`."""

    def __init__(self, feature: str, model: str) -> None:
        super().__init__(f"model {model!r} does not support {feature}")
        self.feature = feature
        self.model = model


class ModelUnavailableError(ServiceError):
    """`model` computes nothing now; another try in `retry_after_s` may find it ready."""

    def __init__(self, model: str, why: str, retry_after_s: float) -> None:
        super().__init__(f"model {model!r} is {why}")
        self.model = model
        self.retry_after_s = retry_after_s


class GuardUnavailableError(ServiceError):
    """`guard`, which is enforced for `model`, gave no answer; another try in `retry_after_s` may get one."""

    def __init__(self, guard: str, model: str, retry_after_s: float) -> None:
        super().__init__(f"guard {guard!r} of model {model!r} can't be asked, and nothing passes without it")
        self.guard = guard
        self.model = model
        self.retry_after_s = retry_after_s


class DrainingError(ServiceError):
    """The server takes no new calls."""

    def __init__(self) -> None:
        super().__init__("the server is shutting down")


class OverloadedError(ServiceError):
    """The server handles as many calls as it may."""

    def __init__(self) -> None:
        super().__init__("the server handles as many calls as it may")


class QueueFullError(ServiceError):
    """`model` can't take a request on in time: too many wait."""

    def __init__(self, model: str, retry_after_s: float) -> None:
        super().__init__(f"model {model!r} has too many requests waiting")
        self.model = model
        self.retry_after_s = retry_after_s


class LimitExceededError(ServiceError):
    """`caller` is past `limit`, by its name in the configuration: of `model`, or of all models together."""

    def __init__(self, caller: str, limit: str, retry_after_s: float, model: str | None = None) -> None:
        of_model = "" if model is None else f" of model {model!r}"
        super().__init__(f"caller {caller!r} is past the limit of {limit}{of_model}")
        self.caller = caller
        self.limit = limit
        self.model = model
        self.retry_after_s = retry_after_s


class CredentialMissingError(ServiceError):
    """Nothing says who calls."""

    def __init__(self) -> None:
        super().__init__("callers are identified here: send `authorization: Bearer KEY`, or a client certificate")


class CredentialInvalidError(ServiceError):
    """What says who calls is nobody's; what exactly is wrong with it is not told."""

    def __init__(self) -> None:
        super().__init__("the key or certificate is not known here")


class ModelNotPermittedError(ServiceError):
    """`caller` may not ask `model`, whether there is one or not."""

    def __init__(self, caller: str, model: str) -> None:
        super().__init__(f"caller {caller!r} may not ask model {model!r}")
        self.caller = caller
        self.model = model


class RequestTooSlowError(ServiceError):
    """The request did not arrive within `receive_s`."""

    def __init__(self, receive_s: float) -> None:
        super().__init__(f"the request did not arrive within {receive_s:g} s")


class DeadlineTooShortError(ServiceError):
    """No token was produced before the deadline."""

    def __init__(self) -> None:
        super().__init__("no token could be produced before the deadline")


class ReaderStalledError(ServiceError):
    """The client left messages unread for `stalled_s`."""

    def __init__(self, stalled_s: float) -> None:
        super().__init__(f"the client read nothing for {stalled_s:g} s")
