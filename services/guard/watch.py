"""What guards have to do for one request."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain

from llama.tokenizer import Tokenizer
from paddock.v1 import classify_pb2, generate_pb2
from services.config import ModelConfig
from services.generation import Plan
from services.guard import view
from services.guard.config import GuardMode, GuardSubject, is_required
from services.guard.guard import Attachment, Guard


@dataclass(frozen=True, slots=True)
class Watch:
    """The guards of one request.

    Attributes:
        input: guards of the input, with what they are shown of it: also what outputs are said to have already, for it
            is the client that says so. Guards with nothing to see are left out.
        output: guards of the output.
        dialog: what was said before the output.
        chars: of the dialog and of what outputs are said to have.
    """

    input: tuple[tuple[Attachment, Iterator[classify_pb2.ClassifyInput]], ...]
    output: tuple[Attachment, ...]
    dialog: tuple[view.Turn, ...]
    chars: int


def watch(
    request: generate_pb2.GenerateRequest,
    plan: Plan,
    model: ModelConfig,
    guard_of: Callable[[str, bool], Guard],
    tokenizer: Tokenizer,
) -> Watch | None:
    """Say what guards have to do, or None where it is nothing. Pure.

    Args:
        guard_of: gives the guard of a name, told whether nothing passes without it.
    """
    attachments = [
        Attachment(guard_of(config.model, is_required(config, mode)), model.name, config, mode)
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
                resumed = (view.resumed(dialog, ids, tokenizer) for ids in continued)
                turns = (view.last_turn(one, attachment.config) for one in resumed)
                inputs = chain(view.last_turns(dialog, attachment.config), *turns)
            else:
                said = (view.by_user(view.decoded(ids, tokenizer)) for ids in continued)
                inputs = chain(view.texts([*messages, *said]))
            if (first := next(inputs, None)) is not None:
                shown.append((attachment, chain([first], inputs)))
    output = tuple(a for a in attachments if a.config.subject is GuardSubject.output)
    chars = sum(len(turn.text) for turn in dialog) + sum(map(len, continued))
    return Watch(tuple(shown), output, dialog, chars)
