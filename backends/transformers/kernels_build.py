"""Compiles `kernels.c` when Paddock is installed: a build hook of Hatchling (`pyproject.toml`).

Where it can't be compiled, it is left out with a word on why, and the wheel is for any machine.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
import sysconfig
import zlib
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_FOLDER = "backends/transformers"
_OPTIONS = "-std=c11 -O3 -mavx2 -mfma -fopenmp -shared -fPIC".split()
_LIMIT_S = 120


class KernelsHook(BuildHookInterface[Any]):
    """Puts `libkernels.so` beside its source."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and say what machines the wheel is for."""
        del version
        folder = Path(self.root, _FOLDER)
        library = folder / "libkernels.so"
        library.unlink(missing_ok=True)
        if problem := compile_kernels(folder / "kernels.c", library):
            self.app.display_warning(f"{_FOLDER}/kernels.c is left out: {problem}")
            return
        build_data["artifacts"].append(f"/{_FOLDER}/libkernels.so")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"


def compile_kernels(source: Path, library: Path) -> str | None:
    """Give what stands in the way."""
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        return "it is for Linux on x86-64"
    if shutil.which("cc") is None:
        return "there is no C compiler, `cc`"
    unfinished = library.with_suffix(".unfinished")
    try:
        done = subprocess.run(  # noqa: S603 - all of it is ours
            command(source, unfinished), capture_output=True, text=True, timeout=_LIMIT_S, check=False
        )
        if done.returncode != 0:
            return done.stderr.strip() or f"`cc` ended with {done.returncode}"
        unfinished.replace(library)
    except subprocess.TimeoutExpired:
        return f"`cc` took more than {_LIMIT_S} s"
    finally:
        unfinished.unlink(missing_ok=True)
    return None


def command(source: Path, library: Path) -> list[str]:
    """Give the compiler's command line. The checksum tells a library of another source from this one's."""
    checksum = f"-DPADDOCK_CHECKSUM={zlib.crc32(source.read_bytes())}u"
    return ["cc", *_OPTIONS, checksum, "-o", str(library), str(source), "-lm"]
