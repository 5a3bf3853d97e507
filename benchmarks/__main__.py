"""`python -m benchmarks [NAME] [OPTIONS]`: one measurement, or all of them one after the other, then the report.

`report` writes docs/benchmarks.md from what the measurements left; what takes minutes and measures no speed runs only
when named. Without a name there are no options.
"""

from __future__ import annotations

import runpy
import signal
import sys

NAMES = ("engine", "profile", "serve", "wire", "gateway", "overload", "tokenize", "tensorrt_llm")
_OTHERS = ("report", "stress", "drill", "soak")


def main() -> None:
    """Run what is named."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended too
    names = [name for name in sys.argv[1:2] if name in (*NAMES, *_OTHERS)]
    options = sys.argv[1 + len(names) :]
    if options and not names:
        sys.exit(f"usage: python -m benchmarks [{'|'.join((*NAMES, *_OTHERS))}] [OPTIONS]")
    for name in names or (*NAMES, "report"):
        print(f"\n## {name}\n", flush=True)
        sys.argv = [f"benchmarks/{name}.py", *options]
        runpy.run_module(f"benchmarks.{name}", run_name="__main__")


if __name__ == "__main__":
    main()
