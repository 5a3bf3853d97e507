"""What reads bytes that others chose. A target takes any bytes, and raises nothing but what is meant for them.

Hypothesis runs them in `make test`, for a moment; atheris for as long as one likes: `make fuzz SECONDS=600`.
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
import json
import ssl
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from backends.simulator.config import SimulatorConfig
from backends.types import Capabilities, Feature
from llama import strict_json
from llama.call import CallReader
from llama.call_part import Text
from llama.chat import BuiltinTool, ChatEncoder, Message
from llama.chat.message import ChatError
from llama.chat.template import ChatTemplate
from llama.tokenizer import Tokenizer
from llama.verdict import Decision, read_verdict
from paddock.v1 import classify_pb2, generate_pb2, tokenize_pb2
from services import request as requests
from services import sampling as samplings
from services.admission.admission import Admission
from services.bound import check_bounds
from services.checks import Checks
from services.config import ModelConfig
from services.errors import ConfigError, ServiceError
from services.identity.caller import read_callers
from services.identity.expiry import ends
from services.inference import _detokenize, _tokenize
from services.model import Loaded, ServedModel
from services.response_format import read_response_format
from services.routing.affinity import affinity_key
from services.routing.error import UpstreamError, trailing
from services.routing.transcript import Transcript, check_beginning
from services.subject import read_subjects
from services.text import TextStream
from services.token_bytes import SpanBytes, TokenBytes
from tests.checkpoint import END_OF_TEXT, END_OF_TURN, TEXT_IDS, VOCAB_SIZE, write_tokenizer

TARGETS: dict[str, Callable[[bytes], None]] = {}
SEEDS: dict[str, list[bytes]] = {}


def target(*seeds: bytes) -> Callable[[Callable[[bytes], None]], Callable[[bytes], None]]:
    """Make a function a target; seeds are what it means to read."""

    def add(function: Callable[[bytes], None]) -> Callable[[bytes], None]:
        TARGETS[function.__name__] = function
        SEEDS[function.__name__] = list(seeds)
        return function

    return add


@functools.cache
def _model() -> tuple[ServedModel, Loaded]:
    folder = write_tokenizer(Path(tempfile.mkdtemp(prefix="paddock-fuzz-")))
    tokenizer = Tokenizer((folder / "tokenizer.json").read_text())
    capabilities = Capabilities(
        context_length=64, vocab_size=VOCAB_SIZE, max_concurrency=4, features=frozenset(Feature), max_logprobs=20
    )
    config = ModelConfig(name="m", checkpoint="x", backend=SimulatorConfig())
    stops = (END_OF_TEXT, END_OF_TURN)
    defaults = samplings.defaults(dataclasses.asdict(config.sampling), {}, frozenset(Feature), "models.m")
    admission = Admission("m", lambda: 4, 4, 60.0)
    loaded = Loaded(
        *(tokenizer, ChatEncoder(tokenizer), stops, defaults, capabilities, admission),
        *(TokenBytes(tokenizer), SpanBytes(tokenizer)),
    )
    return ServedModel("m", config), loaded


def _parsed(kind: Any, raw: bytes) -> Iterator[Any]:
    """Give the message that the bytes are, if they are one and its lists are not too long."""
    with suppress(DecodeError):
        message = kind.FromString(raw)
        with suppress(ServiceError):
            check_bounds(message)
            yield message


_CHAT = {
    "messages": [
        {"role": "ROLE_USER", "content": [{"text": "the horse"}]},
        {"role": "ROLE_ASSISTANT", "tool_calls": [{"id": "1", "name": "f", "arguments_json": '{"a": [1]}'}]},
        {"role": "ROLE_TOOL", "tool_call_id": "1", "content": [{"json": "[1]"}]},
    ],
    "tools": [{"function": {"name": "f", "parameters_json": '{"type": "object"}'}}],
    "date": "2026-01-31",
}
_PROMPTED = generate_pb2.GenerateRequest(
    prompt="the horse",
    n=2,
    max_tokens=3,
    stop={"strings": ["x"], "token_ids": [3]},
    sampling={"seed": 1, "logit_bias": {3: 1.5}},
    continuations=[{"output_index": 1, "token_ids": [5], "text_bytes": 1}],
)
_FORMS: list[dict[str, Any]] = [
    {"json_object": {}},
    {"json_schema": '{"type": "object", "properties": {"a": {"enum": [1, "x"]}, "b": {"$ref": "#"}}}'},
    {"regex": "^(?:a[b-d]{2,3}|\\d+)$"},
    {"ebnf": 'root ::= "a" [^b]* ("c" | root)'},
    {"choice": {"strings": ["a", "b"]}},
]


@target(
    _PROMPTED.SerializeToString(),
    generate_pb2.GenerateRequest(chat=_CHAT).SerializeToString(),  # type: ignore[arg-type]
    generate_pb2.GenerateRequest(token_ids={"ids": [5, 6]}).SerializeToString(),
)
def generate_request(raw: bytes) -> None:
    """Check a request, and say what it amounts to."""
    for message in _parsed(generate_pb2.GenerateRequest, raw):
        affinity_key(message)
        with suppress(ServiceError):
            plan = requests.plan(message, *_model())
            assert len(plan.prompt) < 64
            assert 1 <= plan.n <= 16


@target(*(generate_pb2.ResponseFormat(**form).SerializeToString() for form in _FORMS))
def response_format(raw: bytes) -> None:
    """Make a grammar of what an answer is to look like."""
    with suppress(DecodeError):
        checks = Checks()
        grammar = read_response_format(generate_pb2.ResponseFormat.FromString(raw), checks)
        with suppress(ServiceError):
            checks.done()
            assert grammar is not None


@target(
    tokenize_pb2.TokenizeRequest(text="the horse").SerializeToString(),
    tokenize_pb2.TokenizeRequest(chat=_CHAT).SerializeToString(),  # type: ignore[arg-type]
    tokenize_pb2.TokenizeRequest(generate=_PROMPTED).SerializeToString(),
)
def tokenize_request(raw: bytes) -> None:
    """Tokenize."""
    for message in _parsed(tokenize_pb2.TokenizeRequest, raw):
        with suppress(ServiceError):
            _tokenize(message, *_model())


@target(tokenize_pb2.DetokenizeRequest(token_ids=[1, 50, 599], skip_control_tokens=True).SerializeToString())
def detokenize_request(raw: bytes) -> None:
    """Detokenize: by itself, and as a stream does, which gives the same text."""
    _, loaded = _model()
    for message in _parsed(tokenize_pb2.DetokenizeRequest, raw):
        with suppress(ServiceError):
            _detokenize(message, loaded)
            ids = [token_id for token_id in message.token_ids if token_id < TEXT_IDS]
            stream = TextStream(loaded.tokenizer, ["zq"], include_stop=True)
            pieces = [stream.push([token_id]) for token_id in ids if not stream.stopped()]
            text = "".join(piece.text for piece in (*pieces, stream.finish()))
            raw_text = b"".join(loaded.tokenizer.piece(token_id) for token_id in ids[: stream.read])
            assert raw_text.decode(errors="replace").startswith(text)


@target(
    classify_pb2.ClassifyRequest(inputs=[{"text": "x"}, {"chat": _CHAT}]).SerializeToString()  # type: ignore[list-item]
)
def classify_request(raw: bytes) -> None:
    """Read what is to be judged."""
    for message in _parsed(classify_pb2.ClassifyRequest, raw):
        read_subjects(message, Checks())


_EVENTS: list[dict[str, Any]] = [
    {"started": {"model": "m", "prompt_tokens": 1, "parameters": {"n": 2, "max_tokens": 9}}},
    {"token_delta": {"text": "é", "tokens": [{"id": 4}]}},
    {"guard": {"guard_model": "g", "subject": "GUARD_SUBJECT_INPUT"}},
    {"output_index": 1, "finished": {"completion_tokens": 2}},
    {"completed": {}},
]
_STREAM = generate_pb2.GenerateStreamResponse(events=_EVENTS).SerializeToString()  # type: ignore[arg-type]


@target(_STREAM, _STREAM[:9] + b"\xff" + _STREAM[9:], b"")
def worker_stream(raw: bytes) -> None:
    """Read what a worker streams, whole and in pieces, and ask another one for the rest."""
    with suppress(UpstreamError):
        check_beginning(raw)
    for cut in (len(raw), 7, 1):
        transcript = Transcript(_PROMPTED, 2**20)
        with suppress(UpstreamError):
            for start in range(0, len(raw), cut or 1):
                transcript.add(raw[start : start + cut])
            transcript.read()
            generate_pb2.GenerateRequest.FromString(transcript.request())
            transcript.rest(raw)
    told = trailing([("grpc-status-details-bin", raw), ("x", raw.decode("latin-1")), (raw.decode("latin-1"), "y")])
    UpstreamError(None, "", told)  # type: ignore[arg-type]


@target(
    b'{"name": "f", "parameters": {"a": [1, "\\u00e9"]}}; {"name": "f", "parameters": {}}',
    b'text <function=f>{"a": 1e5}</function>',
    b'\x00brave_search.call(query="x")',
    b"\x00print(1)",
)
def tool_calls(raw: bytes) -> None:
    """Read an answer as text and calls: the same whatever the pieces, its text is its own, and arguments are JSON."""
    given, found = raw.decode("utf-8", "replace"), []
    for size in (len(given) or 1, 3):
        reader = CallReader(["f", *BuiltinTool])
        parts = []
        for start in range(0, len(given), size):
            before, *after = given[start : start + size].split("\0")
            parts += reader.read(before)
            for piece in after:
                parts += reader.read_tag()
                parts += reader.read(piece)
        rest, counts = reader.finish(ended=True)
        parts += rest
        text = "".join(part.text for part in parts if isinstance(part, Text))
        arguments: dict[int, str] = {}
        for part in parts:
            if not isinstance(part, Text):
                arguments[part.number] = arguments.get(part.number, "") + part.arguments
        found.append((counts, text, arguments if counts else None))
        if counts:
            assert all(isinstance(json.loads(value), dict) for value in arguments.values())
        elif "\0" not in given:
            assert text == given
    assert found[0] == found[1]


@target(b'{"a": [1.5e3, "\\ud83d\\ude00", null]}', b"[" * 40, b"1" * 5000)
def json_text(raw: bytes) -> None:
    """Read JSON."""
    with suppress(ValueError):
        value = strict_json.loads(raw.decode())
        assert strict_json.loads(json.dumps(value)) == value


_TEMPLATE = "{% for m in messages %}<|eot_id|>{{ m.role }}: {{ m.content | trim }}{% endfor %}{{ bos_token }}"


@functools.cache
def _template() -> ChatTemplate:
    return ChatTemplate(
        _TEMPLATE, ["<|eot_id|>", "<|begin_of_text|>"], special_tokens={"bos_token": "<|begin_of_text|>"}
    )


@target("<|eot_id|>\U000f0000".encode(), b"x")
def template_text(raw: bytes) -> None:
    """Render a text with a checkpoint's template: no control token comes of it."""
    text = raw.decode("utf-8", "replace")
    with suppress(ChatError):
        pieces = list(_template().segments([Message("user", text)], (), (), datetime.date(2026, 1, 31)))
        assert sum(not isinstance(piece, str) for piece in pieces) == 2
        assert text.strip() in "".join(piece for piece in pieces if isinstance(piece, str))


