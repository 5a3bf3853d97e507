"""The smallest changes that make a plan possible."""

from __future__ import annotations

import operator
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

from llama.architecture import Decoder
from llama.memory import CACHE_BLOCK, Precision
from llama.placement import RESERVE_BYTES
from services.planner.device import GPUS, Device, machine
from services.planner.plan import MOST_DEVICES, Plan, PlanError, Question, check

SHORTEST_CONTEXT = 1024
"""Tokens; a shorter one isn't proposed."""

_LARGEST_MACHINE_GB = 4096


def solve(question: Question) -> Plan:
    """Give the plan for a question.

    Raises:
        PlanError: there is none; it says what lacks, and which changes are enough.
    """
    check(question)
    plan = Plan(question)
    if plan.fits:
        return plan
    changes = [" ".join(options(question, changed)) for changed in remedies(question)]
    enough = "any one of these is enough: " if len(changes) > 1 else "this is enough: "
    remedy = enough + "; ".join(changes) if changes else "no change is enough, take a smaller model"
    raise PlanError(f"{_lack(plan)}; {remedy}")


def remedies(question: Question) -> list[Question]:
    """Find the questions closest to one whose plan doesn't fit, and whose plans do.

    As few kinds of change as will do: each that is enough by itself, else each two that are enough together, and so on.
    Of each kind no more than will do.
    """
    for kinds in range(1, len(_CHANGES) + 1):
        found = [_changed(question, fields) for fields in combinations(_CHANGES, kinds)]
        enough = [changed for changed in found if changed]
        if enough:
            return enough
    return []


def options(question: Question, changed: Question) -> list[str]:
    """Write what differs as options of the command."""
    said: dict[str, tuple[Any, Any]] = {
        "--kv": (question.cache.value, changed.cache.value),
        "--concurrency": (question.sequences, changed.sequences),
        "--context": (question.context, changed.context),
        "--weights": (question.weights.value, changed.weights.value),
        "--gpus": (question.devices, changed.devices),
        "--gpu": (question.device.name, changed.device.name),
    }
    if not question.device.gpu:
        del said["--gpu"]
        said["--memory"] = (f"{question.device.memory / 1e9:g}", f"{changed.device.memory / 1e9:g}")
    return [f"{option} {after}" for option, (before, after) in said.items() if before != after]


def _caches(question: Question) -> Sequence[Precision]:
    fp8 = [Precision.fp8] if question.device.fp8_cache else []
    return _below(question.cache, [Precision.bf16, *fp8]) if question.device.gpu else []


def _weights(question: Question) -> Sequence[Precision]:
    byte = Precision.fp8 if question.device.fp8 else Precision.int8
    quantized = question.device.quantizes and isinstance(question.model, Decoder)
    return _below(question.weights, [Precision.bf16, *([byte, Precision.int4] if quantized else [])])


def _below(now: Precision, these: Sequence[Precision]) -> list[Precision]:
    return [each for each in these if each.bits < now.bits]


def _sequences(question: Question) -> Sequence[int]:
    return range(question.sequences - 1, 0, -1)


def _contexts(question: Question) -> Sequence[int]:
    return range((question.context - 1) // CACHE_BLOCK * CACHE_BLOCK, SHORTEST_CONTEXT - 1, -CACHE_BLOCK)


def _counts(question: Question) -> Sequence[int]:
    shared = question.device.gpu and isinstance(question.model, Decoder)
    return range(question.devices + 1, MOST_DEVICES + 1) if shared else ()


def _devices(question: Question) -> Sequence[Device]:
    """Larger ones that can do what this one can."""
    now = question.device
    abilities = operator.attrgetter("per_node", "fp8_cache", "fp8")
    if not now.gpu:
        gigabytes = range(int(now.memory / 1e9) + 1, _LARGEST_MACHINE_GB + 1)
        return [machine(size, now.bandwidth / 1e9) for size in gigabytes]
    return [
        gpu
        for gpu in GPUS.values()
        if gpu.memory > now.memory and all(map(operator.ge, abilities(gpu), abilities(now)))
    ]


_CHANGES: Mapping[str, Callable[[Question], Sequence[Any]]] = {
    "cache": _caches,
    "sequences": _sequences,
    "context": _contexts,
    "weights": _weights,
    "devices": _counts,
    "device": _devices,
}
"""By field of `Question`: the values it may be changed to, the smallest change first. A later value needs less memory
or offers more, whatever the other fields are: so the first that fits is found by bisection."""


def _changed(question: Question, fields: Sequence[str]) -> Question | None:
    """Change all of these fields, each no more than will do; None where that isn't enough."""
    values = {field: _CHANGES[field](question) for field in fields}
    if not all(map(len, values.values())):
        return None
    changed = replace(question, **{field: those[-1] for field, those in values.items()})
    if not Plan(changed).fits:
        return None
    for field, those in values.items():
        tried = changed
        index = bisect_left(those, True, key=lambda value: Plan(replace(tried, **{field: value})).fits)
        changed = replace(changed, **{field: those[index]})
    return changed


def _lack(plan: Plan) -> str:
    question, share = plan.question, plan.share
    memory, fixed = question.device.memory, share.weights + share.workspace + RESERVE_BYTES
    each = "each" if plan.placement.devices > 1 else "it"
    where = f"{plan.placement.devices} x {question.device.name}" if question.device.gpu else question.device.name
    head = f"{question.name} in {question.weights.value} doesn't fit {where}"
    if fixed > memory:
        return (
            f"{head}: {each} has {memory / 1e9:.1f} GB, and the weights take {share.weights / 1e9:.1f} GB of it, "
            f"workspace and reserve {(fixed - share.weights) / 1e9:.1f} GB"
        )
    return (
        f"{head} with {question.sequences} sequences of {question.context} tokens: they take "
        f"{plan.sequences_bytes / 1e9:.1f} GB, and of its {memory / 1e9:.1f} GB {each} has "
        f"{max(0, share.room(memory)) / 1e9:.1f} GB left for them"
    )
