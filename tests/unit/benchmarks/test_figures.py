"""How benchmarks turn moments into figures."""

from __future__ import annotations

import math
import random
import sys

import pytest
import tokenizers

from benchmarks import ceiling, report
from benchmarks.checkpoint import CONTROL_TOKENS, PROMPT_IDS, VOCAB_SIZE, _write_tokenizer, text
from benchmarks.client import Answer
from benchmarks.contender import Contender, ContenderError
from benchmarks.serve import figures, steady
from benchmarks.server import ServerError
from benchmarks.wire import jain, lateness
from benchmarks.workload import Request, Timeline, mixed, percentiles, renewed, summary


def test_prompt_ids_are_the_encoding_of_their_own_text(tmp_path):
    _write_tokenizer(tmp_path)
    tokenizer = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    ids = random.Random(0).choices(PROMPT_IDS, k=500)
    assert tokenizer.encode(text(ids), add_special_tokens=False).ids == ids
    assert tokenizer.decode(ids) == text(ids)
    assert tokenizer.get_vocab_size() <= VOCAB_SIZE
    assert PROMPT_IDS.stop == tokenizer.token_to_id(CONTROL_TOKENS[0])


def test_time_to_first_token_counts_from_when_a_request_was_due():
    told = summary([Timeline(1.0, 3.0, 5.0, 5), Timeline(0.0, 0.5, 0.5, 1)])
    assert told["tokens_per_s"] == pytest.approx(6 / 5)
    assert told["ttft_s"]["p50"] == pytest.approx((2.0 + 0.5) / 2)
    assert told["tpot_s"]["p99"] == pytest.approx(0.5)  # of the one answer with more than one token


def test_percentiles_of_one_value_and_of_none():
    assert percentiles([7.0]) == {"p50": 7.0, "p95": 7.0, "p99": 7.0}
    assert percentiles([]) is None
    assert percentiles([float(value) for value in range(101)]) == {"p50": 50.0, "p95": 95.0, "p99": 99.0}


def test_arrivals_are_spread_over_time_and_the_same_each_time():
    requests = mixed(400, rate=8.0, seed=3)
    assert requests == mixed(400, rate=8.0, seed=3)
    assert requests[-1].due_s == pytest.approx(400 / 8, rel=0.2)
    assert {request.due_s for request in mixed(5, math.inf)} == {0.0}
    assert all(16 <= len(request.prompt) <= 512 and 16 <= request.tokens <= 128 for request in requests)


def test_the_bound_is_the_tighter_ceiling():
    model = {"read_bytes": 100.0, "kv_bytes": 1.0, "token_flops": 10.0}
    alone = ceiling.bound(1, 25, model, bandwidth=1000.0, peak=500.0)
    assert alone["roofline"] == alone["bandwidth"] == pytest.approx(1000 / 125)
    crowd = ceiling.bound(100, 0, model, bandwidth=1000.0, peak=500.0)
    assert crowd["roofline"] == crowd["compute"] == pytest.approx(50)


def test_a_server_is_judged_by_what_arrived_within_the_window():
    before = Answer(1, sent=0.0, asked=3, tokens=[0.5, 1.5, 2.5], ended=True)
    within = Answer(1, sent=1.0, asked=2, tokens=[1.2, 1.4], ended=True)
    cut_off = Answer(1, sent=2.0, asked=9, tokens=[2.9, 3.1])
    told = figures([before, within, cut_off], 1.0, 3.0)
    assert told["tokens_per_s"] == 5 / 2
    assert told["requests_per_s"] == 2 / 2
    assert told["ttft_s"]["p99"] == pytest.approx(0.9, rel=0.02)


def test_what_counts_is_when_all_streams_are_at_work_and_out_of_step():
    def stream(number, *ends):
        return [Answer(number, end - 1.0, 1, [end], ended=True) for end in ends]

    assert steady(stream(1, 1, 5, 9) + stream(2, 2, 4, 7), 0.0, 30.0) == (2.0, 7.0)
    unfinished = Answer(2, 3.0, 9, [3.5])
    assert steady([*stream(1, 1, 5, 9), *stream(2, 2), unfinished], 0.0, 30.0) == (2.0, 9.0)
    too_slow = Answer(2, 0.0, 9)
    assert steady([*stream(1, 1, 29), too_slow], 0.0, 30.0) == (10.0, 29.0)
    with pytest.raises(ServerError):
        steady([*stream(1, 1, 5), too_slow], 0.0, 30.0)


@pytest.mark.parametrize(
    "answer",
    [Answer(1, 0.0, 3, [0.5, 0.6], ended=True), Answer(1, 0.0, 3, error="RuntimeError: 503")],
    ids=["too few tokens", "refused"],
)
def test_a_server_that_fails_requests_has_no_figures(answer):
    with pytest.raises(ServerError):
        figures([answer], 0.0, 1.0)


def test_lateness_is_from_the_earliest_token_by_the_schedule():
    assert lateness([1.3, 1.4, 1.9], 0.5) == pytest.approx([0.4, 0.0, 0.0])


def test_fairness_of_equals_and_of_one_who_has_all():
    assert jain([2.0, 2.0, 2.0]) == pytest.approx(1.0)
    assert jain([6.0, 0.0, 0.0]) == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("import sys; sys.exit('no such model')", "did not start: ended: no such model"),
        ("print('{}', flush=True); import time; time.sleep(60)", "took more than 0 s"),
        ("print('{}', flush=True); input(); raise SystemExit('out of memory')", "ended: out of memory"),
    ],
    ids=["does not start", "hangs", "dies"],
)
def test_a_contender_that_fails_says_why(script, said):
    contender = Contender([sys.executable, "-c", script], threads=1)
    limit_s = 0.2 if "took" in said else 20.0
    with pytest.raises(ContenderError, match=said):
        contender.run([Request(0.0, [1], 1)], limit_s)
    contender.stop()


def test_targets_without_results_are_marked_so():
    rows = report.targets({}).splitlines()[2:]
    assert all(row.endswith(("not run |", "- | - |")) for row in rows)
    measured = {"results": [{"streams": 256, "paddock": [{"cpu_us_per_token": 9.0}], "bare": [], "ratios": []}]}
    assert "under 12 | 9.0 (9.0 to 9.0)" in report.targets({"wire": measured})


def test_a_renewed_workload_has_the_same_lengths_and_no_known_beginning():
    requests = mixed(20, rate=4.0)
    fresh = renewed(requests, seed=7)
    assert [(r.due_s, len(r.prompt), r.tokens) for r in fresh] == [(r.due_s, len(r.prompt), r.tokens) for r in requests]
    assert all(new.prompt[:8] != old.prompt[:8] for new, old in zip(fresh, requests, strict=True))
