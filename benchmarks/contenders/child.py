"""The contender's side of the conversation: a line when ready, then a line for each workload."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.workload import Request, Timeline

Run = Callable[[list[Request], dict[str, Any]], tuple[list[Timeline], dict[str, Any]]]
"""From a workload and its options to the timelines, and whatever else is worth knowing."""


def serve(load: Callable[[], Run]) -> None:
    """Load, then run what comes until standard input ends. What libraries print goes to standard error."""
    output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    run = load()
    _say(output, {"ready": True})
    for line in sys.stdin:
        message = json.loads(line)
        requests = [Request(**request) for request in message.pop("requests")]
        try:
            timelines, more = run(requests, message)
        except Exception as error:  # noqa: BLE001 - the table says it, and the next workload may work
            _say(output, {"error": f"{type(error).__name__}: {error}"[:200]})
            continue
        _say(output, {"timelines": [asdict(t) for t in timelines], "peak_bytes": peak_bytes(), **more})


def _say(output: Any, message: dict[str, Any]) -> None:
    output.write(json.dumps(message) + "\n")
    output.flush()


def peak_bytes(pid: int | str = "self") -> int:
    """Give the most resident memory a process has had (proc(5), VmHWM); getrusage(2) would count its parent's."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))
