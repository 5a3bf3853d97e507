"""How much memory is free, in bytes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch

_MEMINFO = Path("/proc/meminfo")
_MEMBERSHIP = Path("/proc/self/cgroup")
_CGROUP = Path("/sys/fs/cgroup")


class _Files(NamedTuple):
    """Names of a control group's files, and of the page cache in its `memory.stat` that is given up first."""

    limit: str
    used: str
    cache: str


_V1 = _Files("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
_V2 = _Files("memory.max", "memory.current", "inactive_file")


def free_bytes(device: torch.device) -> int:
    """Tell the memory free for use on a device; on CPU the limits of control groups, as containers have, count too."""
    if device.type == "cuda":
        free, _total = torch.cuda.mem_get_info(device)
        return int(free)
    return min([_host_bytes(), *_group_bytes()])


def _host_bytes() -> int:
    """Where there is no `/proc/meminfo`, as on macOS: the unused pages, or all of them where those aren't told."""
    if _MEMINFO.is_file():
        for line in _MEMINFO.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    pages = "SC_AVPHYS_PAGES" if "SC_AVPHYS_PAGES" in os.sysconf_names else "SC_PHYS_PAGES"
    return os.sysconf(pages) * os.sysconf("SC_PAGE_SIZE")


def _group_bytes() -> Iterator[int]:
    """Give what the limit of each control group leaves, of this process's own and of those around it.

    A downloaded checkpoint fills the page cache, which is counted as used: what of it is given up first counts as free.
    """
    for folder, files in _groups():
        try:
            limit = (folder / files.limit).read_text().strip()
            used = int((folder / files.used).read_text())
            stat = (folder / "memory.stat").read_text() if (folder / "memory.stat").is_file() else ""
        except OSError:
            continue
        if limit != "max":
            cache = sum(int(line.split()[1]) for line in stat.splitlines() if line.startswith(f"{files.cache} "))
            yield max(0, int(limit) - max(0, used - cache))


def _groups() -> Iterator[tuple[Path, _Files]]:
    """In a container the path told may be the host's: then the outermost folder alone is there, and is the own one."""
    lines = _MEMBERSHIP.read_text().splitlines() if _MEMBERSHIP.is_file() else []
    for number, controllers, path in (line.split(":", 2) for line in lines):
        if number != "0" and "memory" not in controllers.split(","):
            continue
        root, files = (_CGROUP, _V2) if number == "0" else (_CGROUP / "memory", _V1)
        own = root / path.lstrip("/")
        yield from ((folder, files) for folder in (own, *own.parents) if folder == root or root in folder.parents)
