"""Rules that every image keeps, and what lints say."""

from __future__ import annotations

import re
import subprocess
from pathlib import PurePosixPath

import pytest

from tests.images.containerfile import FILE, ROOT, context, expand, pairs, read

TEXT = FILE.read_text()
PARSED = read(TEXT)
IMAGES = {"gateway": "paddock-gateway", "transformers": "paddock-transformers", "tensorrt-llm": "paddock-tensorrt-llm"}
HADOLINT = ROOT / ".venv" / "images" / "hadolint" / "bin" / "hadolint"
FILES = set(context())


def test_hadolint_finds_nothing():
    if not HADOLINT.exists():
        pytest.skip("hadolint could not be installed")
    done = subprocess.run([HADOLINT, "--no-color", FILE], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("", 0)


def test_every_base_is_pinned_by_its_digest():
    bases = {expand(stage.base, PARSED.arguments) for stage in PARSED.stages.values()} - PARSED.stages.keys()
    assert len(bases) == 2
    for base in bases:
        assert re.fullmatch(r"[a-z0-9./-]+:[\w.-]+@sha256:[0-9a-f]{64}", base)


def test_each_image_is_a_target():
    used = {stage.base for stage in PARSED.stages.values()}
    used |= {word.removeprefix("--from=") for word in TEXT.split() if word.startswith("--from=")}
    assert PARSED.stages.keys() - used == IMAGES.keys()


@pytest.mark.parametrize("target", IMAGES)
def test_an_image_runs_paddock_as_nobody(target):
    def said(name):
        found = PARSED.last(target, name)
        return found.words if found is not None else None

    assert said("USER") == ["65532:65532"]
    assert said("ENTRYPOINT") == ["paddock"]
    assert said("CMD") == ["serve", "--config-dir", "/etc/paddock"]
    assert said("STOPSIGNAL") == ["SIGTERM"]
    assert said("HEALTHCHECK") is None  # Kubernetes asks by gRPC
    assert said("VOLUME") is None
    for name in ("ENTRYPOINT", "CMD"):
        assert PARSED.last(target, name).text.startswith("[")


@pytest.mark.parametrize(("target", "title"), IMAGES.items())
def test_an_image_says_what_it_is(target, title):
    labels = pairs(PARSED.stages[target].last("LABEL").text)
    prefix = "org.opencontainers.image."
    assert {key.removeprefix(prefix) for key in labels} == set(
        "title description licenses version revision created base.name".split()
    )
    assert (labels[f"{prefix}title"], labels[f"{prefix}licenses"]) == (title, "Apache-2.0")
    arguments = {one.text.partition("=")[0] for one in PARSED.stages[target].instructions if one.name == "ARG"}
    assert {name for value in labels.values() for name in re.findall(r"\$\{(\w+)\}", value)} == arguments


def test_the_page_names_every_build_argument_and_image():
    page = (ROOT / "docs" / "images.md").read_text()
    declared = set(re.findall(r"^ARG (\w+)", TEXT, re.MULTILINE))
    assert declared == set(re.findall(r"`([A-Z_]+)`(?=[^|]*\|[^|]*\|[^|]*\|$)", page, re.MULTILINE))
    rows = re.findall(r"^\| `(paddock-[a-z-]+):VERSION.*?` .*\| `([a-z-]+)` \|", page, re.MULTILINE)
    assert {target: title for title, target in rows} == IMAGES
    for base in PARSED.arguments.values():
        assert f"imagetools inspect {base.partition('@')[0]} " in page


def test_images_hold_no_tools_and_no_secrets():
    for target in IMAGES:
        for one in PARSED.stages[target].instructions:
            assert "pip" not in one.text.split()
    assert not re.search(r"^ADD |curl|wget|apt-get|sudo|(TOKEN|PASSWORD|SECRET)=", TEXT, re.MULTILINE)


def test_whatever_is_fetched_is_locked():
    fetching = re.findall(r"pip (?:--python \S+ )?install ((?:(?!&&|;).)*)", TEXT.replace("\\\n", " "))
    assert len(fetching) == 6
    for options in fetching:
        ours = "--no-deps" in options and options.endswith(" /paddock/*.whl")
        assert "--require-hashes" in options or "--constraint" in options or ours


@pytest.mark.parametrize("lock", ["build", "gateway"])
def test_locks_agree(lock):
    entries = re.split(r"\n(?=[a-z0-9])", (ROOT / "images" / f"{lock}.lock").read_text().replace("\\\n", ""))
    pins = {entry.split(" ")[0]: entry for entry in entries if not entry.startswith("#")}
    whole = {line.split(" ")[0] for line in (ROOT / "requirements.lock").read_text().splitlines() if "==" in line}
    assert len(pins) > 5
    for pin, entry in pins.items():
        assert "--hash=sha256:" in entry
        if lock == "gateway":
            assert pin in whole, "run `make lock`"
    assert not re.search(r"://|--(extra-)?index-url|--find-links|\s/", "".join(pins.values()))


def test_what_is_copied_is_in_the_context():
    copied = [one.words for stage in PARSED.stages.values() for one in stage.instructions if one.name == "COPY"]
    sources = [word for words in copied if not words[0].startswith("--") for word in words[:-1]]
    assert len(sources) > 8
    for source in sources:
        assert any(path.is_relative_to(source) for path in FILES), source
    for path in FILES:
        assert any(path.is_relative_to(source) for source in sources), f"{path} is sent for nothing"


def test_the_context_is_small_and_holds_what_a_wheel_does():
    names = {str(path) for path in FILES}
    assert {"pyproject.toml", "services/cli.py", "models/paddock-tiny/model.safetensors", "conf/config.yaml"} <= names
    assert not [name for name in names if "__pycache__" in name or PurePosixPath(name).suffix in {".pyc", ".log"}]
    assert not [name for name in names if name.startswith(("tests/", "docs/", ".git", "models/training", "benchmarks"))]
    assert sum((ROOT / path).stat().st_size for path in FILES) < 40 * 2**20
