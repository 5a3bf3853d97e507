"""What the EndpointSlices of a service say, taken together. Pure.

Sources: Kubernetes, "EndpointSlices", and the comments of `discovery.k8s.io/v1` in kubernetes/api.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypeVar

_MOST_SLICES = 1000
MOST_ENDPOINTS = 1000
"""Workers of one pool; what is beyond is left out."""

T = TypeVar("T")


class Standing(IntEnum):
    """Whether a worker may be given calls, as far as those who run it say: the more, the better."""

    out = 0
    """It may not."""
    leaving = 1
    """Where there is no other: it is about to go, and serves still."""
    ready = 2
    """It may."""


class MalformedError(ValueError):
    """What should be an object of the API's isn't one."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A worker as a slice tells of it.

    Attributes:
        address: host:port.
        standing: ready and not terminating, serving though terminating, or neither.
        pod: identifies what has the address, which may have another one too; empty if nothing says.
        ipv6: the address is one.
    """

    address: str
    standing: Standing
    pod: str
    ipv6: bool


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of a service's endpoints.

    Attributes:
        name: no two slices have the same.
        endpoints: in it, at the port that was asked for.
        portless: it has endpoints, and no such port.
    """

    name: str
    endpoints: tuple[Endpoint, ...]
    portless: bool


@dataclass(frozen=True, slots=True)
class Event:
    """A line of a watch.

    Attributes:
        kind: ADDED, MODIFIED, DELETED, BOOKMARK or ERROR.
        version: of the collection, after it; empty for an error.
        slice: added, modified or deleted; None for a bookmark and an error.
        code: of an error, as of HTTP.
    """

    kind: str
    version: str
    slice: Slice | None = None
    code: int = 0


class Slices:
    """All slices of a service, as they were last told."""

    def __init__(self) -> None:
        self._slices: dict[str, Slice] = {}

    def listed(self, slices: tuple[Slice, ...]) -> None:
        """Take all that there are.

        Raises:
            MalformedError: they are too many; then what was known stays.
        """
        if len(slices) > _MOST_SLICES:
            raise MalformedError(f"more than {_MOST_SLICES} slices")
        self._slices = {one.name: one for one in slices}

    def changed(self, event: Event) -> None:
        """Take a slice that was added, modified or deleted.

        Raises:
            MalformedError: they are too many; then what was known stays.
        """
        if event.slice is None:
            return
        if event.kind == "DELETED":
            self._slices.pop(event.slice.name, None)
            return
        if event.slice.name not in self._slices and len(self._slices) >= _MOST_SLICES:
            raise MalformedError(f"more than {_MOST_SLICES} slices")
        self._slices[event.slice.name] = event.slice

    @property
    def portless(self) -> bool:
        """Whether there are endpoints, and none of them has the port."""
        slices = self._slices.values()
        return any(one.portless for one in slices) and not any(one.endpoints for one in slices)

    @property
    def endpoints(self) -> Mapping[str, Standing]:
        """Every address, and whether it may be given calls.

        One that moves between slices is in both of them for a while, and as good as either says. A pod with addresses
        of both families is one worker: it has its IPv4 address.
        """
        every = [endpoint for one in self._slices.values() for endpoint in one.endpoints]
        both = {endpoint.pod for endpoint in every if endpoint.pod and not endpoint.ipv6}
        found: dict[str, Standing] = {}
        for endpoint in every:
            if not (endpoint.ipv6 and endpoint.pod in both):
                found[endpoint.address] = max(found.get(endpoint.address, Standing.out), endpoint.standing)
        return {address: found[address] for address in sorted(found)[:MOST_ENDPOINTS]}


def read_list(body: bytes, port: str) -> tuple[str, tuple[Slice, ...]]:
    """Read an EndpointSliceList: its version, and its slices, with their endpoints at a port (a name, or a number).

    Raises:
        MalformedError: it isn't one.
    """
    listed = _json(body)
    items = _get(listed, "items", list) or []
    return _version(listed), tuple(_slice(item, port) for item in items)


def read_event(line: bytes, port: str) -> Event:
    """Read a line of a watch, with endpoints at a port (a name, or a number).

    Raises:
        MalformedError: it isn't one.
    """
    event = _json(line)
    kind, told = _get(event, "type", str), _get(event, "object", dict)
    if kind == "ERROR":
        return Event(kind, "", code=_get(told, "code", int) or 0)
    if kind == "BOOKMARK":
        return Event(kind, _version(told))
    if kind in ("ADDED", "MODIFIED", "DELETED"):
        return Event(kind, _version(told), _slice(told, port))
    raise MalformedError("an event of no known type")


def _slice(told: Any, port: str) -> Slice:
    name = _get(_get(told, "metadata", dict), "name", str)
    if not name:
        raise MalformedError("a slice has no name")
    listed = _get(told, "endpoints", list) or []
    number = int(port) if port.isdecimal() else _number(_get(told, "ports", list) or [], port)
    if number is None or _get(told, "addressType", str) == "FQDN":
        return Slice(name, (), portless=bool(listed) and number is None)
    return Slice(name, tuple(_endpoint(each, number) for each in listed), portless=False)


def _number(ports: list[Any], name: str) -> int | None:
    for port in ports:
        if (_get(port, "name", str) or "") == name and (_get(port, "protocol", str) or "TCP") == "TCP":
            number = _get(port, "port", int)
            if number is not None and not 0 < number < 2**16:
                raise MalformedError("a port is no port")
            return number
    return None


def _endpoint(told: Any, port: int) -> Endpoint:
    """Read an endpoint. None of its addresses but the first has a meaning."""
    standing = _standing(_get(told, "conditions", dict) or {})
    addresses = _get(told, "addresses", list)
    try:
        host = ipaddress.ip_address(str(addresses[0]) if addresses else "")
    except ValueError:
        raise MalformedError("an endpoint has no IP address") from None
    ipv6 = host.version == 6
    pod = _get(_get(told, "targetRef", dict) or {}, "uid", str) or ""
    return Endpoint(f"[{host}]:{port}" if ipv6 else f"{host}:{port}", standing, pod, ipv6)


def _standing(conditions: Any) -> Standing:
    """Read an endpoint's conditions: what is left out is good, and `serving`, which came later, as `ready` is."""
    ready, terminating = _get(conditions, "ready", bool), _get(conditions, "terminating", bool)
    serving = _get(conditions, "serving", bool)
    if terminating:
        return Standing.leaving if (ready if serving is None else serving) is not False else Standing.out
    return Standing.out if ready is False else Standing.ready


def _version(told: Any) -> str:
    version = _get(_get(told, "metadata", dict), "resourceVersion", str)
    if not version:
        raise MalformedError("an object has no resourceVersion")
    return version


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise MalformedError("what is no JSON") from None


def _get(told: Any, key: str, kind: type[T]) -> T | None:
    """Give what an object has at a key; None where that is null or missing."""
    if not isinstance(told, dict):
        raise MalformedError(f"no object where one with {key} should be")
    value = told.get(key)
    if value is None or type(value) is kind:
        return value
    raise MalformedError(f"{key} of another type")
