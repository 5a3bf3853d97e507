"""Choosing ids: against naive references, the library's own processors, and published test vectors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import (
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from backends.transformers.sampling import Row, adjust, choose, keep, philox, uniform
from backends.types import Sampling

VOCAB = 24
quick = settings(max_examples=60, derandomize=True, database=None)
logit_rows = st.lists(st.integers(-40, 40).map(lambda n: n / 8), min_size=VOCAB, max_size=VOCAB)  # ties are common
samplings = st.builds(
    Sampling,
    seed=st.integers(0, 2**64 - 1),
    temperature=st.sampled_from([0.0, 0.3, 1.0, 2.5]),
    top_k=st.integers(0, VOCAB + 2),
    top_p=st.floats(0.05, 1.0),
    min_p=st.floats(0.0, 1.0),
    repetition_penalty=st.sampled_from([1.0, 0.7, 1.4]),
    presence_penalty=st.sampled_from([0.0, -1.0, 1.5]),
    frequency_penalty=st.sampled_from([0.0, -0.5, 0.5]),
    logit_bias=st.dictionaries(st.integers(0, VOCAB - 1), st.floats(-5, 5), max_size=3).map(
        lambda bias: tuple(bias.items())
    ),
)
counts = st.dictionaries(st.integers(0, VOCAB - 1), st.integers(1, 5), max_size=6)
rows = st.builds(
    Row,
    sampling=samplings,
    position=st.integers(0, 1000),
    prompt=st.frozensets(st.integers(0, VOCAB - 1), max_size=5),
    counts=counts,
    banned=st.frozensets(st.integers(0, VOCAB - 1), max_size=3),
)


def random_logits(count, vocab, seed=0):
    return torch.randn(count, vocab, generator=torch.Generator().manual_seed(seed)) * 2


def naive_kept(sampling, logits):
    """The ids that the filters leave, one after another, as the fields say."""
    weights = np.exp((np.float64(logits) - max(logits)) / sampling.temperature)
    order = sorted(range(len(logits)), key=lambda i: (-weights[i], i))
    if sampling.top_k:
        order = order[: sampling.top_k]
    total, nucleus, mass = sum(weights[i] for i in order), [], 0.0
    for i in order:
        if mass >= sampling.top_p * total and nucleus:
            break
        nucleus.append(i)
        mass += weights[i]
    return [i for i in nucleus if weights[i] >= sampling.min_p * weights[order[0]]]


@quick
@given(logits=st.lists(logit_rows, min_size=1, max_size=4), data=st.data())
def test_filters_keep_what_a_naive_reference_keeps(logits, data):
    chosen = [
        data.draw(
            st.builds(
                Sampling,
                seed=st.just(0),
                temperature=st.sampled_from([0.5, 1.0, 3.0]),
                top_k=st.integers(0, VOCAB + 2),
                top_p=st.sampled_from([0.05, 0.31, 0.77, 0.93, 1.0]),
                min_p=st.sampled_from([0.0, 0.03, 0.4, 1.0]),
            )
        )
        for _ in logits
    ]
    temperature = torch.tensor([[s.temperature] for s in chosen], dtype=torch.float64)
    exact = torch.tensor(logits, dtype=torch.float64)
    weights = ((exact - exact.amax(dim=-1, keepdim=True)) / temperature).exp()
    ids, kept = keep(chosen, weights)
    for sampling, row, row_ids, row_kept in zip(chosen, logits, ids.tolist(), kept.tolist(), strict=True):
        left = [i for i, weight in zip(row_ids, row_kept, strict=True) if weight > 0]
        assert left == naive_kept(sampling, row)


@pytest.mark.parametrize(
    ("fields", "warpers"),
    [
        ({"top_k": 7}, [TopKLogitsWarper(7)]),
        ({"top_p": 0.8}, [TopPLogitsWarper(0.8)]),
        ({"min_p": 0.05}, [MinPLogitsWarper(0.05)]),
        (
            {"temperature": 0.7, "top_k": 20, "top_p": 0.9, "min_p": 0.02},
            [TemperatureLogitsWarper(0.7), TopKLogitsWarper(20), TopPLogitsWarper(0.9), MinPLogitsWarper(0.02)],
        ),
    ],
)
def test_filters_keep_what_the_library_keeps(fields, warpers):
    logits = random_logits(64, 200)
    sampling = Sampling(seed=0, **fields)
    expected = logits.clone()
    for warper in warpers:
        expected = warper(None, expected)
    ids, kept = keep([sampling] * 64, ((logits.double()) / sampling.temperature).exp())
    ours = torch.zeros(64, 200, dtype=torch.bool).scatter(1, ids, kept > 0)
    assert torch.equal(ours, expected > -torch.inf)


def test_repetition_penalty_is_the_librarys():
    logits, prompt, answer = random_logits(3, 50), (3, 4, 5, 5), (5, 6, 6)
    row = Row(Sampling(seed=0, repetition_penalty=1.3), 3, frozenset(prompt), {5: 1, 6: 2})
    expected = RepetitionPenaltyLogitsProcessor(1.3)(torch.tensor([prompt + answer] * 3), logits.clone())
    assert torch.equal(adjust(logits, [row] * 3), expected)


@quick
@given(row=rows, logits=logit_rows)
def test_penalties_bias_and_bans(row, logits):
    expected, sampling = np.array(logits), row.sampling
    for i in row.prompt | set(row.counts):
        expected[i] *= sampling.repetition_penalty if expected[i] <= 0 else 1 / sampling.repetition_penalty
    for i, count in row.counts.items():
        expected[i] -= sampling.presence_penalty + count * sampling.frequency_penalty
    for i, bias in sampling.logit_bias:
        expected[i] += bias
    for i in row.banned:
        expected[i] = -np.inf
    given_logits = torch.tensor([logits])
    assert adjust(given_logits, [row])[0].tolist() == pytest.approx(expected.tolist(), abs=1e-5)
    assert given_logits[0].tolist() == logits  # a copy was changed


@quick
@given(each=st.lists(st.tuples(rows, logit_rows), min_size=1, max_size=6))
def test_a_row_does_not_depend_on_the_others(each):
    together = choose(torch.tensor([logits for _, logits in each]), [row for row, _ in each])
    assert together == [choose(torch.tensor([logits]), [row])[0] for row, logits in each]
    for (row, _), token in zip(each, together, strict=True):
        assert token not in row.banned


def test_greedy_takes_the_lowest_id_on_a_tie():
    logits = torch.zeros(1, 1000)
    logits[0, [7, 400, 999]] = 2.0
    assert choose(logits, [Row(Sampling(seed=0, temperature=0.0), 0)]) == [7]


@pytest.mark.parametrize("temperature", [1e-300, 1e-30, 1e-5, 1e300])
def test_extreme_temperatures(temperature):
    logits = random_logits(1, 100)
    token = choose(logits, [Row(Sampling(seed=0, temperature=temperature), 0)])[0]
    assert temperature > 1 or token == int(logits.argmax())


@pytest.mark.parametrize("fields", [{}, {"top_p": 0.9}, {"top_k": 5, "min_p": 0.1}, {"temperature": 0.5}])
def test_draws_follow_the_distribution(fields):
    logits, draws = random_logits(1, 12), 20000
    sampling = Sampling(seed=12345, **fields)
    chosen = choose(logits.expand(draws, -1), [Row(sampling, position) for position in range(draws)])
    seen = np.bincount(chosen, minlength=12)
    left = naive_kept(sampling, logits[0].tolist())
    weights = np.exp(logits[0].double().numpy() / sampling.temperature)
    expected = np.zeros(12)
    expected[left] = weights[left] / weights[left].sum() * draws
    assert set(np.flatnonzero(seen)) <= set(left)
    chi_square = ((seen[left] - expected[left]) ** 2 / expected[left]).sum()
    assert chi_square < 40  # 11 degrees of freedom: p < 1e-4


def test_philox_known_answers():
    """From `kat_vectors` of Random123, the authors' own implementation."""
    vectors = [
        (0, 0, 0, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        (0xFFFFFFFF, 0xFFFFFFFF, 2**128 - 1, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            0xA4093822,
            0x299F31D0,
            0x0370734413198A2E85A308D3243F6A88,
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ]
    for low, high, counter, expected in vectors:
        assert tuple(int(word[0]) for word in philox([low], [high], [counter])) == expected


@quick
@given(seeds=st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=8), position=st.integers(0, 2**32))
def test_uniforms_are_a_function_of_seed_and_position(seeds, position):
    together = uniform(seeds, [position] * len(seeds))
    assert ((together >= 0) & (together < 1)).all()
    assert together.tolist() == [uniform([seed], [position])[0] for seed in seeds]
    assert len(set(together.tolist())) == len(set(seeds))
