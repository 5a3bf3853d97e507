"""Clients that know nothing of Python: buf curl by reflection and by the .proto files, and Node by the .proto files."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROTOS = ROOT / "protos"
BUF = Path(sys.executable).with_name("buf")
NODE_MODULES = Path(sys.prefix) / "grpc-js" / "node_modules"
SERVICE = "paddock.v1.InferenceService"
PATIENCE_S = 60.0

STOP = {"strings": ["Hello!"], "ignoreEos": True, "includeInOutput": True}
"""The echo of a conversation goes on past its end-of-turn tokens, to what was said."""
CHAT = {"messages": [{"role": "ROLE_USER", "content": [{"text": "Hello!"}]}]}


async def run(*command: object, **environment: str) -> str:
    """Run a command and give what it printed."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environment},
        cwd=ROOT,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, err.decode()
    return out.decode()


def documents(text: str) -> list[dict]:
    """Read JSON values written one after another."""
    decoder, found, at = json.JSONDecoder(), [], 0
    while text[at:].strip():
        at += len(text[at:]) - len(text[at:].lstrip())
        value, at = decoder.raw_decode(text, at)
        found.append(value)
    return found


@pytest.fixture(params=["reflection", "the .proto files"])
def curl(request, address, tmp_path):
    """`buf curl`, which learns the API by reflection or from the .proto files."""
    if not BUF.exists():
        pytest.skip("buf is not installed: pip install '.[dev]'")
    schema = [] if request.param == "reflection" else ["--schema", PROTOS]

    async def call(method: str, body: object) -> list[dict]:
        options = ["--protocol", "grpc", "--http2-prior-knowledge", "-d", json.dumps(body), *schema]
        out = await run(BUF, "curl", *options, f"http://{address}/{SERVICE}/{method}", HOME=str(tmp_path))
        return documents(out)

    return call


async def test_buf_curl_chats(curl):
    wanted = {"model": "simulator", "chat": CHAT, "maxTokens": 200, "stop": STOP}

    events = [event for message in await curl("GenerateStream", wanted) for event in message["events"]]
    (answer,) = await curl("Generate", wanted)

    assert "started" in events[0]
    assert "completed" in events[-1]
    text = "".join(event.get("tokenDelta", {}).get("text", "") for event in events)
    assert text.endswith("Hello!")
    assert answer["outputs"][0]["text"] == text
    assert answer["outputs"][0]["finished"]["reason"] == "FINISH_REASON_STOP"
    assert sum("finished" in event for event in events) == 1


async def test_buf_curl_lists_models(curl):
    (listed,) = await curl("ListModels", {})

    assert [model["name"] for model in listed["models"]] == ["simulator"]
    assert listed["models"][0]["state"] == "MODEL_STATE_READY"


async def test_buf_curl_lists_the_services(address, tmp_path):
    if not BUF.exists():
        pytest.skip("buf is not installed: pip install '.[dev]'")
    command = (BUF, "curl", "--http2-prior-knowledge", "--protocol", "grpc", f"http://{address}", "--list-methods")

    methods = await run(*command, HOME=str(tmp_path))

    assert f"{SERVICE}/GenerateStream" in methods


async def test_node_chats(address):
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    if not (NODE_MODULES / "@grpc" / "grpc-js").is_dir():
        pytest.skip(f"@grpc/grpc-js is not in {NODE_MODULES}: `make test` installs it where npm is")

    out = await run(
        node, ROOT / "tests" / "e2e" / "grpc_js" / "chat.js", address, PROTOS, "Hello!", NODE_PATH=str(NODE_MODULES)
    )

    told = json.loads(out)
    assert told["text"].endswith("Hello!")
    assert told["text"] == told["unary"]
    assert told["kinds"][0] == "started"
    assert told["kinds"][-1] == "completed"
    assert told["deltas"] > 1
    assert told["reason"] == "FINISH_REASON_STOP"
    assert told["code"] == 5
    assert told["reasonOfError"] == "NOT_FOUND"
