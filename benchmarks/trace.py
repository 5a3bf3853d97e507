"""What each step of the engine did and when, seen from outside: its methods are wrapped while a workload runs.

The file is a Chrome trace, which https://ui.perfetto.dev shows: one track of steps with their phases inside, one of
requests, and the number of requests as a graph. An engine's method that is no longer there is left out.
"""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
import transformers

from benchmarks.workload import Timeline

_PHASES = ("_lay_out", "_sample", "_score_prompt")
_STEPS, _REQUESTS = 1, 2
"""Tracks, as thread ids of the trace."""


@dataclass(frozen=True)
class _Span:
    name: str
    start_s: float
    end_s: float
    about: dict[str, int]


class Recorder:
    """Times every step, its phases, and the model's forward pass while entered.

    Args:
        engine: what steps.
        synchronize: wait for the GPU before and after the forward pass, so that its time is its own.
    """

    def __init__(self, engine: Any, *, synchronize: bool = False) -> None:
        self._engine, self._synchronize = engine, synchronize
        self._spans: list[_Span] = []
        self._forward: Callable[..., Any] = transformers.LlamaForCausalLM.forward

    def __enter__(self) -> Recorder:  # noqa: PYI034 - `typing.Self` came with Python 3.11
        engine = self._engine
        for name in _PHASES:
            if hasattr(engine, name):
                setattr(engine, name, self._timed(name.strip("_"), getattr(engine, name)))
        engine.step = self._timed("step", engine.step, lambda: {"running": engine.running, "waiting": engine.waiting})
        timed = self._timed("model.forward", self._forward, _tokens)
        transformers.LlamaForCausalLM.forward = timed  # type: ignore[method-assign]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        transformers.LlamaForCausalLM.forward = self._forward  # type: ignore[method-assign]
        for name in ("step", *_PHASES):
            vars(self._engine).pop(name, None)  # what hid the class's own

    def _timed(self, name: str, work: Callable[..., Any], about: Callable[..., dict[str, int]] = dict) -> Any:
        waits = self._synchronize and name == "model.forward"

        @functools.wraps(work)
        def timed(*arguments: Any, **named: Any) -> Any:
            if waits:
                torch.cuda.synchronize()
            start = time.perf_counter()
            result = work(*arguments, **named)
            if waits:
                torch.cuda.synchronize()
            told = about(**named) if about is _tokens else about()
            self._spans.append(_Span(name, start, time.perf_counter(), told))
            return result

        return timed

    def summary(self) -> dict[str, float]:
        """Give `steps`, `steps_per_s` (of the time spent in steps), and the share of it outside `model.forward`."""
        steps = [s.end_s - s.start_s for s in self._spans if s.name == "step"]
        inside = sum(s.end_s - s.start_s for s in self._spans if s.name == "model.forward")
        return {"steps": len(steps), "steps_per_s": len(steps) / sum(steps), "outside_share": 1 - inside / sum(steps)}

    def write(self, path: Path, timelines: Sequence[Timeline], started: float) -> None:
        """Write the trace; `started` is the clock's reading at the timelines' zero."""
        events: list[dict[str, Any]] = [
            {"ph": "M", "pid": 1, "tid": tid, "name": "thread_name", "args": {"name": name}}
            for tid, name in ((_STEPS, "steps"), (_REQUESTS, "requests"))
        ]
        for span in self._spans:
            at = (span.start_s - started) * 1e6
            duration = (span.end_s - span.start_s) * 1e6
            common = {"pid": 1, "tid": _STEPS, "name": span.name, "ts": at}
            events.append({"ph": "X", "dur": duration, "args": span.about, **common})
            if span.name == "step":
                events.append({"ph": "C", "pid": 1, "name": "requests", "ts": at, "args": span.about})
        for number, timeline in enumerate(timelines):
            common = {"pid": 1, "tid": _REQUESTS, "cat": "request", "id": number}
            moments = (timeline.due_s, timeline.first_s, timeline.last_s)
            for name, start, end in (("waiting and prefill", *moments[:2]), ("decoding", *moments[1:])):
                events.append({"ph": "b", "name": name, "ts": start * 1e6, **common})
                events.append({"ph": "e", "name": name, "ts": end * 1e6, **common})
        path.write_text(json.dumps({"traceEvents": events, "displayTimeUnit": "ms"}), encoding="utf-8")


def _tokens(input_ids: Any = None, **_: Any) -> dict[str, int]:
    return {} if input_ids is None else {"tokens": input_ids.numel()}
