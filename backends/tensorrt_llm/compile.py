"""Compiles an engine with TensorRT-LLM, in a process of its own: `python -m backends.tensorrt_llm.compile JOB`.

`JOB` is JSON: with `source`, `target`, `tensor`, `pipeline`, `max_batch_size`, `max_num_tokens`, `max_seq_len` and
`quantize` it compiles; as `{}` it prints, as JSON, the TensorRT-LLM and the GPU that an engine made here is bound to.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from backends.errors import LoadError
from backends.tensorrt_llm import machine
from backends.tensorrt_llm.flow import installed_version


def main(job: Mapping[str, Any]) -> None:
    """Do one job."""
    if not job:
        found = machine.gpus()
        capability = list(found[0].capability) if found else None
        print(json.dumps({"tensorrt_llm": installed_version(), "compute_capability": capability}))  # noqa: T201 - its answer
        return
    from tensorrt_llm._tensorrt_engine import LLM
    from tensorrt_llm.llmapi import BuildConfig, QuantAlgo, QuantConfig

    quantization = {}
    if job["quantize"]:
        quantization = {"quant_config": QuantConfig(quant_algo=QuantAlgo.FP8, kv_cache_quant_algo=QuantAlgo.FP8)}
    llm = LLM(
        model=job["source"],
        tensor_parallel_size=job["tensor"],
        pipeline_parallel_size=job["pipeline"],
        workspace=job["target"],  # what it writes first is as large as the engine: too large for many a /tmp
        build_config=BuildConfig(
            max_batch_size=job["max_batch_size"],
            max_num_tokens=job["max_num_tokens"],
            max_seq_len=job["max_seq_len"],
        ),
        **quantization,
    )
    llm.save(job["target"])
    llm.shutdown()


if __name__ == "__main__":
    try:
        main(json.loads(sys.argv[1]))
    except LoadError as error:
        sys.exit(f"paddock build: {error}")
