"""Which models classify, and how: settled once a model is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from backends.base import Backend
from backends.types import Capabilities
from llama.guard import GuardError, GuardFrame
from llama.tokenizer import Tokenizer
from paddock.v1.classify_pb2 import ClassifyRequest, ClassifyResponse
from services.checkpoint import read_json
from services.errors import ConfigError
from services.guard.config import GuardKind
from services.llama_guard import LlamaGuard
from services.sequence_classifier import SequenceClassifier

_LABELS = (2, 3)
"""How many a prompt guard has."""

_UNSPACED = ("BPE", "Unigram")
"""Tokenizers that read words which no space parts, as a prompt guard's must."""


class Work(Protocol):
    """A checked request.

    Attributes:
        outputs: what it counts for in admission.
    """

    @property
    def outputs(self) -> int: ...

    async def run(self, backend: Backend) -> ClassifyResponse:
        """Compute it. Cancelling ends the work."""
        ...


class Classifier(Protocol):
    """What makes a model's answers to Classify."""

    def prepare(self, request: ClassifyRequest) -> Work:
        """Check and encode a request. Takes as long as its text is long.

        Raises:
            InvalidArgumentError: with every field at fault.
        """
        ...


def make(
    kind: GuardKind, folder: Path, tokenizer: Tokenizer, capabilities: Capabilities, stop_ids: tuple[int, ...], key: str
) -> Classifier | None:
    """Give what classifies for a model; None where it only generates.

    Args:
        kind: as configured.
        folder: the checkpoint's.
        stop_ids: what ends the model's answers.
        key: of the model's configuration, for errors.

    Raises:
        ConfigError: the checkpoint is no guard of this kind, or no classifier that can be used.
    """
    if kind is GuardKind.llama_guard:
        if not capabilities.generates:
            raise ConfigError(
                f"{key}.guard: a llama_guard generates its verdict, and this checkpoint is a sequence classifier; "
                "set it to prompt_guard or none"
            )
        return LlamaGuard(_frame(folder, tokenizer, key), tokenizer, capabilities, stop_ids)
    prompt_guard = kind is GuardKind.prompt_guard
    if not capabilities.classifies:
        if prompt_guard:
            raise ConfigError(
                f"{key}.guard: a prompt_guard is a sequence classifier, and this checkpoint generates text; "
                "set it to llama_guard or none"
            )
        return None
    if prompt_guard and (len(capabilities.labels) not in _LABELS or tokenizer.kind not in _UNSPACED):
        raise ConfigError(
            f"{key}.guard: a prompt_guard has two or three labels and a BPE or Unigram tokenizer, and this checkpoint "
            f"has {len(capabilities.labels)} and {tokenizer.kind}; set it to none"
        )
    if capabilities.context_length <= len(tokenizer.prefix) + len(tokenizer.suffix):
        raise ConfigError(
            f"{key}.backend.context_length: {capabilities.context_length} leaves no room for text; raise it"
        )
    multi_label = read_json(folder, "config.json").get("problem_type") == "multi_label_classification"
    return SequenceClassifier(tokenizer, capabilities, multi_label=multi_label, prompt_guard=prompt_guard)


def _frame(folder: Path, tokenizer: Tokenizer, key: str) -> GuardFrame:
    config = read_json(folder, "tokenizer_config.json")
    template = _template(folder, config)
    if template is None:
        raise ConfigError(
            f"{key}.checkpoint: {folder} has no chat template, where a guard's frame would be; add chat_template.jinja"
        )
    variables = {name: _name(config[name]) for name in ("bos_token", "eos_token") if config.get(name)}
    try:
        return GuardFrame(template, tokenizer, variables)
    except GuardError as error:
        raise ConfigError(
            f"{key}.guard: the chat template of {folder} frames no conversation: {error}; set it to none"
        ) from error


def _template(folder: Path, config: dict[str, Any]) -> str | None:
    path = folder / "chat_template.jinja"
    if path.is_file():
        return path.read_text(encoding="utf-8")
    template = config.get("chat_template")
    return template if isinstance(template, str) else None


def _name(token: Any) -> str:
    """A token's name stands by itself, or as the content of an object."""
    return str(token["content"] if isinstance(token, dict) else token)
