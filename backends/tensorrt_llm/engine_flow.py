"""The compiled flow: `tensorrt_llm._tensorrt_engine.LLM` over an engine directory. Releases after 1.2.x drop it."""

from __future__ import annotations

from typing import Any

from backends.tensorrt_llm.flow import Flow


class EngineFlow(Flow):
    """Constructs the LLM of a compiled engine. Its dtype, parallelism and limits were settled when it was built."""

    def _construct(self) -> Any:
        from tensorrt_llm._tensorrt_engine import LLM
        from tensorrt_llm.llmapi import CapacitySchedulerPolicy, KvCacheConfig, SchedulerConfig

        config, cache = self._config, self._config.kv_cache
        return LLM(
            model=str(config.engine),
            tokenizer=str(self.model.folder) if self.holds_to_form else None,
            skip_tokenizer_init=not self.holds_to_form,
            guided_decoding_backend="xgrammar" if self.holds_to_form else None,
            tensor_parallel_size=config.parallel.tensor,
            pipeline_parallel_size=config.parallel.pipeline,
            gpus_per_node=config.parallel.gpus_per_node,
            max_batch_size=config.max_concurrency,
            max_num_tokens=config.max_batch_tokens,
            max_seq_len=self.model.context_length,
            enable_chunked_prefill=config.chunked_prefill,
            kv_cache_config=KvCacheConfig(
                free_gpu_memory_fraction=cache.memory_fraction,
                enable_block_reuse=cache.block_reuse,
                enable_partial_reuse=cache.partial_reuse,
            ),
            scheduler_config=SchedulerConfig(
                capacity_scheduler_policy=CapacitySchedulerPolicy(config.scheduler.value.upper())
            ),
        )
