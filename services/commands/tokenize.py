"""`paddock tokenize`: the tokens of a text, as the model reads it."""

from __future__ import annotations

import argparse

from paddock.v1.tokenize_pb2 import TokenizeRequest, TokenizeResponse
from services.commands import option
from services.commands.console import Console, quoted, table
from services.commands.generate import conversation


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    option.add_text(parser)
    option.add_server(parser)
    option.add_model(parser)
    option.add_json(parser, "the whole TokenizeResponse")
    parser.add_argument("--chat", action="store_true", help="encode the text as a user's message in a conversation")


def run(args: argparse.Namespace, console: Console) -> int:
    """Ask and print."""
    text = option.text_of(args, console)
    request = TokenizeRequest(model=args.model)
    if args.chat:
        request.chat.CopyFrom(conversation(text))
    else:
        request.text = text
    with option.connect(args) as client:
        response = client.tokenize(request)
    console.write(option.to_json(response) if args.json else _as_table(response))
    if not args.json:
        _note_totals(response, console)
    return 0


def _as_table(response: TokenizeResponse) -> str:
    rows = [(str(token.id), quoted(token.piece), f"{token.start}-{token.end}") for token in response.tokens]
    return table([("ID", "PIECE", "BYTES"), *rows])


def _note_totals(response: TokenizeResponse, console: Console) -> None:
    console.note(f"{response.token_count} of the {response.context_length} tokens that prompt and answer fill together")
    if response.neutralized_sequences:
        console.note(f"{response.neutralized_sequences} spelled a control token and stay text")
