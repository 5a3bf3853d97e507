"""What guards have to do for one request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from llama.tokenizer import Tokenizer
from paddock.v1 import classify_pb2, generate_pb2
from services.config import ModelConfig
from services.generation import Plan
from services.guard import view
from services.guard.config import GuardMode, GuardSubject
from services.guard.guard import Attachment, Guard


@dataclass(frozen=True, slots=True)
class Watch:
    """The guards of one request.

    Attributes:
        input: guards of the input, with what they are shown of it: also what outputs are said to have already, for it
            is the client that says so. Guards with nothing to see are left out.
        output: guards of the output.
        dialog: what was said before the output.
    """

    input: tuple[tuple[Attachment, list[classify_pb2.ClassifyInput]], ...]
    output: tuple[Attachment, ...]
    dialog: tuple[view.Turn, ...]


def watch(
    request: generate_pb2.GenerateRequest,
    plan: Plan,
    model: ModelConfig,
    guard_of: Callable[[str], Guard],
    tokenizer: Tokenizer,
) -> Watch | None:
    """Say what guards have to do, or None where it is nothing. Pure.

    Args:
        guard_of: gives the guard of a name.
    """
    attachments = [
        Attachment(guard_of(config.model), model.name, config, mode)
        for config, mode in zip(model.guards, plan.guard_modes, strict=True)
        if mode is not GuardMode.off
    ]
    if not attachments or not plan.unfinished:
        return None
    messages = view.messages(request, tokenizer)
    dialog = view.turns(messages)
    continued = [c.token_ids for c in plan.continuations.values() if c.token_ids and not c.finished]
    shown = []
    for attachment in attachments:
        if attachment.config.subject is GuardSubject.input:
            if attachment.guard.reads_chats:
                inputs = view.last_turns(dialog, attachment.config)
                for ids in continued:
                    inputs += view.last_turn(view.resumed(dialog, ids, tokenizer), attachment.config)
            else:
                inputs = view.texts([*messages, *(view.by_user(view.decoded(ids, tokenizer)) for ids in continued)])
            if inputs:
                shown.append((attachment, inputs))
    output = tuple(a for a in attachments if a.config.subject is GuardSubject.output)
    return Watch(tuple(shown), output, dialog)
