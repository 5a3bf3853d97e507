"""Streams of every kind, each of which must be the one that nothing disturbed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.contender import ROOT
from llama.tokenizer import Tokenizer
from paddock.v1 import chat_pb2, generate_pb2, guard_pb2
from services.response import fold

SCRIPT = 'I look it up.<function=now>{"place":"Graz, Styria","unit":"celsius","days":[1,2,3]}</function>'
"""What the model of the tool calls always answers."""

SIMULATED = ("plain", "tools", "guarded", "judge")
"""Models of the simulator's workers, as `write_config` describes them."""

_ATTEMPTS = "x-paddock-attempts"
_ROUNDING = 1e-4
_CONFIG = """\
# @package models
defaults:
  - /backend@plain.backend: simulator
  - /backend@tools.backend: simulator
  - /backend@guarded.backend: simulator
  - /backend@judge.backend: simulator
  - _self_
plain: {{name: plain, checkpoint: "embedded:paddock-tiny", backend: {shape}}}
tools: {{name: tools, checkpoint: "embedded:paddock-tiny", backend: {tools}}}
guarded:
  name: guarded
  checkpoint: "embedded:paddock-tiny"
  backend: {shape}
  guards:
    - {{model: judge, subject: input}}
    - {{model: judge, subject: output, step_chars: 40}}
judge:
  name: judge
  checkpoint: "embedded:paddock-guard-tiny"
  chat_layout: none
  guard: llama_guard
  backend: {{vocab_size: 2048, first_token_id: 0, last_token_id: 2000, script: {safe}}}
"""


@dataclass(frozen=True)
class Kind:
    """A request, and what it is an example of."""

    name: str
    request: generate_pb2.GenerateRequest


@dataclass
class Heard:
    """What a client had of a stream, and when.

    Attributes:
        answer: all of it as one message, less what may differ from one worker to another.
        attempts: how many workers it took.
        moments: when a message came, on the monotonic clock.
    """

    answer: generate_pb2.GenerateResponse
    attempts: int
    moments: list[float] = field(default_factory=list)

    @property
    def longest_gap_s(self) -> float:
        """The longest wait between two messages."""
        return max((b - a for a, b in zip(self.moments, self.moments[1:], strict=False)), default=0.0)


class DisorderError(Exception):
    """A stream's events were not in the order that they must be in."""


async def hear(
    stub: Any,
    kind: Kind,
    request_id: str,
    progress: Callable[[], None] = lambda: None,
) -> Heard:
    """Read a stream to its end, and call `progress` for each message.

    Raises:
        DisorderError: see there.
        grpc.aio.AioRpcError: it failed.
    """
    call: Any = stub.GenerateStream(kind.request, metadata=(("x-request-id", request_id),))
    events: list[generate_pb2.StreamEvent] = []
    moments = []
    async for message in call:
        moments.append(time.monotonic())
        events += message.events
        progress()
    trailing = dict(await call.trailing_metadata())
    answer = _folded(events, max(1, kind.request.n))
    return Heard(answer, int(trailing.get(_ATTEMPTS, 1)), moments)


def seed_of(heard: Heard) -> int:
    """Give the seed that was used."""
    return heard.answer.started.parameters.sampling.seed


def settle(answer: generate_pb2.GenerateResponse, other: generate_pb2.GenerateResponse) -> None:
    """Give an answer's log probabilities the values of another's where they are as good as these.

    What is resumed computes as a prompt what was computed token by token: the same sums, in another order.
    """
    for ours, theirs in zip(answer.outputs, other.outputs, strict=False):
        for token, twin in zip(ours.tokens, theirs.tokens, strict=False):
            pairs: Any = zip((token, *token.candidates), (twin, *twin.candidates), strict=False)
            for one, its_twin in pairs:
                if 0 < abs(one.logprob - its_twin.logprob) < _ROUNDING:
                    one.logprob = its_twin.logprob


def _folded(events: Sequence[generate_pb2.StreamEvent], n: int) -> generate_pb2.GenerateResponse:
    names = [event.WhichOneof("event") for event in events]
    if names[:1] != ["started"] or names.count("started") != 1:
        raise DisorderError("`started` comes first, and once")
    if names[-1] != "completed" or names.count("completed") != 1:
        raise DisorderError("`completed` comes last, and once")
    ended = set()
    for event, name in zip(events, names, strict=True):
        if name in ("token_delta", "tool_call_delta", "finished") and event.output_index in ended:
            raise DisorderError("an event of an output that has ended")
        if name == "finished":
            ended.add(event.output_index)
    if len(ended) != n:
        raise DisorderError(f"{len(ended)} of {n} outputs ended")
    answer = fold(events[0].started, n, events)
    answer.usage.ClearField("guard_tokens")  # what the last worker's guards used
    answer.usage.ClearField("cached_prompt_tokens")
    spoken = sorted(answer.guard_events, key=lambda event: event.guard_model)  # of the input: whoever is done first
    del answer.guard_events[:]
    answer.guard_events.extend(spoken)
    for output in answer.outputs:  # how far a guard's word reaches depends on when it was asked
        verdicts = sorted({(event.guard_model, event.verdict.decision) for event in output.guard_events})
        del output.guard_events[:]
        for model, decision in verdicts:
            output.guard_events.add(guard_model=model, verdict={"decision": decision})
    return answer


