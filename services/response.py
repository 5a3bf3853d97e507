"""From events to response messages. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat

from backends.types import Feature, Sampling, Seeding, TokenLogprob, Usage
from paddock.v1 import generate_pb2, guard_pb2, model_pb2
from services.event import CallDelta, Completed, Delta, Event, Finished, FinishReason, GuardSpoke, PromptScored
from services.generation import Plan
from services.model import Loaded, ServedModel, State
from services.token_bytes import TokenBytes

_REASONS = {
    FinishReason.STOP: generate_pb2.FINISH_REASON_STOP,
    FinishReason.MAX_TOKENS: generate_pb2.FINISH_REASON_MAX_TOKENS,
    FinishReason.CONTEXT_LIMIT: generate_pb2.FINISH_REASON_CONTEXT_LIMIT,
    FinishReason.TIME_LIMIT: generate_pb2.FINISH_REASON_TIME_LIMIT,
    FinishReason.TOOL_CALLS: generate_pb2.FINISH_REASON_TOOL_CALLS,
    FinishReason.GUARD_BLOCKED: generate_pb2.FINISH_REASON_GUARD_BLOCKED,
}
_STATES = {
    State.LOADING: model_pb2.MODEL_STATE_LOADING,
    State.READY: model_pb2.MODEL_STATE_READY,
    State.DRAINING: model_pb2.MODEL_STATE_DRAINING,
    State.FAILED: model_pb2.MODEL_STATE_FAILED,
}


_EVENT_TOKENS = 1024
"""Of one event: with 20 candidates each, 1,024 tokens are about 300 kB."""

_EVENT_TEXT = 2**16
"""Characters; an event that has so many is not gone on with."""

_MESSAGE_BYTES = 2**20
"""A message that has reached it gets no further event: clients accept 4 MiB by default."""


def messages(events: Sequence[generate_pb2.StreamEvent]) -> Iterator[generate_pb2.GenerateStreamResponse]:
    """Put events into messages, as few as their size allows."""
    first = size = 0
    if len(events) == 1:
        yield generate_pb2.GenerateStreamResponse(events=events)
        return
    for index, event in enumerate(events):
        if size >= _MESSAGE_BYTES:
            yield generate_pb2.GenerateStreamResponse(events=events[first:index])
            first, size = index, 0
        size += event.ByteSize()
    if events[first:]:
        yield generate_pb2.GenerateStreamResponse(events=events[first:])


def started(plan: Plan, request_id: str, model: str) -> generate_pb2.Started:
    """Say what a request amounts to."""
    return generate_pb2.Started(
        request_id=request_id,
        model=model,
        parameters=_parameters(plan),
        prompt_tokens=len(plan.prompt),
        neutralized_sequences=plan.neutralized,
    )


class Writer:
    """Turns the events of one request into stream events."""

    def __init__(self, plan: Plan, tokens: TokenBytes, delivered: Mapping[int, str] | None = None) -> None:
        """Take the text that ids of continuations tell, by output: what the client has beside it is not sent again."""
        told = (delivered or {}).items()
        self._repeated = {index: size for index, text in told if (size := plan.repeated_bytes(index, text))}
        self._prompt = plan.prompt
        self._tokens_bytes = tokens
        self._tokenizer = tokens.tokenizer

    def write(self, events: Iterable[Event]) -> list[generate_pb2.StreamEvent]:
        """Write events in order; deltas of one output that follow each other become one."""
        written: list[generate_pb2.StreamEvent] = []
        for event in events:
            if isinstance(event, Delta):
                self._write_delta(event, written)
            elif isinstance(event, CallDelta):
                self._write_call(event, written)
            elif isinstance(event, GuardSpoke):
                written.append(generate_pb2.StreamEvent(output_index=event.index, guard=event.said))
            elif isinstance(event, Finished):
                finished = _finished(event)
                written.append(generate_pb2.StreamEvent(output_index=event.index, finished=finished))
            elif isinstance(event, PromptScored):
                for start in range(0, len(self._prompt), _EVENT_TOKENS):
                    part = slice(start, start + _EVENT_TOKENS)
                    tokens = self._tokens(self._prompt[part], event.logprobs[part])
                    written.append(generate_pb2.StreamEvent(prompt=generate_pb2.PromptTokens(tokens=tokens)))
            elif isinstance(event, Completed):
                completed = generate_pb2.Completed(usage=usage(event.usage, event.guard_tokens))
                written.append(generate_pb2.StreamEvent(completed=completed))
        return written

    def _write_delta(self, event: Delta, written: list[generate_pb2.StreamEvent]) -> None:
        text = self._new(event) if self._repeated else event.piece.text
        if not text and not event.piece.token_ids:
            return
        last = written[-1] if written else generate_pb2.StreamEvent()
        goes_on = last.WhichOneof("event") == "token_delta" and last.output_index == event.index
        if not goes_on or _is_full(last.token_delta.text, last.token_delta.tokens):
            last = generate_pb2.StreamEvent(output_index=event.index)
            written.append(last)
        delta = last.token_delta
        delta.text += text
        if event.piece.logprobs:
            delta.tokens.extend(self._tokens(event.piece.token_ids, event.piece.logprobs))
        else:
            delta.MergeFromString(b"".join([self._tokens_bytes[token_id] for token_id in event.piece.token_ids]))
        delta.SetInParent()

    def _new(self, event: Delta) -> str:
        """Give what the client does not have of a text."""
        raw, repeated = event.piece.text.encode(), self._repeated.get(event.index, 0)
        self._repeated[event.index] = max(0, repeated - len(raw))
        return raw[repeated:].decode(errors="ignore")

    def _write_call(self, event: CallDelta, written: list[generate_pb2.StreamEvent]) -> None:
        piece = event.piece
        last = written[-1] if written else generate_pb2.StreamEvent()
        goes_on = last.WhichOneof("event") == "tool_call_delta" and last.output_index == event.index
        goes_on &= last.tool_call_delta.call_index == piece.number and piece.name is None
        if not goes_on or _is_full(last.tool_call_delta.arguments_json, last.tool_call_delta.tokens):
            delta = generate_pb2.ToolCallDelta(call_index=piece.number, id=event.call_id, name=piece.name)
            last = generate_pb2.StreamEvent(output_index=event.index, tool_call_delta=delta)
            written.append(last)
        last.tool_call_delta.arguments_json += piece.arguments
        last.tool_call_delta.tokens.extend(self._tokens(piece.token_ids, piece.logprobs or repeat(None)))

    def _tokens(self, ids: Iterable[int], logprobs: Iterable[TokenLogprob | None]) -> list[generate_pb2.Token]:
        return [self._token(token_id, logprob) for token_id, logprob in zip(ids, logprobs, strict=False)]

    def _token(self, token_id: int, logprob: TokenLogprob | None) -> generate_pb2.Token:
        token = generate_pb2.Token(id=token_id, piece=self._tokenizer.piece(token_id))
        if logprob is not None:
            token.logprob = logprob.logprob
            token.rank = logprob.rank
            for candidate in logprob.candidates:
                piece = self._tokenizer.piece(candidate.token_id)
                token.candidates.add(id=candidate.token_id, piece=piece, logprob=candidate.logprob)
        return token


def _is_full(text: str, tokens: Sequence[generate_pb2.Token]) -> bool:
    return len(text) >= _EVENT_TEXT or len(tokens) >= _EVENT_TOKENS


def fold(
    begun: generate_pb2.Started, n: int, events: Iterable[generate_pb2.StreamEvent]
) -> generate_pb2.GenerateResponse:
    """Make one response of a whole stream's events."""
    response = generate_pb2.GenerateResponse(started=begun)
    outputs = [response.outputs.add(index=index) for index in range(n)]
    texts: list[list[str]] = [[] for _ in range(n)]
    calls: list[dict[int, _Call]] = [{} for _ in range(n)]
    for event in events:
        output = outputs[event.output_index]
        kind = event.WhichOneof("event")
        if kind == "token_delta":
            texts[event.output_index].append(event.token_delta.text)
            output.tokens.extend(event.token_delta.tokens)
        elif kind == "tool_call_delta":
            delta = event.tool_call_delta
            call = calls[event.output_index].setdefault(delta.call_index, _Call(delta.id, delta.name))
            call.arguments.append(delta.arguments_json)
            output.tokens.extend(delta.tokens)
        elif kind == "guard":
            of_input = event.guard.subject == guard_pb2.GUARD_SUBJECT_INPUT
            (response if of_input else output).guard_events.append(event.guard)
        elif kind == "finished":
            output.finished.CopyFrom(event.finished)
        elif kind == "prompt":
            response.prompt_tokens.extend(event.prompt.tokens)
        elif kind == "completed":
            response.usage.CopyFrom(event.completed.usage)
    for output, text, made in zip(outputs, texts, calls, strict=True):
        output.text = "".join(text)
        if output.finished.reason == generate_pb2.FINISH_REASON_TOOL_CALLS:
            for call in made.values():
                output.tool_calls.add(id=call.call_id, name=call.name, arguments_json="".join(call.arguments))
    return response


