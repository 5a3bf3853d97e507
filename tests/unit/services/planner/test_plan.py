"""Plans and refusals, by the words of the command line; every change that a refusal proposes is tried."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import product

import pytest

from llama.memory import Precision
from llama.placement import CACHE_SHARE, RESERVE_BYTES
from services.commands import plan
from services.commands.command_line import Parser
from services.planner.device import GPUS
from services.planner.plan import MOST_DEVICES, Plan, PlanError, Question, fewest, smallest, supports
from services.planner.remedy import remedies, solve
from services.planner.report import helm_values

PARSER = Parser()
plan.configure(PARSER)


def ask(*words) -> Question:
    return plan.question(PARSER.parse_args([str(word) for word in words]))


def refusal(question) -> str:
    with pytest.raises(PlanError) as refused:
        solve(question)
    return str(refused.value)


def proposals(message) -> list[list[str]]:
    """The options that a refusal proposes, a list for each change."""
    _, found, tail = message.partition("enough: ")
    return [change.split() for change in tail.split("; ")] if found else []


def test_405b_fits_eight_h100_in_fp8_and_not_in_bf16():
    assert solve(ask("llama-3.1-405b", "--gpus", 8, "--weights", "fp8", "--context", 131072)).most_sequences >= 1
    message = refusal(ask("llama-3.1-405b", "--gpus", 8, "--weights", "bf16"))
    assert "the weights take 101.5 GB" in message
    assert proposals(message) == [["--weights", "fp8"], ["--gpus", "16"], ["--gpu", "H200"]]
    assert solve(ask("llama-3.1-405b", "--gpus", 16)).placement.nodes == 2


def test_concurrency_and_context_are_lowered_no_more_than_needed():
    words = ["llama-3.1-405b", "--gpus", 8, "--weights", "fp8", "--context", 131072, "--concurrency", 10]
    changes = dict(change for change in proposals(refusal(ask(*words))) if len(change) == 2)
    concurrency, context = int(changes["--concurrency"]), int(changes["--context"])
    assert refusal(ask(*words, "--concurrency", concurrency + 1))
    assert refusal(ask(*words, "--context", context + 32))
    assert refusal(ask(*words, "--gpus", int(changes["--gpus"]) - 1))


GRID = list(
    product(
        ["llama-3.1-8b", "llama-3.1-70b", "llama-3.1-405b", "llama-guard-3-1b", "prompt-guard-86m"],
        ["T4", "L4", "A100-40GB", "H100-SXM", "GH200", "B200"],
        [1, 3, 8, 64],
        ["f32", "bf16", "fp8", "int8"],
        [512, 131072],
        [1, 3000],
    )
)


@pytest.mark.parametrize("name", sorted({point[0] for point in GRID}))
def test_every_proposed_change_works_when_planned_again(name):
    refused = 0
    for _, gpu, gpus, weights, context, concurrency in (point for point in GRID if point[0] == name):
        words = [name, "--gpu", gpu, "--gpus", gpus, "--weights", weights, "--context", context]
        words += ["--concurrency", concurrency]
        words += ["--kv", "bf16"] if context == 512 else []
        if not supports(ask(*words)):
            continue
        try:
            assert Plan(ask(*words)).question.sequences <= solve(ask(*words)).most_sequences
        except PlanError as error:
            refused += 1
            changes = proposals(str(error))
            assert changes, words
            for change in changes:
                assert solve(ask(*words, *change)).fits, (words, change)
    assert refused


def test_what_is_proposed_for_a_machine_works():
    words = ["llama-3.1-8b", "--memory", 16, "--bandwidth", 50, "--weights", "f32", "--concurrency", 4]
    changes = proposals(refusal(ask(*words)))
    assert [change[0] for change in changes] == ["--memory"]
    for change in changes:
        assert solve(ask(*words, *change)).fits
    (memory,) = (int(change[1]) for change in changes if change[0] == "--memory")
    assert refusal(ask(*words, "--memory", memory - 1))


def test_without_a_gpu_the_cache_follows_the_weights():
    words = ["llama-guard-3-1b", "--memory", 10, "--bandwidth", 50, "--context", 8192]
    most = solve(ask(*words)).most_sequences
    changes = proposals(refusal(ask(*words, "--weights", "f32", "--concurrency", most)))
    assert ["--weights", "bf16"] in changes


def test_a_gpu_with_fewer_a_node_is_not_proposed():
    words = ["llama-3.1-8b", "--concurrency"]
    most = solve(ask(*words, 1, "--gpu", "H100-NVL")).most_sequences
    assert solve(ask(*words, most + 1, "--gpu", "GH200")).fits
    assert ["--gpu", "H200"] in proposals(refusal(ask(*words, most + 1)))


def test_two_changes_are_proposed_where_no_single_one_is_enough():
    words = ["llama-3.1-405b", "--gpu", "T4", "--weights", "f32", "--concurrency", 1000, "--context", 131072]
    changes = proposals(refusal(ask(*words)))
    assert all(len(change) > 2 for change in changes)
    for change in changes:
        assert solve(ask(*words, *change)).fits


def test_what_nothing_helps_is_said():
    question = ask("prompt-guard-86m", "--gpu", "B200", "--concurrency", 2**20)
    concurrency = int(dict(proposals(refusal(question)))["--concurrency"])
    assert solve(replace(question, sequences=concurrency)).most_sequences == concurrency
    huge = replace(question.model, vocabulary=2**24, hidden=2**14)
    message = refusal(replace(question, model=huge, sequences=1))
    assert message.endswith("no change is enough, take a smaller model")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["llama-3.1-8b", "--context", 131073], r"131072 tokens at most: set --context 131072"),
        (["prompt-guard-86m", "--context", 513], r"512 tokens at most: set --context 512"),
        (["llama-3.1-8b", "--gpu", "A100-80GB", "--weights", "fp8"], r"A100-80GB can't .* set --weights int8"),
        (["llama-guard-3-1b", "--gpu", "T4", "--kv", "fp8"], r"T4 can't keep .* in fp8: set --kv bf16"),
        (
            ["llama-guard-3-1b", "--gpu", "T4", "--weights", "int8"],
            r"T4 is too old for TensorRT-LLM.*set --weights bf16",
        ),
        (["prompt-guard-86m", "--weights", "int8"], r"a classifier, which isn't quantized: set --weights bf16"),
        (
            ["llama-3.1-8b", "--memory", 64, "--bandwidth", 9, "--weights", "int4"],
            r"without a GPU .* set --weights bf16",
        ),
    ],
)
def test_what_no_memory_makes_possible(words, reason):
    message = refusal(ask(*words))
    assert re.search(reason, message)
    option, value = re.findall(r"(--(?:context|weights|kv)) (\w+)", message)[0]
    assert solve(ask(*words, option, value)).fits  # the later of two settings counts


def test_memory_adds_up():
    question = ask("llama-3.1-70b", "--gpus", 4, "--weights", "fp8", "--concurrency", 100)
    found = solve(question)
    share = found.share
    taken = share.weights + share.workspace + RESERVE_BYTES + found.sequences_bytes
    assert found.headroom == question.device.memory - taken > 0
    full = Plan(replace(question, sequences=found.most_sequences))
    assert full.fits
    assert not Plan(replace(question, sequences=found.most_sequences + 1)).fits
    left = question.device.memory - share.weights - share.workspace - RESERVE_BYTES
    assert (1 - CACHE_SHARE) * left <= full.headroom < (1 - CACHE_SHARE) * left + share.sequence_bytes(8192) + 1


@pytest.mark.parametrize("name", ["llama-3.1-8b", "llama-3.1-70b", "llama-3.1-405b"])
@pytest.mark.parametrize("gpu", ["L4", "H100-SXM", "GH200"])
def test_fewest_is_the_fewest(name, gpu):
    question = ask(name, "--gpu", gpu, "--weights", "fp8", "--concurrency", 8)
    found = fewest(question)
    fitting = [n for n in range(1, MOST_DEVICES + 1) if Plan(replace(question, devices=n)).fits]
    assert fitting == list(range(found.question.devices, MOST_DEVICES + 1))


def test_smallest_is_sorted_and_leaves_out_what_cannot():
    plans = smallest(ask("llama-3.1-70b", "--weights", "fp8"), GPUS.values())
    assert all(found.fits and found.question.device.fp8 for found in plans)
    sizes = [found.question.devices * found.question.device.memory for found in plans]
    assert sizes == sorted(sizes)
    assert {found.question.device.name for found in plans} == {gpu.name for gpu in GPUS.values() if gpu.fp8}


def test_defaults():
    question = ask("LLAMA-3.1-8B-Instruct")
    assert (question.name, question.device.name, question.devices) == ("llama-3.1-8b-instruct", "H100-SXM", 1)
    assert (question.weights, question.cache, question.context) == (Precision.bf16, Precision.bf16, 8192)
    assert ask("llama-3.1-8b", "--weights", "fp8").cache is Precision.fp8
    assert ask("llama-3.1-8b", "--weights", "int4").cache is Precision.fp8
    assert ask("llama-3.1-8b", "--weights", "int4", "--gpu", "A100-40GB").cache is Precision.fp8
    assert ask("llama-3.1-8b", "--weights", "int4", "--gpu", "T4").cache is Precision.bf16
    assert ask("llama-3.1-8b", "--weights", "f32").cache is Precision.f32
    assert ask("llama-3.1-8b", "--weights", "fp8", "--kv", "bf16").cache is Precision.bf16
    assert ask("prompt-guard-86m").context == 512
    machine = ask("llama-3.1-8b", "--memory", 64, "--bandwidth", 50, "--weights", "f32")
    assert machine.stored is Precision.f32


def test_remedies_keep_what_was_not_changed():
    question = ask("llama-3.1-405b", "--gpus", 8)
    for changed in remedies(question):
        different = [field for field in vars(question) if getattr(question, field) != getattr(changed, field)]
        assert len(different) == 1


def test_the_table_is_in_order_and_plausible():
    sizes = [gpu.memory for gpu in GPUS.values()]
    assert sizes == sorted(sizes)
    for gpu in GPUS.values():
        assert 200e9 < gpu.bandwidth < 10e12
        assert gpu.fp8 == (gpu.name not in {"T4", "A10G", "A100-40GB", "A100-80GB"})
        assert gpu.fp8_cache == gpu.quantizes == (gpu.name != "T4")


def test_keys_and_values_in_fp8_on_ampere_whose_weights_are_not():
    asked = ["llama-3.1-70b", "--gpu", "A100-80GB", "--gpus", 4, "--concurrency", 10, "--context", 131072]
    assert not Plan(ask(*asked)).fits
    assert ["--kv", "fp8"] not in proposals(refusal(ask(*asked)))
    smaller = [*asked, "--concurrency", 6]
    assert ["--kv", "fp8"] in proposals(refusal(ask(*smaller)))
    assert solve(ask(*smaller, "--kv", "fp8")).fits


def test_what_tensorrt_llm_does_not_run_on_is_one_gpu_and_unquantized():
    found = solve(ask("llama-guard-3-1b", "--gpu", "T4", "--gpus", 8))
    assert found.placement.devices == 1
    assert "backend: transformers" in helm_values(found)
    message = refusal(ask("llama-3.1-8b", "--gpu", "T4"))
    assert proposals(message) == [["--gpu", "A10G"]]