@target(b"{{ messages[0].content }}<|eot_id|>", b"{% for x in range(3) %}{{ x }}{% endfor %}", b"{{ ''.__class__ }}")
def template_source(raw: bytes) -> None:
    """Compile a checkpoint's template and render with it."""
    with suppress(ChatError):
        template = ChatTemplate(raw.decode("utf-8", "replace"), ["<|eot_id|>"])
        list(template.segments([Message("user", "x")], (), (), datetime.date(2026, 1, 31)))


@target(b"safe", b"unsafe\nS1,S10", b"\n\nunsafe")
def guard_verdict(raw: bytes) -> None:
    """Read what Llama Guard wrote: nothing but the word is safe."""
    text = raw.decode("utf-8", "replace")
    for complete in (True, False):
        assert (read_verdict(text, ["S1"], complete).decision is Decision.SAFE) == (text.strip() == "safe")


_LINE = json.dumps({"name": "a", "sha256": "0" * 64, "models": ["m"]}).encode()


@target(
    b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----",
    b"-----BEGIN CERTIFICATE-----\nMBgwFgIBATAAMAAwDhcNMjYwMTAxMDAwMDAwWg==\n-----END CERTIFICATE-----",
)
def certificate(raw: bytes) -> None:
    """Read when a certificate ends."""
    ends(raw)
    ends(ssl.DER_cert_to_PEM_cert(raw).encode())


@target(_LINE, b"# x\n\n" + _LINE, b'{"name": "b", "san": "spiffe://x"}', b"[" * 100_000)
def caller_file(raw: bytes) -> None:
    """Read a file of callers: what is wrong with it is told without a word of it."""
    said = ""
    try:
        read_callers("server.api_keys", "FILE", raw)
    except ConfigError as error:
        said = str(error)
    assert not said or said.startswith("server.api_keys: FILE")
