"""The example of docs/tools.md runs as it stands."""

from __future__ import annotations

import asyncio
import io
import re
from contextlib import redirect_stdout
from pathlib import Path

from backends.types import Finish, FinishReason, TokenDelta, Usage
from tests.checkpoint import END_OF_TURN
from tests.service.backend import ScriptedBackend
from tests.service.rig import model_config, serving
from tests.service.test_streaming import ids_of

PAGE = Path(__file__).parents[2] / "docs" / "tools.md"


async def test_the_example_makes_the_round_trip(rig, checkpoint):
    call = await ids_of(rig, '{"name": "get_weather", "parameters": {"city": "Bern"}}')
    answer = await ids_of(rig, "It rains.")
    prompts = []

    async def script(wanted):
        ids = (*(answer if prompts else call), END_OF_TURN)
        prompts.append(wanted.prompt)
        yield TokenDelta(ids, finish=Finish(FinishReason.STOP, Usage(len(wanted.prompt), len(ids))))

    backend = ScriptedBackend(script, context_length=4096)
    async with serving(model_config(checkpoint), backend=backend) as server:
        (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
        code = compile(example.replace("127.0.0.1:50051", server.server.address), str(PAGE), "exec")
        printed = io.StringIO()
        with redirect_stdout(printed):
            await asyncio.to_thread(exec, code, {})

    assert printed.getvalue() == "It rains.\n"
    assert len(prompts) == 2
    assert len(prompts[1]) > len(prompts[0])
