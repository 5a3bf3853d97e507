"""What is built appears whole or not at all, once, and under the same name."""

from __future__ import annotations

import errno
import json
import threading

import pytest

from services import artifact
from services.artifact import MANIFEST, BuildError

INPUTS = {"model": "org/name", "tensor": 2}


def whole(folder):
    (folder / "config.json").write_text("{}")


def make(root, fill=whole, inputs=INPUTS):
    return artifact.make(root, "name-engine", inputs, "paddock build org/name", fill)


def test_the_same_inputs_give_the_same_folder_and_are_built_once(tmp_path):
    filled = []
    first = make(tmp_path / "a", lambda folder: (whole(folder), filled.append(folder)))
    again = make(tmp_path / "a", filled.append)
    assert first == again
    assert len(filled) == 1
    assert make(tmp_path / "b").name == first.name
    assert make(tmp_path / "a", inputs={**INPUTS, "tensor": 4}) != first
    manifest = json.loads((first / MANIFEST).read_text())
    assert manifest["tensor"] == 2
    assert manifest["command"] == "paddock build org/name"
    assert manifest["files"] == {"config.json": 2}
    assert manifest["made"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, BuildError])
def test_what_fails_leaves_nothing_and_can_be_tried_again(tmp_path, error):
    def half(folder):
        whole(folder)
        raise error

    with pytest.raises(error):
        make(tmp_path, half)
    assert [path.name for path in tmp_path.iterdir() if not path.name.endswith(".lock")] == []
    assert (make(tmp_path) / MANIFEST).is_file()


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path):
    def full(folder):
        whole(folder)
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(BuildError, match="the disk is full; nothing unfinished was left there"):
        make(tmp_path, full)
    assert [path.name for path in tmp_path.iterdir() if not path.name.endswith(".lock")] == []


def test_what_a_killed_builder_left_is_no_artifact(tmp_path):
    name = make(tmp_path / "elsewhere").name
    left = tmp_path / f".{name}.partial"
    left.mkdir()
    (left / "rank0.engine").write_text("half")
    built = make(tmp_path)
    assert not (built / "rank0.engine").exists()
    assert not left.exists()


def test_what_a_killed_builder_started_does_not_write_into_the_next_ones(tmp_path):
    orphans = []

    def killed(folder):
        orphans.append(folder)
        raise KeyboardInterrupt

    def beside_an_orphan(folder):
        orphans[0].mkdir(exist_ok=True)
        (orphans[0] / "rank0.engine").write_text("half")
        whole(folder)

    with pytest.raises(KeyboardInterrupt):
        make(tmp_path, killed)
    assert sorted(path.name for path in make(tmp_path, beside_an_orphan).iterdir()) == ["config.json", MANIFEST]


def test_a_folder_of_that_name_without_a_manifest_is_replaced(tmp_path):
    name = make(tmp_path / "elsewhere").name
    (tmp_path / name).mkdir()
    (tmp_path / name / "rank0.engine").write_text("half")
    assert sorted(path.name for path in make(tmp_path).iterdir()) == ["config.json", MANIFEST]


def test_two_builders_of_one_folder_do_not_collide(tmp_path):
    begun, go_on, filled, folders = threading.Event(), threading.Event(), [], []

    def slow(folder):
        filled.append(folder)
        begun.set()
        assert go_on.wait(30)
        whole(folder)

    builders = [threading.Thread(target=lambda: folders.append(make(tmp_path, slow))) for _ in range(2)]
    builders[0].start()
    assert begun.wait(30)
    builders[1].start()
    go_on.set()
    for builder in builders:
        builder.join(30)
    assert len(filled) == 1
    assert len(folders) == 2
    assert len(set(folders)) == 1


def test_a_place_that_can_not_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BuildError, match="can't be written"):
        make(tmp_path / "file")


def test_hashes_count_content_and_tell_their_progress(tmp_path, monkeypatch):
    monkeypatch.setattr(artifact, "_PROGRESS_S", 0.0)
    (tmp_path / "a.json").write_text("a")
    (tmp_path / "b.bin").write_text("b")
    told = []
    first = artifact.hashes(tmp_path, ("*.json",), told.append)
    assert list(first) == ["a.json"]
    assert "hashing" in told[0]
    (tmp_path / "a.json").write_text("c")
    assert artifact.hashes(tmp_path, ("*.json",), told.append) != first
