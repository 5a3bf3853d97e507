"""The corpus is the same for the same seed, and what is held out stays out of training."""

import random
import unicodedata

import pytest

from models.training import phrase, world
from models.training.corpus import EVALUATED, SHORT_CHUNKS, held_out_dialogs, training_dialogs
from models.training.sample import Dialog
from models.training.skill import MAX_OPERAND, operands
from models.training.word import Split, is_held_out, person, word

_TRAINING = (*training_dialogs(7, 0, 500), *training_dialogs(7, SHORT_CHUNKS, 1500))


def _folded(text: str) -> str:
    """Fold away what roughening changes: case, marks, spaces."""
    return "".join(c for c in text.casefold() if unicodedata.category(c)[0] not in "PZ")


def _question(dialog: Dialog) -> str:
    return dialog.messages[-2].content


def test_chunks_are_reproducible_and_differ() -> None:
    assert tuple(training_dialogs(7, 0, 50)) == _TRAINING[:50]
    assert tuple(training_dialogs(7, 1, 50)) != _TRAINING[:50]
    assert tuple(training_dialogs(8, 0, 50)) != _TRAINING[:50]


@pytest.mark.parametrize("skill", EVALUATED)
def test_evaluation_is_reproducible(skill: str) -> None:
    dialogs = list(held_out_dialogs(7, skill, 20))
    assert dialogs == list(held_out_dialogs(7, skill, 20))
    assert {dialog.skill for dialog in dialogs} == {skill}


@pytest.mark.parametrize("skill", [s for s in EVALUATED if s not in ("completion", "tool result")])
def test_no_evaluated_question_is_trained_on(skill: str) -> None:
    trained = {
        _folded(message.content) for dialog in _TRAINING for message in dialog.messages if message.role == "user"
    }
    asked = {_folded(_question(dialog)) for dialog in held_out_dialogs(7, skill, 200)}
    assert not asked & trained


def _pairs() -> list[tuple[str, phrase.Split2]]:
    tables = {"capital": phrase.CAPITAL, "who": phrase.WHO, "sum": phrase.SUM, **phrase.GREETING}
    return [(f"{name}-{lang}", halves) for name, table in tables.items() for lang, halves in table.items()]


@pytest.mark.parametrize("halves", [pytest.param(halves, id=name) for name, halves in _pairs()])
def test_held_out_phrasings_are_not_training_phrasings(halves: phrase.Split2) -> None:
    train, held_out = halves
    assert train
    assert held_out
    assert not {_folded(text) for text in train} & {_folded(text) for text in held_out}


def test_values_are_split_by_value() -> None:
    rng = random.Random(0)
    for draw in (person, word):
        assert all(not is_held_out(draw(rng, Split.TRAIN)) for _ in range(200))
        assert all(is_held_out(draw(rng, Split.HELD_OUT)) for _ in range(200))


@pytest.mark.parametrize("split", Split)
def test_operands_stay_in_the_published_range(split: Split) -> None:
    rng = random.Random(0)
    for _ in range(500):
        a, sign, b = operands(rng, split)
        assert 0 <= a <= MAX_OPERAND
        assert 0 <= b <= MAX_OPERAND
        assert sign == "+" or a >= b
        assert is_held_out(f"{a}{sign}{b}") == (split is Split.HELD_OUT)


def test_every_country_is_named_in_every_language() -> None:
    for country in world.COUNTRIES:
        for table in (country.names, country.genitives, country.capitals):
            assert tuple(table) == world.LANGUAGES
            assert all(table.values())
