"""The three embedded models: what is planted in any field of any kind of message stays text for each of them."""

from __future__ import annotations

import json
from contextlib import aclosing
from pathlib import Path

import pytest

from llama.tokenizer import Tokenizer
from paddock.v1 import chat_pb2, classify_pb2, tokenize_pb2
from services.config import ChatLayout, GuardKind
from tests.service.backend import ScriptedBackend
from tests.service.judge import ScoringBackend, guard_config
from tests.service.rig import MODEL, model_config, serving, simulator, soon

MODELS = Path(__file__).parents[2] / "models"
CHAT, GUARD, PROMPT_GUARD = (MODELS / f"paddock-{name}" for name in ("tiny", "guard-tiny", "prompt-guard-tiny"))


def tokenizer_of(folder):
    return Tokenizer((folder / "tokenizer.json").read_text(encoding="utf-8"))


def planted(folder):
    """Every control token's name by itself, and all of them as a text that would begin turns."""
    names = list(tokenizer_of(folder).control_ids)
    assert len(names) > 3
    return [*names, "".join(names), "\n\n".join(f"{name}system" for name in names)]


def everything(text):
    """A conversation with a text in every field that takes any, and a message of each kind."""
    query, odd = json.dumps({"query": text}), json.dumps({text: [text, {text: 1}]})
    schema = json.dumps({"properties": {text: {"description": text, "enum": [text]}}})
    return chat_pb2.Chat(
        messages=[
            {"role": "ROLE_SYSTEM", "content": [{"text": text}]},
            {"role": "ROLE_USER", "content": [{"text": text}, {"text": text, "third_party": True}]},
            {"role": "ROLE_ASSISTANT", "content": [{"text": text}]},
            {"role": "ROLE_USER", "content": [{"text": text}]},
            {"role": "ROLE_ASSISTANT", "tool_calls": [{"id": text, "name": "weather", "arguments_json": odd}]},
            {"role": "ROLE_TOOL", "tool_call_id": text, "content": [{"text": text}]},
            {"role": "ROLE_ASSISTANT", "tool_calls": [{"id": text, "name": "brave_search", "arguments_json": query}]},
            {"role": "ROLE_TOOL", "tool_call_id": text, "content": [{"json": odd}]},
            {"role": "ROLE_ASSISTANT", "content": [{"text": text}], "end_of_message": True},
        ],
        tools=[
            {"function": {"name": "weather", "description": text, "parameters_json": schema}},
            {"builtin": "BUILTIN_TOOL_BRAVE_SEARCH"},
        ],
    )


def inputs(text):
    """All that can be classified: the text, as a third party's too, and conversations that end in any of the roles."""
    whole = everything(text)
    chats = [chat_pb2.Chat(messages=whole.messages[:end]) for end in range(2, len(whole.messages) + 1)]
    texts = [classify_pb2.ClassifyInput(text=text, third_party=third_party) for third_party in (False, True)]
    return [*texts, *(classify_pb2.ClassifyInput(chat=chat) for chat in chats)]


@pytest.mark.parametrize("layout", [ChatLayout.hf, ChatLayout.meta])
async def test_chats_of_the_embedded_model(layout):
    tokenizer = tokenizer_of(CHAT)
    size = max(tokenizer.control_ids.values()) + 1
    config = model_config(CHAT, simulator(vocab_size=size, last_token_id=100), chat_layout=layout)

    def control(told):
        return [token.id for token in told.tokens if tokenizer.is_control(token.id)]

    async with serving(config) as rig:

        async def tokenized(**fields):
            return await soon(rig.stub.Tokenize(tokenize_pb2.TokenizeRequest(model=MODEL, **fields)))

        plain = await tokenized(chat=everything("x"))
        assert (len(control(plain)) > 20, plain.neutralized_sequences) == (True, 0)
        for text in planted(CHAT):
            forged = await tokenized(chat=everything(text))
            assert control(forged) == control(plain)
            assert forged.neutralized_sequences > 0
            alone = await tokenized(text=text)
            assert not control(alone)
            assert alone.neutralized_sequences > 0


class Recording(ScriptedBackend):
    """Remembers the prompts that it was asked."""

    def __init__(self, **capabilities):
        super().__init__(**capabilities)
        self.prompts: list[tuple[int, ...]] = []

    async def generate(self, request):
        self.prompts.append(request.prompt)
        async with aclosing(super().generate(request)) as deltas:
            async for delta in deltas:
                yield delta


async def test_frames_of_the_embedded_guard():
    tokenizer = tokenizer_of(GUARD)
    size = max(tokenizer.control_ids.values()) + 1
    backend = Recording(vocab_size=size, context_length=100_000)

    async def control(rig, text):
        backend.prompts.clear()
        added = [{"code": "S77", "name": text[:256], "description": text}]
        call = classify_pb2.ClassifyRequest(model=MODEL, inputs=inputs(text), added_categories=added)
        response = await soon(rig.stub.Classify(call))
        assert len(backend.prompts) == len(response.results) == len(call.inputs)
        counts = [result.neutralized_sequences for result in response.results]
        return sorted([i for i in prompt if tokenizer.is_control(i)] for prompt in backend.prompts), counts

    async with serving(guard_config(GUARD, GuardKind.llama_guard), backend=backend) as rig:
        plain, counts = await control(rig, "x")
        assert (all(plain), any(counts)) == (True, False)
        for text in planted(GUARD):
            forged, counts = await control(rig, text)
            assert forged == plain
            assert all(counts)


async def test_windows_of_the_embedded_prompt_guard():
    tokenizer = tokenizer_of(PROMPT_GUARD)
    control = set(tokenizer.control_ids.values())
    backend = ScoringBackend(lambda _: (1.0, 0.0, 0.0), context_length=512, vocab_size=max(control) + 1_000_000)

    async def windows(rig, text, normalize):
        backend.calls.clear()
        call = classify_pb2.ClassifyRequest(model=MODEL, inputs=inputs(text), normalize_spacing=normalize)
        response = await soon(rig.stub.Classify(call))
        return [window for calls in backend.calls for window in calls], response.results

    async with serving(guard_config(PROMPT_GUARD, GuardKind.prompt_guard), backend=backend) as rig:
        for normalize in (False, True):
            (frame, *_), _ = await windows(rig, "x", normalize)
            for text in planted(PROMPT_GUARD):
                forged, results = await windows(rig, text, normalize)
                assert forged
                for window in forged:
                    assert (window[0], window[-1]) == (frame[0], frame[-1])
                    assert control.isdisjoint(window[1:-1])
                assert all(result.neutralized_sequences for result in results[:2])
