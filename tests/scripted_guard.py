"""A guard that answers when and what a test says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from paddock.v1 import chat_pb2, classify_pb2, guard_pb2

SAFE, UNSAFE, UNPARSEABLE = (
    guard_pb2.GUARD_DECISION_SAFE,
    guard_pb2.GUARD_DECISION_UNSAFE,
    guard_pb2.GUARD_DECISION_UNPARSEABLE,
)


def judged_text(given: classify_pb2.ClassifyInput) -> str:
    """Give the text that a guard is to judge."""
    if given.WhichOneof("kind") == "text":
        return given.text
    return "".join(part.text for part in given.chat.messages[-1].content)


class Question:
    """One call of a guard, until it is answered."""

    def __init__(self, request: classify_pb2.ClassifyRequest) -> None:
        self.request = request
        self.texts = [judged_text(given) for given in request.inputs]
        self.reply: asyncio.Future[classify_pb2.ClassifyResponse] = asyncio.get_running_loop().create_future()

    @property
    def text(self) -> str:
        """The one text to be judged."""
        (text,) = self.texts
        return text

    def answer(self, *decisions: int, categories: Sequence[str] = (), tokens: int = 10) -> None:
        """Answer with a decision per input; one is for all."""
        if len(decisions) == 1:
            decisions *= len(self.texts)
        self.reply.set_result(
            classify_pb2.ClassifyResponse(
                results=[
                    {"verdict": {"decision": d, "categories": categories, "unsafe_probability": d == UNSAFE}}
                    for d in decisions
                ],
                usage={"total_tokens": tokens},
            )
        )

    def fail(self, error: Exception) -> None:
        """Answer with an error."""
        self.reply.set_exception(error)


class ScriptedGuard:
    """Stands for a guard model's Classify.

    Attributes:
        questions: all that were put so far.
        open: how many are not answered.
    """

    def __init__(self, unsafe: Callable[[str], bool] | None = None) -> None:
        """Answer by a rule on each text; without one, when the test says."""
        self._unsafe = unsafe
        self._asked: asyncio.Queue[Question] = asyncio.Queue()
        self.questions: list[Question] = []
        self.open = 0

    async def next(self) -> Question:
        """Wait for the next question."""
        return await asyncio.wait_for(self._asked.get(), 30)

    async def classify(self, request: classify_pb2.ClassifyRequest) -> classify_pb2.ClassifyResponse:
        """Do as the Classify RPC does."""
        question = Question(request)
        self.questions.append(question)
        self._asked.put_nowait(question)
        if self._unsafe:
            question.answer(*(UNSAFE if self._unsafe(text) else SAFE for text in question.texts))
        self.open += 1
        try:
            return await question.reply
        finally:
            self.open -= 1


def said(question: Question, number: int = 0) -> list[tuple[str, str]]:
    """Give a conversation as a guard was shown it: pairs of role and text."""
    return [
        (chat_pb2.Role.Name(message.role).removeprefix("ROLE_"), "".join(part.text for part in message.content))
        for message in question.request.inputs[number].chat.messages
    ]
