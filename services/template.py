"""The chat template that a checkpoint brings, from whichever of its files holds it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from llama.chat import ChatTemplate
from services.checkpoint import read_json
from services.errors import ConfigError

_DEFAULT, _TOOL_USE = "default", "tool_use"
"""Names of templates, where a checkpoint has several (transformers' convention)."""


def chat_template(folder: Path, control_names: Collection[str], key: str) -> ChatTemplate:
    """Read a checkpoint's chat template: `chat_template.jinja`, else what `tokenizer_config.json` says.

    Args:
        folder: the checkpoint's.
        control_names: its tokenizer's control tokens.
        key: the configuration key that asked for it, for errors.

    Raises:
        ConfigError: it has none, or one that can't be read.
        ChatError: it can't be compiled.
    """
    config = read_json(folder, "tokenizer_config.json")
    sources = _named(config.get("chat_template")) | _files(folder, key)
    if _DEFAULT not in sources:
        raise ConfigError(
            f"{key}: {folder} has no chat template; add chat_template.jinja there, or set it to hf, meta or none"
        )
    return ChatTemplate(
        sources[_DEFAULT],
        control_names,
        tool_template=sources.get(_TOOL_USE),
        special_tokens=special_tokens(folder),
    )


def _named(entry: Any) -> dict[str, str]:
    if isinstance(entry, str):
        return {_DEFAULT: entry}
    entries = entry if isinstance(entry, list) else []
    return {e["name"]: e["template"] for e in entries if isinstance(e, dict) and {"name", "template"} <= e.keys()}


def _files(folder: Path, key: str) -> dict[str, str]:
    paths = {_DEFAULT: folder / "chat_template.jinja"}
    paths[_TOOL_USE] = folder / "additional_chat_templates" / f"{_TOOL_USE}.jinja"
    try:
        return {name: path.read_text(encoding="utf-8") for name, path in paths.items() if path.is_file()}
    except (OSError, ValueError) as error:
        raise ConfigError(f"{key}: a chat template in {folder} can't be read: {error}") from error


def special_tokens(folder: Path) -> dict[str, str]:
    """Give a checkpoint's `bos_token` and its like: its files have a name, or an object with the name in `content`.

    Raises:
        ConfigError: a file can't be read.
    """
    entries = read_json(folder, "special_tokens_map.json") | read_json(folder, "tokenizer_config.json")
    tokens = {}
    for name, value in entries.items():
        text = value.get("content") if isinstance(value, dict) else value
        if name.endswith("_token") and isinstance(text, str):
            tokens[name] = text
    return tokens
