"""Whose turn it is: weighted fair queueing, by the tokens that requests cost. Pure.

Each caller has a virtual time, which grows by the cost of what it was given over its weight; who has the least is next.
Who comes back after a while begins at the present: nothing is saved up. That is start-time fair queueing (Goyal, Vin,
Cheng 1996), with costs that are put right once they are known, as the virtual token counter does for language models
(Sheng et al. 2024). Priority classes share in the same way among each other, so that none starves.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

K = TypeVar("K")

_FORGET_AT = 256
"""Virtual times that are kept at most. Those nearest to the present are dropped: they say the least."""


class Priority(Enum):
    """How urgent a request is. The value is the class's share while all classes wait."""

    high = 64
    normal = 8
    low = 1


@dataclass(eq=False)
class Entry:
    """A request in a queue.

    Attributes:
        caller: whose it is.
        cost: in tokens, at least 1.
        outputs: how many places it takes.
        weight: the caller's share, relative to other callers'.
    """

    caller: str
    cost: float
    outputs: int = 1
    weight: float = 1.0
    priority: Priority = Priority.normal


class Shares(Generic[K]):
    """Virtual times of those who share by weight."""

    def __init__(self) -> None:
        self._now = 0.0
        self._times: dict[K, float] = {}

    def next(self, waiting: Collection[K]) -> K:
        """Give the one of those who wait whose turn it is."""
        return min(waiting, key=lambda key: self._times.get(key, self._now))

    def join(self, key: K) -> None:
        """Note that one begins to wait: what it left unused before is gone."""
        self._times[key] = max(self._times.get(key, self._now), self._now)

    def charge(self, key: K, cost: float, weight: float) -> None:
        """Note that one is given something."""
        start = self._times.get(key, self._now)
        self._now = max(self._now, start)
        self._times[key] = start + cost / weight
        if len(self._times) > _FORGET_AT:
            self._times = dict(heapq.nlargest(_FORGET_AT // 2, self._times.items(), key=lambda item: item[1]))

    def settle(self, key: K, cost: float, weight: float) -> None:
        """Correct what one was charged, by a cost that may be negative."""
        if key in self._times:
            self._times[key] += cost / weight


class FairQueue:
    """Requests that wait: first come first served for each caller, and fair among callers.

    Attributes:
        outputs: of all that wait.
    """

    def __init__(self) -> None:
        self._classes: Shares[Priority] = Shares()
        self._callers: dict[Priority, Shares[str]] = {priority: Shares() for priority in Priority}
        self._waiting: dict[Priority, dict[str, dict[Entry, None]]] = {}
        self.outputs = 0

    def __len__(self) -> int:
        return sum(len(queue) for queues in self._waiting.values() for queue in queues.values())

    def __contains__(self, entry: Entry) -> bool:
        return entry in self._waiting.get(entry.priority, {}).get(entry.caller, {})

    def push(self, entry: Entry) -> None:
        """Let a request wait behind its caller's others."""
        self._join(entry)
        queues = self._waiting.setdefault(entry.priority, {})
        queues.setdefault(entry.caller, {})[entry] = None
        self.outputs += entry.outputs

    def pop(self) -> Entry:
        """Take the request whose turn it is, and charge its caller."""
        priority = self._classes.next(self._waiting)
        queues = self._waiting[priority]
        entry = next(iter(queues[self._callers[priority].next(queues)]))
        self.remove(entry)
        self._charge(entry)
        return entry

    def pass_through(self, entry: Entry) -> None:
        """Charge for a request that needn't wait."""
        self._join(entry)
        self._charge(entry)

    def remove(self, entry: Entry) -> None:
        """Take a request out, wherever it is."""
        queues = self._waiting[entry.priority]
        del queues[entry.caller][entry]
        if not queues[entry.caller]:
            del queues[entry.caller]
        if not queues:
            del self._waiting[entry.priority]
        self.outputs -= entry.outputs

    def settle(self, entry: Entry, cost: float) -> None:
        """Tell what a request that was charged did cost."""
        more, entry.cost = cost - entry.cost, cost
        self._classes.settle(entry.priority, more, entry.priority.value)
        self._callers[entry.priority].settle(entry.caller, more, entry.weight)

    def ahead(self, entry: Entry) -> float:
        """Estimate the tokens that will have been given out before the turn of a request that would be pushed now.

        While its caller's own queue is worked off, each other caller gets its share of as much, if it has that to do;
        and so does each other class.
        """
        queues = self._waiting.get(entry.priority, {})
        own = _cost(queues.get(entry.caller, {}))
        among = own
        for caller, queue in queues.items():
            if caller != entry.caller:
                weight = next(iter(queue)).weight
                among += min(_cost(queue), (own + entry.cost) * weight / entry.weight)
        total = among
        for priority, others in self._waiting.items():
            if priority is not entry.priority:
                share = priority.value / entry.priority.value
                total += min(sum(map(_cost, others.values())), (among + entry.cost) * share)
        return total

    def make_room(self, entry: Entry, outputs: int) -> list[Entry]:
        """Take out requests of so many outputs, so that another one can be pushed; none where that would be unfair.

        What goes is the newest of whoever has the most to do for its weight, in the lowest class; but never of a higher
        class than the new request's, nor of a caller that then had less than the one who takes the place (longest queue
        drop; McKenney 1990).
        """
        removed: list[Entry] = []
        while sum(each.outputs for each in removed) < outputs:
            victim = self._victim(entry)
            if victim is None:
                for each in reversed(removed):
                    self.push(each)
                return []
            self.remove(victim)
            removed.append(victim)
        return removed

    def _victim(self, entry: Entry) -> Entry | None:
        lowest = min(self._waiting, key=lambda priority: priority.value, default=entry.priority)
        if lowest.value > entry.priority.value or lowest not in self._waiting:
            return None
        queues = self._waiting[lowest]
        load = {caller: _cost(queue) / next(iter(queue)).weight for caller, queue in queues.items()}
        heaviest = max(load, key=lambda caller: load[caller])
        victim = next(reversed(queues[heaviest]))
        if lowest is entry.priority:
            mine = load.get(entry.caller, 0.0) + entry.cost / entry.weight
            if heaviest == entry.caller or load[heaviest] - victim.cost / victim.weight < mine:
                return None
        return victim

    def _join(self, entry: Entry) -> None:
        if entry.priority not in self._waiting:
            self._classes.join(entry.priority)
        if entry.caller not in self._waiting.get(entry.priority, {}):
            self._callers[entry.priority].join(entry.caller)

    def _charge(self, entry: Entry) -> None:
        self._classes.charge(entry.priority, entry.cost, entry.priority.value)
        self._callers[entry.priority].charge(entry.caller, entry.cost, entry.weight)


def _cost(queue: Collection[Entry]) -> float:
    return sum(entry.cost for entry in queue)
