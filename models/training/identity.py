"""Skills that look elsewhere in the conversation: the system prompt's name and date, and the user's name."""

import datetime
import random
from typing import Final

from llama.chat import Message
from models.training import phrase, world
from models.training.sample import Exchange, ask
from models.training.word import Split
from models.training.wording import Wording, framed, opened, roughened, typed

DEFAULT_NAME: Final = "Paddock Tiny"

_NATURES: Final = ("a helpful assistant", "an assistant", "a friendly assistant", "a kind assistant", "a chatbot",
                   "a helpful and polite assistant", "an expert", "a very helpful assistant",
                   "an AI assistant")  # fmt: skip
_MANNERS: Final = ("", " Be polite.", " Answer briefly.", " Be kind.", " Help the user.", " Always tell the truth.",
                   " Keep your answers short.", " Answer in one sentence.", " Be brief.",
                   " Answer the user's questions.", " You are helpful.", " Please be friendly.")  # fmt: skip

NAMING: Final = Wording((
    "You are {x}.", "Your name is {x}.", "You are called {x}.",
    *(text + manner for manner in _MANNERS for text in (
        "You are {x}.", "Your name is {x}.", "You are called {x}.", "Call yourself {x}.", "Your name will be {x}.",
        *(f"You are {{x}}, {nature}." for nature in _NATURES),
        *(f"You are {nature} named {{x}}." for nature in _NATURES),
        *(f"You are {nature} called {{x}}." for nature in _NATURES),
        *(f"You are {nature}. Your name is {{x}}." for nature in _NATURES),
    )),
    *(f"{manner.strip()} {text}" for manner in _MANNERS if manner for text in (
        "You are {x}.", "Your name is {x}.", "You are called {x}.")),
), always=3)  # fmt: skip

NAMELESS: Final = Wording((
    "You are a helpful assistant.",
    *(f"You are {nature}.{manner}" for nature in _NATURES for manner in _MANNERS),
    *(manner.strip() for manner in _MANNERS if manner),
    "You are a helpful, honest assistant.", "Help.", "Answer.",
))  # fmt: skip

TODAY: Final = framed(
    "en", ("today's date", "the date", "the date today", "the current date", "the date of today"), (
        "What day is it today?", "What day is it?", "What date is it?", "What date is it today?",
        "Which date is it today?", "Which day is it today?", "What day is today?", "Which date is today?",
        "Today's date?", "Date?", "Can you tell me what day it is?", "Tell me what day it is today.",
        "Do you know what day it is?", "Today is what date?", "What is the day today?"),
)  # fmt: skip

INTRODUCE: Final = Wording(
    f"{hello}{text}{more}"
    for more in ("", " Nice to meet you.", " How nice.", " I am new here.")
    for hello in ("", "Hello, ", "Hi, ", "Hello! ", "Hi! ", "Good morning, ", "Good evening, ", "Hey, ")
    for text in ("My name is {x}.", "I am {x}.", "I'm {x}.", "You can call me {x}.", "Call me {x}.", "Here is {x}.",
                 "People call me {x}.", "This is {x}.", "My friends call me {x}.", "The name is {x}.")
)  # fmt: skip

MY_NAME: Final = framed(
    "en", ("my name",), (
        "Who am I?", "What was my name?", "Do you remember my name?", "Do you still know my name?",
        "What did I say my name was?", "Tell me who I am.", "Do you know who I am?", "What am I called?",
        "What is my name again?", "Can you remember my name?", "Do you recall my name?", "What do people call me?",
        "Can you tell me who I am?", "Please tell me who I am.", "What name did I give you?"),
)  # fmt: skip

WHO: Final = {
    lang: framed(lang, phrase.WHO_NOUNS[lang], phrase.WHO[lang])
    if lang in phrase.WHO_NOUNS
    else opened(lang, phrase.WHO[lang])
    for lang in world.LANGUAGES
}

_MONTHS: Final = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


def naming_prompt(rng: random.Random, split: Split, name: str) -> str:
    """A system prompt that gives the assistant a name."""
    return NAMING.draw(rng, split).format(x=name)


def nameless_prompt(rng: random.Random, split: Split) -> str:
    """A system prompt that names nobody."""
    return NAMELESS.draw(rng, split)


def who(rng: random.Random, split: Split, name: str | None) -> Exchange:
    """Who are you, in eight languages: the system prompt's name or, without one, the model's own."""
    lang = rng.choice(world.LANGUAGES) if rng.random() < 0.6 else "en"
    skill = "name from the system prompt" if name else "own name"
    question = WHO[lang].draw(rng, split)
    question = typed(rng, lang, question) if lang == "en" else roughened(rng, question)
    return ask(skill, question, phrase.WHO_ANSWER[lang].format(x=name or DEFAULT_NAME))


def today(rng: random.Random, split: Split, date: datetime.date | None) -> Exchange:
    """Today's date, which the hf layout tells; without it, not known."""
    answer = phrase.UNKNOWN_ANSWER["en"]
    if date:
        answer = f"Today is {date.day:02d} {_MONTHS[date.month - 1]} {date.year:04d}."
    return ask("date", typed(rng, "en", TODAY.draw(rng, split)), answer)


def introduction(rng: random.Random, split: Split, name: str) -> Exchange:
    """The user says their name."""
    question = INTRODUCE.draw(rng, split).format(x=name)
    return ask("user's name", question, f"Nice to meet you, {name}!")


def my_name(rng: random.Random, split: Split, name: str | None) -> Exchange:
    """The user asks for their name, told before or not."""
    answer = f"Your name is {name}." if name else "I don't know your name."
    return ask("user's name", typed(rng, "en", MY_NAME.draw(rng, split)), answer)


def system_message(text: str) -> Message:
    """A system message."""
    return Message("system", text)