def simulated(count: int) -> list[Kind]:
    """Give requests of the simulator's models, of every kind in turn."""
    return [_simulated(number) for number in range(count)]


def _simulated(seed: int) -> Kind:
    length = 24 + 37 * seed % 150
    drawn: dict[str, Any] = {"sampling": {"temperature": 1.0, "seed": seed}}
    weather = [chat_pb2.Tool(function=chat_pb2.FunctionTool(name="now"))]
    makers: dict[str, Callable[[], generate_pb2.GenerateRequest]] = {
        "greedy": lambda: _text(seed, length),
        "seeded": lambda: _text(seed, length, sampling={"temperature": 1.0, "top_p": 0.9, "seed": seed}),
        "no seed given": lambda: _text(seed, length, sampling={"temperature": 1.0}),
        "penalties": lambda: _text(
            seed, length // 2, sampling={"temperature": 0.8, "frequency_penalty": 0.7, "seed": seed}
        ),
        "three outputs": lambda: _text(seed, length // 2, n=3, **drawn),
        "stop strings": lambda: _text(seed, length, stop={"strings": ["e", "th"], "ignore_eos": True}, n=2, **drawn),
        "logprobs": lambda: _text(seed, length, logprobs=3, prompt_logprobs=2, **drawn),
        "chat": lambda: _chat(seed, length, **drawn),
        "tool calls": lambda: _chat(seed, 200, tools=weather, model="tools", **drawn),
        "guarded": lambda: _chat(seed, length, model="guarded", **drawn),
    }
    name = list(makers)[seed % len(makers)]
    return Kind(name, makers[name]())


def embedded(count: int) -> list[Kind]:
    """Give requests of the embedded model, of every kind in turn: those whose form is enforced among them."""
    return [_embedded(number) for number in range(count)]


def _embedded(seed: int) -> Kind:
    drawn: dict[str, Any] = {"sampling": {"temperature": 0.9, "seed": seed}, "model": "paddock-tiny"}
    schema = '{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"integer"}},"required":["a","b"]}'
    guards = {"input": guard_pb2.GUARD_MODE_ANNOTATE, "output": guard_pb2.GUARD_MODE_ENFORCE}
    plain = generate_pb2.Stop()
    makers: dict[str, Callable[[], generate_pb2.GenerateRequest]] = {
        "greedy": lambda: _text(seed, 120, model="paddock-tiny"),
        "seeded": lambda: _text(seed, 120, logprobs=1, **drawn),
        "schema": lambda: _chat(seed, 200, response_format={"json_schema": schema}, stop=plain, **drawn),
        "regex": lambda: _chat(seed, 120, response_format={"regex": "([a-z]{3,9} ){20}"}, stop=plain, **drawn),
        "guarded": lambda: _chat(seed, 100, guards=guards, stop=plain, **drawn),
    }
    name = list(makers)[seed % len(makers)]
    return Kind(name, makers[name]())


def _text(seed: int, length: int, **fields: Any) -> generate_pb2.GenerateRequest:
    told: dict[str, Any] = {"model": "plain", "sampling": {"temperature": 0.0}, "stop": {"ignore_eos": True}}
    return generate_pb2.GenerateRequest(
        **{**told, "prompt": f"The horse number {seed}", "max_tokens": length, **fields}
    )


def _chat(seed: int, length: int, tools: Sequence[chat_pb2.Tool] = (), **fields: Any) -> generate_pb2.GenerateRequest:
    told: dict[str, Any] = {"model": "plain", "stop": {"ignore_eos": True}}
    said = chat_pb2.Message(role=chat_pb2.ROLE_USER, content=[chat_pb2.ContentPart(text=f"How is horse {seed}?")])
    chat = chat_pb2.Chat(messages=[said], tools=tools, date="2026-01-31")
    return generate_pb2.GenerateRequest(**{**told, "chat": chat, "max_tokens": length, **fields})


def write_config(folder: Path, time_per_token_s: float) -> None:
    """Write the file of conf/model/ that `--config-dir FOLDER model=drill` serves."""
    tokenizer, judge = (_tokenizer(name) for name in ("paddock-tiny", "paddock-guard-tiny"))
    shape = f"vocab_size: 1536, first_token_id: 0, last_token_id: 1519, time_per_token_s: {time_per_token_s}"
    told = _CONFIG.format(
        shape="{" + shape + "}",
        tools="{" + shape + f", script: {tokenizer.encode(SCRIPT)}" + "}",
        safe=judge.encode("\n\nsafe"),
    )
    (folder / "model").mkdir(parents=True, exist_ok=True)
    (folder / "model" / "drill.yaml").write_text(told, encoding="utf-8")


def _tokenizer(model: str) -> Tokenizer:
    return Tokenizer((ROOT / "models" / model / "tokenizer.json").read_text(encoding="utf-8"))
