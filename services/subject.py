"""What a Classify request asks about: texts and conversations, checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llama.chat import Message
from paddock.v1 import chat_pb2
from paddock.v1.classify_pb2 import ClassifyInput, ClassifyRequest
from services.checks import Checks, check_text
from services.conversation import read_messages

_MAX_INPUTS = 256


@dataclass(frozen=True, slots=True)
class Subject:
    """One thing to score.

    Attributes:
        path: of the field that holds it.
        messages: the conversation, its last message being judged; a text is one message.
        role: whose the last message is.
        third_party: whether anything in it was written by neither the user nor the operator.
    """

    path: str
    messages: Sequence[Message]
    role: chat_pb2.Role
    third_party: bool


def read_subjects(request: ClassifyRequest, checks: Checks) -> list[Subject]:
    """Read the inputs of a request; where `checks` finds anything wrong with them, some may be missing."""
    count = len(request.inputs)
    if not checks.require(1 <= count <= _MAX_INPUTS, "inputs", f"{count} inputs are not in [1, {_MAX_INPUTS}]"):
        return []
    subjects = [_subject(entry, f"inputs[{index}]", checks) for index, entry in enumerate(request.inputs)]
    return [subject for subject in subjects if subject is not None]


def _subject(entry: ClassifyInput, path: str, checks: Checks) -> Subject | None:
    kind = entry.WhichOneof("kind")
    if kind == "text":
        role = chat_pb2.ROLE_TOOL if entry.third_party else chat_pb2.ROLE_USER
        if not check_text(entry.text, f"{path}.text", checks):
            return None
        return Subject(f"{path}.text", [Message("user", entry.text)], role, entry.third_party)
    if not checks.require(kind == "chat", path, "is empty: set text or chat"):
        return None
    checks.require(
        not entry.HasField("third_party"), f"{path}.third_party", "belongs to text; mark the content of a chat"
    )
    messages = read_messages(entry.chat, f"{path}.chat", checks)
    if not messages:
        return None
    last = entry.chat.messages[-1]
    by_role = last.role == chat_pb2.ROLE_TOOL
    third_party = any(part.third_party if part.HasField("third_party") else by_role for part in last.content)
    return Subject(f"{path}.chat", messages, last.role, third_party)
