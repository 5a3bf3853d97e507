"""`paddock generate`: one answer, as text that can be piped."""

from __future__ import annotations

import argparse
from contextlib import closing
from dataclasses import dataclass, field

from paddock.v1.chat_pb2 import Chat, Role
from paddock.v1.generate_pb2 import GenerateRequest, StreamEvent, Token
from services.client import CallError, Client
from services.commands import option
from services.commands.answer import Answer
from services.commands.console import Console, UsageError, quoted, table
from services.commands.tool import read_tools


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    option.add_text(parser)
    option.add_server(parser)
    option.add_model(parser)
    option.add_json(parser, "the whole GenerateResponse")
    parser.add_argument("--raw", action="store_true", help="send the text as it is, not as a user's message")
    parser.add_argument("--system", type=option.text, metavar="TEXT", help="a system message before the text")
    option.add_tools(parser)
    option.add_sampling(parser)
    parser.add_argument("-n", type=option.whole(1, 16), metavar="N", help="how many answers (default: 1)")
    parser.add_argument(
        "--logprobs",
        type=option.whole(0, 20),
        metavar="K",
        help="after the text, list its tokens with their log probabilities and the K likeliest alternatives",
    )


def run(args: argparse.Namespace, console: Console) -> int:
    """Ask and print."""
    if args.raw and (args.system or args.tools):
        raise UsageError("--system and --tools need a chat: leave out --raw")
    request = request_for(args, option.text_of(args, console))
    answer = _print_json if args.json else _print_text
    with option.connect(args) as client:
        try:
            answer(client, request, console)
        except CallError as error:
            if not error.lacks("chat") or args.raw or args.system or args.tools:
                raise
            console.note("[the model takes no chat: the text is sent as a raw prompt, as with --raw]")
            request.prompt = request.chat.messages[-1].content[0].text
            answer(client, request, console)
    return 0


def request_for(args: argparse.Namespace, text: str) -> GenerateRequest:
    """Return the request that the arguments stand for."""
    request = GenerateRequest(model=args.model, n=args.n, logprobs=args.logprobs)
    option.shape_answer(request, args)
    if args.raw:
        request.prompt = text
    else:
        request.chat.CopyFrom(conversation(text, args.system))
        if args.tools:
            request.chat.tools.extend(read_tools(args.tools))
    return request


def conversation(text: str, system: str | None = None) -> Chat:
    """Return a chat of one user's message."""
    chat = Chat()
    if system:
        chat.messages.add(role=Role.ROLE_SYSTEM).content.add(text=system)
    chat.messages.add(role=Role.ROLE_USER).content.add(text=text)
    return chat


def _print_json(client: Client, request: GenerateRequest, console: Console) -> None:
    console.write(option.to_json(client.generate(request)))


def _print_text(client: Client, request: GenerateRequest, console: Console) -> None:
    sheet = Sheet(console, list_tokens=request.HasField("logprobs"))
    try:
        with closing(client.stream(request)) as events:
            for event in events:
                sheet.take(event)
    finally:
        console.fresh_line()
    sheet.end()


class Sheet:
    """Outputs one below the other: the first unfinished one as it comes, the later ones when it is their turn."""

    def __init__(self, console: Console, list_tokens: bool) -> None:
        """Write to `console`; after each output list its tokens when told to."""
        self._console = console
        self._list_tokens = list_tokens
        self._outputs = [Output()]
        self._turn = 0

    def take(self, event: StreamEvent) -> None:
        """Show what can be shown now."""
        if event.WhichOneof("event") == "started":
            self._outputs = [Output() for _ in range(max(1, event.started.parameters.n))]
            self._head()
            return
        output = self._outputs[event.output_index]
        output.waiting += output.answer.take(event)
        while self._turn < len(self._outputs) and self._show(self._outputs[self._turn]):
            self._turn += 1
            self._head()

    def _head(self) -> None:
        if 1 < len(self._outputs) > self._turn:
            self._console.write(f"--- {self._turn + 1} of {len(self._outputs)} ---\n")

    def _show(self, output: Output) -> bool:
        """Write what waits; return whether the output is complete."""
        self._console.write(output.waiting)
        output.waiting = ""
        if output.answer.finished is None:
            return False
        self._console.fresh_line()
        if self._list_tokens:
            self._console.write(table([_TOKEN_HEADER, *map(_token_row, output.answer.tokens)]))
        return True

    def end(self) -> None:
        """Tell what is unusual about how the outputs ended."""
        for index, output in enumerate(self._outputs):
            remark = output.answer.remark()
            if remark:
                which = f"{index + 1}: " if len(self._outputs) > 1 else ""
                self._console.note(f"[{which}{remark}]")


@dataclass
class Output:
    """An answer, and the part of it that is not shown yet."""

    answer: Answer = field(default_factory=Answer)
    waiting: str = ""


_TOKEN_HEADER = ("ID", "PIECE", "LOGPROB", "RANK", "ALTERNATIVES")


def _token_row(token: Token) -> tuple[str, ...]:
    return (
        str(token.id),
        quoted(token.piece),
        f"{token.logprob:.4f}" if token.HasField("logprob") else "-",
        str(token.rank) if token.HasField("rank") else "-",
        "  ".join(f"{quoted(other.piece)} {other.logprob:.4f}" for other in token.candidates),
    )
