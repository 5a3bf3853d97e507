"""A plan in words, as data, and as values of the Helm chart."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from omegaconf import OmegaConf

from llama.architecture import Decoder
from llama.memory import CACHE_BLOCK, TRAINING, Precision, cache_bytes_per_token, unquantized_parameters, weights_bytes
from llama.placement import CACHE_SHARE, RESERVE_BYTES, STEP_TOKENS
from services.planner.plan import Plan, PlanError

_GB = 10**9
_LABEL = 63  # characters of a name in Kubernetes


def facts(plan: Plan) -> dict[str, Any]:
    """Return a plan as data. Sizes are bytes; of a device, those of the fullest one."""
    question, share, placement = plan.question, plan.share, plan.placement
    logits = question.sequences * share.sequence
    training = TRAINING.get(question.name.removesuffix("-instruct"))
    return {
        "model": question.name,
        "parameters": question.model.parameters,
        "device": question.device.name,
        "devices": placement.devices,
        "devices_unused": question.devices - placement.devices,
        "tensor_parallel": placement.tensor,
        "pipeline_parallel": placement.pipeline,
        "nodes": placement.nodes,
        "weights": question.weights.value,
        "kv": question.stored.value,
        "context": question.context,
        "concurrency": question.sequences,
        "most_concurrency": plan.most_sequences,
        "weights_bytes": weights_bytes(question.model, question.weights),
        "unquantized_bytes": _unquantized_bytes(plan),
        "kv_bytes_per_token": cache_bytes_per_token(question.model, question.stored),
        "device_bytes": {
            "memory": question.device.memory,
            "weights": share.weights,
            "kv": plan.sequences_bytes - logits,
            "logits": logits,
            "workspace": share.workspace,
            "reserve": RESERVE_BYTES,
            "headroom": plan.headroom,
        },
        "tokens_per_second_at_most": {str(n): round(rate, 1) for n, rate in _rates(plan).items()},
        "training_gb": {"full": training.full_gb, "lora": training.lora_gb, "qlora": training.qlora_gb}
        if training
        else None,
    }


def _unquantized_bytes(plan: Plan) -> int:
    """Bytes that stay in 16 bits where the rest is quantized; 0 where nothing is."""
    question = plan.question
    if not isinstance(question.model, Decoder) or question.weights in (Precision.f32, Precision.bf16):
        return 0
    return unquantized_parameters(question.model) * question.weights.wide


def _rates(plan: Plan) -> dict[int, float]:
    """Tokens per second at most, by sequences at once. A classifier produces none."""
    if not isinstance(plan.question.model, Decoder):
        return {}
    counts = sorted({1, plan.question.sequences, plan.most_sequences})
    return {count: plan.tokens_per_second(count) for count in counts}


def sections(plan: Plan) -> list[list[tuple[str, ...]]]:
    """Return a plan as tables: what and where, memory, and what it gives."""
    said, question, placement = facts(plan), plan.question, plan.placement
    held, tokens = said["device_bytes"], f"{question.sequences} x {question.context} tokens"
    stored = question.sequences * -(-question.context // CACHE_BLOCK) * CACHE_BLOCK
    whole = {"weights": said["weights_bytes"], "kv": stored * said["kv_bytes_per_token"]}
    where = f"{placement.devices} x {question.device.name}" if question.device.gpu else question.device.name
    spread = f": tensor parallel {placement.tensor}, pipeline stages {placement.pipeline}, nodes {placement.nodes}"
    head: list[tuple[str, ...]] = [
        ("model", f"{question.name}, {question.model.parameters:,} parameters"),
        ("on", where + (spread if placement.devices > 1 else "")),
    ]
    if said["devices_unused"]:
        head.append(("unused", f"{said['devices_unused']} of {question.devices}: no placement holds more with them"))
    memory: list[tuple[str, ...]] = [
        ("MEMORY", "EACH", "ALL"),
        (f"weights, {said['weights']}", _size(held["weights"]), _size(whole["weights"])),
        ("  in 16 bits whatever the rest is in", "", _size(said["unquantized_bytes"])),
        (f"KV cache, {said['kv']}, {tokens}", _size(held["kv"]), _size(whole["kv"])),
        ("logits" if isinstance(question.model, Decoder) else f"workspace of {tokens}", _size(held["logits"]), ""),
        (f"workspace of a step of {STEP_TOKENS} tokens", _size(held["workspace"]), ""),
        ("reserve for driver and libraries", _size(held["reserve"]), ""),
        ("headroom", _size(held["headroom"]), ""),
        ("in all", _size(held["memory"]), _size(held["memory"] * placement.devices)),
    ]
    gives: list[tuple[str, ...]] = [("most at once", f"{plan.most_sequences} sequences of {question.context} tokens")]
    gives += [(f"tokens/s at most, {n} at once", f"{rate:,.0f}") for n, rate in _rates(plan).items()]
    if said["training_gb"]:
        training = ", ".join(f"{kind} {size:,} GB" for kind, size in said["training_gb"].items())
        gives.append(("training, as published", training))
    nothing = (("", _size(0)), (_size(0), ""), (_size(0), _size(0)))
    return [head, [row for row in memory if row[1:] not in nothing], gives]


def _size(size: int) -> str:
    return f"{size / 1e9:,.2f} GB" if size >= _GB / 10 else f"{size / 1e6:,.2f} MB"


def alternatives(plans: Sequence[Plan]) -> list[tuple[str, ...]]:
    """Return plans on other devices as a table, in the order given."""
    header = ("DEVICES", "MEMORY", "TENSOR", "PIPELINE", "NODES", "MOST AT ONCE", "TOKENS/S AT MOST")
    rows = [
        (
            f"{plan.question.devices} x {plan.question.device.name}",
            _size(plan.question.devices * plan.question.device.memory),
            str(plan.placement.tensor),
            str(plan.placement.pipeline),
            str(plan.placement.nodes),
            str(plan.most_sequences),
            f"{rate:,.0f}" if (rate := _rates(plan).get(plan.question.sequences)) else "-",
        )
        for plan in plans
    ]
    return [header, *rows]


def helm_values(plan: Plan) -> str:
    """Return a plan as YAML values of the chart: one model, placed, with the limits that the memory was counted for.

    The chart counts GPUs by itself; of memory it is told what a machine without GPUs needs.

    Raises:
        PlanError: keys and values in a precision that no backend stores them in.
    """
    question, placement = plan.question, plan.placement
    if question.stored in (Precision.int8, Precision.int4):
        raise PlanError(f"no backend stores keys and values in {question.stored.value}: set --kv bf16, or --kv fp8")
    vendor = question.device.quantizes and isinstance(question.model, Decoder)
    engine = {
        "precision": question.weights.value,
        "cachePrecision": question.stored.value,
        "maxBatchSize": question.sequences,
        "maxTokens": STEP_TOKENS,
        "maxSequenceLength": question.context,
    }
    model: dict[str, Any] = {
        "name": question.name,
        "backend": "tensorrt_llm" if vendor else "transformers",
        "device": "gpu" if question.device.gpu else "cpu",
        "parallelism": {"tensor": placement.tensor, "pipeline": placement.pipeline, "nodes": placement.nodes},
        "engine": engine | ({"cacheMemoryFraction": CACHE_SHARE} if vendor else {}),
    }
    if not question.device.gpu:
        memory = -(-(question.device.memory - max(0, plan.headroom)) // 2**30)
        model["resources"] = {"requests": {"memory": f"{memory}Gi"}}
    return OmegaConf.to_yaml(OmegaConf.create({"models": {_label(question.name): model}}))


def _label(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:_LABEL].strip("-") or "model"
