"""The environment of what Paddock is measured against: `make peers` makes it. Whatever is missing is left out."""

from __future__ import annotations

import subprocess
from pathlib import Path

from benchmarks.contender import ROOT

FOLDER = ROOT / ".venv" / "peers" / "bin"
PYTHON = FOLDER / "python"


def convert(checkpoint: Path) -> Path | None:
    """Write the checkpoint as `model.gguf` beside itself; None without the peers."""
    file = checkpoint / "model.gguf"
    if not PYTHON.exists():
        return None
    command = [str(PYTHON), "-m", "benchmarks.gguf_file", str(checkpoint), str(file)]
    subprocess.run(command, check=True, cwd=ROOT, timeout=600.0)
    return file
