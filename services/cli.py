"""The command line: `paddock serve|chat|generate|tokenize|classify|models|key|plan|build`.

Exit codes: 0 done; 1 the server could not; 2 the command must be changed; 130 stopped by Ctrl-C; 141 the reader of the
output has gone.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence

INTERRUPTED = 130
BROKEN_PIPE = 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # read on import; what gRPC's core would log, our sentences say
    _never_fail_to_print()
    try:
        from services.commands import command_line

        return command_line.run(sys.argv[1:] if argv is None else argv)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at exit
        return BROKEN_PIPE


def _never_fail_to_print() -> None:
    """Let a terminal that knows too few characters show escapes for the others."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    sys.exit(main())
