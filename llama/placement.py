"""How a model is spread over devices, how many sequences fit then, and how fast they can come at most."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from llama.architecture import Architecture, Decoder
from llama.memory import (
    CACHE_BLOCK,
    Precision,
    cache_bytes_per_token,
    logits_bytes,
    shard,
    stage_bytes,
    weights_bytes,
    workspace_bytes,
)

STEP_TOKENS = 8192
"""Tokens of a step at most. TensorRT-LLM's default (`max_num_tokens`)."""

RESERVE_BYTES = 1536 * 2**20
"""Of each device, for what is neither weights nor cache nor workspace: what the driver keeps of the total it tells, the
process's CUDA context, the libraries' kernels and workspaces, and the buffers between devices. An assumption."""

CACHE_SHARE = 0.9
"""Of what is left after weights, workspace and reserve, that sequences take; the rest is for fragmentation and captured
graphs. TensorRT-LLM's default (`free_gpu_memory_fraction`)."""


@dataclass(frozen=True)
class Placement:
    """How many devices share each layer (`tensor`), how many stages of layers follow each other (`pipeline`)."""

    tensor: int = 1
    pipeline: int = 1
    nodes: int = 1

    @property
    def devices(self) -> int:
        """How many there are."""
        return self.tensor * self.pipeline


def placements(model: Architecture, devices: int, per_node: int) -> Iterator[Placement]:
    """Give every way to use at most so many devices.

    `tensor` divides the query heads, and divides the key heads or is a multiple of them, as TensorRT-LLM asks; it stays
    within a node, and a stage does too. Every node has equally many stages. An encoder isn't divided.
    """
    if not isinstance(model, Decoder):
        yield Placement()
        return
    for tensor in range(1, min(devices, per_node) + 1):
        if not divides(model, tensor):
            continue
        stages = per_node // tensor
        for pipeline in range(1, min(devices // tensor, model.layers) + 1):
            if pipeline <= stages:
                yield Placement(tensor, pipeline)
            elif pipeline % stages == 0:
                yield Placement(tensor, pipeline, pipeline // stages)


def divides(model: Decoder, tensor: int) -> bool:
    """Tell whether so many devices can share each layer: see `placements`."""
    key_heads = model.kv_heads % tensor == 0 or tensor % model.kv_heads == 0
    return key_heads and model.heads % tensor == 0 and model.intermediate % tensor == 0


@dataclass(frozen=True)
class Share:
    """What the fullest device holds of a model, in bytes.

    Attributes:
        weights: parameters.
        workspace: of a step.
        token: keys and values of one token.
        sequence: what each sequence takes beside its tokens.
        read: what one device of each stage, all stages together, reads of the weights to produce a token.
        read_token: and of one token's keys and values.
        stages: of the pipeline.
    """

    weights: int
    workspace: int
    token: int
    sequence: int
    read: int
    read_token: int
    stages: int

    def sequence_bytes(self, context: int) -> int:
        """Bytes of one sequence with a full context; its tokens are in whole blocks."""
        return -(-context // CACHE_BLOCK) * CACHE_BLOCK * self.token + self.sequence

    def room(self, memory: int) -> int:
        """Bytes for sequences, of a device with so much memory; below 0 by what lacks."""
        left = memory - RESERVE_BYTES - self.weights - self.workspace
        return int(left * CACHE_SHARE) if left > 0 else left

    def sequences(self, memory: int, context: int) -> int:
        """How many sequences with a full context fit at once."""
        return max(0, self.room(memory)) // self.sequence_bytes(context)

    def tokens_per_second(self, bandwidth: float, context: int, sequences: int) -> float:
        """Bound the tokens per second of so many sequences with a full context, all together, from above.

        To produce a token a device reads its weights, but not the embedding, and all keys and values of its sequences,
        at `bandwidth` bytes a second at most. In a pipeline the sequences are in as many groups as there are stages
        (more would read the weights more often, fewer would leave stages idle), and each group passes all stages.
        Compute, traffic between devices and prompts come on top.
        """
        groups = min(sequences, self.stages)
        return sequences * bandwidth / (self.read + context * self.read_token * sequences / groups)


@lru_cache(maxsize=4096)  # who looks for the smallest change asks for the same ones again and again
def share(
    model: Architecture, placement: Placement, weights: Precision, cache: Precision, step_tokens: int = STEP_TOKENS
) -> Share:
    """Tell what the fullest device holds."""
    if not isinstance(model, Decoder):
        size = weights_bytes(model, weights)
        window = workspace_bytes(model, weights, model.positions)
        return Share(size, 0, 0, window, size - model.vocabulary * model.hidden * weights.wide, 0, 1)
    part, pipeline = shard(model, placement.tensor), placement.pipeline
    total = weights_bytes(part, weights)
    return Share(
        weights=stage_bytes(part, weights, pipeline),
        workspace=workspace_bytes(part, weights, step_tokens),
        token=cache_bytes_per_token(part, cache, pipeline),
        sequence=logits_bytes(model),
        read=total if model.tied else total - part.embedding * weights.wide,
        read_token=cache_bytes_per_token(part, cache),
        stages=pipeline,
    )


def best_placement(
    model: Architecture,
    weights: Precision,
    cache: Precision,
    *,
    memory: int,
    devices: int,
    per_node: int,
    context: int,
) -> tuple[Placement, Share]:
    """Choose the placement that holds the most sequences; of equal ones, fewer stages, then fewer devices.

    Where nothing fits at all, it is the one that lacks least.
    """

    def merit(candidate: tuple[Placement, Share]) -> tuple[int, int, int, int]:
        placement, held = candidate
        return (
            held.sequences(memory, context),
            min(0, held.room(memory) - held.sequence_bytes(context)),
            -placement.pipeline,
            -placement.devices,
        )

    candidates = placements(model, devices, per_node)
    return max(((placement, share(model, placement, weights, cache)) for placement in candidates), key=merit)
