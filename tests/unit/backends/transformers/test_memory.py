"""How much memory is free, where the system tells it and where it doesn't."""

from __future__ import annotations

import os

import pytest
import torch

from backends.transformers import memory

CPU = torch.device("cpu")
PAGES = {"SC_AVPHYS_PAGES": 300, "SC_PHYS_PAGES": 700, "SC_PAGE_SIZE": 4096}


@pytest.fixture
def system(monkeypatch, tmp_path):
    """A system without limits, with its files in `tmp_path` and the page counts of `PAGES`."""
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    monkeypatch.setattr(os, "sysconf_names", PAGES)
    monkeypatch.setattr(os, "sysconf", PAGES.__getitem__)
    return tmp_path


def test_available_memory(system):
    (system / "meminfo").write_text("MemTotal: 9000 kB\nMemAvailable:    5000 kB\n")
    assert memory.free_bytes(CPU) == 5000 * 1024


def test_container_limit(system):
    (system / "meminfo").write_text("MemAvailable: 5000 kB\n")
    (system / "memory.max").write_text("900\n")
    (system / "memory.current").write_text("200\n")
    assert memory.free_bytes(CPU) == 700
    (system / "memory.max").write_text("max\n")
    assert memory.free_bytes(CPU) == 5000 * 1024


@pytest.mark.parametrize(("told", "pages"), [(PAGES, 300), ({"SC_PHYS_PAGES": 700}, 700)])
def test_no_meminfo(system, monkeypatch, told, pages):
    monkeypatch.setattr(os, "sysconf_names", told)
    assert memory.free_bytes(CPU) == pages * 4096
