"""The contract between the serving layer and whatever computes.

One backend serves one model. All methods are called on one event loop, the one that called `load`. The simulator
(`backends/simulator/`) is the reference implementation, and `tests/contract/` the suite that every backend passes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Sequence

from backends.bell import Bell
from backends.check import check_request, check_windows
from backends.errors import UnsupportedError
from backends.probe import PROBE, EngineLostError
from backends.types import Capabilities, GenerationRequest, Health, TokenDelta

__all__ = ["PROBE", "Backend", "Bell", "Deltas", "EngineLostError", "check_request", "check_windows"]

Deltas = AsyncGenerator[TokenDelta, "float | None"]
"""One answer on its way; what `asend` takes is told at `Backend.generate`."""


class Backend(ABC):
    """Computes tokens (or class logits) for one model.

    Life cycle: construct (no I/O) -> `load` once -> any number of concurrent `generate`/`classify` -> `close`.
    Construction is cheap, imports nothing heavy at module level beyond what the package is for, and can't fail on
    anything but its arguments.
    """

    @abstractmethod
    async def load(self) -> Capabilities:
        """Make the model ready, warm-up included, and say what it can do.

        Called once. Long work runs off the event loop and logs its progress at INFO, a line every few seconds at least.

        Raises:
            LoadError: with cause and remedy; `close` is still called afterwards, and after a cancelled load too.
        """

    @abstractmethod
    def health(self) -> Health:
        """Tell the state. Called often and at any time, before `load` and after `close` too; cheap, never raises."""

    @abstractmethod
    async def close(self) -> None:
        """Release everything. Requests still running end with `UnavailableError`.

        Idempotent, safe after a failed `load` and without one. Never raises. Returns within seconds.
        """

    def generate(self, request: GenerationRequest) -> Deltas:
        """Produce one answer, as deltas, in order. The last delta carries `finish`; nothing follows it.

        May be called many times concurrently. Nothing is computed before the first `__anext__`.
        Closing the generator is cancelling: `aclose()` returns once the request no longer holds its slot or place in
        the queue. Cancelling the task that awaits `__anext__` does the same. A consumer uses `contextlib.aclosing`.
        A slow consumer delays nobody else, and what waits for it is bounded by `max_tokens`.
        A consumer that is in no hurry sends a time of the event loop's clock with `asend`: what comes before it may be
        kept until then, to be handed over as one delta, but not the last delta or an error. `__anext__` names no time.
        To pay no heed to it is allowed; `Bell` is a way to.

        What every backend refuses alike is `check_request`'s to say; it is called first. Messages of errors name fields
        and rules, and never repeat a request's values.

        Yields:
            deltas of one or more ids; the ids of a request depend on nothing but the request and the model.

        Raises:
            InvalidRequestError: on the first step, when the request can't be computed; later only of a grammar that
                turns out too ambiguous to be followed.
            UnsupportedError: on the first step.
            UnavailableError: at any step.
            ComputeError: at any step; this request's only. Of an engine that computes nothing any more it is
                `UnavailableError` instead, and `PROBE` is how to tell.
        """
        raise UnsupportedError("generate")

    async def classify(self, windows: Sequence[Sequence[int]]) -> list[list[float]]:
        """Score token windows with a sequence classifier.

        Args:
            windows: token ids per window, each within the context length.

        Returns:
            raw logits, one list of `num_labels` floats per window.

        Raises:
            UnsupportedError: the model is not a classifier.
            InvalidRequestError: a window is empty, too long, or holds an id out of range.
            UnavailableError: at any time.
        """
        raise UnsupportedError("classify")
