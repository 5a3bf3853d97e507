"""Where a call comes from: who makes it, how urgent it is, and with whom it shares what was computed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

from services.admission.fair import Priority
from services.errors import InvalidArgumentError, Violation
from services.identity.caller import ANYONE, Caller

PRIORITY_KEY = "x-paddock-priority"
CACHE_SALT_KEY = "x-paddock-cache-salt"


@dataclass(frozen=True, slots=True)
class Origin:
    """Of one call.

    Attributes:
        priority: no higher than the caller's.
        cache_salt: requests whose salts differ share no computed prefix.
    """

    caller: Caller = ANYONE
    priority: Priority = Priority.normal
    cache_salt: str = ""

    @property
    def urgent(self) -> Origin:
        """The same, with the highest priority: for what others wait for who were let in already."""
        return replace(self, priority=Priority.high)

    @property
    def metadata(self) -> list[tuple[str, str]]:
        """What workers are told of it."""
        told = [(PRIORITY_KEY, self.priority.name)] if self.priority is not Priority.normal else []
        return [*told, (CACHE_SALT_KEY, self.cache_salt)] if self.cache_salt else told


def read_origin(caller: Caller, metadata: Iterable[tuple[str, Any]], shares_cache: bool) -> Origin:
    """Read what a call says of itself.

    A caller may set calls apart by a salt of its own, as a gateway does for its callers; none gets among another's.

    Args:
        caller: who makes it.
        metadata: the call's.
        shares_cache: callers share what was computed for others.

    Raises:
        InvalidArgumentError: it says what it can't.
    """
    given = dict(metadata)
    wanted, salt = given.get(PRIORITY_KEY, ""), given.get(CACHE_SALT_KEY, "")
    if wanted and wanted not in Priority.__members__:
        known = ", ".join(Priority.__members__)
        raise InvalidArgumentError([Violation(PRIORITY_KEY, f"is no priority: use one of {known}")])
    priority = min(Priority[wanted] if wanted else caller.priority, caller.priority, key=lambda each: each.value)
    tenant = "" if shares_cache or caller is ANYONE else caller.tenant or caller.name
    return Origin(caller, priority, _digest(tenant, salt) if tenant or salt else "")


def _digest(tenant: str, salt: str | bytes) -> str:
    given = salt if isinstance(salt, bytes) else salt.encode()
    return hashlib.blake2b(len(tenant).to_bytes(8, "big") + tenant.encode() + given, digest_size=16).hexdigest()


_origin: ContextVar[Origin] = ContextVar("origin", default=Origin())  # noqa: B039 - it is frozen


def origin() -> Origin:
    """Give the origin of the call that is being handled."""
    return _origin.get()


def set_origin(value: Origin) -> None:
    """Let this be the origin of the call that this task handles, and of the tasks it begins from now on."""
    _origin.set(value)
