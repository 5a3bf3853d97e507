"""The workers behind a service of Kubernetes: its EndpointSlices, listed once and then watched.

Source: Kubernetes, "Kubernetes API Concepts", on watches, bookmarks and 410 Gone.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import urlencode

from services.checkpoint import in_daemon_thread
from services.routing.config import EndpointSlicesConfig
from services.routing.endpoint import Event, MalformedError, Slices, Standing, read_event, read_list
from services.routing.kubernetes import ApiError, ApiServer

_LIST_S = 30.0
_MAX_LIST_BYTES = 2**25
_MAX_LINE_BYTES = 2**22
"""A slice has 1000 endpoints at most, and an object of the API not much more than 1.5 MiB."""
_LARGE_BYTES = 2**15
"""Above which JSON is read on a thread: more takes above a millisecond."""
_WATCH_S = (240, 300)
"""For how long a watch is asked for: from, to."""
_LATE_S = 30.0
"""After that, in which the API server must have ended it."""
_FIRST_BACKOFF_S = 0.2
_LAST_BACKOFF_S = 30.0
_STEADY_S = 10.0
"""A watch that lasts so long has done well, however it ends."""

_log = logging.getLogger(__name__)
T = TypeVar("T")


class _GoneError(Exception):
    """The API server no longer knows what followed upon the version that is known here."""


class SliceWatch:
    """Follows one service.

    Attributes:
        heard: set once there was an answer, of whatever kind.
    """

    def __init__(
        self,
        api: ApiServer,
        config: EndpointSlicesConfig,
        namespace: str,
        found: Callable[[Mapping[str, Standing]], None],
    ) -> None:
        """Take whom to ask for what, and whom to tell every address, and whether it may be given calls."""
        self.heard = asyncio.Event()
        self._api = api
        self._what = f"service {config.service} of namespace {namespace}"
        self._path = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
        self._selector = f"kubernetes.io/service-name={config.service}"
        self._port = config.port
        self._found = found
        self._slices = Slices()
        self._version = ""
        """Of the collection, as far as it is known; empty: it must be listed."""
        self._complaint = ""
        self._portless = False
        self._backoff_s = _FIRST_BACKOFF_S

    async def follow(self) -> None:
        """List, watch, and begin again where that ends, until cancelled. What was found stays until more is known."""
        now = asyncio.get_running_loop().time
        while True:
            since = now()
            try:
                if not self._version:
                    await self._list()
                await self._watch()
            except _GoneError:
                self._version = ""
            except (ApiError, MalformedError) as error:
                self._version = ""  # an event may have been missed
                self._complain(_why(error))
            except (OSError, asyncio.TimeoutError) as error:
                why = str(error) or "no answer in time"
                self._complain(f"the API server {self._api.address} can't be reached ({why})")
            self.heard.set()
            if now() - since > _STEADY_S:
                self._backoff_s = _FIRST_BACKOFF_S
            await asyncio.sleep(self._backoff_s * random.uniform(0.5, 1.0))
            self._backoff_s = min(2 * self._backoff_s, _LAST_BACKOFF_S)

    async def _list(self) -> None:
        body = bytearray()
        async with self._api.get(f"{self._path}?{urlencode({'labelSelector': self._selector})}", _LIST_S) as answer:
            while piece := await answer.piece():
                body += piece
                if len(body) > _MAX_LIST_BYTES:
                    raise MalformedError(f"a list of more than {_MAX_LIST_BYTES} bytes")
        version, slices = await self._read(read_list, bytes(body))
        self._slices.listed(slices)
        self._version = version
        self._tell()

    async def _watch(self) -> None:
        """Take events until the API server ends the watch."""
        lasts_s = random.randint(*_WATCH_S)
        query = {
            "labelSelector": self._selector,
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(lasts_s),
        }
        async with self._api.get(f"{self._path}?{urlencode(query)}", lasts_s + _LATE_S) as answer:
            self._recovered()
            rest = b""
            while piece := await answer.piece():
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    self._take(await self._read(read_event, line))
                if lines:
                    self._tell()
                if len(rest) > _MAX_LINE_BYTES:
                    raise MalformedError(f"a line of more than {_MAX_LINE_BYTES} bytes")

    def _take(self, event: Event) -> None:
        if event.kind == "ERROR" and event.code == HTTPStatus.GONE:
            raise _GoneError
        if event.kind == "ERROR":
            raise ApiError(f"the watch fails with status {event.code}", event.code)
        self._slices.changed(event)
        self._version = event.version

    async def _read(self, read: Callable[[bytes, str], T], data: bytes) -> T:
        if len(data) > _LARGE_BYTES:
            return await in_daemon_thread(read, data, self._port)
        return read(data, self._port)

    def _tell(self) -> None:
        self._found(self._slices.endpoints)
        self.heard.set()
        if self._slices.portless and not self._portless:
            _log.warning("%s has endpoints, but no port %s", self._what, self._port)
        self._portless = self._slices.portless

    def _complain(self, why: str) -> None:
        if why != self._complaint:
            _log.warning("%s can't be followed: %s; until it can, its workers stay as they are", self._what, why)
        self._complaint = why

    def _recovered(self) -> None:
        if self._complaint:
            _log.info("%s is followed again", self._what)
        self._complaint = ""


def _why(error: ApiError | MalformedError) -> str:
    if isinstance(error, MalformedError):
        return f"the API server sends {error}"
    if error.status == HTTPStatus.FORBIDDEN:
        return "the API server forbids it; let the service account list and watch endpointslices of discovery.k8s.io"
    if error.status == HTTPStatus.UNAUTHORIZED:
        return "the API server doesn't accept the service account's token"
    return f"asked of the API server, {error}"
