"""What one caller may ask, of all models or of one: at once, and per minute."""

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


class Account:
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

    def begin(self, tokens: int, now: float) -> None:
        """Count a request in, as the most tokens that it may take."""
        self.take(1, tokens, now)
        self.requests += 1
        self.tokens += tokens

    def end(self, tokens: int, used: int, now: float) -> None:
        """Count it out, and give back what it didn't use."""
        self.requests -= 1
        self.tokens -= tokens
        self.take(0 if used else -1, used - tokens, now)

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
    """A server's or a model's: what callers have under way, and had lately.

    Attributes:
        model: whose it is; None for a server's.
        refused: requests past a limit, by the limit's name.
    """

    def __init__(self, limits: LimitsConfig, clock: Callable[[], float], model: str | None = None) -> None:
        """Take what each caller may ask, and a clock that gives seconds.

        Callers' own limits are of all models together: they stand in place of a server's, and beside a model's.
        """
        self._limits = limits
        self._clock = clock
        self._accounts: dict[str, Account] = {}
        self.model = model
        self.refused: Counter[str] = Counter()

    @contextmanager
    def holding(self, caller: Limited, tokens: int, typical_s: float, model: Limiter | None = None) -> Iterator[Hold]:
        """Count a request in while it lasts.

        Args:
            caller: whose it is.
            tokens: the most that it may read and write.
            typical_s: seconds that a request takes, as far as is known.
            model: counts it in, too; where either refuses it, neither does.

        Raises:
            LimitExceededError: the caller is past a limit: of several the one that takes longest to let it pass.
        """
        limiters = (self,) if model is None else (self, model)
        waits = [(*limiter.longest_wait(caller, tokens, typical_s), limiter) for limiter in limiters]
        wait_s, name, refusing = max(waits, key=lambda wait: wait[0])
        if wait_s > 0:
            refusing.refused[name] += 1
            raise LimitExceededError(caller.name, name, max(wait_s, _SHORTEST_RETRY_S), refusing.model)
        accounts = [limiter.account(caller) for limiter in limiters]
        for account in accounts:
            account.begin(tokens, self._clock())
        hold = Hold()
        try:
            yield hold
        finally:
            used = tokens if hold.used is None else hold.used
            for account in accounts:
                account.end(tokens, used, self._clock())

    def longest_wait(self, caller: Limited, tokens: int, typical_s: float) -> tuple[float, str]:
        """Give the seconds until all limits would let a request pass, and which would be the last."""
        limits = stricter(caller.limits, self._limits) if self.model is None else self._limits
        waits_s = self._waits_s(self.account(caller), limits, tokens, typical_s, self._clock())
        name = max(waits_s, key=lambda name: waits_s[name])
        return waits_s[name], name

    def _waits_s(
        self, account: Account, limits: LimitsConfig, tokens: int, typical_s: float, now: float
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

    def account(self, caller: Limited) -> Account:
        """Give a caller's; those with nothing to remember are forgotten when there are many."""
        if caller.name not in self._accounts:
            if len(self._accounts) >= _FORGET_AT:
                now = self._clock()
                self._accounts = {name: account for name, account in self._accounts.items() if not account.is_idle(now)}
            self._accounts[caller.name] = Account()
        return self._accounts[caller.name]
