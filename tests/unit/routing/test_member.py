"""Workers that discovery finds come and go, and their streams end first."""

from __future__ import annotations

import asyncio
import random

import pytest

from services.routing import member
from services.routing.endpoint import Standing
from services.routing.member import Members
from services.routing.pool import Pool
from tests.unit.routing.fake import upstream

OUT, LEAVING, READY = Standing


class Made:
    """Members of a pool with one configured upstream, and what became of those that were made."""

    def __init__(self) -> None:
        self.pool = Pool("main", [upstream("own:1")], random.Random(1))
        self.dropped: list[str] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.members = Members(self.pool, upstream, lambda one: self.dropped.append(one.address), self._run)

    def _run(self, work):
        self.tasks.append(asyncio.ensure_future(work))

    def __getitem__(self, address):
        return next(one for one in self.pool.upstreams if one.address == address)

    @property
    def open(self):
        """Who may be given calls."""
        return [one.address for one in self.pool.upstreams if one.open]

    @property
    def every(self):
        """Who is there."""
        return [one.address for one in self.pool.upstreams]

    async def settled(self):
        """Wait until nothing is to be removed any more."""
        await asyncio.wait_for(asyncio.gather(*self.tasks), 30)


@pytest.fixture
def made(monkeypatch):
    """No waiting longer than it takes to see that something waits."""
    monkeypatch.setattr(member, "_SETTLE_S", 0.01)
    return Made()


async def test_who_is_ready_comes(made):
    made.members.told({"a:1": READY, "b:1": OUT, "own:1": OUT})
    assert made.every == ["own:1", "a:1"] == made.open
    made.members.told({"a:1": READY, "b:1": READY})
    assert made.open == ["own:1", "a:1", "b:1"]
    assert not made.tasks


async def test_who_is_not_ready_keeps_its_place_without_new_calls(made):
    made.members.told({"a:1": READY})
    kept = made["a:1"]
    made.members.told({"a:1": OUT})
    assert made.open == ["own:1"]
    assert not kept.available
    made.members.told({"a:1": READY})
    assert made["a:1"] is kept
    assert made.open == ["own:1", "a:1"]
    assert not made.dropped
    assert not made.tasks


async def test_who_is_about_to_go_is_there_for_what_nobody_else_can_do(made):
    made.members.told({"a:1": LEAVING, "b:1": READY})
    assert made.every == ["own:1", "a:1", "b:1"]
    assert made.open == ["own:1", "b:1"]
    assert made["a:1"].leaving
    made.members.told({"a:1": OUT, "b:1": LEAVING})
    assert [made[address].leaving for address in ("a:1", "b:1")] == [False, True]


async def test_who_is_gone_is_removed_when_its_last_call_has_ended(made):
    made.members.told({"a:1": READY, "b:1": READY})
    with made["a:1"].working(5):
        made.members.told({})
        while "b:1" in made.every:  # noqa: ASYNC110 - a poll is all that there is
            await asyncio.sleep(0)
        assert made.every == ["own:1", "a:1"]
        assert made.open == ["own:1"]
        made.members.told({})
    await made.settled()
    assert made.every == ["own:1"]
    assert made.dropped == ["b:1", "a:1"]
    assert len(made.tasks) == 1


async def test_who_comes_back_before_it_is_believed_to_be_gone_never_left(made):
    made.members.told({"a:1": READY})
    kept = made["a:1"]
    made.members.told({})
    assert made.open == ["own:1", "a:1"]
    made.members.told({"a:1": READY})
    await made.settled()
    assert made["a:1"] is kept
    assert kept.open
    assert not made.dropped


async def test_who_comes_back_while_its_calls_end_is_given_calls_again(made):
    made.members.told({"a:1": READY})
    kept = made["a:1"]
    with kept.working(1):
        made.members.told({})
        while kept.open:  # noqa: ASYNC110 - a poll is all that there is
            await asyncio.sleep(0)
        made.members.told({"a:1": READY})
        assert kept.open
    await made.settled()
    assert made["a:1"] is kept
    made.members.told({})
    await made.settled()
    assert made.dropped == ["a:1"]


async def test_a_name_knows_less_than_a_worker_says_of_itself(made):
    made.members.resolved(["a:1", "b:1"])
    made["b:1"].serving = False
    made.members.resolved(["own:1"])
    assert made.open == ["own:1", "a:1"] == made.every
    assert made.dropped == ["b:1"]
