"""`paddock plan`."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf

ROOT = Path(__file__).parents[4]
EIGHT = ("llama-3.1-405b", "--gpus", "8", "--weights", "fp8", "--concurrency", "32")


def test_prints_tables(run):
    result = run("plan", *EIGHT)
    assert (result.code, result.err) == (0, "")
    head, memory, gives = result.out.split("\n\n")
    assert head.splitlines()[1].endswith("8 x H100-SXM: tensor parallel 8, pipeline stages 1, nodes 1")
    rows = [re.split(r"  +", line) for line in memory.splitlines()]
    assert ["weights, fp8", "51.26 GB", "410.06 GB"] in rows
    assert ["KV cache, fp8, 32 x 8192 tokens", "8.46 GB", "67.65 GB"] in rows
    assert "107 sequences of 8192 tokens" in gives
    assert "training, as published         full 3,250 GB, lora 950 GB, qlora 250 GB" in gives


def test_no_gpu_holds_more_than_all(run):
    assert "KV cache, bf16, 1 x 1 tokens        4.19 MB   4.19 MB" in run("plan", "llama-3.1-8b", "--context", "1").out


def test_prints_json(run):
    said = json.loads(run("plan", *EIGHT, "--json").out)
    assert (said["tensor_parallel"], said["pipeline_parallel"], said["nodes"]) == (8, 1, 1)
    assert (said["weights"], said["kv"], said["context"], said["concurrency"]) == ("fp8", "fp8", 8192, 32)
    assert said["parameters"] == 405853388800
    assert said["kv_bytes_per_token"] == 258048
    assert said["unquantized_bytes"] == 8_413_675_520
    held = said["device_bytes"]
    assert held["memory"] == sum(size for name, size in held.items() if name != "memory")
    assert list(said["tokens_per_second_at_most"]) == ["1", "32", "107"]
    assert said["training_gb"] == {"full": 3250, "lora": 950, "qlora": 250}
    assert json.loads(run("plan", "llama-guard-3-1b", "--json").out)["training_gb"] is None


def test_prints_helm_values(run):
    values = OmegaConf.to_container(
        OmegaConf.create(run("plan", "llama-3.1-405b", "--gpus", "16", "--helm-values").out)
    )
    assert values == {
        "models": {
            "llama-3-1-405b": {
                "name": "llama-3.1-405b",
                "backend": "tensorrt_llm",
                "device": "gpu",
                "parallelism": {"tensor": 8, "pipeline": 2, "nodes": 2},
                "engine": {
                    "precision": "bf16",
                    "cachePrecision": "bf16",
                    "cacheMemoryFraction": 0.9,
                    "maxBatchSize": 1,
                    "maxTokens": 8192,
                    "maxSequenceLength": 8192,
                },
            }
        }
    }


def test_helm_values_of_a_machine_ask_for_memory(run):
    words = ("plan", "llama-guard-3-1b", "--memory", "32", "--bandwidth", "50", "--helm-values")
    (model,) = OmegaConf.create(run(*words).out).models.values()
    assert (model.backend, model.device) == ("transformers", "cpu")
    assert "cacheMemoryFraction" not in model.engine
    assert 0 < int(model.resources.requests.memory.removesuffix("Gi")) < 30


def test_helm_values_of_what_no_backend_stores_are_refused(run):
    result = run("plan", "llama-3.1-8b", "--gpu", "A100-80GB", "--kv", "int8", "--helm-values")
    assert (result.code, result.out) == (2, "")
    assert result.err.endswith("in int8: set --kv bf16, or --kv fp8\n")


def test_smallest(run):
    result = run("plan", "llama-3.1-70b", "--weights", "fp8", "--smallest")
    table = result.out.split("\n\n")[-1].splitlines()
    assert table[0].startswith("DEVICES")
    first, *rest = (line.split("  ")[0] for line in table[1:])
    assert f"on     {first}" in result.out
    said = json.loads(run("plan", "llama-3.1-70b", "--weights", "fp8", "--smallest", "--json").out)
    found = [f"{each['devices']} x {each['device']}" for each in (said, *said["alternatives"])]
    assert found == [first, *rest]
    one = json.loads(run("plan", "llama-3.1-70b", "--weights", "fp8", "--smallest", "--gpu", "h100-sxm", "--json").out)
    assert (one["devices"], one["device"], one["alternatives"]) == (1, "H100-SXM", [])


def test_smallest_of_what_is_nowhere(run):
    words = ("plan", "llama-3.1-405b", "--context", "131072", "--concurrency", "100000", "--smallest")
    result = run(*words)
    assert (result.code, result.out) == (2, "")
    assert "doesn't fit 64 x B200" in result.err
    change = result.err.rpartition("enough: ")[2].split("; ")[0].split()
    assert run(*words, *change).code == 0


def test_a_plan_that_is_impossible_ends_with_one_sentence(run):
    result = run("plan", "llama-3.1-405b", "--gpus", "8")
    assert (result.code, result.out) == (2, "")
    assert result.err == (
        "paddock plan: llama-3.1-405b in bf16 doesn't fit 8 x H100-SXM: each has 85.5 GB, and the weights take 101.5 "
        "GB of it, workspace and reserve 2.7 GB; any one of these is enough: --weights fp8; --gpus 16; --gpu H200\n"
    )


def test_a_classifier_has_windows_and_no_rate(run):
    assert json.loads(run("plan", "prompt-guard-86m", "--json").out)["tokens_per_second_at_most"] == {}
    assert "tokens/s" not in run("plan", "prompt-guard-86m").out
    assert run("plan", "prompt-guard-86m", "--smallest").out.splitlines()[-1].endswith(" -")


def test_unused_gpus_are_told(run):
    out = run("plan", "prompt-guard-86m", "--gpu", "T4", "--gpus", "2").out
    assert "unused  1 of 2: no placement holds more with them" in out


@pytest.mark.parametrize("name", ["paddock-tiny", "paddock-prompt-guard-tiny"])
@pytest.mark.parametrize("file", ["", "config.json"])
def test_reads_the_config_of_a_checkpoint(run, name, file):
    said = json.loads(
        run("plan", str(ROOT / "models" / name / file), "--memory", "8", "--bandwidth", "40", "--json").out
    )
    assert said["model"] == name
    weights = (ROOT / "models" / name / "model.safetensors").stat().st_size  # float32, and a header
    assert said["parameters"] * 4 == pytest.approx(weights, rel=0.02)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "can't be read (JSONDecodeError)"),
        ("[1]", "holds no JSON object"),
        ('"llama"', "holds no JSON object"),
        ("{}", "model_type is None"),
        ('{"model_type": "llama"}', "hidden_size is missing"),
        ("[" * 100_000, "can't be read"),
        ('{"a": ' + "1" * 2**20, "can't be read"),
        ("\ud800", "can't be read ("),
    ],
    ids=range(8),
)
def test_what_is_no_config_is_one_sentence(run, tmp_path, content, reason):
    path = tmp_path / "config.json"
    path.write_bytes(content.encode("utf-8", "surrogatepass"))
    for given in (path, tmp_path):
        result = run("plan", str(given))
        assert (result.code, result.out) == (2, "")
        assert reason in result.err
        assert result.err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["llama-4"], "llama-4 is neither a config.json nor one of llama-3.1-8b, "),
        (["x" * 5000], "can't be read (OSError)"),
        (["llama-3.1-8b", "--gpu", "H900"], "'H900' is not in the table: T4, "),
        (["llama-3.1-8b", "--gpus", "65"], "'65' is not in [1, 64]"),
        (["llama-3.1-8b", "--memory", "8"], "give both"),
        (["llama-3.1-8b", "--memory", "nan", "--bandwidth", "1"], "'nan' is not a number"),
        (["llama-3.1-8b", "--memory", "1e300", "--bandwidth", "1"], "'1e300' is not in (0, 1,000,000]"),
        (["llama-3.1-8b", "--memory", "8", "--bandwidth", "1", "--gpu", "T4"], "leave out --gpu"),
        (["llama-3.1-8b", "--memory", "8", "--bandwidth", "1", "--kv", "fp8"], "leave out --kv"),
        (["llama-3.1-8b", "--memory", "8", "--bandwidth", "1", "--smallest"], "leave out --smallest"),
        (["llama-3.1-8b", "--smallest", "--gpus", "2"], "leave out --gpus"),
        (["llama-3.1-8b", "--json", "--helm-values"], "not allowed with argument"),
    ],
)
def test_wrong_arguments(run, words, reason):
    result = run("plan", *words)
    assert (result.code, result.out) == (2, "")
    assert reason in result.err
    assert result.err.count("\n") == 1


def test_needs_neither_torch_nor_tensorrt_llm():
    blocked = "import sys; sys.modules.update(dict.fromkeys(['torch', 'transformers', 'tensorrt_llm', 'safetensors']));"
    code = f"{blocked} from services.cli import main; sys.exit(main(['plan', 'llama-3.1-8b', '--json']))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["most_concurrency"] > 0
