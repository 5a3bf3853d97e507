"""What both of TensorRT-LLM's flows have in common: its `LLM`, a request's way into it, and its state.

Names, arguments and semantics are those of TensorRT-LLM 1.2.1. What its documentation leaves open is told in
docs/tensorrt-llm.md.
"""

from __future__ import annotations

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from typing import Any

from backends.errors import UnfitError
from backends.tensorrt_llm.config import Sampler, TensorrtLlmConfig
from backends.tensorrt_llm.machine import check_machine
from backends.tensorrt_llm.model import Model, read_model
from backends.types import Feature, GenerationRequest, Seeding

_COMMON = {Feature.TOP_K, Feature.TOP_P, Feature.CONTINUATION}
_CPP_SAMPLER = {
    Feature.MIN_P,
    Feature.REPETITION_PENALTY,
    Feature.PRESENCE_PENALTY,
    Feature.FREQUENCY_PENALTY,
    Feature.LOGIT_BIAS,
}
_STATS_S = 1.0
_LOST = re.compile(r"cuda|cublas|cudnn|nccl|illegal memory access|device-side assert", re.IGNORECASE)
"""What a failed step says when the GPU is lost. 1.2 tells it to every running request as if it were its own, keeps
calling itself healthy, and may answer nothing from then on (TensorRT-LLM pull request 12718)."""


def installed_version() -> str:
    """Tell which TensorRT-LLM is installed.

    Raises:
        UnfitError: none, or it can't be imported here.
    """
    try:
        import tensorrt_llm
    except Exception as error:  # its import fails in many ways without its GPU libraries
        raise UnfitError(
            f"tensorrt_llm can't be imported ({type(error).__name__}): run in the image of docs/tensorrt-llm.md, "
            "or serve the model with the transformers backend"
        ) from error
    return str(tensorrt_llm.__version__)


