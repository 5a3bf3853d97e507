"""What files say, read again when they change."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

from services.errors import ConfigError

_REFRESH_S = 1.0

_log = logging.getLogger(__name__)
T = TypeVar("T")


class Reloaded(Generic[T]):
    """A value made of files. Files that can't be used leave it as it was, and are logged.

    Attributes:
        value: what the files said when they last could be used.
        contents: of the files, by the keys that name them, from then.
        changed: called by `follow` when there is a new value.
    """

    def __init__(self, files: Mapping[str, str], make: Callable[[Mapping[str, bytes]], T]) -> None:
        """Take the files by the keys that name them, and what makes the value of their contents, by the same keys.

        Raises:
            ConfigError: they can't be used.
        """
        self._files = files
        self._make = make
        self._lock = threading.Lock()
        self._complaint = ""
        self.contents = self._read()
        self.value = make(self.contents)
        self.changed: Callable[[], None] = lambda: None

    def refresh(self) -> bool:
        """Read the files, which takes its time; tell whether there is a new value. From any thread."""
        with self._lock:
            try:
                contents = self._read()
                changed = contents != self.contents
                value = self._make(contents) if changed else self.value
                if changed and self._read() != contents:
                    return False  # still being written
            except ConfigError as error:
                if str(error) != self._complaint:
                    _log.error("%s; until then, what was read before is in force", error)
                self._complaint = str(error)
                return False
            self._complaint = ""
            if changed:
                self.contents, self.value = contents, value
                _log.info("%s: read again", ", ".join(self._files))
            return changed

    def _read(self) -> Mapping[str, bytes]:
        return {key: read(key, path) for key, path in self._files.items()}


def read(key: str, path: str) -> bytes:
    """Read the file that a key names.

    Raises:
        ConfigError: it can't be read.
    """
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ConfigError(f"{key}: {path} can't be read ({why}); give a file that this process may read") from None


async def follow(files: Collection[Reloaded[Any]]) -> None:
    """Refresh again and again, beside the event loop, until cancelled."""
    while files:
        await asyncio.sleep(_REFRESH_S)
        for file in await asyncio.to_thread(lambda: [each for each in files if each.refresh()]):
            file.changed()
