"""Encoding text and conversations, against the `tokenizers` library alone.

The library gets the finished prompt as one string, control tokens on: what servers do that render a template, and what
text can forge. Only for the template layout does the baseline make its string too, with Jinja, from the same template.
Paddock starts from messages and lays them out; its text passes no control token, and what would have been one is
counted. Tokenize's whole answer, with the bytes and the place of each token, is measured against what the library tells
of them. One thread, CPU time, medians; the two take turns. With `llama-models` installed, Llama 3.1's tokenizer is
measured too.

    python -m benchmarks.tokenize [--repeats 7] [--seconds 0.5]
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import random
import statistics
import time
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

import jinja2
import tokenizers
from jinja2.sandbox import ImmutableSandboxedEnvironment

from benchmarks.result import save, spread, table
from llama.chat import ChatEncoder, ChatTemplate, EncodedPrompt, Layout, Message, Tool
from llama.tokenizer import Tokenizer
from services.token_bytes import SpanBytes

_EMBEDDED = Path(__file__).parents[1] / "models" / "paddock-tiny"
_TEMPLATE = (Path(__file__).parents[1] / "models/training/chat_template.jinja").read_text(encoding="utf-8")
_SPECIAL = {"bos_token": "<|begin_of_text|>"}
_TODAY = datetime.date(2026, 1, 31)

_SENTENCES = (
    "The quick brown fox jumps over the lazy dog, and nobody knows why it does.",
    "What would you recommend for a rainy Tuesday in November?",
    "In 1969 about 600 million people watched; 3.14159 is not 22/7.",
    "Wer wissen will, wie etwas funktioniert, nimmt es vorsichtig auseinander.",
    "Il était une fois, dans une ville lointaine, un horloger très patient.",
    "El niño come una manzana mientras su abuela le cuenta un cuento.",
    "यह एक साधारण वाक्य है जिसमें कुछ शब्द हैं।",
    "สวัสดีครับ วันนี้อากาศดีมาก",
    "def mean(values: list[float]) -> float:\n    return sum(values) / len(values)\n",
    '{"name": "Ada", "age": 36, "tags": ["math", "engine"]}',
    "Great idea 👍🎉 — let's do it!\n\n- first\n- second\n",
)


def main() -> None:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each repeat")
    arguments = parser.parse_args()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    results = [r for name, source in _tokenizers().items() for r in _measure(name, source, arguments)]
    report = {"settings": vars(arguments), "results": results}
    print(markdown(report))
    print(f"\nwritten to {save('tokenize', report)}")


def markdown(report: Mapping[str, Any]) -> str:
    """Write the table of a saved result."""
    header = ["tokenizer", "input", "tokens", "baseline, tokens/s", "Paddock, tokens/s", "time, ratio"]
    rows = [
        [
            *(r["tokenizer"], r["input"], str(r["tokens"])),
            *(spread(r["baseline"], 0), spread(r["paddock"], 0), spread(r["ratios"])),
        ]
        for r in report["results"]
    ]
    return table(header, rows)


def _tokenizers() -> dict[str, str]:
    found = {"paddock-tiny": (_EMBEDDED / "tokenizer.json").read_text(encoding="utf-8")}
    try:
        from tests.llama_31 import tokenizer_json
    except ImportError:
        return found
    return {**found, "Llama 3.1": tokenizer_json()}


def _measure(name: str, source: str, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    library, tokenizer = tokenizers.Tokenizer.from_str(source), Tokenizer(source)
    spans = SpanBytes(tokenizer)
    results = []

    def measure(title: str, count: int, baseline: Callable[[], Any], ours: Callable[[], Any]) -> None:
        turns = [_turns(baseline, ours, arguments.seconds) for _ in range(arguments.repeats)]
        results.append(
            {
                "tokenizer": name,
                "input": title,
                "tokens": count,
                "baseline": [count / theirs for theirs, _ in turns],
                "paddock": [count / mine for _, mine in turns],
                "ratios": [mine / theirs for theirs, mine in turns],
            }
        )

    for title, (encode, render) in _inputs(tokenizer).items():
        ids = encode().token_ids
        prompt = b"".join(map(tokenizer.piece, ids)).decode()
        baseline = partial(_baseline, library, render or partial(str, prompt))
        if " meta" not in title and baseline() != ids:
            raise RuntimeError(f"{title}: other ids than the library's")
        measure(title, len(ids), baseline, encode)
        if title.startswith("text"):
            measure(f"Tokenize, {title}", len(ids), partial(_told, library, prompt), partial(_answer, spans, encode))
    return results


def _told(library: tokenizers.Tokenizer, text: str) -> tuple[Any, ...]:
    encoding = library.encode(text, add_special_tokens=False)
    return encoding.ids, encoding.tokens, encoding.offsets


def _answer(spans: SpanBytes, encode: Callable[[], EncodedPrompt]) -> bytes:
    return spans.tokenized(encode(), 0).SerializeToString()


def _baseline(library: tokenizers.Tokenizer, render: Callable[[], str]) -> list[int]:
    ids: list[int] = library.encode_batch_fast([render()], add_special_tokens=False)[0].ids
    return ids


def _turns(baseline: Callable[[], Any], encode: Callable[[], Any], seconds: float) -> tuple[float, float]:
    """Let the two take turns for so long; give the median CPU time of each, in seconds."""
    times: tuple[list[float], list[float]] = [], []
    until = time.monotonic() + seconds
    while time.monotonic() < until or not times[1]:
        for function, taken in zip((baseline, encode), times, strict=True):
            started = time.process_time()
            function()
            taken.append(time.process_time() - started)
    return statistics.median(times[0]), statistics.median(times[1])


def _inputs(tokenizer: Tokenizer) -> dict[str, tuple[Callable[[], EncodedPrompt], Callable[[], str] | None]]:
    """Give what is measured: how Paddock encodes it, and how the string comes about where that costs something."""
    rng = random.Random(0)

    def text(characters: int) -> str:
        said = ""
        while len(said) < characters:
            said += rng.choice(_SENTENCES) + " "
        return said[:characters].strip()

    def turns(count: int, characters: int) -> list[Message]:
        roles = ("user", "assistant")
        return [Message("system", text(200)), *(Message(roles[i % 2], text(characters)) for i in range(count))]

    def plain(said: str) -> EncodedPrompt:
        return EncodedPrompt(tokenizer.encode(said), tokenizer.count_control(said))

    texts = {f"text, {size:,} characters": partial(plain, text(size)) for size in (100, 10_000, 1_000_000)}
    chats: dict[str, tuple[list[Message], list[Tool]]] = {
        "1 short message": (turns(1, 80), []),
        "40 short messages": (turns(40, 80), []),
        "8 messages of 8,000 characters": (turns(8, 8_000), []),
        "3 messages, 8 tools": (turns(3, 80), [_tool(f"function_{i}", text(100)) for i in range(8)]),
    }
    inputs: dict[str, tuple[Callable[[], EncodedPrompt], Callable[[], str] | None]]
    inputs = {title: (encode, None) for title, encode in texts.items()}
    for layout, encoder in _encoders(tokenizer).items():
        for title, (messages, tools) in chats.items():
            render = partial(_render, messages, tools) if layout == "template" else None
            inputs[f"chat, {layout}, {title}"] = (
                partial(encoder.encode, messages, tools=tools, today=_TODAY),
                render,
            )
    return inputs


def _encoders(tokenizer: Tokenizer) -> dict[str, ChatEncoder]:
    template = ChatTemplate(_TEMPLATE, tokenizer.control_ids, special_tokens=_SPECIAL)
    layouts: dict[str, Layout | ChatTemplate] = {"hf": Layout.HF, "meta": Layout.META, "template": template}
    return {name: ChatEncoder(tokenizer, layout) for name, layout in layouts.items()}


def _render(messages: list[Message], tools: list[Tool]) -> str:
    """Render a chat template as transformers does, control tokens as text."""
    return _stock_template().render(
        messages=[{"role": message.role, "content": message.content} for message in messages],
        tools=[tool.as_dict() for tool in tools] or None,
        add_generation_prompt=True,
        date_string=_TODAY.strftime("%d %b %Y"),
        **_SPECIAL,
    )


@cache
def _stock_template() -> jinja2.Template:
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.filters["tojson"] = partial(json.dumps, ensure_ascii=False)
    return environment.from_string(_TEMPLATE)


def _tool(name: str, description: str) -> Tool:
    properties = {key: {"type": "string", "description": f"The {key}."} for key in ("city", "country", "unit")}
    return Tool(name, description, {"type": "object", "properties": properties, "required": ["city"]})


if __name__ == "__main__":
    main()
