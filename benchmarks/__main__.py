"""`python -m benchmarks NAME [OPTIONS]`: one measurement; without a name, all of them, one after the other."""

from __future__ import annotations

import runpy
import sys

NAMES = ("engine", "stress", "tokenize", "wire")


def main() -> None:
    """Run what is named."""
    names = [name for name in sys.argv[1:2] if name in NAMES]
    options = sys.argv[1 + len(names) :]
    if options and not names:
        sys.exit(f"usage: python -m benchmarks [{'|'.join(NAMES)}] [OPTIONS]")
    for name in names or NAMES:
        print(f"\n## {name}\n", flush=True)
        sys.argv = [f"benchmarks/{name}.py", *options]
        runpy.run_module(f"benchmarks.{name}", run_name="__main__")


if __name__ == "__main__":
    main()
