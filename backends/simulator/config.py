"""Settings of the simulator."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from backends.types import Feature


class Fault(Enum):
    """What goes wrong on purpose, so that the layers above can be tested against it."""

    NONE = "none"
    FAIL_AT_LOAD = "fail_at_load"
    """`load` raises `LoadError`."""
    FAIL_AT_TOKEN = "fail_at_token"
    """A request that reaches the token fails with `ComputeError`; others go on."""
    HANG_AT_TOKEN = "hang_at_token"
    """A request that reaches the token keeps its slot and produces nothing more until it is closed."""
    DIE_AT_TOKEN = "die_at_token"
    """The first request to reach the token stops the backend: every request ends with `UnavailableError`."""


@dataclass
class SimulatorConfig:
    """How the simulator behaves. The defaults are Llama 3.1's vocabulary, as fast as Python goes.

    Attributes:
        vocab_size: ids are below it.
        first_token_id: the lowest id of an unplanned answer.
        last_token_id: the highest one. Between the two lie ordinary ids, so that answers decode to text.
        context_length: prompt and answer together, in tokens.
        max_concurrency: requests computed at once.
        load_time_s: how long `load` takes.
        time_to_first_token_s: from getting a slot to the first token.
        time_per_token_s: between two steps; each step produces one token for each running request.
        script: the answer to every prompt, then a stop token. For tests of what reads answers.
        echo_from: with no script, answer with the prompt's own ids from this index on, then a stop token.
            None: don't.
        num_labels: above 0, the model is a classifier with so many classes, and generates nothing.
        lacking: features to do without, to stand for a poorer backend.
        fault: what goes wrong.
        fault_at_token: the position in the answer, continuation counted in, from which on the fault strikes.
    """

    vocab_size: int = 128_256
    first_token_id: int = 0
    last_token_id: int = 127_999
    context_length: int = 131_072
    max_concurrency: int = 256
    load_time_s: float = 0.0
    time_to_first_token_s: float = 0.0
    time_per_token_s: float = 0.0
    script: list[int] = field(default_factory=list)
    echo_from: int | None = None
    num_labels: int = 0
    lacking: list[Feature] = field(default_factory=list)
    fault: Fault = Fault.NONE
    fault_at_token: int = 0
    _target_: str = "backends.simulator.backend.SimulatorBackend"
