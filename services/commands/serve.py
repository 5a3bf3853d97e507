"""`paddock serve`: the server. It is imported when it runs, not before."""

from __future__ import annotations

import argparse

from services.commands.console import Console, UsageError

EPILOG = """\
examples:
  paddock serve                                  the embedded models on 127.0.0.1:50051
  paddock serve server.address=127.0.0.1:50052   another address: a setting, by its key
  paddock serve --config-dir /etc/paddock        your own configuration files before the built-in ones
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    parser.add_argument("--config-dir", metavar="DIR", help="a folder of configuration files of your own")
    parser.add_argument(
        "overrides", nargs="*", metavar="KEY=VALUE", help="settings, as Hydra writes them; see docs/configuration.md"
    )


def run(args: argparse.Namespace, console: Console) -> int:
    """Serve until told to stop."""
    overrides: list[str] = args.overrides
    for setting in overrides:
        if "=" not in setting and not setting.startswith("~"):  # Hydra's way to remove a key
            raise UsageError(f"{setting!r} is not a setting: write KEY=VALUE")
    from services.serve import serve

    return serve(overrides, args.config_dir)
