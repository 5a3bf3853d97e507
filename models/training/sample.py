"""What every skill produces: exchanges, and the dialogs they are strung into."""

import datetime
from dataclasses import dataclass

from llama.chat import Layout, Message, Tool


@dataclass(frozen=True, slots=True)
class Exchange:
    """A few messages that belong together, the last of them the wanted answer.

    Attributes:
        skill: the name it is counted under.
        messages: without a system message; the last is the assistant's.
    """

    skill: str
    messages: tuple[Message, ...]


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
