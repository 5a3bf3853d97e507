"""How much memory is free, in bytes."""

from __future__ import annotations

import os
from pathlib import Path

import torch

_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")


def free_bytes(device: torch.device) -> int:
    """Tell the memory free for use on a device; on CPU the container's limit (cgroup v2) counts too."""
    if device.type == "cuda":
        free, _total = torch.cuda.mem_get_info(device)
        return int(free)
    return min(_host_bytes(), _cgroup_bytes())


def _host_bytes() -> int:
    """Where there is no `/proc/meminfo`, as on macOS: the unused pages, or all of them where those aren't told."""
    if _MEMINFO.is_file():
        for line in _MEMINFO.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    pages = "SC_AVPHYS_PAGES" if "SC_AVPHYS_PAGES" in os.sysconf_names else "SC_PHYS_PAGES"
    return os.sysconf(pages) * os.sysconf("SC_PAGE_SIZE")


def _cgroup_bytes() -> int:
    try:
        limit = (_CGROUP / "memory.max").read_text().strip()
        used = int((_CGROUP / "memory.current").read_text())
    except OSError:
        limit, used = "max", 0
    return 2**63 if limit == "max" else max(0, int(limit) - used)
