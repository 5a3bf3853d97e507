"""Folders that are built once and whole: each is named after what went into it, and appears when it is finished."""

from __future__ import annotations

import contextlib
import datetime
import errno
import fcntl
import hashlib
import json
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

MANIFEST = "paddock.json"
"""Beside what was built: what it is, of what, by which command. A folder without one is none of these."""

_PROGRESS_S = 5.0
_CHUNK = 16 * 2**20


class BuildError(Exception):
    """Something could not be built. The message is one sentence with the remedy."""


def make(root: Path, base: str, inputs: Mapping[str, Any], command: str, fill: Callable[[Path], None]) -> Path:
    """Give the folder made of some inputs, making it if need be. The same inputs give the same folder.

    Only one process makes it; others wait, and then find it made. What is not finished is removed.

    Args:
        root: where such folders lie; created.
        base: what the name begins with.
        inputs: all that the content depends on, for JSON.
        command: that makes it again.
        fill: puts the content into an empty folder.

    Raises:
        BuildError: the disk is full or can't be written; `fill` may raise it too.
    """
    name = f"{base}-{digest(inputs)}"
    target = root / name
    try:
        root.mkdir(parents=True, exist_ok=True)
        with _locked(root / f".{name}.lock"):
            if not (target / MANIFEST).is_file():
                # Each try has a folder of its own: what a killed builder started may still be writing into its own.
                partial = root / f".{name}.{uuid.uuid4().hex[:8]}.partial"
                try:
                    _remove(root.glob(f".{name}.*partial"))  # of those that died
                    _fill(partial, inputs, command, fill)
                    _remove([target])  # without a manifest it is none of these
                    partial.rename(target)
                finally:
                    _remove([partial])
    except OSError as error:
        what = "the disk is full" if error.errno == errno.ENOSPC else f"it can't be written ({error.strerror})"
        remedy = "nothing unfinished was left there; make room, or name another --output"
        raise BuildError(f"{root}: {what}; {remedy}") from error
    return target


def digest(inputs: Mapping[str, Any] | str) -> str:
    """Give twelve hex digits that stand for the inputs."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:12]


def hashes(folder: Path, patterns: tuple[str, ...], tell: Callable[[str], None]) -> dict[str, str]:
    """Hash the files of a folder, by name. A manifest isn't one: it tells when a folder was made.

    Args:
        folder: to look into.
        patterns: of the names that count.
        tell: is told of progress, every few seconds.
    """
    found = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    paths = sorted(path for path in found if path.name != MANIFEST)
    total, done, told = sum(path.stat().st_size for path in paths), 0, time.monotonic()
    digests = {}
    for path in paths:
        sha = hashlib.sha256()
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                sha.update(chunk)
                done += len(chunk)
                if time.monotonic() - told >= _PROGRESS_S:
                    tell(f"hashing {folder}: {done / 1e9:.1f} of {total / 1e9:.1f} GB")
                    told = time.monotonic()
        digests[path.name] = sha.hexdigest()
    return digests


def _fill(partial: Path, inputs: Mapping[str, Any], command: str, fill: Callable[[Path], None]) -> None:
    partial.mkdir()
    fill(partial)
    made = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    files = {path.name: path.stat().st_size for path in sorted(partial.iterdir()) if path.is_file()}
    manifest = {**inputs, "files": files, "made": made, "command": command}
    (partial / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def _remove(folders: Iterable[Path]) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock that ends with the process, whatever ends it. The file stays: removing it would let two in."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
