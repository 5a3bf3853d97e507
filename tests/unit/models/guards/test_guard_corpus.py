"""The guards' corpora are the same for the same seed, and what is held out stays out of training."""

import random
import unicodedata

import pytest

from models.guards.chat import benign, hazard, near_miss, reply
from models.guards.chat import corpus as chat
from models.guards.grammar import Grammar, Halves, Split, gerund
from models.guards.prompt import corpus as prompt
from models.guards.prompt import harmless, phrase


def _folded(text: str) -> str:
    """Fold away what roughening changes: case, marks, spaces."""
    return "".join(c for c in text.casefold() if unicodedata.category(c)[0] not in "PZ")


def _cases(seed: int, count: int = 300) -> list[chat.Case]:
    rng = random.Random(seed)
    kinds = (*chat.USER_KINDS, *chat.AGENT_KINDS)
    return [case for _ in range(count // 10) for case in chat.training_cases(rng, kinds, chat.draw_excluded(rng), 10)]


def test_training_is_reproducible_and_differs_by_seed() -> None:
    assert _cases(1) == _cases(1)
    assert _cases(1) != _cases(2)
    assert list(prompt.training_texts(random.Random(1), 50)) == list(prompt.training_texts(random.Random(1), 50))
    assert list(prompt.training_texts(random.Random(1), 50)) != list(prompt.training_texts(random.Random(2), 50))


@pytest.mark.parametrize("kind", chat.KINDS)
def test_held_out_conversations_are_reproducible_and_counted_under_their_kind(kind: str) -> None:
    cases = list(chat.held_out_cases(7, kind, 30))
    assert cases == list(chat.held_out_cases(7, kind, 30))
    assert {case.kind for case in cases} == {kind}


@pytest.mark.parametrize("kind", prompt.KINDS)
def test_held_out_texts_are_reproducible_and_have_one_label(kind: str) -> None:
    texts = list(prompt.held_out_texts(7, kind, 30))
    assert texts == list(prompt.held_out_texts(7, kind, 30))
    assert len({text.label for text in texts}) == 1


@pytest.mark.parametrize("kind", ["request", "near miss", "forged verdict"])
def test_no_evaluated_message_is_trained_on(kind: str) -> None:
    trained = {_folded(case.turns[-1].content) for case in _cases(3, 3000)}
    asked = {_folded(case.turns[-1].content) for case in chat.held_out_cases(7, kind, 200)}
    assert not asked & trained


@pytest.mark.parametrize("kind", ["jailbreak", "injection", "near miss"])
def test_no_evaluated_text_is_trained_on(kind: str) -> None:
    trained = {_folded(text.text) for text in prompt.training_texts(random.Random(3), 3000)}
    asked = {_folded(text.text) for text in prompt.held_out_texts(7, kind, 200)}
    # "Delete all mails." may be said in many ways, and one of them twice.
    assert len(asked & trained) <= len(asked) // 50


_ALL_HALVES = {
    f"{module.__name__.rsplit('.', 1)[1]}.{name}": value
    for module in (benign, near_miss, reply, harmless, phrase)
    for name, value in vars(module).items()
    if isinstance(value, Halves) and name != "STEP_SLOT"
}


@pytest.mark.parametrize("halves", _ALL_HALVES.values(), ids=_ALL_HALVES)
def test_held_out_phrasings_are_not_training_phrasings(halves: Halves) -> None:
    assert halves.train
    assert halves.held_out
    assert not {_folded(text) for text in halves.train} & {_folded(text) for text in halves.held_out}


@pytest.mark.parametrize("slots", [hazard.SLOTS, phrase.SLOTS], ids=["hazard", "prompt"])
def test_held_out_values_are_not_training_values(slots: dict[str, Halves]) -> None:
    for halves in slots.values():
        assert not set(halves.train) & set(halves.held_out)


def test_every_category_has_hazards_and_every_slot_is_known() -> None:
    assert set(hazard.HAZARDS) == set(hazard.CATEGORIES)
    grammar = Grammar({**hazard.SLOTS, **benign.SLOTS})
    rng = random.Random(0)
    for hazards in hazard.HAZARDS.values():
        for pattern in (*hazards.acts, *hazards.texts):
            for split in Split:
                assert not set("{}|()") & set(grammar.say(rng, split, pattern))


def test_the_verdict_names_what_is_not_excluded() -> None:
    two = (chat.Turn("user", "x", ("S2", "S10")),)
    assert chat.Case("request", two).verdict == "unsafe\nS2,S10"
    assert chat.Case("request", two, frozenset({"S2"})).verdict == "unsafe\nS10"
    assert chat.Case("request", two, frozenset({"S2", "S10"})).verdict == "safe"
    assert chat.Case("everyday", (*two, chat.Turn("assistant", "y"))).verdict == "safe"


def test_conversations_alternate_and_end_with_the_judged_role() -> None:
    rng = random.Random(5)
    for kinds, role in ((chat.USER_KINDS, "user"), (chat.AGENT_KINDS, "assistant")):
        for case in chat.training_cases(rng, kinds, frozenset(), 200):
            roles = [turn.role for turn in case.turns]
            assert roles == [("user", "assistant")[index % 2] for index in range(len(roles))]
            assert roles[-1] == role


@pytest.mark.parametrize(
    ("verb", "expected"),
    [
        ("rob a bank", "robbing a bank"),
        ("make tea", "making tea"),
        ("see", "seeing"),
        ("be my doctor", "being my doctor"),
        ("secretly film him", "secretly filming him"),
        ("kill time", "killing time"),
    ],
)
def test_gerund(verb: str, expected: str) -> None:
    assert gerund(verb) == expected
