"""SECURITY.md names tests, files and keys: each is there."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from services.config import ServerConfig

ROOT = Path(__file__).resolve().parents[4]
PAGE = (ROOT / "SECURITY.md").read_text()


def test_named_tests_exist():
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    written = {
        name for file in (ROOT / "tests").rglob("test_*.py") for name in re.findall(r"def (test_\w+)", file.read_text())
    }
    assert len(named) > 10
    assert named <= written


def test_named_files_exist():
    named = re.findall(r"\]\(([^)#]+)", PAGE) + re.findall(r"`(tests/[\w/.]+)`", PAGE)
    assert len(named) > 20
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_named_keys_exist():
    known = {field.name for field in fields(ServerConfig)}
    assert set(re.findall(r"`server\.(\w+)", PAGE)) <= known
