"""The PyTorch flow: `tensorrt_llm.LLM` over a checkpoint, FP8 or not. TensorRT-LLM's default since 1.0."""

from __future__ import annotations

from typing import Any

from backends.tensorrt_llm.config import Drafter, Sampler
from backends.tensorrt_llm.flow import Flow

_SAMPLER_TYPES = {Sampler.trtllm: "TRTLLMSampler", Sampler.torch: "TorchSampler"}


class PytorchFlow(Flow):
    """Constructs the LLM of the PyTorch flow."""

    def _construct(self) -> Any:
        from tensorrt_llm import LLM

        config = self._config
        return LLM(
            model=str(self.model.folder),
            skip_tokenizer_init=not self.holds_to_form,
            guided_decoding_backend="xgrammar" if self.holds_to_form else None,
            tensor_parallel_size=config.parallel.tensor,
            pipeline_parallel_size=config.parallel.pipeline,
            gpus_per_node=config.parallel.gpus_per_node,
            max_batch_size=config.max_concurrency,
            max_num_tokens=config.max_batch_tokens,
            max_seq_len=self.model.context_length,
            enable_chunked_prefill=config.chunked_prefill,
            kv_cache_config=self._kv_cache(),
            cuda_graph_config=self._cuda_graph(),
            scheduler_config=self._scheduler(),
            speculative_config=self._speculative(),
            # Drafts are made between two steps, and not beside the step before, as the overlap scheduler would have it.
            disable_overlap_scheduler=config.speculative.drafter is not Drafter.none,
            enable_lora=config.lora.adapter is not None,
            lora_config=self._lora(),
            sampler_type=_SAMPLER_TYPES[config.sampler],
            stream_interval=config.stream_interval,
            enable_iter_perf_stats=config.statistics.enabled,
        )

    def _kv_cache(self) -> Any:
        from tensorrt_llm.llmapi import KvCacheConfig

        cache = self._config.kv_cache
        return KvCacheConfig(
            dtype=cache.dtype,
            free_gpu_memory_fraction=cache.memory_fraction,
            enable_block_reuse=cache.block_reuse,
            enable_partial_reuse=cache.partial_reuse,
            tokens_per_block=cache.tokens_per_block,
        )

    def _cuda_graph(self) -> Any:
        from tensorrt_llm.llmapi import CudaGraphConfig

        graph = self._config.cuda_graph
        if not graph.enabled:
            return None
        if graph.batch_sizes is not None:
            return CudaGraphConfig(batch_sizes=list(graph.batch_sizes), enable_padding=graph.padding)
        return CudaGraphConfig(max_batch_size=self._config.max_concurrency, enable_padding=graph.padding)

    def _scheduler(self) -> Any:
        from tensorrt_llm.llmapi import CapacitySchedulerPolicy, SchedulerConfig

        return SchedulerConfig(capacity_scheduler_policy=CapacitySchedulerPolicy(self._config.scheduler.value.upper()))

    def _speculative(self) -> Any:
        from tensorrt_llm.llmapi import DraftTargetDecodingConfig, EagleDecodingConfig, NGramDecodingConfig

        wanted = self._config.speculative
        if wanted.drafter is Drafter.ngram:
            return NGramDecodingConfig(
                max_draft_len=wanted.max_draft_tokens,
                max_matching_ngram_size=wanted.max_ngram,
                is_public_pool=False,  # a pool of all would draft one client's text for another, and grow for ever
            )
        if wanted.drafter is Drafter.eagle:
            return EagleDecodingConfig(
                max_draft_len=wanted.max_draft_tokens,
                speculative_model=wanted.model,
                eagle3_one_model=False,  # one model is for Llama 4, and draws nothing: sampled answers would be greedy
            )
        if wanted.drafter is Drafter.draft_model:
            return DraftTargetDecodingConfig(max_draft_len=wanted.max_draft_tokens, speculative_model=wanted.model)
        return None

    def _lora(self) -> Any:
        if self._config.lora.adapter is None:
            return None
        from tensorrt_llm.lora_helper import LoraConfig

        lora = self._config.lora
        return LoraConfig(lora_dir=[lora.adapter], max_lora_rank=lora.max_rank, max_loras=1, max_cpu_loras=1)

    def _lora_request(self) -> Any:
        if self._config.lora.adapter is None:
            return None
        from tensorrt_llm.executor.request import LoRARequest

        return LoRARequest(lora_name="adapter", lora_int_id=1, lora_path=self._config.lora.adapter)
