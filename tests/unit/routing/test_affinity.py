"""Conversations return to the worker that may have kept their beginning, unless it has much more to do than others."""

from __future__ import annotations

import random
from collections import Counter

from paddock.v1 import generate_pb2
from services.routing.affinity import affinity_key
from services.routing.pool import Pool
from tests.unit.routing.fake import upstream


def asked(*texts, system="the rules", **fields):
    """Make a request whose messages are the user's and the assistant's in turn."""
    roles = ["ROLE_USER", "ROLE_ASSISTANT"]
    said = [{"role": roles[n % 2], "content": [{"text": text}]} for n, text in enumerate(texts)]
    return generate_pb2.GenerateRequest(
        chat={"messages": [{"role": "ROLE_SYSTEM", "content": [{"text": system}]}, *said]}, **fields
    )


def pool(count=4, **settings):
    """Make a pool of so many."""
    return Pool("main", [upstream(f"a:{n}", **settings) for n in range(1, count + 1)], random.Random(1))


def chosen(made, number, tokens=100):
    """Give whom a numbered conversation gets."""
    return made.choose(lambda one: one.available, (), tokens, affinity_key(asked(f"question {number}")))


def test_all_turns_of_a_conversation_have_one_key():
    first = affinity_key(asked("hello"))
    assert first == affinity_key(asked("hello", "yes?", "more", max_tokens=3))
    assert len({first, affinity_key(asked("bye")), affinity_key(asked("hello", system="others"))}) == 3


def test_prompts_and_ids_have_keys_of_their_beginning():
    def prompt(text):
        return affinity_key(generate_pb2.GenerateRequest(prompt=text))

    def ids(*given):
        return affinity_key(generate_pb2.GenerateRequest(token_ids={"ids": given}))

    assert prompt("x" * 5000 + "a") == prompt("x" * 5000 + "b") != prompt("y" * 5000)
    assert ids(*range(2000)) == ids(*range(1024)) != ids(*range(1, 1025))
    assert affinity_key(generate_pb2.GenerateRequest())


def test_a_conversation_returns_to_its_worker():
    made = pool()
    for number in range(20):
        first = chosen(made, number)
        assert {chosen(made, number) for _ in range(5)} == {first}


def test_conversations_are_spread_by_weight():
    made = pool()
    made.upstreams[0].weight = 3.0
    counts = Counter(chosen(made, number).address for number in range(3000))
    assert 1300 < counts["a:1"] < 1700
    assert all(380 < counts[f"a:{n}"] < 620 for n in (2, 3, 4))


def test_who_comes_or_goes_moves_few():
    made = pool()
    before = {number: chosen(made, number) for number in range(400)}
    made.upstreams.append(upstream("a:5"))
    moved = [number for number, one in before.items() if chosen(made, number) is not one]
    assert 40 < len(moved) < 130
    assert {chosen(made, number).address for number in moved} == {"a:5"}
    made.upstreams.pop()
    gone = made.upstreams[0]
    gone.serving = False
    assert all(chosen(made, number) is one for number, one in before.items() if one is not gone)


def test_one_key_never_overloads_one_worker():
    made = pool()
    for _ in range(400):
        chosen(made, 1).work += 100
    works = [one.work for one in made.upstreams]
    assert sum(works) == 40_000
    assert max(works) <= 1.25 * 10_000 + 200


def test_a_busy_worker_is_left_for_the_next_of_the_key():
    made = pool()
    own = chosen(made, 1)
    own.work = 1_000_000
    other = chosen(made, 1)
    assert other is not own
    assert {chosen(made, 1) for _ in range(5)} == {other}
    own.work = 0
    assert chosen(made, 1) is own