class Flow(ABC):
    """One of the two ways to an engine.

    Life cycle: construct -> `start` on any thread -> the rest on the event loop -> `shutdown` on any thread.

    Attributes:
        model: as read by `start`.
    """

    model: Model

    def __init__(self, config: TensorrtLlmConfig) -> None:
        self._config = config
        self._llm: Any = None

    def start(self) -> None:
        """Read the model and construct the vendor's LLM. Takes seconds to many minutes.

        Raises:
            LoadError: the model, or the machine, is refused.
            Exception: whatever the vendor's constructor raises.
        """
        self.model = read_model(self._config, installed_version())
        check_machine(self._config, self.model)
        self._llm = self._construct()

    @abstractmethod
    def _construct(self) -> Any:
        """Construct the flow's `LLM`."""

    @property
    def draws_by_seed(self) -> bool:
        """Whether the sampler heeds seeds, penalties, min_p and bias; the other one reports logprobs."""
        return self._config.sampler is Sampler.trtllm

    @property
    def holds_to_form(self) -> bool:
        """Whether answers can be held to a form: with the torch sampler, logprobs would be those of the form."""
        return self._config.response_formats and self.draws_by_seed and self.model.end_token_id is not None

    @property
    def features(self) -> frozenset[Feature]:
        """What can be asked for."""
        if not self.draws_by_seed:
            return frozenset(_COMMON | {Feature.LOGPROBS})
        return frozenset(_COMMON | _CPP_SAMPLER | ({Feature.GRAMMAR} if self.holds_to_form else set()))

    @property
    def seeding(self) -> Seeding:
        """What draws depend on: no sampler of 1.2 draws by position."""
        return Seeding.REQUEST if self.draws_by_seed else Seeding.NONE

    def submit(self, request: GenerationRequest) -> Any:
        """Hand a request to the engine, and give its `RequestOutput`. Must be called on the running event loop.

        Raises:
            Exception: see `is_of_request`.
        """
        return self._llm.generate_async(
            {"prompt_token_ids": [*request.prompt, *request.continuation]},
            sampling_params=self._sampling_params(request),
            lora_request=self._lora_request(),
            streaming=True,
            cache_salt=request.cache_salt or None,
        )

    def is_of_request(self, error: BaseException) -> bool:
        """Tell whether an error is one request's own; all others are the engine's death.

        The type tells little: a request that is refused raises `ValueError` as well as `RequestError`, and an engine
        that dies raises what it died of, but has shut itself down before.
        """
        return self.is_healthy() and _LOST.search(str(error)) is None

    def is_healthy(self) -> bool:
        """Tell whether the engine lives. Cheap."""
        return bool(self._llm._check_health())  # noqa: SLF001 - the one way there is

    async def cache_usage(self) -> AsyncIterator[float]:
        """Give the share of KV blocks in use after each of the engine's iterations, until it has made none for 1 s.

        Ask only after a step has come: before the first request there is nothing to ask of, after a silence it ends at
        once, without giving way, until there is another request; and an engine that is asked by RPC keeps the caller,
        which is the event loop, waiting for an iteration.
        """
        async for entry in self._llm.get_stats_async(timeout=_STATS_S):
            blocks = entry.get("kvCacheStats") or {}
            if blocks.get("maxNumBlocks"):
                yield min(1.0, blocks.get("usedNumBlocks", 0) / blocks["maxNumBlocks"])

    def shutdown(self) -> None:
        """End the engine. Blocks; idempotent, and safe where `start` failed."""
        if self._llm is not None:
            self._llm.shutdown()

    def room(self, request: GenerationRequest) -> int:
        """Tell how many ids the engine may make for a request."""
        given = len(request.prompt) + len(request.continuation)
        return min(request.max_tokens - len(request.continuation), self.model.context_length - given)

    def _sampling_params(self, request: GenerationRequest) -> Any:
        """Make sampling parameters for this request alone: the engine writes into them."""
        from tensorrt_llm import SamplingParams

        sampling, stops = request.sampling, sorted(request.stop_token_ids)
        greedy = sampling.temperature == 0
        arguments: dict[str, Any] = {}
        if self.draws_by_seed:
            arguments = {
                "seed": draw_seed(sampling.seed, len(request.continuation)),
                "min_p": None if greedy else sampling.min_p,
                "repetition_penalty": sampling.repetition_penalty,
                "presence_penalty": sampling.presence_penalty,
                "frequency_penalty": sampling.frequency_penalty,
                "prompt_ignore_length": len(request.prompt),
                "embedding_bias": self._bias(request),
                "guided_decoding": _form(request),
            }
        return SamplingParams(
            # Without an end id the engine would add the model's own to the request's.
            end_id=stops[0] if stops else 0,
            ignore_eos=not stops,
            stop_token_ids=stops,
            include_stop_str_in_output=True,
            max_tokens=self.room(request),
            temperature=None if greedy else sampling.temperature,
            top_k=1 if greedy else sampling.top_k,
            top_p=None if greedy else sampling.top_p,
            logprobs=None if request.logprobs is None else max(1, request.logprobs),
            detokenize=False,
            **arguments,
        )

    def _bias(self, request: GenerationRequest) -> Any:
        if not request.sampling.logit_bias:
            return None
        import torch

        bias = torch.zeros(self.model.shape.vocabulary, dtype=torch.float32)
        for token_id, value in request.sampling.logit_bias:
            bias[token_id] = value
        return bias

    def _lora_request(self) -> Any:
        return None


def _form(request: GenerationRequest) -> Any:
    if request.grammar is None:
        return None
    from tensorrt_llm.llmapi import GuidedDecodingParams

    return GuidedDecodingParams(grammar=request.grammar.source)


def draw_seed(seed: int, position: int) -> int:
    """Give the seed of an answer that goes on at a position: it must not repeat the draws of its beginning."""
    if not position:
        return seed
    digest = hashlib.blake2b(f"{seed} {position}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")
