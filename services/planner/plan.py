"""Question and answer: a model, devices and wishes in; a placement that fits out, or why there is none."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

from llama.architecture import Architecture, Decoder
from llama.memory import CACHE_PRECISIONS, Precision
from llama.placement import RESERVE_BYTES, Placement, Share, best_placement
from services.planner.device import Device

MOST_DEVICES = 64
"""Above this many a plan is neither asked for nor proposed."""


_UNQUANTIZED = (Precision.f32, Precision.bf16)


class PlanError(Exception):
    """There is no such plan; `str()` says why, and what would do."""


@dataclass(frozen=True)
class Question:
    """What is asked.

    Attributes:
        name: of the model, for people.
        devices: how many at most.
        weights: their precision; `cache`: that of keys and values on a GPU, elsewhere they are stored as the weights.
        context: tokens of a sequence, prompt and answer together; of a classifier, of a window.
        sequences: how many at once.
    """

    name: str
    model: Architecture
    device: Device
    devices: int
    weights: Precision
    cache: Precision
    context: int
    sequences: int

    @property
    def stored(self) -> Precision:
        """How keys and values are stored."""
        return self.cache if self.device.gpu else self.weights


@dataclass(frozen=True)
class Plan:
    """The best placement for a question, which need not be good enough."""

    question: Question

    @cached_property
    def _best(self) -> tuple[Placement, Share]:
        question, device = self.question, self.question.device
        return best_placement(
            question.model,
            question.weights,
            question.stored,
            memory=device.memory,
            devices=question.devices if divisible(question) else 1,
            per_node=device.per_node,
            context=question.context,
        )

    @property
    def placement(self) -> Placement:
        """Over how many devices, and how."""
        return self._best[0]

    @property
    def share(self) -> Share:
        """What the fullest device holds."""
        return self._best[1]

    @property
    def most_sequences(self) -> int:
        """How many sequences with a full context fit at once."""
        return self.share.sequences(self.question.device.memory, self.question.context)

    @property
    def fits(self) -> bool:
        """Whether that is enough."""
        return self.most_sequences >= self.question.sequences

    @property
    def sequences_bytes(self) -> int:
        """What the sequences that were asked for take of the fullest device."""
        return self.question.sequences * self.share.sequence_bytes(self.question.context)

    @property
    def headroom(self) -> int:
        """Bytes of the fullest device that nothing takes; below 0 where it doesn't fit."""
        taken = RESERVE_BYTES + self.share.weights + self.share.workspace + self.sequences_bytes
        return self.question.device.memory - taken

    def tokens_per_second(self, sequences: int) -> float:
        """Bound the rate of so many sequences together, from above."""
        return self.share.tokens_per_second(self.question.device.bandwidth, self.question.context, sequences)


def check(question: Question) -> None:
    """Refuse what no amount of memory makes possible.

    Raises:
        PlanError: the context is longer than the model's, or the device or the model doesn't know the precision.
    """
    model, device, name = question.model, question.device, question.name
    if question.context > model.positions:
        raise PlanError(f"{name} takes {model.positions} tokens at most: set --context {model.positions}")
    if question.cache not in CACHE_PRECISIONS:
        raise PlanError(f"keys and values aren't stored in {question.cache.value}: set --kv fp8 or --kv int8")
    if question.weights not in _UNQUANTIZED and not isinstance(model, Decoder):
        raise PlanError(f"{name} is a classifier, which isn't quantized: set --weights bf16")
    if question.weights not in _UNQUANTIZED and not device.gpu:
        raise PlanError(f"without a GPU nothing is computed in {question.weights.value}: set --weights bf16")
    if question.weights not in _UNQUANTIZED and not device.quantizes:
        newer = "set --weights bf16, or --gpu A10G or a newer one"
        raise PlanError(
            f"{device.name} is too old for TensorRT-LLM, and nothing else serves quantized weights: {newer}"
        )
    if question.weights is Precision.fp8 and not device.fp8:
        raise PlanError(f"{device.name} can't compute in fp8: set --weights int8, or --gpu L4 or another with FP8")
    if question.stored is Precision.fp8 and not device.fp8_cache:
        raise PlanError(f"{device.name} can't keep keys and values in fp8: set --kv bf16, or --gpu A10G or a newer one")


def supports(question: Question) -> bool:
    """Tell whether `check` lets a question pass."""
    try:
        check(question)
    except PlanError:
        return False
    return True


def fewest(question: Question) -> Plan | None:
    """Find the fewest devices that do, whatever number is asked for; None where even the most don't."""
    counts = range(1, 1 + (MOST_DEVICES if divisible(question) else 1))
    index = bisect_left(counts, True, key=lambda devices: Plan(replace(question, devices=devices)).fits)
    return Plan(replace(question, devices=counts[index])) if index < len(counts) else None


def divisible(question: Question) -> bool:
    """Tell whether several devices can share the model."""
    return question.device.quantizes and isinstance(question.model, Decoder)


def smallest(question: Question, devices: Iterable[Device]) -> list[Plan]:
    """Find the fewest of each kind of device that do, the least memory in all first."""
    asked = (replace(question, device=device) for device in devices)
    plans = [plan for candidate in asked if supports(candidate) and (plan := fewest(candidate))]
    return sorted(plans, key=lambda plan: plan.question.devices * plan.question.device.memory)
