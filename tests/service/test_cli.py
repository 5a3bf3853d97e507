"""The command line as a process, against the real server: what both agree on. More: tests/unit/services/commands."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from backends.simulator.config import Fault
from tests.service.rig import PATIENCE_S, model_config, serving, simulator

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "services.cli")
ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'protos/gen'}", "PYTHONIOENCODING": "utf-8"}


async def paddock(*argv: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command to its end, beside the event loop that serves it."""
    return await asyncio.to_thread(
        subprocess.run,
        [*COMMAND, *argv],
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        cwd=ROOT,
        env=ENVIRONMENT,
        timeout=PATIENCE_S,
        check=False,
    )


async def test_generate_streams_the_answer(echo):
    done = await paddock("generate", "--raw", "the horse stands", "--address", echo.server.address)
    assert (done.returncode, done.stdout, done.stderr) == (0, "the horse stands\n", "")


async def test_generate_as_json_tells_the_rest(echo):
    done = await paddock("generate", "--raw", "the horse", "--json", "--seed", "7", "--address", echo.server.address)
    answer = json.loads(done.stdout)
    assert answer["outputs"][0]["text"] == "the horse"
    assert answer["outputs"][0]["finished"]["reason"] == "FINISH_REASON_STOP"
    assert answer["started"]["parameters"]["sampling"]["seed"] == "7"


async def test_standard_input_is_a_prompt(echo):
    done = await paddock("generate", "--raw", "--address", echo.server.address, stdin="größer 🐎\nend")
    assert (done.returncode, done.stdout) == (0, "größer 🐎\nend\n")


async def test_a_talk_of_two_turns(rig):
    done = await paddock("chat", "--max-tokens", "3", "--address", rig.server.address, stdin="the horse\nthe rider\n")
    assert (done.returncode, done.stderr) == (0, "[cut at max_tokens (3)]\n" * 2)
    assert done.stdout.count("\n") >= 2


async def test_tokens_are_those_of_the_text(rig):
    text = "größer <|eot_id|>"
    done = await paddock("tokenize", text, "--json", "--address", rig.server.address)
    answer = json.loads(done.stdout)
    assert int(answer["tokens"][-1]["end"]) == len(text.encode())
    assert answer["neutralized_sequences"] == 1
    shown = await paddock("tokenize", text, "--address", rig.server.address)
    assert len(shown.stdout.splitlines()) == answer["token_count"] + 1


async def test_models_are_listed_and_described(rig):
    listed = await paddock("models", "--address", rig.server.address)
    assert listed.stdout.splitlines()[1].split()[:2] == ["sim", "ready"]
    described = await paddock("models", "sim", "--address", rig.server.address)
    assert "context_length" in described.stdout


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["generate", "x", "--model", "none"], "no model 'none' is served here: choose with --model from sim"),
        (["generate", "x", "--top-p", "7"], "the server refused --top-p (sampling.top_p): 7 is not in (0, 1]"),
        (["models", "none"], "no model 'none' is served here: choose with --model from sim"),
    ],
)
async def test_what_must_be_changed_is_one_sentence(rig, argv, sentence):
    done = await paddock(*argv, "--address", rig.server.address)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"paddock {argv[0]}: {sentence}\n")


async def test_ctrl_c_ends_the_work_on_the_server(checkpoint):
    endless = simulator(echo_from=1, fault=Fault.HANG_AT_TOKEN, fault_at_token=3)
    async with serving(model_config(checkpoint, endless)) as rig:
        code, out, err = await asyncio.to_thread(interrupted, rig.server.address)
        await rig.until_idle()
    assert (code, err) == (130, "")
    assert "the horse stands".startswith(out.strip())


def interrupted(address: str) -> tuple[int, str, str]:
    """Ask for an answer that never ends, and press Ctrl-C once it has begun."""
    with subprocess.Popen(
        [*COMMAND, "generate", "--raw", "the horse stands", "--address", address],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        cwd=ROOT,
        env=ENVIRONMENT,
    ) as process:
        first = os.read(process.stdout.fileno(), 100).decode()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE_S)
    return process.returncode, first + out, err


async def test_an_occupied_port_is_one_sentence():
    with socket.create_server(("127.0.0.1", 0)) as occupied:
        address = f"127.0.0.1:{occupied.getsockname()[1]}"
        done = await paddock("serve", "model=[simulator]", f"server.address={address}")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"paddock: server.address: {address} can't be bound")
    assert done.stderr.count("\n") == 1


async def test_an_unknown_setting_is_one_sentence():
    done = await paddock("serve", "server.adress=127.0.0.1:1")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("paddock: server.adress: ")
    assert done.stderr.count("\n") == 1
