"""From a config to an engine that is ready: load, size the cache, warm up."""

from __future__ import annotations

import logging
import time
from typing import Any

from backends.errors import LoadError
from backends.transformers.cache import Geometry, KVCache, capacity_for
from backends.transformers.classifier import Classifier
from backends.transformers.config import TransformersConfig
from backends.transformers.engine import Engine
from backends.transformers.grammar import read_vocabulary
from backends.transformers.grammar_compiler import GrammarCompiler
from backends.transformers.loading import LoadedModel, load_model
from backends.transformers.memory import free_bytes
from backends.transformers.prefix import PrefixCache
from backends.transformers.scheduler import Scheduler
from backends.types import Capabilities, Feature, GenerationRequest, Sampling

logger = logging.getLogger(__name__)

MAX_LOGPROBS = 20
_WARM_UP_TOKENS = 512
_SHARE_OF_FREE = {"cpu": 0.5, "cuda": 0.8}
_PREFIX_SHARE = 0.25  # of the cache's size, beside it


Assembled = tuple[Engine | Classifier, Capabilities, GrammarCompiler | None]
"""What steps, by the checkpoint's architecture a generator's engine or a classifier; what it can do; and what compiles
grammars for a generator whose vocabulary is known."""


def build_engine(config: TransformersConfig) -> Assembled:
    """Load a model and make it ready. Runs PyTorch on the calling thread, which must be the one that steps.

    Raises:
        LoadError: see `load_model`; or the context doesn't fit the model or the memory; or the warm-up failed.
    """
    loaded = load_model(config)
    return _build_classifier(config, loaded) if loaded.classifies else _build_generator(config, loaded)


def _build_generator(config: TransformersConfig, loaded: LoadedModel) -> Assembled:
    model = loaded.model.config
    geometry = _geometry(model, loaded)
    cache_tokens, kept_tokens = _cache_tokens(config, geometry)
    context_length = _context_length(config.context_length, model.max_position_embeddings, cache_tokens)
    scheduler = Scheduler(
        slots=config.max_concurrency,
        cache_tokens=cache_tokens,
        batch_tokens=config.max_batch_tokens,
        chunk_tokens=config.prefill_chunk,
    )
    engine = Engine(
        loaded.model,
        KVCache(geometry),
        scheduler,
        PrefixCache(block_tokens=config.prefill_chunk, max_tokens=kept_tokens),
        block_tokens=config.prefill_chunk,
        query_groups=model.num_attention_heads // geometry.kv_heads,
        context_length=context_length,
        vocab_size=model.vocab_size,
    )
    _warm_up(engine)
    vocabulary = read_vocabulary(config.checkpoint, model.vocab_size)
    capabilities = Capabilities(
        context_length=context_length,
        vocab_size=model.vocab_size,
        max_concurrency=config.max_concurrency,
        features=frozenset(Feature) - ({Feature.GRAMMAR} if vocabulary is None else set()),
        max_logprobs=min(MAX_LOGPROBS, model.vocab_size),
        device=str(loaded.device),
        dtype=str(loaded.dtype).removeprefix("torch."),
    )
    return engine, capabilities, None if vocabulary is None else GrammarCompiler(vocabulary)


def _build_classifier(config: TransformersConfig, loaded: LoadedModel) -> Assembled:
    model = loaded.model.config
    model.use_cache = False  # a decoder under a classifier would keep keys and values that nobody reads
    limit = _positions(loaded.model) or config.context_length
    if limit is None:
        raise LoadError(f"{config.checkpoint} doesn't say how many positions it has: set `context_length`")
    if config.context_length is not None and config.context_length > limit:
        raise LoadError(f"`context_length` {config.context_length} exceeds the model's {limit} positions: lower it")
    classifier = Classifier(
        loaded.model, loaded.device, slots=config.max_concurrency, batch_tokens=config.max_batch_tokens
    )
    capabilities = Capabilities(
        context_length=config.context_length or limit,
        vocab_size=model.vocab_size,
        max_concurrency=config.max_concurrency,
        features=frozenset(),
        generates=False,
        classifies=True,
        labels=tuple(str(model.id2label[index]) for index in sorted(model.id2label)),
        device=str(loaded.device),
        dtype=str(loaded.dtype).removeprefix("torch."),
    )
    _warm_up_classifier(classifier, min(capabilities.context_length, _WARM_UP_TOKENS))
    return classifier, capabilities, None


