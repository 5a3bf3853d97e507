"""The entry point: help, version, addresses, and how `serve` gets its settings."""

from __future__ import annotations

import argparse
import sys
from types import SimpleNamespace

import pytest

from services.client import version
from services.commands import option
from services.commands.command_line import COMMANDS
from services.commands.console import Console, UsageError


@pytest.fixture
def served(monkeypatch):
    """Stand in for the server; return what it was started with."""
    calls = []

    def serve(overrides, config_dir):
        calls.append((overrides, config_dir))
        return 0

    monkeypatch.setitem(sys.modules, "services.serve", SimpleNamespace(serve=serve))
    return calls


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ([], ([], None)),
        (["a=1", "+b.c=[1,2]", "~d"], (["a=1", "+b.c=[1,2]", "~d"], None)),
        (["a=1", "--config-dir", "conf", "b=2", "c=3"], (["a=1", "b=2", "c=3"], "conf")),
        (["--config-dir=conf", "a=-1"], (["a=-1"], "conf")),
    ],
)
def test_serve_gets_settings_before_and_after_its_options(served, run, argv, expected):
    assert run("serve", *argv).code == 0
    assert served == [expected]


def test_serve_takes_no_unknown_option(served, run):
    result = run("serve", "--port")
    assert (result.code, result.err) == (
        2,
        "paddock serve: unrecognized arguments: --port; settings are written KEY=VALUE; see paddock serve --help\n",
    )
    assert not served


def test_serve_takes_nothing_but_settings(served, run):
    result = run("serve", "a=1", "model")
    assert (result.code, result.err) == (2, "paddock serve: 'model' is not a setting: write KEY=VALUE\n")
    assert not served


def test_without_a_command_it_helps(run):
    result = run()
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("usage: paddock")


def test_an_unknown_command_is_one_sentence(run):
    result = run("talk")
    assert result.code == 2
    assert result.err.startswith("paddock: argument COMMAND: invalid choice: 'talk'")
    assert result.err.count("\n") == 1


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help(run, command):
    result = run(*command.split(), "--help")
    assert (result.code, result.err) == (0, "")
    assert f"usage: paddock {command}".rstrip() in result.out


def test_version(run):
    result = run("--version")
    assert result.code == 0
    assert result.out == f"paddock {version()}\n"


def test_ctrl_c_has_its_exit_code(run, monkeypatch):
    def interrupted(args, console):
        raise KeyboardInterrupt

    monkeypatch.setattr("services.commands.models.run", interrupted)
    assert run("models").code == 130


@pytest.mark.parametrize(
    "address", ["127.0.0.1:50051", "localhost:1", "[::1]:65535", "gpu-1.lan:80", "unix:/run/p.sock"]
)
def test_addresses(address):
    assert option.address(address) == address


@pytest.mark.parametrize("address", ["", "localhost", ":1", "a:0", "a:65536", "a:b", "::1:5", "http://a:1", "a b:1"])
def test_what_is_no_address(address):
    with pytest.raises(argparse.ArgumentTypeError, match="is not HOST:PORT"):
        option.address(address)


def test_a_bad_address_of_the_environment_is_told(run, monkeypatch):
    monkeypatch.setenv("PADDOCK_ADDRESS", "nowhere")
    result = run("models")
    assert result.code == 2
    assert "argument --address: 'nowhere' (from PADDOCK_ADDRESS) is not HOST:PORT" in result.err


def test_nobody_who_types_is_waited_for():
    terminal = SimpleNamespace(isatty=lambda: True)
    with pytest.raises(UsageError, match="no text: give it as an argument or on standard input"):
        option.text_of(argparse.Namespace(text=None), Console(terminal, terminal, terminal))
