"""From a checkpoint to an engine that loads, with TensorRT-LLM's stand-in and a Model Optimizer of three lines."""

from __future__ import annotations

import contextlib
import io
import json
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from backends.errors import LoadError
from backends.tensorrt_llm import compile as compiler
from backends.tensorrt_llm.backend import TensorrtLlmBackend
from backends.tensorrt_llm.machine import Gpu
from services import build as builds
from services import config as configs
from services.artifact import MANIFEST, BuildError
from services.build import Plan, build
from services.commands import command_line
from tests.contract.rig import soon
from tests.tensorrt_llm import fake

QUANTIZED = '{"quantization": {"quant_algo": "FP8"}}'


@pytest.fixture
def checkpoint(tmp_path):
    with fake.installed():
        folder = fake.checkpoint_folder(tmp_path / "checkpoint", 512, 1024)
        (folder / "model.safetensors").write_bytes(b"weights")
        yield folder


@pytest.fixture
def in_process(monkeypatch):
    """Compile here, where the stand-in is, and count how often."""
    jobs = []

    def run(command, who, *, capture=False):
        assert command[:3] == [sys.executable, "-m", "backends.tensorrt_llm.compile"]
        job = json.loads(command[3])
        jobs.append(job)
        with contextlib.redirect_stdout(io.StringIO()) as out:
            compiler.main(job)
        return out.getvalue()

    monkeypatch.setattr(builds, "_run", run)
    return jobs


def plan(checkpoint, **fields):
    limits = {"max_batch_size": 16, "max_num_tokens": 256, "max_seq_len": 512}
    output = checkpoint.parent / "engines"
    return Plan(checkpoint=str(checkpoint), output=output, command="paddock build it", **{**limits, **fields})


def quiet(text):
    pass


async def load(checkpoint, engine):
    settings = {"max_concurrency": 16, "max_batch_tokens": 256, "response_formats": False}
    backend = TensorrtLlmBackend(checkpoint=str(checkpoint), engine=str(engine), **settings)
    try:
        return await soon(backend.load())
    finally:
        await soon(backend.close())


async def test_an_engine_is_built_once_and_loads(checkpoint, in_process):
    built = build(plan(checkpoint, engine=True), quiet)
    assert build(plan(checkpoint, engine=True), quiet) == built
    assert [bool(job) for job in in_process] == [False, True, False]  # asked what there is, compiled, asked again
    (compiler_of,) = fake.EngineLLM.made
    assert compiler_of.arguments["workspace"].startswith(str(built.engine.parent))  # where there is room for an engine
    manifest = json.loads((built.engine / MANIFEST).read_text())
    assert manifest["tensorrt_llm"] == "1.2.1"
    assert manifest["compute_capability"] == [9, 0]
    assert manifest["precision"] == "as published"
    assert set(manifest["sources"]) >= {"config.json", "model.safetensors"}
    assert (await load(checkpoint, built.engine)).context_length == 512
    other = build(plan(checkpoint, engine=True, max_seq_len=256), quiet)
    assert other.engine != built.engine


async def test_an_engine_for_another_gpu_is_refused_with_the_command_that_rebuilds(checkpoint, in_process):
    built = build(plan(checkpoint, engine=True), quiet)
    with (
        fake.machine_of([Gpu((8, 9), 10**12)]),
        pytest.raises(LoadError, match=r"for compute capability 9\.0, and a GPU here has 8\.9.*`paddock build it`"),
    ):
        await load(checkpoint, built.engine)
    account = json.loads((built.engine / "config.json").read_text())
    (built.engine / "config.json").write_text(json.dumps({**account, "version": "1.2.0"}))
    with pytest.raises(LoadError, match=r"built by TensorRT-LLM 1\.2\.0.*`paddock build it`"):
        await load(checkpoint, built.engine)


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        (MANIFEST, {"tensor": 2}, r"parallel\.tensor 1: engine .* was built with 2"),
        (MANIFEST, {"pipeline": 2}, r"parallel\.pipeline 1: engine .* was built with 2"),
        (MANIFEST, {"files": {"rank0.engine": 77}}, r"not whole: rank0\.engine had 77 bytes"),
        (MANIFEST, {"files": {"rank1.engine": 0}}, r"not whole: rank1\.engine had 0 bytes"),
        (MANIFEST, {"sources": {"config.json": "0" * 64}}, r"built of another checkpoint"),
        ("config.json", {"build_config": {"max_batch_size": 8}}, r"max_concurrency 16: .* built with max_batch_size 8"),
        ("config.json", {"build_config": {"max_num_tokens": 8}}, r"max_batch_tokens 256: .* max_num_tokens 8"),
    ],
    ids=str,
)
async def test_what_differs_is_told_with_the_command_that_rebuilds(checkpoint, in_process, file, change, message):
    engine = build(plan(checkpoint, engine=True), quiet).engine
    manifest = json.loads((engine / MANIFEST).read_text())
    (engine / MANIFEST).write_text(json.dumps({**manifest, "files": {}}))  # its sizes are told of below
    content = json.loads((engine / file).read_text())
    (engine / file).write_text(json.dumps({**content, **change}))
    with pytest.raises(LoadError, match=rf"{message}.*`paddock build it`"):
        await load(checkpoint, engine)
    assert not any(llm.arguments["model"] == str(engine) for llm in fake.LLM.made)


