"""From arguments to the command that they name."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import NoReturn

from services.client import CallError, version
from services.commands import build, chat, classify, generate, key, models, plan, serve, tokenize
from services.commands.console import Console, UsageError, one_line

COMMANDS: Mapping[str, tuple[ModuleType, str]] = {
    "serve": (serve, "start a server"),
    "chat": (chat, "talk with a model"),
    "generate": (generate, "print an answer"),
    "tokenize": (tokenize, "print the tokens of a text"),
    "classify": (classify, "print what a guard or a classifier makes of a text"),
    "models": (models, "print what is served"),
    "key": (key, "make a key for someone who is to call"),
    "plan": (plan, "tell what a model needs, before anything is deployed"),
    "build": (build, "make a checkpoint ready for TensorRT-LLM"),
}

BAD_USAGE = 2


class Parser(argparse.ArgumentParser):
    """An argument parser that needs one line to say what is wrong."""

    def error(self, message: str) -> NoReturn:
        """End with one sentence."""
        self.exit(BAD_USAGE, f"{self.prog}: {one_line(message)}; see {self.prog} --help\n")


def run(argv: Sequence[str]) -> int:
    """Run a command; tell a failure in one sentence."""
    console = Console()
    args = parse(argv)
    try:
        code: int = args.run(args, console)
    except (CallError, UsageError) as error:
        console.note(f"paddock {args.command}: {error}")
        return error.exit_code if isinstance(error, CallError) else BAD_USAGE
    return code


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Read the arguments. Settings of `serve` may stand before and after its options."""
    parser = build_parser()
    args, rest = parser.parse_known_args(argv)
    settings = [value for value in rest if not value.startswith("-")]
    if args.command == "serve" and settings == rest:
        args.overrides += rest
    elif rest:
        hint = "; settings are written KEY=VALUE" if args.command == "serve" else ""
        args.parser.error(f"unrecognized arguments: {' '.join(rest)}{hint}")
    return args


def build_parser() -> Parser:
    """Return the parser of all commands."""
    parser = Parser(prog="paddock", description="Serve Llama-architecture models over gRPC.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"paddock {version()}")
    parser.set_defaults(run=_without_command, parser=parser)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name, (module, summary) in COMMANDS.items():
        description = f"{summary.capitalize()}."
        command = commands.add_parser(name, help=summary, description=description, allow_abbrev=False)
        module.configure(command)
        command.set_defaults(run=module.run, parser=command)
    return parser


def _without_command(args: argparse.Namespace, console: Console) -> int:
    del args
    console.stderr.write(build_parser().format_help())
    return BAD_USAGE
