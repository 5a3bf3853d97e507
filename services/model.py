"""A served model: its tokenizer, its chat layout, its backend, and what it is doing."""

from __future__ import annotations

import dataclasses
import datetime
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import hydra.utils

from backends.base import Backend
from backends.errors import LoadError
from backends.types import Capabilities
from llama.chat import STOP_TOKENS, ChatEncoder, ChatError, Layout
from llama.chat.check import check_template
from llama.tokenizer import Tokenizer, TokenizerError
from services import classifier as classifiers
from services import sampling
from services.admission.admission import Admission
from services.admission.limit import Limiter
from services.checkpoint import in_daemon_thread, read_json, resolve
from services.classifier import Classifier
from services.config import ChatLayout, ModelConfig
from services.directory import Directory
from services.errors import ConfigError, ModelUnavailableError
from services.guard.config import GuardKind
from services.template import chat_template, special_tokens
from services.token_bytes import SpanBytes, TokenBytes

_log = logging.getLogger(__name__)

LOADING_RETRY_S = 5.0
"""Seconds after which a client may try again while a model loads."""


class State(Enum):
    """What a model is doing."""

    LOADING = "loading"
    READY = "ready"
    DRAINING = "draining"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Loaded:
    """What is known of a model once it is loaded.

    Attributes:
        chat: None for a base model.
        stop_token_ids: what ends an answer, in order.
        sampling_defaults: every sampling field but seed and logit_bias.
        classifier: what makes its answers to Classify; None where it only generates.
    """

    tokenizer: Tokenizer
    chat: ChatEncoder | None
    stop_token_ids: tuple[int, ...]
    sampling_defaults: Mapping[str, float]
    capabilities: Capabilities
    admission: Admission
    token_bytes: TokenBytes
    span_bytes: SpanBytes
    classifier: Classifier | None = None


