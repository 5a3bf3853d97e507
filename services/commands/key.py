"""`paddock key`: a new key for someone who is to call."""

from __future__ import annotations

import argparse

from services.commands import option
from services.commands.console import Console, UsageError
from services.errors import ConfigError

EPILOG = """\
Standard output gets the line for the file that server.api_keys names, which knows the key by its digest only. Standard
error gets the key itself, this once: give it to the caller, who sends it as `authorization: Bearer KEY`, or sets
PADDOCK_API_KEY for these commands.

  paddock key ci --model paddock-tiny >> keys.jsonl
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    parser.add_argument("name", type=option.text, metavar="NAME", help="whose key it is, for people")
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        type=option.text,
        help="a model that it may ask; repeatable (default: all)",
    )


def run(args: argparse.Namespace, console: Console) -> int:
    """Make and print."""
    from services.identity.caller import line, read_callers
    from services.identity.key import new_key

    key = new_key()
    written = line(args.name, key, args.model)
    try:
        read_callers("NAME", "", written.encode())
    except ConfigError:
        raise UsageError(f"{args.name!r} is no name: use letters, digits and . _ @ -") from None
    console.write(f"{written}\n")
    console.note(f"the key, shown once: {key}")
    return 0
