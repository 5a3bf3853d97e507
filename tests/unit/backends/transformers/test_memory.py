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
    monkeypatch.setattr(memory, "_MEMBERSHIP", tmp_path / "membership")
    (tmp_path / "meminfo").write_text("MemAvailable: 9000 kB\n")
    monkeypatch.setattr(os, "sysconf_names", PAGES)
    monkeypatch.setattr(os, "sysconf", PAGES.__getitem__)
    return tmp_path


def test_available_memory(system):
    (system / "meminfo").write_text("MemTotal: 9000 kB\nMemAvailable:    5000 kB\n")
    assert memory.free_bytes(CPU) == 5000 * 1024


def group(folder, files, limit, used, cache=0):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in zip(files, (limit, used), strict=False):
        (folder / name).write_text(f"{content}\n")
    (folder / "memory.stat").write_text(f"anon 5\n{files.cache} {cache}\n{files.cache}_x 10000\n")


def test_container_limit(system):
    (system / "membership").write_text("0::/\n")
    group(system, memory._V2, 900, 200)
    assert memory.free_bytes(CPU) == 700
    group(system, memory._V2, "max", 200)
    assert memory.free_bytes(CPU) == 9000 * 1024


def test_container_limit_without_a_cgroup_namespace(system):
    (system / "membership").write_text("0::/kubepods/pod1/container\n")
    group(system, memory._V2, 900, 200)
    assert memory.free_bytes(CPU) == 700


def test_the_narrowest_limit_around_the_process_counts(system):
    (system / "membership").write_text("1:name=systemd:/\n0::/outer/own\n")
    group(system / "outer" / "own", memory._V2, "max", 100)
    group(system / "outer", memory._V2, 800, 300)
    group(system / "other", memory._V2, 10, 10)
    assert memory.free_bytes(CPU) == 500
    group(system / "outer" / "own", memory._V2, 300, 100)
    assert memory.free_bytes(CPU) == 200


def test_limits_of_version_1(system):
    (system / "membership").write_text("9:cpu,memory:/own\n8:cpuset:/\n0::/\n")
    group(system / "memory" / "own", memory._V1, 1000, 400)
    group(system / "memory", memory._V1, 9223372036854771712, 500)
    assert memory.free_bytes(CPU) == 600
    (system / "membership").unlink()
    assert memory.free_bytes(CPU) == 9000 * 1024


def test_page_cache_that_is_given_up_first_is_free(system):
    (system / "membership").write_text("0::/\n")
    group(system, memory._V2, 1000, 900, cache=850)
    assert memory.free_bytes(CPU) == 950
    group(system, memory._V2, 1000, 1200, cache=0)
    assert memory.free_bytes(CPU) == 0


@pytest.mark.parametrize(("told", "pages"), [(PAGES, 300), ({"SC_PHYS_PAGES": 700}, 700)])
def test_no_meminfo(system, monkeypatch, told, pages):
    (system / "meminfo").unlink()
    monkeypatch.setattr(os, "sysconf_names", told)
    assert memory.free_bytes(CPU) == pages * 4096