class ServedModel:
    """One model, from configured to closed.

    Attributes:
        name: what requests call it.
        aliases: other names.
        config: as configured.
        limiter: of what each caller may ask of it.
        backend: what computes; exists after `load` has begun.
        backend_name: such as `transformers`; `auto` until it is chosen.
    """

    def __init__(self, key: str, config: ModelConfig) -> None:
        self.name = config.name
        self.aliases = tuple(config.aliases)
        self.config = config
        self.limiter = Limiter(config.limits, time.monotonic, config.name)
        self.backend: Backend | None = None
        self.backend_name = str(config.backend._target_).split(".")[1]
        self._key = f"models.{key}"
        self._state = State.LOADING
        self._loaded: Loaded | None = None

    @property
    def state(self) -> State:
        """What it is doing; a backend that is no longer well makes it FAILED."""
        return State.FAILED if self.has_died else self._state

    @property
    def has_died(self) -> bool:
        """Whether its backend, once loaded, is no longer well: a dead one never is again."""
        return self._state is State.READY and self.backend is not None and not self.backend.health().ready

    @property
    def loaded(self) -> Loaded | None:
        """What is known of it, once it is."""
        return self._loaded

    @property
    def is_guard(self) -> bool:
        """Whether it is there to judge for others."""
        return self.config.guard is not GuardKind.none

    @property
    def today(self) -> datetime.date:
        """The date told to the model."""
        if self.config.date is not None:
            return datetime.date.fromisoformat(self.config.date)
        return datetime.datetime.now(datetime.timezone.utc).date()

    def ready(self) -> tuple[Loaded, Backend]:
        """Give what serves a request now.

        Also while draining: new calls are refused at the edge, and those in progress may still need it as their guard.

        Raises:
            ModelUnavailableError: it is not ready.
        """
        state = self.state
        if state not in (State.READY, State.DRAINING) or self._loaded is None or self.backend is None:
            raise ModelUnavailableError(self.name, state.value, LOADING_RETRY_S)
        return self._loaded, self.backend

    async def load(self) -> None:
        """Load tokenizer and backend.

        Raises:
            ConfigError: something configured is wrong.
            LoadError: the backend can't load it.
        """
        started = time.monotonic()
        _log.info("loading model %s (backend %s)", self.name, self.backend_name)
        try:
            self._check_date()
            key = f"{self._key}.checkpoint"
            folder = await in_daemon_thread(resolve, self.config.checkpoint, self.config.revision, key)
            tokenizer = await in_daemon_thread(self._tokenizer, folder)
            chat = await in_daemon_thread(self._chat, tokenizer, folder)
            self.backend = self._make_backend(folder)
            capabilities = await self._load_backend(self.backend)
            if tokenizer.vocab_size > capabilities.vocab_size:
                raise ConfigError(
                    f"{key}: its tokenizer has ids up to {tokenizer.vocab_size - 1} where the backend knows "
                    f"{capabilities.vocab_size}; use the tokenizer that belongs to the weights"
                )
            stop_token_ids = _stop_token_ids(folder, tokenizer, self.config.chat_layout, self.config.guard)
            self._loaded = Loaded(
                tokenizer,
                chat,
                stop_token_ids,
                self._sampling_defaults(folder, capabilities),
                capabilities,
                Admission(
                    self.name, lambda: capabilities.max_concurrency, self.config.max_queue, self.config.max_wait_s
                ),
                TokenBytes(tokenizer),
                SpanBytes(tokenizer),
                classifiers.make(self.config.guard, folder, tokenizer, capabilities, stop_token_ids, self._key),
            )
        except BaseException:
            self._state = State.FAILED
            raise
        self.backend_name = capabilities.backend or self.backend_name
        self._state = State.READY
        _log.info("model %s is ready after %.1f s", self.name, time.monotonic() - started)

    async def _load_backend(self, backend: Backend) -> Capabilities:
        try:
            return await backend.load()
        except LoadError as error:  # which names the backend's own keys
            raise LoadError(f"{self._key}.backend: {error}") from error

    def drain(self) -> None:
        """Take no new requests."""
        if self._state is not State.FAILED:
            self._state = State.DRAINING

    async def close(self) -> None:
        """Close the backend. Idempotent, and safe before and after a failed load."""
        self.drain()
        if self.backend is not None:
            await self.backend.close()

    def _check_date(self) -> None:
        try:
            _ = self.today
        except ValueError as error:
            raise ConfigError(f"{self._key}.date: {self.config.date!r} is no date; write it as 2026-01-31") from error

    def _tokenizer(self, folder: Path) -> Tokenizer:
        path = folder / "tokenizer.json"
        if not path.is_file():
            raise ConfigError(
                f"{self._key}.checkpoint: {folder} has no tokenizer.json; convert its tokenizer with "
                "transformers' AutoTokenizer.save_pretrained"
            )
        try:
            return Tokenizer(path.read_text(encoding="utf-8"))
        except TokenizerError as error:
            raise ConfigError(f"{self._key}.checkpoint: {path} can't be used: {error}") from error

    def _sampling_defaults(self, folder: Path, capabilities: Capabilities) -> Mapping[str, float]:
        configured = dataclasses.asdict(self.config.sampling)
        generation_config = read_json(folder, "generation_config.json")
        return sampling.defaults(configured, generation_config, capabilities.features, self._key)

    def _chat(self, tokenizer: Tokenizer, folder: Path) -> ChatEncoder | None:
        key, layout = f"{self._key}.chat_layout", self.config.chat_layout
        if layout is ChatLayout.none:
            return None
        try:
            if layout is not ChatLayout.template:
                return ChatEncoder(tokenizer, Layout(layout.value))
            template = chat_template(folder, tokenizer.control_ids, key)
            encoder = ChatEncoder(tokenizer, template)
            check_template(encoder, template, (folder / "tokenizer.json").read_text(encoding="utf-8"))
        except ChatError as error:
            other = " or to template, for the checkpoint's own," if layout is not ChatLayout.template else ""
            raise ConfigError(f"{key}: {error.message}; set it{other} to none to serve prompts only") from error
        return encoder

    def _make_backend(self, folder: Path) -> Backend:
        arguments = dataclasses.asdict(self.config.backend)
        if "checkpoint" in arguments:
            arguments["checkpoint"] = str(folder)
        try:
            backend: Backend = hydra.utils.instantiate(arguments)
        except Exception as error:
            cause = error.__cause__ or error
            what = cause if isinstance(cause, ValueError) else f"{type(cause).__name__}: {cause}"
            raise ConfigError(f"{self._key}.backend: {' '.join(str(what).split())}") from error
        return backend


class ServedModels(Directory[ServedModel]):
    """All models that this process computes."""


def _stop_token_ids(folder: Path, tokenizer: Tokenizer, layout: ChatLayout, guard: GuardKind) -> tuple[int, ...]:
    """The checkpoint's own end tokens; for models of conversations also those of their layout."""
    ids: list[int] = []
    for name in ("generation_config.json", "config.json"):
        eos = read_json(folder, name).get("eos_token_id")
        if eos is not None:
            ids += [eos] if isinstance(eos, int) else eos
            break
    names = () if layout is ChatLayout.none and guard is not GuardKind.llama_guard else STOP_TOKENS
    if layout is ChatLayout.template:
        names = (*names, special_tokens(folder).get("eos_token", ""))
    ids += [tokenizer.control_ids[name] for name in names if name in tokenizer.control_ids]
    return tuple(sorted(set(ids)))
