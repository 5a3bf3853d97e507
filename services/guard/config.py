"""The configuration of a guard that is attached to a model."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from omegaconf import MISSING

from services.errors import ConfigError

_LONGEST_S = 3600.0


class GuardKind(Enum):
    """What kind of guard a model is, which decides how Classify shows it a text and reads its answer."""

    none = "none"
    llama_guard = "llama_guard"
    prompt_guard = "prompt_guard"


class GuardSubject(Enum):
    """What a guard is shown."""

    input = "input"
    output = "output"


class GuardMode(Enum):
    """What a guard's verdict leads to. YAML reads a bare `off` as false: write `"off"`."""

    off = "off"
    annotate = "annotate"
    enforce = "enforce"


@dataclass
class GuardConfig:
    """A guard of a model. Sizes are in characters, and speak of guards that read conversations.

    Attributes:
        model: the guard: name or alias of another served model.
        subject: `input` or `output`.
        mode: `enforce`, `annotate`, or `"off"`, which a request may still tighten.
        fail_open: let pass what the guard could not be asked about; else the call fails.
        timeout_s: seconds for one answer of the guard.
        step_chars: new text after which an output is judged, if no sentence ends before.
        window_chars: text judged at once; longer text is judged in windows.
        overlap_chars: text that a window shares with the one before.
        context_chars: conversation before the judged text that the guard is told, the latest of it; None for all.
    """

    model: str = MISSING
    subject: GuardSubject = MISSING
    mode: GuardMode = GuardMode.enforce
    fail_open: bool = False
    timeout_s: float = 10.0
    step_chars: int = 200
    window_chars: int = 8000
    overlap_chars: int = 1000
    context_chars: int | None = None


def is_required(guard: GuardConfig, mode: GuardMode) -> bool:
    """Tell whether nothing passes that the guard has not judged, also where it can't be asked."""
    return mode is GuardMode.enforce and not guard.fail_open


def check_sizes(where: str, guard: GuardConfig) -> None:
    """Check the numbers of the guard at a key.

    Raises:
        ConfigError: one is out of range.
    """
    if not 0 < guard.timeout_s <= _LONGEST_S:
        raise ConfigError(
            f"{where}.timeout_s: {guard.timeout_s:g} is not above 0 and at most {_LONGEST_S}; give one that is"
        )
    for name in ("step_chars", "window_chars"):
        if getattr(guard, name) < 1:
            raise ConfigError(f"{where}.{name}: {getattr(guard, name)} is too few; give at least 1")
    if not 0 <= guard.overlap_chars < guard.window_chars:
        raise ConfigError(f"{where}.overlap_chars: {guard.overlap_chars} is not in [0, window_chars); give one that is")
    if guard.context_chars is not None and guard.context_chars < 0:
        raise ConfigError(f"{where}.context_chars: {guard.context_chars} is negative; give 0 or more")
