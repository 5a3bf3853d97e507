"""The chart's README: every value with its default, and commands that work."""

from __future__ import annotations

import json
import re
import shlex

import yaml

from tests.helm.chart import CHART, PRESETS, ROOT, tool

README = (CHART / "README.md").read_text(encoding="utf-8")
VALUES = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
ROWS = dict(re.findall(r"^\| `([A-Za-z.]+)` \| (.*?) \|", README, re.MULTILINE))


def leaves(value, path, documented):
    """Give the keys that need a row: those that have one, and all that hold no others."""
    if path in documented or not isinstance(value, dict) or not value:
        yield path
        return
    for key, each in value.items():
        yield from leaves(each, f"{path}.{key}" if path else key, documented)


def test_every_value_is_told_with_its_default():
    assert set(leaves(VALUES, "", ROWS)) == ROWS.keys()
    for path, told in ROWS.items():
        value = VALUES
        for key in path.split("."):
            value = value[key]
        assert told in ("see values.yaml", f"`{json.dumps(value)}`"), path


def test_every_preset_is_told():
    assert set(re.findall(r"`([a-z0-9-]+)\.yaml`", README)) == PRESETS.keys()


def test_links_lead_somewhere():
    for path in re.findall(r"\]\(([^)#]+)", README):
        assert (CHART / path).exists(), path


def test_its_commands_render(monkeypatch, tmp_path, capsys):
    """With `template` instead of `install`, and the plan that is made on the way."""
    from services.commands.command_line import run

    (block,) = re.findall(r"```\n(.*?)```", README, re.DOTALL)
    installed = 0
    for line in block.splitlines():
        words = shlex.split(line, comments=True)
        if words[0] == "paddock":
            assert run(words[1 : words.index(">")]) == 0
            (tmp_path / words[-1]).write_text(capsys.readouterr().out, encoding="utf-8")
            continue
        assert words[:2] == ["helm", "install"]
        args = [str(tmp_path / word) if word == "plan.yaml" else word for word in words[2:]]
        args = [str(ROOT / word) if word.startswith("helm/") else word for word in args]
        done = tool("helm", "template", *args)
        assert done.returncode == 0, done.stderr
        installed += 1
    assert installed == 3
