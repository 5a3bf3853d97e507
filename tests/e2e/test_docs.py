"""The commands of the README and the docs do what is printed there."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from services import config

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
ADDRESS = "127.0.0.1:50051"
BIN = Path(sys.executable).parent
PATIENCE_S = 60.0


def examples():
    """Commands of the README with the output printed below them; one that ends in a backslash goes on."""
    for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL):
        for command, output in re.findall(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE):
            yield command.replace("\\\n", ""), output


EXAMPLES = list(examples())
CALLS = [(command, output) for command, output in EXAMPLES if output.strip()]


def test_the_readme_shows_calls():
    assert len(CALLS) >= 4


@pytest.fixture(scope="module")
def server():
    """The embedded model, started as `make run` starts it, but on a free port and on the day the README was written."""
    day = "models.paddock-tiny.date=2026-11-23"
    command = [sys.executable, "-m", "services.cli", "serve", "server.address=127.0.0.1:0", day]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT)
    try:
        yield next(line for line in process.stdout if " on 127.0.0.1:" in line).split()[-1]
    finally:
        process.terminate()
        process.wait(PATIENCE_S)
        process.stdout.close()


def _pattern(part: str) -> str:
    """Match what is shown; a message that holds more tokens than one, as on a slow machine, has more text."""
    return re.sub(r'("text":\\ ")([^"]*)"', r'\1[^"]*\2[^"]*"', re.escape(part))


@pytest.mark.parametrize(("command", "output"), CALLS, ids=[command[:40] for command, _ in CALLS])
def test_calls_print_what_the_readme_shows(server, command, output):
    words = shlex.split(command.replace(ADDRESS, server).replace(".venv/bin/", f"{BIN}/"))
    environment = {"PATH": "/usr/bin:/bin", "PADDOCK_ADDRESS": server, "HOME": "/nonexistent"}
    done = subprocess.run(
        words, capture_output=True, text=True, timeout=PATIENCE_S, cwd=ROOT, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    parts = [_pattern(part.strip()) for part in re.split(r"^ *\.\.\.\n", output, flags=re.MULTILINE)]
    shown = done.stdout.strip() or done.stderr.strip()
    assert re.fullmatch(".*".join(parts), shown, re.DOTALL), shown


@pytest.mark.parametrize("target", [command.split()[1] for command, _ in EXAMPLES if command.startswith("make ")])
def test_make_knows_the_targets(target):
    done = subprocess.run(
        ["make", "-n", target], capture_output=True, text=True, cwd=ROOT, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_readme_serves_any_checkpoint():
    (command,) = (command for command, _ in EXAMPLES if " serve " in command)
    composed = config.load(shlex.split(command)[2:])
    assert composed.models["custom"].checkpoint == "/path/or/hub-org/name"


def test_the_commands_of_the_configuration_reference_compose(tmp_path):
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    own = (
        (ROOT / "conf" / "model" / "custom.yaml")
        .read_text()
        .replace("models.custom", "models.mine")
        .replace("???", "x")
    )
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_text(own)
    commands = re.findall(r"^paddock serve(.*?)(?:#.*)?$", text, re.MULTILINE)
    assert len(commands) == 5
    for command in commands:
        words = shlex.split(command)
        config_dir = None
        if words[:1] == ["--config-dir"]:
            config_dir, words = str(tmp_path), words[2:]
        assert config.load(words, config_dir).models


def test_links_lead_somewhere():
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if "://" not in link:
                assert (page.parent / link).exists(), f"{page}: {link}"
