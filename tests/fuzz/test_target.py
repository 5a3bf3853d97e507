"""Each target, on what it means to read, on that with a few bytes changed, and on noise.

For longer: `PADDOCK_FUZZ_EXAMPLES=20000 pytest tests/fuzz`, or with coverage to guide it, `make fuzz SECONDS=600`.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.target import SEEDS, TARGETS

EXAMPLES = int(os.environ.get("PADDOCK_FUZZ_EXAMPLES", "40"))


@st.composite
def spoiled(draw, name: str) -> bytes:
    """Draw noise, or a seed of which some bytes are others, gone, or there twice."""
    raw = draw(st.sampled_from([b"", *SEEDS[name]]))[:400]
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(raw)))
        after = at + draw(st.integers(0, 9))
        raw = raw[:at] + draw(st.one_of(st.binary(max_size=12), st.just(raw[at:after] * 2))) + raw[after:]
    return raw


@pytest.mark.parametrize("name", TARGETS)
def test_seeds(name):
    for seed in SEEDS[name]:
        TARGETS[name](seed)


@pytest.mark.parametrize("name", TARGETS)
def test_spoiled(name):
    @settings(max_examples=EXAMPLES, database=None, suppress_health_check=list(HealthCheck))
    @given(spoiled(name))
    def attack(raw):
        TARGETS[name](raw)

    attack()
