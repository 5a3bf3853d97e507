"""`make images` calls the engine that there is."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.images.containerfile import ROOT

ENGINE = """#!/bin/sh
[ "$1" != info ] || exit "${INFO:-0}"
printf '%s\\n' "$(basename "$0") $*" >> "$LOG"
"""


@pytest.fixture
def build(tmp_path):
    """Run the script with engines that are none, and give its exit code, complaints and calls."""

    def run(*images, engines=("docker",), **environment):
        folder = tmp_path / "bin"
        folder.mkdir()
        for name in ("sh", "sed", "git", "date", "dirname", "basename"):
            found = next(Path(part) / name for part in os.environ["PATH"].split(":") if (Path(part) / name).exists())
            (folder / name).symlink_to(found)
        for name in engines:
            (folder / name).write_text(ENGINE)
            (folder / name).chmod(0o755)
        log = tmp_path / "log"
        log.touch()
        script = ["sh", str(ROOT / "images" / "build.sh"), *images]
        given = {"PATH": str(folder), "LOG": str(log), **environment}
        done = subprocess.run(script, env=given, cwd=tmp_path, capture_output=True, text=True, check=False)
        return done.returncode, done.stderr, log.read_text().splitlines()

    return run


def test_all_that_can_be_built_is(build):
    code, said, calls = build()
    tags = [call.split("--tag ")[1].split()[0] for call in calls]
    assert code == 0
    assert tags == ["paddock-gateway:0.1.0", "paddock-transformers:0.1.0-cuda", "paddock-tensorrt-llm:0.1.0"]
    assert "transformers-cpu is left out: it needs TORCH_CPU_INDEX=" in said
    for call in calls:
        assert call.startswith("docker build --file images/Containerfile --target ")
        assert call.endswith(" .")
        assert "--build-arg VERSION=0.1.0" in call


def test_the_cpu_image_takes_torch_from_elsewhere(build):
    code, said, calls = build(TORCH_CPU_INDEX="https://index.example/cpu", engines=["podman"])
    assert (code, said, len(calls)) == (0, "", 4)
    assert "--target transformers --tag paddock-transformers:0.1.0-cpu" in calls[-1]
    assert calls[-1].startswith("podman ")
    assert "--build-arg TORCH_INDEX=https://index.example/cpu" in calls[-1]


def test_images_can_be_named(build):
    code, _, calls = build("gateway", ENGINE="podman", engines=["docker", "podman"])
    assert (code, len(calls)) == (0, 1)
    assert calls[0].startswith("podman build")


@pytest.mark.parametrize(
    ("images", "settings", "said"),
    [
        ([], {"engines": []}, "neither docker nor podman can build here"),
        ([], {"INFO": "1"}, "neither docker nor podman can build here"),
        ([], {"INFO": "1", "ENGINE": "docker"}, "docker is not on the PATH, or its daemon does not answer"),
        (["nonsense"], {}, "there is no image nonsense"),
        (["transformers-cpu"], {}, "transformers-cpu needs TORCH_CPU_INDEX="),
    ],
)
def test_what_is_missing_is_told(build, images, settings, said):
    code, complaint, calls = build(*images, **settings)
    assert (code, calls) == (1, [])
    assert complaint.startswith(f"images: {said}")
