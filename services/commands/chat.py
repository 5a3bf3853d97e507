"""`paddock chat`: a conversation on the terminal, or one turn a line from a pipe."""

from __future__ import annotations

import argparse
import importlib
import json
from collections.abc import Callable, Sequence
from contextlib import closing, suppress

from paddock.v1.chat_pb2 import ContentPart, Message, Role, ToolCall
from paddock.v1.generate_pb2 import GenerateRequest
from paddock.v1.model_pb2 import ModelState
from services.client import CallError, Client
from services.commands import option
from services.commands.answer import Answer
from services.commands.console import Console, UsageError
from services.commands.tool import read_tools

HELP = """\
/system TEXT  replace the system message; without TEXT there is none
/reset        forget the conversation
/help         print this
/quit         end (Ctrl-D does the same)
//TEXT        say something that starts with /
Ctrl-C stops an answer.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    option.add_server(parser)
    option.add_model(parser)
    parser.add_argument("--system", type=option.text, metavar="TEXT", help="a system message")
    option.add_tools(parser)
    option.add_sampling(parser)


def run(args: argparse.Namespace, console: Console) -> int:
    """Talk until the end of the input."""
    request = GenerateRequest(model=args.model, n=1)
    option.shape_answer(request, args)
    if args.tools:
        request.chat.tools.extend(read_tools(args.tools))
    with option.connect(args) as client:
        if console.interactive:
            _greet(client, args.model, console)
        conversation = Conversation(client, console, request, args.system or "")
        hear = _forgiving(conversation, console) if console.interactive else conversation.hear
        while (line := _next_line(console)) is not None and hear(line):
            pass
    return 0


def _greet(client: Client, name: str, console: Console) -> None:
    model = client.model(name)
    with suppress(ImportError):
        importlib.import_module("readline")  # from here on, input() has history and editing
    loading = "" if model.state == ModelState.MODEL_STATE_READY else ", not ready yet"
    console.note(f"{model.name} at {client.address}{loading}. /help tells what there is; Ctrl-D ends.")


def _next_line(console: Console) -> str | None:
    while True:
        try:
            return console.ask("> ")
        except KeyboardInterrupt:
            if not console.interactive:
                raise
            console.note("")


def _forgiving(conversation: Conversation, console: Console) -> Callable[[str], bool]:
    """Wrap `hear` for someone who can try again: a failed or stopped turn is told, and the talk goes on."""

    def hear(line: str) -> bool:
        try:
            return conversation.hear(line)
        except (CallError, UsageError) as error:
            console.note(f"[{error}]")
        except KeyboardInterrupt:
            console.note("[stopped]")
        return True

    return hear


class Conversation:
    """The turns so far. A turn that fails is forgotten, so that it can be tried again."""

    def __init__(self, client: Client, console: Console, request: GenerateRequest, system: str) -> None:
        """Take a request that holds everything but the messages."""
        self._client = client
        self._console = console
        self._request = request
        self._system = system
        self._turns: list[Message] = []

    def hear(self, line: str) -> bool:
        """Answer or obey a line; return whether to go on."""
        if line.startswith("/") and not line.startswith("//"):
            return self._obey(*line[1:].strip().partition(" ")[::2])
        if line.strip():
            self._say(line.removeprefix("/"))
        return True

    def _obey(self, command: str, rest: str) -> bool:
        match command:
            case "quit":
                return False
            case "help":
                self._console.write(HELP)
            case "reset":
                self._turns.clear()
            case "system":
                self._system = rest.strip()
            case _:
                raise UsageError(
                    f"there is no /{command}: /help lists the commands, and // sends a line that starts with /"
                )
        return True

    def _say(self, text: str) -> None:
        """Take one turn: the user's message, and answers until one calls no tool."""
        turn = [_message(Role.ROLE_USER, text)]
        while (answer := self._answer(turn)).calls:
            for call, message in zip(answer.calls, answer.messages(), strict=True):
                result = self._console.ask(f"{call.name} gives> ")
                if result is None:
                    return
                turn += [message, _result(call, result)]
        if answer.text:
            self._turns += [*turn, *answer.messages()]
        else:
            self._console.note("[an empty answer: this turn is forgotten]")

    def _answer(self, turn: Sequence[Message]) -> Answer:
        """Show and return the answer to the conversation with this turn."""
        answer = Answer()
        try:
            with closing(self._client.stream(self._request_with(turn))) as events:
                for event in events:
                    if event.output_index == 0:
                        self._console.write(answer.take(event))
        except KeyboardInterrupt:
            if answer.text and not answer.calls:  # what was read was said
                self._turns += [*turn, *answer.messages()]
            raise
        finally:
            self._console.fresh_line()
        if remark := answer.remark():
            self._console.note(f"[{remark}]")
        return answer

    def _request_with(self, turn: Sequence[Message]) -> GenerateRequest:
        request = GenerateRequest()
        request.CopyFrom(self._request)
        if self._system:
            request.chat.messages.append(_message(Role.ROLE_SYSTEM, self._system))
        request.chat.messages.extend([*self._turns, *turn])
        return request


def _message(role: Role, text: str) -> Message:
    return Message(role=role, content=[ContentPart(text=text)])


def _result(call: ToolCall, result: str) -> Message:
    """Return a tool's result as a turn: JSON where it is JSON, else text."""
    part = ContentPart(json=result) if _is_json(result) else ContentPart(text=result)
    return Message(role=Role.ROLE_TOOL, content=[part], tool_call_id=call.id)


def _is_json(text: str) -> bool:
    try:
        json.loads(text, parse_constant=_refuse)
    except ValueError:
        return False
    return True


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
