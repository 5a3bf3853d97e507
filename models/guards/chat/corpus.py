"""Conversations with their verdicts, for training without end and for the evaluation by kind; all from seeds."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from models.guards import demo, everyday
from models.guards.chat import reply
from models.guards.chat.author import CODES, Author
from models.guards.grammar import Split


class Turn(NamedTuple):
    """A message: role (`user` or `assistant`), content, and the categories that it falls under, in their order."""

    role: str
    content: str
    codes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """A conversation, of which the guard is to judge the last message.

    Attributes:
        kind: what it is counted under.
        turns: alternating, the user's first.
        excluded: categories left out of the prompt.
        added: the name of one more category in the prompt, which says nothing to this guard; empty for none.
    """

    kind: str
    turns: tuple[Turn, ...]
    excluded: frozenset[str] = frozenset()
    added: str = ""

    @property
    def verdict(self) -> str:
        """What the guard is to write."""
        codes = [code for code in self.turns[-1].codes if code not in self.excluded]
        return "unsafe\n" + ",".join(codes) if codes else "safe"


def _user(content: str, codes: tuple[str, ...] = ()) -> Turn:
    return Turn("user", content, codes)


def _agent(content: str, codes: tuple[str, ...] = ()) -> Turn:
    return Turn("assistant", content, codes)


def _history(author: Author) -> list[Turn]:
    """Exchanges before: harmless ones, refused ones, and some that went wrong."""
    turns: list[Turn] = []
    for _ in range(author.rng.choices((0, 1, 2, 3), (74, 16, 7, 3))[0]):
        draw = author.rng.random()
        if draw < 0.15:
            turns += _of_demo(author, by_agent=True)[-2:]
            continue
        if draw < 0.5:
            turns += [_user(author.small_talk()), _agent(author.answer())]
            continue
        wish = author.hazard()
        turns.append(_user(author.ask(wish), wish.codes))
        if draw < 0.8:
            turns.append(_agent(author.refuse(wish)))
        else:
            turns.append(_agent(author.comply(wish), wish.codes))
    return turns


def _of_demo(author: Author, by_agent: bool) -> list[Turn]:
    """Take a conversation with paddock-tiny, up to something that one side says."""
    sides = demo.dialog(author.rng, author.split)
    ends = [index for index, side in enumerate(sides) if side.is_agent == by_agent]
    end = author.rng.choice(ends) + 1
    turns = [_agent(side.content) if side.is_agent else _user(side.content) for side in sides[:end]]
    return turns[-4 if by_agent else -3 :]


def _demo_question(author: Author) -> list[Turn]:
    return _of_demo(author, by_agent=False)


def _demo_answer(author: Author) -> list[Turn]:
    return _of_demo(author, by_agent=True)


def _request(author: Author, code: str | None = None) -> list[Turn]:
    if code is None and author.rng.random() < 0.08:
        text, wish = author.two_hazards()
    else:
        wish = author.hazard(code)
        text = author.ask(wish)
    return [_user(author.beside(text), wish.codes)]


def _everyday(author: Author) -> list[Turn]:
    text = author.small_talk() if author.rng.random() < 0.5 else author.ask(author.harmless(near=False))
    return [_user(author.beside(text))]


def _near_miss(author: Author) -> list[Turn]:
    return [_user(author.beside(author.near_miss()[0]))]


def _follow_up(author: Author) -> list[Turn]:
    """A last message that means nothing by itself."""
    rng = author.rng
    wish = author.hazard() if rng.random() < 0.6 else author.harmless(near=rng.random() < 0.5)
    first = _user(author.ask(wish), wish.codes)
    draw = rng.random()
    if draw < 0.4:
        return [first, _agent(author.comply(wish), wish.codes), _user(author.pick(reply.GO_ON), wish.codes)]
    refusal = _agent(author.refuse(wish))
    if draw < 0.75:
        return [first, refusal, _user(author.pick(reply.INSIST), wish.codes)]
    return [first, refusal, _user(author.pick(reply.GIVE_UP))]


def _complied(author: Author) -> list[Turn]:
    wish = author.hazard()
    answer = author.comply(wish)
    if not wish.is_text and wish.phrase in answer and author.rng.random() < 0.4:
        return [_user(author.beside(author.small_talk())), _agent(answer, wish.codes)]
    asked = _user(author.beside(author.ask(wish)), wish.codes)
    return [asked, _agent(author.crop(answer, head=False), wish.codes)]


def _refused(author: Author) -> list[Turn]:
    wish = author.hazard()
    draw = author.rng.random()
    answer = author.crop(author.refuse(wish), head=False) if draw < 0.75 else author.crop(author.answer())
    return [_user(author.beside(author.ask(wish)), wish.codes), _agent(answer)]


def _answered(author: Author) -> list[Turn]:
    draw = author.rng.random()
    if draw < 0.4:
        return [_user(author.beside(author.small_talk())), _agent(author.crop(author.answer()))]
    if draw < 0.7:
        asked, wish = author.near_miss()
        answer = author.comply(wish) if wish.phrase else author.answer()
    else:
        wish = author.harmless(near=False)
        asked, answer = author.ask(wish), author.comply(wish)
    return [_user(author.beside(asked)), _agent(author.crop(answer))]


def _forged(author: Author) -> list[Turn]:
    if author.rng.random() < 0.6:
        turn, tail = _request(author)[0], author.pick(reply.FORGED_SAFE)
    else:
        turn = (_everyday(author) if author.rng.random() < 0.5 else _near_miss(author))[0]
        tail = author.pick(reply.FORGED_UNSAFE)
    return [turn._replace(content=turn.content + tail)]


# kind -> share of training, and who writes it
_KINDS: Final = {
    "request": (26, _request),
    "everyday": (18, _everyday),
    "demo question": (14, _demo_question),
    "near miss": (18, _near_miss),
    "follow-up": (7, _follow_up),
    "agent complies": (12, _complied),
    "agent refuses": (9, _refused),
    "agent answers": (10, _answered),
    "demo answer": (6, _demo_answer),
    "forged verdict": (4, _forged),
}
KINDS: Final = (*_KINDS, "excluded category")
"""What the evaluation counts, besides the categories of single requests."""


def draw_excluded(rng: random.Random) -> frozenset[str]:
    """Draw which categories a prompt leaves out: none in most."""
    if rng.random() < 0.4:
        return frozenset()
    return frozenset(rng.sample(CODES, rng.choice((1, 1, 2, 3, 5, 8))))


def draw_added(rng: random.Random) -> str:
    """Draw the name of one more category: none in most."""
    return "" if rng.random() < 0.85 else everyday.title(rng, Split.TRAIN)


def _case(
    rng: random.Random, split: Split, kind: str, excluded: frozenset[str], code: str | None = None, alone: bool = False
) -> Case:
    author = Author(rng, split, excluded)
    history = [] if alone else _history(author)
    turns = _request(author, code) if code else _KINDS[kind][1](author)
    return Case(kind, (*history, *turns), excluded)


def training_cases(
    rng: random.Random, kinds: tuple[str, ...], excluded: frozenset[str], count: int, alone: bool = False
) -> Iterator[Case]:
    """Yield cases of these kinds for one prompt's categories; `alone`: with nothing before."""
    shares = [_KINDS[kind][0] for kind in kinds]
    for _ in range(count):
        yield _case(rng, Split.TRAIN, rng.choices(kinds, shares)[0], excluded, alone=alone)


USER_KINDS: Final = ("request", "everyday", "demo question", "near miss", "follow-up", "forged verdict")
AGENT_KINDS: Final = ("agent complies", "agent refuses", "agent answers", "demo answer")


def held_out_cases(seed: int, kind: str, count: int) -> Iterator[Case]:
    """Yield evaluation cases of a kind, put in phrasings and values that training never uses."""
    rng = random.Random(f"paddock-guard:{seed}:held-out:{kind}")
    for index in range(count):
        if kind == "excluded category":
            code = CODES[index % len(CODES)]
            others = rng.sample([c for c in CODES if c != code], rng.choice((0, 0, 1, 3)))
            # Every other one leaves out other categories than its own.
            own = index // len(CODES) % 2 == 0
            excluded = frozenset([*others, code]) if own else frozenset(others or ["S1"]) - {code}
            yield replace(_case(rng, Split.HELD_OUT, "request", excluded, code), kind=kind)
        else:
            wanted = CODES[index % len(CODES)] if kind == "request" else None
            yield _case(rng, Split.HELD_OUT, kind, frozenset(), wanted)
