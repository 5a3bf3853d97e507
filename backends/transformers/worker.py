"""The thread that runs PyTorch: the only one, since a second one that has run it halves the speed of both.

Requests and cancellations come in through an inbox; results go out in one call per step. The module imports no
PyTorch: the thread does, so that this second or two doesn't hold up the event loop either.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from backends.base import PROBE, EngineLostError
from backends.errors import ComputeError, LoadError
from backends.transformers.config import TransformersConfig
from backends.types import Capabilities

if TYPE_CHECKING:
    from backends.transformers.assembly import Assembled
    from backends.transformers.engine import Emission
    from backends.transformers.grammar_compiler import GrammarCompiler

logger = logging.getLogger(__name__)

_EXTRA = ("torch", "transformers", "xgrammar")
_PROBE = -1
"""The ticket of a probe; requests have others."""


class Steps(Protocol):
    """What the worker drives: the engine of a generator, or a classifier."""

    @property
    def running(self) -> int: ...

    @property
    def waiting(self) -> int: ...

    @property
    def cache_usage(self) -> float | None: ...

    def add(self, ticket: int, /, *work: Any, **_: Any) -> None: ...

    def cancel(self, ticket: int) -> Emission: ...

    def step(self) -> list[Emission]: ...


@dataclass(frozen=True)
class Listener:
    """Where the worker reports; all are called on its thread and must return at once.

    Attributes:
        loaded: once, when requests may come, with what compiles their grammars, if anything can.
        emitted: after each step that had something to tell.
        ended: once, last; with the exception that ended the thread, or None after `stop`.
    """

    loaded: Callable[[Capabilities, GrammarCompiler | None], None]
    emitted: Callable[[list[Emission]], None]
    ended: Callable[[BaseException | None], None]


class Worker:
    """One engine on one thread. `submit`, `cancel` and `stop` may be called from any thread and never block."""

    def __init__(self, config: TransformersConfig, listener: Listener) -> None:
        self._config, self._listener = config, listener
        self._wake = threading.Condition()
        self._inbox: deque[tuple[int, tuple[Any, ...] | None]] = deque()
        self._stopping = False
        self._doubted = False
        # As of the last step; read by other threads.
        self.running = 0
        self.waiting = 0
        self.cache_usage: float | None = None
        self._thread = threading.Thread(target=self._run, name="paddock-transformers", daemon=True)

    def start(self) -> None:
        """Load, then serve."""
        self._thread.start()

    def submit(self, ticket: int, *work: Any) -> None:
        """Hand over what was checked: what the model's `Steps.add` takes."""
        self._put(ticket, work)

    def cancel(self, ticket: int) -> None:
        """End a request; an emission without content answers when its slot is free, whether or not it had ended."""
        self._put(ticket, None)

    def stop(self) -> None:
        """End the thread after the step in progress; what is still running is dropped."""
        with self._wake:
            self._stopping = True
            self._wake.notify()

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread, and tell whether it is gone: PyTorch aborts a process that exits while it winds up."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _put(self, ticket: int, work: tuple[Any, ...] | None) -> None:
        with self._wake:
            self._inbox.append((ticket, work))
            self._wake.notify()

    def _run(self) -> None:
        failure: BaseException | None = None
        try:
            engine, capabilities, compiler = _build_engine(self._config)
            self._listener.loaded(capabilities, compiler)
            self._serve(engine, PROBE if capabilities.generates else [(0,)])
        except BaseException as error:  # noqa: BLE001 - whatever it is, those who wait must learn of it
            failure = error
        self.running = self.waiting = 0
        self._listener.ended(failure)

    def _serve(self, engine: Steps, probe: Any) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._stopping or self._inbox or _is_busy(engine))
                if self._stopping:
                    return
                inbox = [] if self._doubted else list(self._inbox)
                if not self._doubted:
                    self._inbox.clear()
            emissions: list[Emission] = []
            for ticket, work in inbox:
                if work is None:
                    emissions.append(engine.cancel(ticket))
                else:
                    engine.add(ticket, *work)
            emissions += engine.step()
            self._doubt(engine, probe, emissions)
            self.running, self.waiting = engine.running, engine.waiting
            self.cache_usage = engine.cache_usage
            if emissions:
                self._listener.emitted(emissions)

    def _doubt(self, engine: Steps, probe: Any, emissions: list[Emission]) -> None:
        """After a failure, let nobody in until something succeeds: whoever is there, or else a probe, alone.

        Raises:
            EngineLostError: nothing did.
        """
        if any(emission.delta or emission.logits for emission in emissions):
            self._doubted = False
        elif any(isinstance(emission.error, ComputeError) for emission in emissions):
            self._doubted = True
        if not self._doubted or _is_busy(engine):
            return
        engine.add(_PROBE, probe)
        while _is_busy(engine):
            if any(emission.error for emission in engine.step()):
                raise EngineLostError("the engine computes nothing any more: its log says what failed")
        self._doubted = False


def _is_busy(engine: Steps) -> bool:
    return bool(engine.running or engine.waiting)


def _build_engine(config: TransformersConfig) -> Assembled:
    try:
        from backends.transformers.assembly import build_engine
    except ModuleNotFoundError as error:
        if error.name not in _EXTRA:
            raise
        raise LoadError(
            "the Transformers backend needs PyTorch, transformers and xgrammar, which are not installed: "
            "pip install 'paddock[transformers]'"
        ) from error
    return build_engine(config)
