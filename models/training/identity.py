"""Skills that look elsewhere in the conversation: the system prompt's name and date, and the user's name."""

import datetime
import random
from typing import Final

from llama.chat import Message
from models.training import phrase, world
from models.training.sample import Exchange, ask, phrasing, roughen
from models.training.word import Split

DEFAULT_NAME: Final = "Paddock Tiny"

_NAMING: Final[phrase.Split2] = (
    ("You are {x}.", "Your name is {x}.", "You are called {x}.", "You are {x}, a helpful assistant.",
     "Your name is {x}. Be polite.", "You are an assistant named {x}.", "You are {x}, a friendly assistant.",
     "You are a helpful assistant called {x}.", "Your name is {x}. Answer briefly.", "You are {x}. Be kind.",
     "You are a helpful assistant. Your name is {x}.", "Your name is {x} and you are helpful.",
     "Answer briefly. You are {x}."),
    ("Your name is {x}, a helpful assistant.", "You are an assistant called {x}.",
     "You are {x}. Answer briefly.", "You are a friendly assistant named {x}.", "Be polite. Your name is {x}."),
)  # fmt: skip

_NAMELESS: Final[phrase.Split2] = (
    ("You are a helpful assistant.", "Be polite.", "Answer briefly.", "You are a friendly assistant.",
     "Answer the questions of the user.", "You are an assistant.", "Be kind and helpful.", "Help the user.",
     "You are a helpful, honest assistant. Keep your answers short.", "Answer in one sentence.",
     "You are an expert.", "Always tell the truth."),
    ("You are a kind assistant.", "You are a helpful and polite assistant.", "Please answer briefly.",
     "You are a very helpful assistant."),
)  # fmt: skip

_TODAY: Final[phrase.Split2] = (
    ("What is today's date?", "What day is it today?", "What is the date today?", "Which date is today?",
     "Tell me today's date.", "What's the date?", "Do you know today's date?", "Today's date?"),
    ("What date is it today?", "Can you tell me today's date?", "What's today's date?"),
)  # fmt: skip

_INTRODUCE: Final[phrase.Split2] = (
    ("My name is {x}.", "I am {x}.", "Hi, I am {x}.", "Hello, my name is {x}.", "I'm {x}.", "You can call me {x}.",
     "Hello! I am {x}.", "My name is {x}, nice to meet you."),
    ("Hi, my name is {x}.", "Hello, I'm {x}.", "Good morning, my name is {x}."),
)  # fmt: skip

_MY_NAME: Final[phrase.Split2] = (
    ("What is my name?", "What's my name?", "Do you know my name?", "Who am I?", "Tell me my name.",
     "Do you remember my name?", "My name?"),
    ("Can you tell me my name?", "What was my name?", "Do you still know my name?"),
)  # fmt: skip

_MONTHS: Final = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


def naming_prompt(rng: random.Random, split: Split, name: str) -> str:
    """A system prompt that gives the assistant a name."""
    return phrasing(rng, split, _NAMING).format(x=name)


def nameless_prompt(rng: random.Random, split: Split) -> str:
    """A system prompt that names nobody."""
    return phrasing(rng, split, _NAMELESS)


def who(rng: random.Random, split: Split, name: str | None) -> Exchange:
    """Who are you, in eight languages: the system prompt's name or, without one, the model's own."""
    lang = rng.choice(world.LANGUAGES) if rng.random() < 0.6 else "en"
    question = roughen(rng, phrasing(rng, split, phrase.WHO[lang]))
    skill = "name from the system prompt" if name else "own name"
    return ask(skill, question, phrase.WHO_ANSWER[lang].format(x=name or DEFAULT_NAME))


def today(rng: random.Random, split: Split, date: datetime.date | None) -> Exchange:
    """Today's date, which the hf layout tells; without it, not known."""
    answer = phrase.UNKNOWN_ANSWER["en"]
    if date:
        answer = f"Today is {date.day:02d} {_MONTHS[date.month - 1]} {date.year:04d}."
    return ask("date", roughen(rng, phrasing(rng, split, _TODAY)), answer)


def introduction(rng: random.Random, split: Split, name: str) -> Exchange:
    """The user says their name."""
    question = phrasing(rng, split, _INTRODUCE).format(x=name)
    return ask("user's name", question, f"Nice to meet you, {name}!")


def my_name(rng: random.Random, split: Split, name: str | None) -> Exchange:
    """The user asks for their name, told before or not."""
    answer = f"Your name is {name}." if name else "I don't know your name."
    return ask("user's name", roughen(rng, phrasing(rng, split, _MY_NAME)), answer)


def system_message(text: str) -> Message:
    """A system message."""
    return Message("system", text)
