"""Options that several commands have, and how their values are read."""

from __future__ import annotations

import argparse
import math
import os
import re
from collections.abc import Callable
from pathlib import Path

import grpc
from google.protobuf import json_format
from google.protobuf.message import Message

from paddock.v1.generate_pb2 import GenerateRequest
from paddock.v1.guard_pb2 import GuardMode, GuardOptions
from services.client import API_KEY_VARIABLE, DEFAULT_ADDRESS, Client
from services.commands.console import Console, UsageError, checked
from services.errors import ConfigError
from services.identity.certificate import channel_credentials
from services.identity.config import is_loopback
from services.identity.file import read

_RESOLVED = ("dns:", "ipv4:", "ipv6:", "unix:", "xds:")
_HOST_PORT = re.compile(r"(?:[^\s:/\[\]]+|\[[0-9A-Fa-f:.%]+\]):([0-9]{1,5})")
_SAMPLING = ("temperature", "top_p", "top_k", "min_p", "seed")
_UINT32 = 2**32 - 1
_UINT64 = 2**64 - 1


def add_server(parser: argparse.ArgumentParser) -> None:
    """Add which server, and how long a call may take."""
    parser.add_argument(
        "--address",
        type=address,
        default=os.environ.get("PADDOCK_ADDRESS") or DEFAULT_ADDRESS,
        metavar="HOST:PORT",
        help=f"where the server is (default: $PADDOCK_ADDRESS, else {DEFAULT_ADDRESS})",
    )
    parser.add_argument(
        "--timeout", type=seconds, metavar="SECONDS", help="how long a call may take (default: no limit)"
    )
    group = parser.add_argument_group("who calls (a key is read from $PADDOCK_API_KEY)")
    group.add_argument("--tls-ca", metavar="FILE", help="use TLS, and trust the authorities of this PEM file")
    group.add_argument("--tls-cert", metavar="FILE", help="the certificate to show, a PEM file")
    group.add_argument("--tls-key", metavar="FILE", help="its private key, a PEM file")
    group.add_argument("--insecure", action="store_true", help="let the key travel unencrypted to another machine")


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add which model."""
    parser.add_argument(
        "--model", default="", metavar="NAME", help="which model (default: the only one that is served beside guards)"
    )


def add_sampling(parser: argparse.ArgumentParser) -> None:
    """Add what shapes an answer. Only types are checked here: the server knows the ranges, the model its defaults."""
    group = parser.add_argument_group("the answer (defaults: the model's)")
    group.add_argument("--max-tokens", type=whole(1, _UINT32), metavar="N", help="tokens at most")
    group.add_argument("--temperature", type=number, metavar="T", help="0 takes the most likely token each time")
    group.add_argument("--top-p", type=number, metavar="P", help="sample among the likeliest tokens of this mass")
    group.add_argument("--top-k", type=whole(0, _UINT32), metavar="K", help="sample among the K likeliest; 0: all")
    group.add_argument("--min-p", type=number, metavar="P", help="drop what is less likely than P of the likeliest")
    group.add_argument("--seed", type=whole(0, _UINT64), metavar="N", help="the same seed gives the same answer")
    group.add_argument(
        "--stop", action="append", default=[], type=text, metavar="TEXT", help="end before this text; repeatable"
    )
    group.add_argument(
        "--guard",
        action="append",
        default=[],
        choices=GuardOptions.DESCRIPTOR.fields_by_name.keys(),
        help="have the model's guards block what of this is unsafe; repeatable",
    )
    _add_form(group.add_mutually_exclusive_group())


def _add_form(group: argparse._MutuallyExclusiveGroup) -> None:
    group.add_argument("--json-object", action="store_true", help="hold it to a JSON object")
    group.add_argument("--json-schema", type=text_or_file, metavar="TEXT|@FILE", help="hold it to a JSON schema")
    group.add_argument("--regex", type=text_or_file, metavar="TEXT|@FILE", help="hold it to a regular expression")
    group.add_argument("--ebnf", type=text_or_file, metavar="TEXT|@FILE", help="hold it to a grammar")
    group.add_argument(
        "--choice", action="append", default=[], type=text, metavar="TEXT", help="hold it to such a text; repeatable"
    )


def add_tools(parser: argparse.ArgumentParser) -> None:
    """Add the tools that may be called; `tool.read_tools` reads them."""
    parser.add_argument(
        "--tools", type=Path, metavar="FILE.json", help="tools the model may call, as OpenAI's API takes them"
    )


def shape_answer(request: GenerateRequest, args: argparse.Namespace) -> None:
    """Put the options of `add_sampling` that were given into a request."""
    for name in _SAMPLING:
        value = getattr(args, name)
        if value is not None:
            setattr(request.sampling, name, value)
    if args.max_tokens is not None:
        request.max_tokens = args.max_tokens
    for subject in args.guard:
        setattr(request.guards, subject, GuardMode.GUARD_MODE_ENFORCE)
    if args.stop:
        request.stop.strings.extend(args.stop)
    if args.json_object:
        request.response_format.json_object.SetInParent()
    for kind in ("json_schema", "regex", "ebnf"):
        if getattr(args, kind) is not None:
            setattr(request.response_format, kind, getattr(args, kind))
    if args.choice:
        request.response_format.choice.strings.extend(args.choice)


def connect(args: argparse.Namespace) -> Client:
    """Return the client for the options of `add_server`."""
    if (args.tls_cert is None) != (args.tls_key is None):
        raise UsageError("--tls-cert and --tls-key belong together: give both")
    if args.tls_cert is not None and args.tls_ca is None:
        raise UsageError("--tls-cert is shown to servers by TLS only: give --tls-ca, too")
    key = os.environ.get(API_KEY_VARIABLE) or None
    if key is not None and not re.fullmatch(r"[\x21-\x7e]+", key):
        raise UsageError(f"{API_KEY_VARIABLE} holds no key: a key has neither spaces nor other signs than ASCII's")
    if key is not None and args.tls_ca is None and not (is_loopback(args.address) or args.insecure):
        raise UsageError(
            f"{API_KEY_VARIABLE} would travel unencrypted to {args.address}: give --tls-ca, or --insecure if it may"
        )
    return Client(args.address, args.timeout, _tls(args), key)


def _tls(args: argparse.Namespace) -> grpc.ChannelCredentials | None:
    if args.tls_ca is None:
        return None
    shown = {"--tls-cert": args.tls_cert, "--tls-key": args.tls_key} if args.tls_cert else {}
    files = {"--tls-ca": args.tls_ca, **shown}
    try:
        return channel_credentials(files, {name: read(name, path) for name, path in files.items()})
    except ConfigError as error:
        raise UsageError(str(error)) from None


def add_text(parser: argparse.ArgumentParser) -> None:
    """Add the text to work on."""
    parser.add_argument("text", nargs="?", type=text, metavar="TEXT", help="the text; - or nothing: standard input")


def text_of(args: argparse.Namespace, console: Console) -> str:
    """Return the text of `add_text`, or standard input where it is meant."""
    given: str | None = args.text
    if given is None and console.interactive:
        raise UsageError("no text: give it as an argument or on standard input")
    return console.read() if given in (None, "-") else str(given)


def add_json(parser: argparse.ArgumentParser, what: str) -> None:
    """Add the choice of JSON."""
    parser.add_argument("--json", action="store_true", help=f"print {what} as JSON, with the names of the .proto files")


def to_json(message: Message) -> str:
    """Write a message as protobuf JSON, zeros and empty lists included, so that its shape is always the same."""
    written = json_format.MessageToJson(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True, ensure_ascii=False
    )
    return f"{written}\n"


def address(value: str) -> str:
    """Read where a server is."""
    if value.startswith(_RESOLVED):
        return value
    match = _HOST_PORT.fullmatch(value)
    if not match or not 0 < int(match[1]) < 65536:
        source = " (from PADDOCK_ADDRESS)" if value == os.environ.get("PADDOCK_ADDRESS") else ""
        raise argparse.ArgumentTypeError(f"{value!r}{source} is not HOST:PORT, such as {DEFAULT_ADDRESS}")
    return value


def seconds(value: str) -> float:
    """Read a duration."""
    duration = number(value)
    if duration <= 0:
        raise argparse.ArgumentTypeError(f"{value!r} is not more than 0")
    return duration


def number(value: str) -> float:
    """Read a finite number."""
    try:
        parsed = float(value)
    except ValueError:
        parsed = math.nan
    if not math.isfinite(parsed):
        raise argparse.ArgumentTypeError(f"{value!r} is not a number")
    return parsed


def whole(least: int, most: int) -> Callable[[str], int]:
    """Return a reader of whole numbers in [least, most]."""

    def read(value: str) -> int:
        try:
            parsed = int(value)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{value!r} is not a whole number") from None
        if not least <= parsed <= most:
            raise argparse.ArgumentTypeError(f"{value!r} is not in [{least}, {most}]")
        return parsed

    return read


def text(value: str) -> str:
    """Read text that can be sent."""
    try:
        return checked(value, "it")
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def text_or_file(value: str) -> str:
    """Read text, or what is in the file that it names after an @."""
    if not value.startswith("@"):
        return text(value)
    try:
        return Path(value[1:]).read_text(encoding="utf-8")
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{value[1:]} can't be read: {error.strerror or error}") from None
    except ValueError:
        raise argparse.ArgumentTypeError(f"{value[1:]} is not UTF-8 text") from None
