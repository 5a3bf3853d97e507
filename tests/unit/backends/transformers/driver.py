"""Driving an engine without threads, and requests with defaults."""

from __future__ import annotations

import random

from backends.transformers.assembly import build_engine
from backends.transformers.config import TransformersConfig
from backends.types import GenerationRequest, Sampling

VOCAB_SIZE = 300
CONTEXT_LENGTH = 384
PATIENCE_STEPS = 5000


def prompt(length, seed=0):
    """Random ids."""
    source = random.Random(f"{length} {seed}")
    return tuple(source.randrange(VOCAB_SIZE) for _ in range(length))


def request(ids=(11, 7, 5, 3), max_tokens=24, **fields):
    """Build a request, greedy unless told otherwise. Fields of `Sampling` and of `GenerationRequest` mix freely."""
    sampling = {name: fields.pop(name) for name in Sampling.__dataclass_fields__ if name in fields}
    return GenerationRequest(
        prompt=tuple(ids),
        max_tokens=max_tokens,
        sampling=Sampling(**{"seed": 0, "temperature": 0.0, **sampling}),
        **fields,
    )


def engine_for(checkpoint, **settings):
    """Build an engine on the calling thread."""
    config = TransformersConfig(
        checkpoint=str(checkpoint), **{"device": "cpu", "cache_gib": 0.25, "num_threads": 1, **settings}
    )
    return build_engine(config)[0]


class Answer:
    """What came for one request."""

    def __init__(self):
        self.ids, self.logprobs, self.prompt_logprobs, self.finish, self.error = [], [], (), None, None

    def add(self, emission):
        self.error = emission.error
        if emission.delta is not None:
            self.ids += emission.delta.token_ids
            self.logprobs += emission.delta.logprobs
            self.prompt_logprobs += emission.delta.prompt_logprobs
            self.finish = emission.delta.finish

    @property
    def ended(self):
        return self.finish is not None or self.error is not None


def complete(engine, requests):
    """Compute requests together, and see that nothing is left in use."""
    answers = [Answer() for _ in requests]
    for ticket, wanted in enumerate(requests):
        engine.add(ticket, wanted)
    for _ in range(PATIENCE_STEPS):
        for emission in engine.step():
            answers[emission.ticket].add(emission)
        if all(answer.ended for answer in answers):
            break
    assert all(answer.ended for answer in answers)
    assert (engine.running, engine.waiting, engine.slots_in_use) == (0, 0, 0)
    return answers


def complete_one(engine, wanted):
    """Compute one request alone."""
    return complete(engine, [wanted])[0]
