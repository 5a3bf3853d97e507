"""Practice, for training only, in telling what is known from what isn't: both with any words around them."""

import random
from collections.abc import Mapping
from typing import Final

from models.training import phrase, topic, vocabulary, world
from models.training.place import practice_place, pseudo_name
from models.training.word import is_held_out
from models.training.wording import Wording

_MARKS: Final = {"hi": ("?", "।", ""), "th": ("",)}
_GENITIVES: Final = {
    "en": ("{x}",), "de": ("von {x}", "von {x}", "der {x}"), "fr": ("de {x}", "du {x}", "de la {x}", "de l'{x}"),
    "it": ("di {x}", "del {x}", "della {x}", "dell'{x}"), "pt": ("de {x}", "do {x}", "da {x}"),
    "hi": ("{x}",), "es": ("de {x}", "de {x}", "de la {x}"), "th": ("{x}",),
}  # fmt: skip


def language(rng: random.Random) -> str:
    """Any of the eight, English more often."""
    return "en" if rng.random() < 0.15 else rng.choice(world.LANGUAGES)


def _surrounded(rng: random.Random, lang: str, asked: str, before: tuple[int, ...], after: tuple[int, ...]) -> str:
    words = vocabulary.WORDS[lang]
    parts = [*rng.choices(words, k=rng.choice(before)), asked, *rng.choices(words, k=rng.choice(after))]
    text = ("" if lang == "th" else " ").join(parts)
    text = text if text.startswith("{") else text[:1].upper() + text[1:]
    if lang == "es" and rng.random() < 0.6:
        return f"¿{text}?"
    mark = rng.choice(_MARKS.get(lang, ("?", "?", ".", "")))
    return f"{text} {mark}" if lang == "fr" and mark == "?" else text + mark


def capital_template(rng: random.Random, lang: str, wordings: Mapping[str, Wording]) -> str:
    """A capital's name asked for among random words."""
    while True:
        asked = rng.choice(phrase.CAPITAL_NOUNS[lang])
        template = _surrounded(rng, lang, asked, (0, 1, 1, 2, 2, 3), (0, 0, 1, 1, 2))
        if not wordings[lang].holds_out(template, asked):
            return template


def unknown_capital(rng: random.Random, wordings: Mapping[str, Wording]) -> tuple[str, str]:
    """The capital of a country that is not taught, in phrasings of training or among random words."""
    lang = language(rng)
    name = practice_place(rng, lang)
    forms = [form for form in _GENITIVES[lang] if ("'" in form) == (name[0] in "AEIOUÀÁÉÍÓÚ")] or _GENITIVES[lang]
    genitive = rng.choice(forms).format(x=name)
    if rng.random() < 0.35:
        return lang, capital_template(rng, lang, wordings).format(n=name, g=genitive)
    return lang, wordings[lang].draw_trained(rng).format(n=name, g=genitive)


def topic_template(rng: random.Random, lang: str, wordings: Mapping[str, Wording]) -> str:
    """Something asked about a topic in random words, one of them at least."""
    while True:
        template = _surrounded(rng, lang, "{x}", (0, 1, 2, 2, 3), (0, 0, 1, 1, 2))
        if len(template) > len("{x}?") and not wordings[lang].holds_out(template):
            return template


def _related(rng: random.Random, lang: str) -> str:
    country = rng.choice(world.COUNTRIES)
    relation = rng.choice(vocabulary.RELATIONS[lang])
    if lang in ("en", "th"):
        return f"{relation}{'' if lang == 'th' else ' '}{country.names[lang]}"
    return f"{country.names[lang]} {relation}" if lang == "hi" else f"{relation} {country.genitives[lang]}"


def _topic(rng: random.Random, lang: str) -> str:
    draw = rng.random()
    if draw < 0.12:
        return rng.choice(world.COUNTRIES).names[lang]
    if draw < 0.3:
        return _related(rng, lang)
    while True:
        name = rng.choice(topic.TOPICS[lang]) if draw < 0.75 else pseudo_name(rng, lang)
        if not is_held_out(name):
            return name


def unknown_topic(
    rng: random.Random, questions: Mapping[str, Wording], capitals: Mapping[str, Wording]
) -> tuple[str, str]:
    """A topic or what isn't taught of a country, in phrasings of training or among random words, or neither."""
    lang, draw = language(rng), rng.random()
    if draw < 0.2:
        return lang, rng.choice(topic.ALONE[lang])
    if draw < 0.35:
        words = rng.choices(vocabulary.WORDS[lang], k=rng.choice((2, 3, 3, 4, 5, 6)))
        return lang, _surrounded(rng, lang, ("" if lang == "th" else " ").join(words), (0,), (0,))
    if draw < 0.45:
        frame = rng.choice(phrase.FRAMES[lang])
        if not capitals[lang].holds_out(frame.replace("{np}", phrase.CAPITAL_NOUNS[lang][0])):
            text = frame.format(np=_related(rng, lang))
            return lang, text[:1].upper() + text[1:]
    name = _topic(rng, lang)
    template = topic_template(rng, lang, questions) if draw < 0.7 else questions[lang].draw_trained(rng)
    return lang, template.format(x=name)
