"""Processors, where the system tells of them and where it doesn't."""

from __future__ import annotations

import os

import pytest

from backends.transformers import threads


@pytest.fixture
def cgroup(monkeypatch, tmp_path):
    monkeypatch.setattr(threads, "_CGROUP", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    return tmp_path / "cpu.max"


def test_no_container(cgroup):
    assert threads.usable_cpus() == 8


@pytest.mark.parametrize(
    ("told", "count"),
    [("max 100000", 8), ("400000 100000", 4), ("150000 100000", 1), ("50000 100000", 1), ("9900000 100000", 8)],
)
def test_container_quota(cgroup, told, count):
    cgroup.write_text(told + "\n")
    assert threads.usable_cpus() == count


def test_system_without_affinity(cgroup, monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert threads.usable_cpus() == 6