def _positions(model: Any) -> int | None:
    """Tell how long a text the model can take. RoBERTa and its kin begin to count after the padding's own position."""
    positions = getattr(model.config, "max_position_embeddings", None)
    if not isinstance(positions, int) or positions < 1:  # -1 is how XLNet says that nothing bounds it
        return None
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
            return int(positions - module.padding_idx - 1)
    return positions


def _warm_up_classifier(classifier: Classifier, tokens: int) -> None:
    """Score a long window and a short one, so that a model that can't never serves."""
    started = time.monotonic()
    classifier.add(-1, [(0,) * tokens, (0,)])
    while classifier.waiting or classifier.running:
        for emission in classifier.step():
            if emission.error is not None:
                raise LoadError(f"the warm-up failed, {emission.error}: see the log for the cause, check the weights")
    logger.info("warmed up in %.2f s", time.monotonic() - started)


def _geometry(model: Any, loaded: LoadedModel) -> Geometry:
    return Geometry(
        layers=model.num_hidden_layers,
        kv_heads=model.num_key_value_heads,
        head_dim=getattr(model, "head_dim", None) or model.hidden_size // model.num_attention_heads,
        dtype=loaded.dtype,
        device=loaded.device,
    )


def _cache_tokens(config: TransformersConfig, geometry: Geometry) -> tuple[int, int]:
    """Tell how many tokens of cache may be promised at once, and how many may be kept for reuse beside them."""
    free = free_bytes(geometry.device)
    size = free * _SHARE_OF_FREE[geometry.device.type] if config.cache_gib is None else config.cache_gib * 2**30
    if size > free:
        raise LoadError(f"`cache_gib` {config.cache_gib} exceeds the {free / 2**30:.1f} GiB that are free: lower it")
    kept = size * _PREFIX_SHARE if config.prefix_cache_gib is None else config.prefix_cache_gib * 2**30
    if config.prefix_cache_gib is not None and size + kept > free:
        raise LoadError(
            f"`prefix_cache_gib` {config.prefix_cache_gib} and the cache exceed the {free / 2**30:.1f} GiB that are "
            "free: lower it"
        )
    return int(size) // geometry.bytes_per_token, int(min(kept, free - size)) // geometry.bytes_per_token


def _context_length(wanted: int | None, model_limit: int, cache_tokens: int) -> int:
    """Settle how long prompt and answer may be together: one such request at least fits the cache."""
    if wanted is not None and wanted > model_limit:
        raise LoadError(f"`context_length` {wanted} exceeds the model's {model_limit} positions: lower it")
    limit = wanted or model_limit
    if capacity_for(limit - 1) <= cache_tokens:
        return limit
    if wanted is not None:
        raise LoadError(
            f"`context_length` {wanted} takes {capacity_for(wanted - 1)} tokens of cache and {cache_tokens} fit: "
            "lower it or raise `cache_gib`"
        )
    fitting = capacity_for(1)
    if fitting > cache_tokens:
        raise LoadError(f"the cache holds {cache_tokens} tokens, too few to serve: raise `cache_gib`")
    while capacity_for(fitting + 1) <= cache_tokens:
        fitting = capacity_for(fitting + 1)
    # The last id's keys are never needed: the context is one longer than the cache.
    logger.warning("context_length is %d, of the model's %d: more doesn't fit `cache_gib`", fitting + 1, model_limit)
    return fitting + 1


def _warm_up(engine: Engine) -> None:
    """Prefill and decode once, so that the first request doesn't pay for it and a model that can't run never serves."""
    started = time.monotonic()
    engine.add(-1, GenerationRequest(prompt=(0, 0, 0), max_tokens=2, sampling=Sampling(seed=0)))
    while engine.waiting or engine.running:
        for emission in engine.step():
            if emission.error is not None:
                raise LoadError(f"the warm-up failed, {emission.error}: see the log for the cause, check the weights")
    logger.info("warmed up in %.2f s", time.monotonic() - started)
