"""A scripted server, and the command line run in this process."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from services.cli import main
from tests.unit.services.commands.fake_server import FakeServer


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


Run = Callable[..., Result]


@pytest.fixture
def server() -> Iterator[FakeServer]:
    fake = FakeServer()
    yield fake
    fake.stop()


@pytest.fixture
def run(server: FakeServer, capsys, monkeypatch) -> Run:
    """Run a command against the scripted server, with standard input from a pipe."""
    monkeypatch.setenv("PADDOCK_ADDRESS", server.address)

    def run(*argv: str, stdin: str = "") -> Result:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        try:
            code = main(argv)
        except SystemExit as end:  # argparse's way out
            code = end.code
        out, err = capsys.readouterr()
        return Result(code, out, err)

    return run