@dataclass(frozen=True, slots=True)
class _Call:
    """A call of which deltas were seen."""

    call_id: str
    name: str
    arguments: list[str] = field(default_factory=list)


def usage(counted: Usage, guard_tokens: int | None = None) -> generate_pb2.Usage:
    """Write a usage."""
    return generate_pb2.Usage(
        prompt_tokens=counted.prompt_tokens,
        completion_tokens=counted.completion_tokens,
        total_tokens=counted.prompt_tokens + counted.completion_tokens,
        cached_prompt_tokens=counted.cached_prompt_tokens,
        guard_tokens=guard_tokens,
    )


def model(served: ServedModel) -> model_pb2.Model:
    """Describe a model."""
    message = model_pb2.Model(
        name=served.name,
        aliases=served.aliases,
        state=_STATES[served.state],
        backend=model_pb2.BackendInfo(name=served.backend_name),
    )
    loaded = served.loaded
    if loaded is None:
        return message
    capabilities = loaded.capabilities
    message.context_length = capabilities.context_length
    message.vocab_size = capabilities.vocab_size
    message.stop_token_ids.extend(loaded.stop_token_ids)
    message.backend.device = capabilities.device
    message.backend.dtype = capabilities.dtype
    if capabilities.choice_reason:
        message.backend.choice_reason = capabilities.choice_reason
    message.support.CopyFrom(_support(loaded))
    message.support.supports_guards = loaded.capabilities.generates and bool(served.config.guards)
    message.limits.max_concurrency = capabilities.max_concurrency
    message.limits.max_queue = served.config.max_queue
    message.limits.max_logprobs = capabilities.max_logprobs
    if served.backend is not None:
        health = served.backend.health()
        message.load.running = health.running
        message.load.waiting = health.waiting + loaded.admission.waiting
        if health.cache_usage is not None:
            message.load.cache_usage = health.cache_usage
    message.defaults.CopyFrom(_defaults(served, loaded))
    return message


