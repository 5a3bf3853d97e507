"""Those who may call, and the file that lists them."""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from services.admission.fair import Priority
from services.admission.limit import LimitsConfig, check_limits
from services.errors import ConfigError
from services.identity.key import digest

_FIELDS = ("name", "sha256", "san", "models", "weight", "priority", "tenant", "limits")
_MOST_WEIGHT = 1e6
_NAME = r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls.

    Attributes:
        name: for people; several entries of the file may share it, as an old key and a new one do.
        models: names or aliases of those that may be asked; None for all.
        weight: their share of a model that many want, relative to the others'.
        priority: of their calls, and the highest that one may ask for.
        tenant: callers of one share what was computed of prompts; None for nobody else.
        limits: what they may ask; for what is left out, and for None, the server's.
    """

    name: str
    models: frozenset[str] | None = None
    weight: float = 1.0
    priority: Priority = Priority.normal
    tenant: str | None = None
    limits: LimitsConfig | None = None

    def may_ask(self, names: Iterable[str]) -> bool:
        """Tell whether the model that goes by these names may be asked."""
        return self.models is None or not self.models.isdisjoint(names)


ANYONE = Caller("anyone")
"""Where nobody is identified."""


class Callers:
    """A file's, by what they show."""

    def __init__(self, by_digest: Mapping[str, Caller], by_san: Mapping[str, Caller]) -> None:
        self._by_digest = {known: (known, caller) for known, caller in by_digest.items()}
        self._by_san = by_san

    def of_key(self, key: str) -> Caller | None:
        """Find who has a key. How long it takes depends on digests alone, and nobody can choose their key's."""
        shown = digest(key)
        known, caller = self._by_digest.get(shown, ("", None))
        return caller if hmac.compare_digest(known, shown) else None

    def of_certificate(self, sans: Sequence[str]) -> Caller | None:
        """Find whose certificate has one of these names."""
        return next((self._by_san[san] for san in sans if san in self._by_san), None)


def line(name: str, key: str, models: Sequence[str]) -> str:
    """Write the line of the file by which a key is known; no models means all."""
    entry: dict[str, Any] = {"name": name, "sha256": digest(key)}
    return json.dumps({**entry, "models": list(models)} if models else entry)


def read_callers(key: str, path: str, contents: bytes) -> Callers:
    """Read a file: a JSON object a line, and lines that are empty or begin with #.

    Raises:
        ConfigError: a line is wrong, or there is none.
    """
    by_digest: dict[str, Caller] = {}
    by_san: dict[str, Caller] = {}
    for number, raw in enumerate(contents.splitlines(), start=1):
        where = f"{key}: {path} line {number}"
        if raw.strip() and not raw.lstrip().startswith(b"#"):
            entry = _entry(where, raw)
            known, shown = (by_digest, entry["sha256"]) if "sha256" in entry else (by_san, entry["san"])
            if shown in known:
                raise ConfigError(f"{where}: is {known[shown].name}'s already; leave one of the two out")
            known[shown] = _caller(where, entry)
    if not by_digest and not by_san:
        raise ConfigError(f"{key}: {path} lists nobody; add a line that paddock key makes")
    return Callers(by_digest, by_san)


def _caller(where: str, entry: Mapping[str, Any]) -> Caller:
    models, weight, tenant = entry.get("models"), entry.get("weight", 1.0), entry.get("tenant")
    priority, limits = entry.get("priority", Priority.normal.name), entry.get("limits", {})
    known = [field.name for field in fields(LimitsConfig)]
    if not _is_number(weight) or not 0 < weight <= _MOST_WEIGHT:
        raise ConfigError(f"{where}: its weight is not above 0 and at most {_MOST_WEIGHT:g}; give a number that is")
    if not isinstance(priority, str) or priority not in Priority.__members__:
        raise ConfigError(f"{where}: its priority is none of {', '.join(Priority.__members__)}; use one of them")
    if tenant is not None and not (isinstance(tenant, str) and re.fullmatch(_NAME, tenant)):
        raise ConfigError(f"{where}: its tenant is no name; use letters, digits and . _ @ -")
    if not isinstance(limits, dict) or not limits.keys() <= set(known):
        raise ConfigError(f"{where}: its limits have other fields than {', '.join(known)}; leave them out")
    if not all(isinstance(value, int) and _is_number(value) for value in limits.values()):
        raise ConfigError(f'{where}: its limits are no whole numbers; write 60, not "60"')
    check_limits(f"{where}: its limits", given := LimitsConfig(**limits))
    allowed = None if models is None else frozenset(models)
    return Caller(entry["name"], allowed, float(weight), Priority[priority], tenant, given if limits else None)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _entry(where: str, raw: bytes) -> Mapping[str, Any]:
    """Read a line. What it says is not repeated: somebody may have put a key there."""
    try:
        entry = json.loads(raw)
    except (ValueError, RecursionError):
        raise ConfigError(f"{where}: is no JSON; write it as paddock key does") from None
    if not isinstance(entry, dict) or not entry.keys() <= set(_FIELDS):
        raise ConfigError(f"{where}: has other fields than {', '.join(_FIELDS)}; leave them out")
    if not isinstance(entry.get("name"), str) or not re.fullmatch(_NAME, entry["name"]):
        raise ConfigError(f"{where}: its name is no name; use letters, digits and . _ @ -")
    if ("sha256" in entry) == ("san" in entry):
        raise ConfigError(f"{where}: give one of sha256 and san")
    if "sha256" in entry and not re.fullmatch(r"[0-9a-f]{64}", str(entry["sha256"])):
        raise ConfigError(f"{where}: its sha256 is not 64 hexadecimal digits; take the line that paddock key prints")
    if "san" in entry and not (isinstance(entry["san"], str) and entry["san"]):
        raise ConfigError(f"{where}: its san is no name; give one of the certificate's subject alternative names")
    models = entry.get("models", [])
    if not isinstance(models, list) or not all(isinstance(model, str) for model in models):
        raise ConfigError(f"{where}: its models are no list of names; write one, or leave it out for all models")
    return entry