@pytest.mark.parametrize("spelled", ["{}/", "{}/../checkpoint"])
def test_however_a_folder_is_spelled_it_is_the_same_engine(checkpoint, in_process, spelled):
    built = build(plan(checkpoint, engine=True), quiet)
    again = replace(plan(checkpoint, engine=True), checkpoint=spelled.format(checkpoint))
    assert build(again, quiet) == replace(built, checkpoint=Path(again.checkpoint))


def test_a_branch_and_the_commit_it_stands_for_are_the_same_engine(checkpoint, in_process, monkeypatch):
    commit = "c" * 40
    monkeypatch.setattr(builds, "resolve", lambda name, revision, key: checkpoint.rename(checkpoint.parent / commit))
    branch = build(replace(plan(checkpoint, engine=True), checkpoint="org/name"), quiet)
    monkeypatch.setattr(builds, "resolve", lambda name, revision, key: checkpoint.parent / commit)
    assert build(replace(plan(checkpoint, engine=True, revision=commit), checkpoint="org/name"), quiet) == branch
    manifest = json.loads((branch.engine / MANIFEST).read_text())
    assert (manifest["model"], manifest["revision"]) == ("org/name", commit)
    assert branch.engine.name.startswith("name-engine-")


async def test_what_is_told_to_serve_an_engine_serves_it(checkpoint, in_process, capsys):
    limits = ["--max-batch-size", "8", "--max-num-tokens", "128", "--max-seq-len", "512"]
    output = ["--output", str(checkpoint.parent / "engines")]
    assert command_line.run(["build", str(checkpoint), "--engine", *limits, *output]) == 0
    words = shlex.split(capsys.readouterr().err.splitlines()[-1].replace("NAME", "name"))
    config = configs.load(words[words.index("paddock") + 2 :])
    settings = {key: value for key, value in vars(config.models["custom"].backend).items() if key != "_target_"}
    backend = TensorrtLlmBackend(**settings)
    await soon(backend.load())
    await soon(backend.close())


def test_what_is_only_fetched_is_not_read(checkpoint, monkeypatch):
    """405B in BF16 are 800 GB: reading them takes longer than many a start may."""
    monkeypatch.setattr(builds.artifact, "hashes", None)
    assert build(plan(checkpoint), quiet).checkpoint == checkpoint
    (checkpoint / "hf_quant_config.json").write_text(QUANTIZED)
    assert build(plan(checkpoint, fp8=True), quiet).engine is None


def test_the_compiled_flow_quantizes_by_itself(checkpoint, in_process):
    build(plan(checkpoint, engine=True, fp8=True), quiet)
    assert in_process[-1]["quantize"]
    assert fake.LLM.made[-1].arguments["quant_config"].quant_algo == "FP8"
    (checkpoint / "hf_quant_config.json").write_text(QUANTIZED)
    build(plan(checkpoint, engine=True, fp8=True), quiet)
    assert not in_process[-1]["quantize"]


def test_without_a_gpu_there_is_nothing_to_compile_for(checkpoint, in_process):
    with fake.machine_of([]), pytest.raises(BuildError, match="no GPU here"):
        build(plan(checkpoint, engine=True), quiet)


def test_an_engine_that_is_not_whole_is_not_kept(checkpoint, in_process, monkeypatch):
    monkeypatch.setattr(fake.EngineLLM, "save", lambda self, folder: None)
    with pytest.raises(BuildError, match="left no whole engine"):
        build(plan(checkpoint, engine=True), quiet)
    assert not [path for path in (checkpoint.parent / "engines").iterdir() if path.is_dir()]


