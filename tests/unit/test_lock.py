"""requirements.lock holds an exact version of all that pyproject.toml asks for, and no place to get it from."""

import re
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCK = (Path(__file__).resolve().parents[2] / "requirements.lock").read_text()
PINS = [Requirement(line) for line in LOCK.splitlines() if line and not line.lstrip().startswith("#")]


def needed() -> list[Requirement]:
    found = [Requirement(line) for line in requires("paddock") or ()]
    return [one for one in found if 'extra == "tensorrt-llm"' not in str(one.marker)]


@pytest.mark.parametrize("requirement", needed(), ids=lambda one: one.name)
def test_requirement_is_locked_within_its_range(requirement: Requirement) -> None:
    pins = [pin for pin in PINS if canonicalize_name(pin.name) == canonicalize_name(requirement.name)]

    assert pins, "run `make lock`"
    for pin in pins:
        assert re.fullmatch(r"==[\w.]+", str(pin.specifier))  # exact, and no local version such as +cpu
        assert requirement.specifier.contains(str(pin.specifier).removeprefix("=="))


def test_no_place_is_named() -> None:
    assert not re.search(r"://|--(extra-)?index-url|--find-links|(?m:^\s*[/.])", LOCK)
