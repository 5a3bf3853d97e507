"""What one caller may ask: at once, and per minute."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from typing import Protocol

from services.errors import ConfigError, LimitExceededError

_MINUTE_S = 60.0
_SHORTEST_RETRY_S = 0.1
_FORGET_AT = 256
"""Callers that are kept before those who have all of their limits left are dropped."""


@dataclass
class LimitsConfig:
    """What a caller may ask; None for no limit.

    Attributes:
        requests: under way at once.
        tokens: of requests under way: of their prompts, and the most that they may answer.
        requests_per_minute: begun; as many as a minute allows may be begun at once.
        tokens_per_minute: read and written; a request counts as the most it may take until it has ended.
    """

    requests: int | None = None
    tokens: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None


def check_limits(key: str, limits: LimitsConfig) -> None:
    """Check the limits that are configured at a key.

    Raises:
        ConfigError: one is below 1.
    """
    for entry in fields(limits):
        value = getattr(limits, entry.name)
        if value is not None and value < 1:
            raise ConfigError(f"{key}.{entry.name}: {value} is below 1; give 1 or more, or leave it out for no limit")


def stricter(given: LimitsConfig | None, defaults: LimitsConfig) -> LimitsConfig:
    """Give a caller's own limits, and for each that it has not, the one that all have."""
    if given is None:
        return defaults
    own = {entry.name: getattr(given, entry.name) for entry in fields(given)}
    return replace(defaults, **{name: value for name, value in own.items() if value is not None})


class Limited(Protocol):
    """A caller, as far as limits go."""

    @property
    def name(self) -> str: ...

    @property
    def limits(self) -> LimitsConfig | None: ...


class TokenBucket:
    """Fills at a steady rate, up to what a minute brings. What takes more than it holds leaves a debt."""

    def __init__(self, per_minute: float, now: float) -> None:
        self.per_minute = per_minute
        self._level = per_minute
        self._at = now

    def wait_s(self, amount: float, now: float) -> float:
        """Give the seconds until so much may be taken, 0 for now; more than the bucket holds may be when it is full."""
        self._pass_time(now)
        return max(0.0, min(amount, self.per_minute) - self._level) * _MINUTE_S / self.per_minute

    def take(self, amount: float, now: float) -> None:
        """Take so much; a negative amount gives back."""
        self._pass_time(now)
        self._level = min(self._level - amount, self.per_minute)

    def is_full(self, now: float) -> bool:
        """Tell whether nothing is missing."""
        self._pass_time(now)
        return self._level >= self.per_minute

    def _pass_time(self, now: float) -> None:
        self._level = min(self.per_minute, self._level + (now - self._at) * self.per_minute / _MINUTE_S)
        self._at = now


class _Account:
    """One caller's."""

    def __init__(self) -> None:
        self.requests = 0
        self.tokens = 0
        self.buckets: dict[str, TokenBucket] = {}

    def bucket(self, name: str, per_minute: int | None, now: float) -> TokenBucket | None:
        """Give the bucket of a limit; another one where the limit has changed."""
        if per_minute is None:
            self.buckets.pop(name, None)
        elif name not in self.buckets or self.buckets[name].per_minute != per_minute:
            self.buckets[name] = TokenBucket(per_minute, now)
        return self.buckets.get(name)

    def take(self, requests: int, tokens: int, now: float) -> None:
        """Take from the buckets; what is negative is given back."""
        for name, amount in (("requests_per_minute", requests), ("tokens_per_minute", tokens)):
            if name in self.buckets:
                self.buckets[name].take(amount, now)

    def is_idle(self, now: float) -> bool:
        """Tell whether a new account would be the same."""
        return not self.requests and all(bucket.is_full(now) for bucket in self.buckets.values())


@dataclass
class Hold:
    """What one request takes of its caller's limits.

    Attributes:
        used: tokens; 0 while it isn't taken on, and None where they aren't known.
    """

    used: int | None = 0


class Limiter:
    """A server's: what its callers have under way, and had lately.

    Attributes:
        refused: requests past a limit, by the limit's name.
    """

    def __init__(self, defaults: LimitsConfig, clock: Callable[[], float]) -> None:
        """Take what holds for callers without limits of their own, and a clock that gives seconds."""
        self._defaults = defaults
        self._clock = clock
        self._accounts: dict[str, _Account] = {}
        self.refused: Counter[str] = Counter()

    @contextmanager
    def holding(self, caller: Limited, tokens: int, typical_s: float) -> Iterator[Hold]:
        """Count a request in while it lasts.

        Args:
            caller: whose it is.
            tokens: the most that it may read and write.
            typical_s: seconds that a request takes, as far as is known.

        Raises:
            LimitExceededError: the caller is past a limit.
        """
        limits, now = stricter(caller.limits, self._defaults), self._clock()
        account = self._accounts.get(caller.name) or self._new_account(caller.name, now)
        waits_s = self._waits_s(account, limits, tokens, typical_s, now)
        name = max(waits_s, key=lambda name: waits_s[name])
        if waits_s[name] > 0:
            self.refused[name] += 1
            raise LimitExceededError(caller.name, name, max(waits_s[name], _SHORTEST_RETRY_S))
        account.take(1, tokens, now)
        account.requests += 1
        account.tokens += tokens
        hold = Hold()
        try:
            yield hold
        finally:
            account.requests -= 1
            account.tokens -= tokens
            used = tokens if hold.used is None else hold.used
            account.take(0 if used else -1, used - tokens, self._clock())

    def _waits_s(
        self, account: _Account, limits: LimitsConfig, tokens: int, typical_s: float, now: float
    ) -> dict[str, float]:
        """Give the seconds until each limit would let a request pass."""
        next_end_s = max(typical_s / max(account.requests, 1), _SHORTEST_RETRY_S)
        too_many = account.requests >= (math.inf if limits.requests is None else limits.requests)
        most = math.inf if limits.tokens is None else limits.tokens
        too_much = account.requests > 0 and account.tokens + tokens > most
        requests = account.bucket("requests_per_minute", limits.requests_per_minute, now)
        per_minute = account.bucket("tokens_per_minute", limits.tokens_per_minute, now)
        return {
            "requests": next_end_s if too_many else 0.0,
            "tokens": next_end_s if too_much else 0.0,
            "requests_per_minute": requests.wait_s(1, now) if requests else 0.0,
            "tokens_per_minute": per_minute.wait_s(tokens, now) if per_minute else 0.0,
        }

    def _new_account(self, caller: str, now: float) -> _Account:
        if len(self._accounts) >= _FORGET_AT:
            self._accounts = {name: account for name, account in self._accounts.items() if not account.is_idle(now)}
        self._accounts[caller] = _Account()
        return self._accounts[caller]
