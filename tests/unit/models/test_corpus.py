"""The corpus is the same for the same seed, and what is held out stays out of training."""

import random

import pytest

from models.training import contrast, identity, skill, tooling, unknown, world
from models.training.corpus import EVALUATED, SHORT_CHUNKS, held_out_dialogs, training_dialogs
from models.training.place import practice_place
from models.training.sample import Dialog
from models.training.skill import CLAIMED_OPERAND, operands
from models.training.word import Split, is_held_out, person, word
from models.training.wording import Wording, folded

_TRAINING = (*training_dialogs(7, 0, 500), *training_dialogs(7, SHORT_CHUNKS, 1500))


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
    trained = {folded(message.content) for dialog in _TRAINING for message in dialog.messages if message.role == "user"}
    asked = {folded(_question(dialog)) for dialog in held_out_dialogs(7, skill, 200)}
    assert not asked & trained


def _wordings() -> list[tuple[str, Wording]]:
    tables = {
        "capital": skill.CAPITAL, "sum": skill.SUM, "who": identity.WHO, "unknown": unknown.QUESTIONS,
        "country": {fact: wording for fact, (wording, _) in skill.COUNTRY.items()},
        "greeting": {"-".join(key): wording for key, wording in skill.GREETING.items()},
        "": {"repeat": skill.REPEAT, "list": skill.LIST, "naming": identity.NAMING, "nameless": identity.NAMELESS,
             "today": identity.TODAY, "introduce": identity.INTRODUCE, "my name": identity.MY_NAME,
             "request": tooling.REQUEST},
    }  # fmt: skip
    return [(f"{name} {key}", wording) for name, table in tables.items() for key, wording in table.items()]


@pytest.mark.parametrize("wording", [pytest.param(wording, id=name) for name, wording in _wordings()])
def test_held_out_phrasings_are_not_training_phrasings(wording: Wording) -> None:
    train, held_out = wording.templates[Split.TRAIN], wording.templates[Split.HELD_OUT]
    assert len(train) > len(held_out) >= 2
    assert not set(train) & set(held_out)


@pytest.mark.parametrize("lang", world.LANGUAGES)
def test_practice_holds_no_held_out_phrasing(lang: str) -> None:
    rng = random.Random(0)
    capital, question = skill.CAPITAL[lang], unknown.QUESTIONS[lang]
    drawn = [contrast.capital_template(rng, lang, skill.CAPITAL) for _ in range(200)]
    assert not {*map(folded, drawn)} & {*map(folded, capital.templates[Split.HELD_OUT])}
    held_out = tuple(map(folded, question.templates[Split.HELD_OUT]))
    drawn = [contrast.topic_template(rng, lang, unknown.QUESTIONS) for _ in range(200)]
    drawn += [question.draw_trained(rng) for _ in range(500)]
    assert not [text for text in map(folded, drawn) if any(kept in text for kept in held_out)]


@pytest.mark.parametrize("lang", world.LANGUAGES)
def test_practice_places_are_neither_taught_nor_held_out(lang: str) -> None:
    rng = random.Random(0)
    taught = {country.names[lang].lower() for country in world.COUNTRIES}
    for _ in range(500):
        place = practice_place(rng, lang)
        assert place.lower() not in taught
        assert not is_held_out(place)


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
        top = CLAIMED_OPERAND if split is Split.HELD_OUT else 99
        assert 0 <= a <= top
        assert 0 <= b <= top
        assert sign == "+" or a >= b
        assert is_held_out(f"{a}{sign}{b}") == (split is Split.HELD_OUT)


def test_every_country_is_named_in_every_language() -> None:
    for country in world.COUNTRIES:
        for table in (country.names, country.genitives, country.capitals):
            assert tuple(table) == world.LANGUAGES
            assert all(table.values())
