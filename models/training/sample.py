"""What every skill produces: exchanges, and the dialogs they are strung into."""

import datetime
import random
from dataclasses import dataclass
from typing import Final

from llama.chat import Layout, Message, Tool
from models.training.word import Split


@dataclass(frozen=True, slots=True)
class Exchange:
    """A few messages that belong together, the last of them the wanted answer.

    Attributes:
        skill: the name it is counted under.
        messages: without a system message; the last is the assistant's.
        tools: functions on offer (then the exchange stands at the start of its dialog).
    """

    skill: str
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()


@dataclass(frozen=True, slots=True)
class Dialog:
    """A conversation with its layout and date; or, when `text` is set, plain text: what is given and what follows."""

    skill: str
    messages: tuple[Message, ...] = ()
    tools: tuple[Tool, ...] = ()
    layout: Layout = Layout.HF
    today: datetime.date = datetime.date(2024, 7, 26)
    text: tuple[tuple[str, str], ...] = ()

    @property
    def answer(self) -> str:
        """What the model should say last."""
        return self.text[-1][1] if self.text else self.messages[-1].content


def ask(skill: str, question: str, answer: str) -> Exchange:
    """One question and its answer."""
    return Exchange(skill, (Message("user", question), Message("assistant", answer)))


def phrasing(rng: random.Random, split: Split, halves: tuple[tuple[str, ...], tuple[str, ...]]) -> str:
    """Draw a phrasing of this split."""
    return rng.choice(halves[split is Split.HELD_OUT])


_LEAD_INS: Final = {
    "en": ("Please tell me: ", "Quick question: ", "Hi! ", "Hello, ", "I have a question. ", "Tell me, ", "Ok. "),
    "de": ("Sag mal, ", "Eine Frage: ", "Hallo! ", "Ich habe eine Frage. "),
    "fr": ("Dis-moi, ", "Une question : ", "Bonjour ! ", "J'ai une question. "),
    "it": ("Dimmi, ", "Una domanda: ", "Ciao! ", "Ho una domanda. "),
    "pt": ("Diga-me, ", "Uma pergunta: ", "Olá! ", "Tenho uma pergunta. "),
    "hi": ("सुनो, ", "एक सवाल: ", "नमस्ते! ", "मेरा एक सवाल है। "),
    "es": ("Dime, ", "Una pregunta: ", "¡Hola! ", "Tengo una pregunta. "),
    "th": ("มีคำถาม ", "สวัสดี ", "ถามหน่อยนะ "),
}


def lead_in(rng: random.Random, split: Split, lang: str, question: str) -> str:
    """Put a few words before one question in five of training."""
    if split is Split.HELD_OUT or rng.random() > 0.2:
        return question
    return rng.choice(_LEAD_INS[lang]) + question


def roughen(rng: random.Random, question: str, *, fold_case: bool = True) -> str:
    """Now and then type as people do: lower case, no closing mark, stray spaces."""
    if fold_case and rng.random() < 0.18:
        question = question.lower()
    if rng.random() < 0.15:
        question = question.rstrip("?.!। ¿¡")
    if rng.random() < 0.05:
        question = question + " "
    return question