def _support(loaded: Loaded) -> model_pb2.Support:
    generates, chat = loaded.capabilities.generates, loaded.chat
    features = {f"supports_{feature.value}": feature in loaded.capabilities.features for feature in Feature}
    tools = generates and chat is not None and chat.supports_tools
    builtins = generates and chat is not None and chat.supports_builtin_tools
    return model_pb2.Support(
        supports_generate=generates,
        supports_chat=generates and chat is not None,
        supports_tools=tools,
        supports_builtin_tools=builtins,
        supports_tool_choice=(tools or builtins) and Feature.GRAMMAR in loaded.capabilities.features,
        supports_classify=loaded.classifier is not None,
        supports_seed=generates and loaded.capabilities.seeding is not Seeding.NONE,
        **features,
    )


def _defaults(served: ServedModel, loaded: Loaded) -> generate_pb2.EffectiveParameters:
    values = dict(loaded.sampling_defaults)
    return generate_pb2.EffectiveParameters(
        sampling=generate_pb2.Sampling(**values),  # type: ignore[arg-type]
        stop=generate_pb2.Stop(token_ids=loaded.stop_token_ids, ignore_eos=False, include_in_output=False),
        max_tokens=min(served.config.max_tokens, loaded.capabilities.context_length),
        min_tokens=0,
        n=1,
    )


def _parameters(plan: Plan) -> generate_pb2.EffectiveParameters:
    return generate_pb2.EffectiveParameters(
        sampling=_sampling(plan.sampling),
        stop=generate_pb2.Stop(
            strings=plan.stop_strings,
            token_ids=sorted(plan.stop_token_ids),
            ignore_eos=plan.ignore_eos,
            include_in_output=plan.include_stop,
        ),
        max_tokens=plan.max_tokens,
        min_tokens=plan.min_tokens,
        n=plan.n,
        date=plan.date,
    )


def _sampling(sampling: Sampling) -> generate_pb2.Sampling:
    return generate_pb2.Sampling(
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        top_k=sampling.top_k,
        min_p=sampling.min_p,
        repetition_penalty=sampling.repetition_penalty,
        presence_penalty=sampling.presence_penalty,
        frequency_penalty=sampling.frequency_penalty,
        seed=sampling.seed,
        logit_bias=dict(sampling.logit_bias),
    )


def _finished(event: Finished) -> generate_pb2.OutputFinished:
    finished = generate_pb2.OutputFinished(reason=_REASONS[event.reason], completion_tokens=event.completion_tokens)
    if event.stop_string is not None:
        finished.stop_string = event.stop_string
    elif event.stop_token_id is not None:
        finished.stop_token_id = event.stop_token_id
    return finished
