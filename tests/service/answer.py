"""What a client makes of a stream, and what must hold for every stream."""

from __future__ import annotations

from dataclasses import dataclass, field

from paddock.v1 import chat_pb2, generate_pb2, guard_pb2


@dataclass
class Output:
    """One output, as far as it came."""

    text: str = ""
    begun: list[chat_pb2.ToolCall] = field(default_factory=list)
    """Calls as far as they came; they count when the reason is TOOL_CALLS."""
    tokens: list[generate_pb2.Token] = field(default_factory=list)
    finished: generate_pb2.OutputFinished | None = None
    guards: list[guard_pb2.GuardEvent] = field(default_factory=list)

    @property
    def ids(self) -> list[int]:
        """The ids received."""
        return [token.id for token in self.tokens]

    @property
    def calls(self) -> list[chat_pb2.ToolCall]:
        """The calls that count."""
        return self.begun if self.finished is not None and self.reason == "TOOL_CALLS" else []

    @property
    def reason(self) -> str:
        """Why it ended."""
        assert self.finished is not None
        return generate_pb2.FinishReason.Name(self.finished.reason).removeprefix("FINISH_REASON_")


class Stream:
    """Events put together, their order checked as they come."""

    def __init__(self, request: generate_pb2.GenerateRequest) -> None:
        self.messages: list[generate_pb2.GenerateStreamResponse] = []
        self.started: generate_pb2.Started | None = None
        self.prompt: list[generate_pb2.Token] | None = None
        self.usage: generate_pb2.Usage | None = None
        self._resumed = bool(request.continuations)
        self.guards: list[guard_pb2.GuardEvent] = []
        self._done = {
            continuation.output_index for continuation in request.continuations if continuation.HasField("finished")
        }
        self.outputs = [Output() for _ in range(request.n if request.HasField("n") else 1)]

    def add(self, message: generate_pb2.GenerateStreamResponse) -> None:
        """Read a message."""
        assert message.events, "a message with nothing in it"
        self.messages.append(message)
        for event in message.events:
            self._add(event)

    def _add(self, event: generate_pb2.StreamEvent) -> None:
        kind = event.WhichOneof("event")
        assert (kind == "started") == (self.started is None), "`started` comes first, and once"
        assert self.usage is None, "an event after `completed`"
        if kind == "started":
            self.started = event.started
        elif kind == "prompt":
            assert self.prompt is None
            self.prompt = list(event.prompt.tokens)
        elif kind == "completed":
            assert all(o.finished for i, o in enumerate(self.outputs) if i not in self._done)
            self.usage = event.completed.usage
        elif kind == "guard" and event.guard.subject == guard_pb2.GUARD_SUBJECT_INPUT:
            assert event.output_index == 0
            self.guards.append(event.guard)
        else:
            output = self.outputs[event.output_index]
            assert output.finished is None, "an event after the output's `finished`"
            assert event.output_index not in self._done, "an event of an output that had ended before"
            if kind == "finished":
                output.finished = event.finished
            elif kind == "tool_call_delta":
                self._add_call(output, event.tool_call_delta)
            elif kind == "guard":
                output.guards.append(event.guard)
            else:
                assert kind == "token_delta"
                assert event.token_delta.text or event.token_delta.tokens, "an empty delta"
                output.text += event.token_delta.text
                output.tokens.extend(event.token_delta.tokens)

    def _add_call(self, output: Output, delta: generate_pb2.ToolCallDelta) -> None:
        first = delta.call_index >= len(output.begun)
        while delta.call_index >= len(output.begun):
            output.begun.append(chat_pb2.ToolCall())
        call = output.begun[delta.call_index]
        assert delta.HasField("name") == delta.HasField("id"), "id and name come together"
        assert delta.HasField("name") == first or self._resumed, "they come first, and once"
        call.MergeFrom(chat_pb2.ToolCall(id=delta.id, name=delta.name))
        assert first or delta.arguments_json or delta.tokens, "an empty delta"
        call.arguments_json += delta.arguments_json
        output.tokens.extend(delta.tokens)

    def check_end(self) -> None:
        """Check what must hold of a stream that ended with OK."""
        assert self.usage is not None, "no `completed`"
        assert self.usage.total_tokens == self.usage.prompt_tokens + self.usage.completion_tokens
        assert self.started is not None
        assert self.usage.prompt_tokens == self.started.prompt_tokens

    @property
    def only(self) -> Output:
        """The output of a stream that has one."""
        (output,) = self.outputs
        return output

    @property
    def seed(self) -> int:
        """The seed that was used."""
        assert self.started is not None
        return self.started.parameters.sampling.seed


def folded(stream: Stream) -> generate_pb2.GenerateResponse:
    """Make of a stream what Generate would have answered."""
    response = generate_pb2.GenerateResponse(
        started=stream.started, usage=stream.usage, prompt_tokens=stream.prompt, guard_events=stream.guards
    )
    for index, output in enumerate(stream.outputs):
        response.outputs.add(
            index=index,
            text=output.text,
            tokens=output.tokens,
            tool_calls=output.calls,
            finished=output.finished,
            guard_events=output.guards,
        )
    return response
