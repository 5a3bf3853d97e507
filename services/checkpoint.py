"""Where a model's files are: an embedded model, a folder, or a Hugging Face Hub repository fetched to one."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from services.errors import ConfigError

EMBEDDED = "embedded:"
"""Prefix of a checkpoint that ships with Paddock, as in `embedded:paddock-tiny`."""

_MODELS = Path(__file__).parents[1] / "models"
"""Beside this package, in a checkout and where it is installed. Not by import: others call their packages so too."""

_FETCHED = ["*.json", "*.safetensors", "*.jinja"]
"""What is fetched from a hub: no pickles, no code."""

_log = logging.getLogger(__name__)

_P = ParamSpec("_P")
_T = TypeVar("_T")


async def in_daemon_thread(function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Run a function like `asyncio.to_thread`, on a thread that the end of the loop and of the process don't wait for.

    Cancelling returns at once; the thread goes on, and its outcome is dropped.
    """
    outcome: Future[_T] = Future()
    outcome.set_running_or_notify_cancel()  # from here on a cancelled await can't cancel it under the thread

    def run() -> None:
        try:
            result = function(*args, **kwargs)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the one who waits must learn of it
            outcome.set_exception(error)
        else:
            outcome.set_result(result)

    threading.Thread(target=run, name="paddock-checkpoint", daemon=True).start()
    return await asyncio.wrap_future(outcome)


def resolve(checkpoint: str, revision: str | None, key: str) -> Path:
    """Give the folder of a checkpoint, fetching it when it is a hub name.

    Args:
        checkpoint: `embedded:NAME`, a folder, or a hub name such as `org/name`.
        revision: of a hub name: a branch, tag or commit.
        key: the configuration key it came from, for errors.

    Raises:
        ConfigError: there is no such folder, or it can't be fetched.
    """
    if checkpoint.startswith(EMBEDDED):
        folder = _MODELS / checkpoint.removeprefix(EMBEDDED)
    else:
        folder = Path(checkpoint).expanduser()
    if folder.is_dir():
        return folder
    looks_like_hub_name = checkpoint.count("/") == 1 and not checkpoint.startswith((".", "/", "~"))
    if not looks_like_hub_name:
        raise ConfigError(f"{key}: no folder {checkpoint}; set it to a checkpoint folder or a hub name (org/name)")
    return _fetch(checkpoint, revision, key)


def _fetch(name: str, revision: str | None, key: str) -> Path:
    import huggingface_hub

    _log.info("fetching %s from the hub", name)
    try:
        return Path(huggingface_hub.snapshot_download(name, revision=revision, allow_patterns=_FETCHED))
    except Exception as error:  # a lost connection is told in the words of the library's HTTP client, which changes
        full = isinstance(error, OSError) and error.errno == errno.ENOSPC
        remedy = (
            "the disk is full: make room, or set HF_HOME to a place with more"
            if full
            else "check the name, the network and HF_TOKEN, or give a folder"
        )
        raise ConfigError(
            f"{key}: {name} is no folder here and could not be fetched from the hub ({type(error).__name__}); {remedy}"
        ) from error


def read_json(folder: Path, name: str) -> dict[str, Any]:
    """Read a JSON object from a checkpoint; an absent file is an empty one.

    Raises:
        ConfigError: it is there and can't be read.
    """
    path = folder / name
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"checkpoint: {path} can't be read: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"checkpoint: {path} holds no JSON object")
    return content
