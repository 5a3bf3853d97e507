"""`paddock classify`: what a guard or another classifier makes of a text."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence

from paddock.v1.chat_pb2 import Role
from paddock.v1.classify_pb2 import Classification, ClassifyRequest, ClassifyResponse, LabelScore
from paddock.v1.guard_pb2 import GuardDecision, GuardVerdict
from services.commands import option
from services.commands.console import Console, UsageError, one_line, table
from services.commands.generate import conversation


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    option.add_text(parser)
    option.add_server(parser)
    option.add_model(parser)
    option.add_json(parser, "the whole ClassifyResponse")
    parser.add_argument(
        "--reply", type=option.text, metavar="TEXT", help="judge this, as the assistant's answer to the text"
    )
    parser.add_argument(
        "--third-party", action="store_true", help="the text is neither the user's nor the operator's: a page, a mail"
    )
    parser.add_argument(
        "--exclude", action="append", default=[], type=option.text, metavar="CODE", help="a category to leave out"
    )
    parser.add_argument("--temperature", type=option.number, metavar="T", help="of a sequence classifier's scores")
    parser.add_argument(
        "--keep-spacing", action="store_true", help="prompt guards: don't undo letters s p a c e d out first"
    )


def run(args: argparse.Namespace, console: Console) -> int:
    """Ask and print."""
    if args.reply is not None and args.third_party:
        raise UsageError("--reply is the assistant's own: leave out --third-party")
    request = request_for(args, option.text_of(args, console))
    with option.connect(args) as client:
        response = client.classify(request)
    if args.json:
        console.write(option.to_json(response))
    else:
        (result,) = response.results
        console.write(_shown(result))
        _note(response, result, console)
    return 0


def request_for(args: argparse.Namespace, text: str) -> ClassifyRequest:
    """Return the request that the arguments stand for."""
    request = ClassifyRequest(model=args.model, excluded_categories=args.exclude, temperature=args.temperature)
    if args.keep_spacing:
        request.normalize_spacing = False
    entry = request.inputs.add()
    if args.reply is None:
        entry.text = text
        if args.third_party:
            entry.third_party = True
    else:
        entry.chat.CopyFrom(conversation(text))
        entry.chat.messages.add(role=Role.ROLE_ASSISTANT).content.add(text=args.reply)
    return request


def _shown(result: Classification) -> str:
    verdict = _verdict(result.verdict) if result.HasField("verdict") else ""
    labels = table([("LABEL", "SCORE"), *_rows(result.labels)]) if result.labels else ""
    return verdict + labels + (_windows(result) if result.windows else "")


def _verdict(verdict: GuardVerdict) -> str:
    known = verdict.decision in GuardDecision.values()
    name = GuardDecision.Name(verdict.decision) if known else str(verdict.decision)
    found = [one_line(code) for code in verdict.categories]
    probability = (
        [f"probability of unsafe {verdict.unsafe_probability:.4f}"] if verdict.HasField("unsafe_probability") else []
    )
    return ": ".join([name.removeprefix("GUARD_DECISION_").lower(), ", ".join(found + probability)]).rstrip(": ") + "\n"


def _rows(labels: Iterable[LabelScore]) -> list[tuple[str, str]]:
    return [(one_line(entry.label), f"{entry.score:.4f}") for entry in labels]


def _windows(result: Classification) -> str:
    names: Sequence[str] = [one_line(entry.label) for entry in result.labels]
    rows = [
        (f"{window.start}-{window.end}", *(score for _, score in _rows(window.labels))) for window in result.windows
    ]
    return table([("BYTES", *names), *rows])


def _note(response: ClassifyResponse, result: Classification, console: Console) -> None:
    usage = response.usage
    console.note(f"{usage.prompt_tokens} tokens read, {usage.completion_tokens} written")
    if result.neutralized_sequences:
        console.note(f"{result.neutralized_sequences} spelled a control token or the guard's frame and stay text")
