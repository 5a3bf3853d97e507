"""Files that are read again when they change."""

from __future__ import annotations

import logging
import os

import pytest

from services.errors import ConfigError
from services.identity.file import Reloaded


def parse(contents):
    if b"bad" in contents["key"]:
        raise ConfigError("key: is bad; make it good")
    return contents["key"].decode()


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "file"
    path.write_text("one")
    return path


def test_what_can_t_be_used_at_first_is_an_error(path, tmp_path):
    path.write_text("bad")
    with pytest.raises(ConfigError, match="is bad"):
        Reloaded({"key": str(path)}, parse)
    with pytest.raises(ConfigError, match=r"^key: .*none can't be read \(No such file or directory\); "):
        Reloaded({"key": str(tmp_path / "none")}, parse)
    with pytest.raises(ConfigError, match="can't be read"):
        Reloaded({"key": str(tmp_path)}, parse)


def test_a_change_is_seen_once(path):
    file = Reloaded({"key": str(path)}, parse)
    assert not file.refresh()
    path.write_text("two")
    assert file.refresh()
    assert file.value == "two"
    assert not file.refresh()


def test_a_change_is_seen_whatever_the_clock_says(path):
    """Of the same length, at the same time, in the same place."""
    file = Reloaded({"key": str(path)}, parse)
    before = path.stat()
    path.write_text("two")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.refresh()


def test_what_is_broken_or_gone_changes_nothing_and_is_logged_once(path, caplog):
    file = Reloaded({"key": str(path)}, parse)
    path.write_text("bad")
    assert not file.refresh()
    assert not file.refresh()
    assert [entry.levelno for entry in caplog.records] == [logging.ERROR]
    path.unlink()
    assert not file.refresh()
    assert len(caplog.records) == 2
    assert file.value == "one"
    path.write_text("one")  # as it was
    assert not file.refresh()
    path.write_text("bad")
    assert not file.refresh()
    assert len(caplog.records) == 3
    path.write_text("two")
    assert file.refresh()
    assert file.value == "two"


def test_what_changes_while_it_is_read_is_read_again(path):
    writes = ["three"]

    def make(contents):
        if contents["key"] != b"one" and writes:
            path.write_text(writes.pop())
        return parse(contents)

    file = Reloaded({"key": str(path)}, make)
    path.write_text("two")
    assert not file.refresh()
    assert file.value == "one"
    assert file.refresh()
    assert file.value == "three"