def optimizer(tmp_path, body, version="0.40.0"):
    """Write an interpreter that does something else: called as PYTHON quantize.py, and with SOURCE TARGET TEXTS."""
    path = tmp_path / "python"
    path.write_text(f"#!/bin/sh\ntest $# -gt 1 || {{ echo {version}; exit; }}\n{body}\n")
    path.chmod(0o755)
    texts = tmp_path / "texts.txt"
    texts.write_text("one\ntwo\n")
    return {"modelopt_python": str(path), "calibration": texts, "fp8": True}


def test_a_quantized_checkpoint_is_whole_and_made_once(checkpoint, tmp_path):
    body = f"echo quantized > $3/model.safetensors; echo '{QUANTIZED}' > $3/hf_quant_config.json; cp $2/config.json $3/"
    told = []
    built = build(plan(checkpoint, **optimizer(tmp_path, body)), told.append).checkpoint
    assert (built / "tokenizer.json").is_file()
    assert (built / MANIFEST).is_file()
    assert any("Model Optimizer" in line for line in told)
    assert build(plan(checkpoint, **optimizer(tmp_path, "exit 1")), quiet).checkpoint == built
    assert json.loads((built / MANIFEST).read_text())["model_optimizer"] == "0.40.0"
    assert build(plan(checkpoint, **optimizer(tmp_path, body, "0.41.0")), quiet).checkpoint != built


async def test_a_quantized_checkpoint_that_was_not_copied_in_whole_is_refused(checkpoint, tmp_path):
    body = f"echo quantized > $3/model.safetensors; echo '{QUANTIZED}' > $3/hf_quant_config.json; cp $2/config.json $3/"
    built = build(plan(checkpoint, **optimizer(tmp_path, body)), quiet).checkpoint
    (built / "model.safetensors").write_bytes(b"quant")
    backend = TensorrtLlmBackend(checkpoint=str(built))
    with pytest.raises(LoadError, match=r"not whole: model\.safetensors had 10 bytes.*`paddock build it`"):
        await soon(backend.load())


def test_an_interpreter_without_model_optimizer_is_told_before_anything_runs(checkpoint, tmp_path, capfd):
    wanted = optimizer(tmp_path, "exit 1") | {"modelopt_python": sys.executable}
    with pytest.raises(BuildError, match=r"Model Optimizer failed \(exit code 1\)"):
        build(plan(checkpoint, **wanted), quiet)
    assert "pip install 'nvidia-modelopt[hf]'" in capfd.readouterr().err


def test_what_an_engine_would_not_use_is_refused(checkpoint, tmp_path):
    with pytest.raises(BuildError, match="are for --fp8 without --engine"):
        build(plan(checkpoint, engine=True, **optimizer(tmp_path, "true")), quiet)


def test_when_a_checkpoint_was_made_does_not_count(checkpoint, in_process):
    (checkpoint / MANIFEST).write_text('{"made": "today"}')
    first = build(plan(checkpoint, engine=True), quiet)
    (checkpoint / MANIFEST).write_text('{"made": "tomorrow"}')
    assert build(plan(checkpoint, engine=True), quiet) == first


@pytest.mark.parametrize(("body", "message"), [("exit 3", "exit code 3"), ("true", "left no FP8 checkpoint")])
def test_a_failed_quantization_leaves_nothing(checkpoint, tmp_path, body, message):
    with pytest.raises(BuildError, match=message):
        build(plan(checkpoint, **optimizer(tmp_path, body)), quiet)
    assert not [path for path in (tmp_path / "engines").iterdir() if path.is_dir()]


def test_texts_that_are_not_there_are_told_before_anything_runs(checkpoint, tmp_path):
    wanted = optimizer(tmp_path, "exit 1") | {"calibration": tmp_path / "absent.txt"}
    with pytest.raises(BuildError, match=r"--calibration .*absent\.txt: there is no such file"):
        build(plan(checkpoint, **wanted), quiet)


def test_quantizing_without_its_environment_says_what_to_give(checkpoint):
    with pytest.raises(BuildError, match="--modelopt-python"):
        build(plan(checkpoint, fp8=True), quiet)


def test_the_command_line_says_what_there_is_and_how_to_serve_it(checkpoint, capsys):
    (checkpoint / "hf_quant_config.json").write_text(QUANTIZED)
    assert command_line.run(["build", str(checkpoint), "--fp8"]) == 0
    told = capsys.readouterr()
    assert told.out == f"{checkpoint}\n"
    assert "FP8 already" in told.err
    assert f"models.custom.checkpoint={checkpoint}" in told.err
    assert command_line.run(["build", "/absent/folder"]) == 1
    assert "no folder /absent/folder" in capsys.readouterr().err
