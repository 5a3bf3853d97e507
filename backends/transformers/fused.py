"""Llama's decoder layers in fewer, larger operations: float32 on CPU, inference only.

The stock layer costs about 30 operators, many of which take longer to start than to run at a few tokens. Here the three
projections of the attention are one product, and so are gate and up; the rotation is one complex product, residuals are
the last step of products, and the norms' weights are part of the weights they go into. Norms, the gate, and attention
of decoding tokens are kernels of ours, where there are some (`kernels.py`). A token's result depends on its own request
alone, bit for bit (see `linear.py`).
"""

from __future__ import annotations

import logging
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from backends.transformers import kernels
from backends.transformers.attention import StepLayout, attend
from backends.transformers.linear import PackedLinear

logger = logging.getLogger(__name__)

_UNDIVIDED = 32_768  # elements: at::internal::GRAIN_SIZE


@torch.inference_mode()
def fuse(model: Any) -> bool:
    """Replace the layers of a float32 `LlamaForCausalLM` on CPU, in place, one after the other to save memory.

    Returns:
        whether they were replaced. False where this PyTorch lacks oneDNN's operators or they disagree with the stock
        ones: results are right all the same, but slower, and may depend on batch mates in the last bits.
    """
    layers, head = model.model.layers, model.lm_head
    try:
        mlp = layers[0].mlp
        for linear in (layers[0].self_attn.o_proj, mlp.gate_proj, mlp.down_proj, head):
            PackedLinear(linear.weight, linear.bias).check(linear.weight, linear.bias)
    except (AttributeError, RuntimeError, ValueError) as error:
        logger.warning("the stock layers are used, the fused ones don't work here: %s", error)
        return False
    for index, layer in enumerate(layers):
        layers[index] = FusedLayer(layer)
    model.model.layers = nn.ModuleList([FusedStack(list(layers))])
    model.model.rotary_emb = FusedRotary(model.model.rotary_emb)
    model.lm_head = PackedLinear(head.weight, head.bias)
    return True


class FusedStack(nn.Module):
    """All layers, which are one call of ours where a step has few tokens, each of another request."""

    def __init__(self, layers: list[FusedLayer]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self._native = _described(layers)

    def forward(
        self, hidden_states: Tensor, *, position_embeddings: Tensor, paddock_step: StepLayout, **_: Any
    ) -> Tensor:
        """Map [1, T, hidden] to the same shape; arguments as of `FusedLayer`."""
        native, tokens = kernels.load(), hidden_states[0]
        if (
            native is not None
            and self._native is not None
            and not paddock_step.chunks
            and len(tokens) <= native.most_rows
        ):
            return native.decode(self._native, tokens, position_embeddings, paddock_step.places)[None]
        for layer in self.layers:
            hidden_states = layer(hidden_states, position_embeddings=position_embeddings, paddock_step=paddock_step)
        return hidden_states


class FusedLayer(nn.Module):
    """A `LlamaDecoderLayer` with packed weights."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        attention, mlp = layer.self_attn, layer.mlp
        self.layer_index: int = attention.layer_idx
        self.scaling: float = attention.scaling
        self.head_dim: int = attention.head_dim
        self.heads = attention.q_proj.out_features // self.head_dim
        self.kv_heads = attention.k_proj.out_features // self.head_dim
        self.epsilon: float = layer.input_layernorm.variance_epsilon
        before, between = layer.input_layernorm.weight, layer.post_attention_layernorm.weight
        projections = [
            _interleaved(attention.q_proj, self.head_dim),
            _interleaved(attention.k_proj, self.head_dim),
            (attention.v_proj.weight, attention.v_proj.bias),
        ]
        biases = [bias for _, bias in projections if bias is not None]
        weights = torch.cat([weight for weight, _ in projections]).mul_(before)
        self.qkv = PackedLinear(weights, torch.cat(biases) if biases else None)
        self.output = PackedLinear(attention.o_proj.weight, attention.o_proj.bias)
        biases = [linear.bias for linear in (mlp.gate_proj, mlp.up_proj) if linear.bias is not None]
        weights = torch.cat((mlp.gate_proj.weight, mlp.up_proj.weight)).mul_(between)
        self.gate_up = PackedLinear(weights, torch.cat(biases) if biases else None)
        self.down = PackedLinear(mlp.down_proj.weight, mlp.down_proj.bias)

    def forward(
        self, hidden_states: Tensor, *, position_embeddings: Tensor, paddock_step: StepLayout, **_: Any
    ) -> Tensor:
        """Map [1, T, hidden] to the same shape.

        Args:
            hidden_states: the tokens of a step.
            position_embeddings: of `FusedRotary`.
            paddock_step: which token belongs to whom.
        """
        tokens = hidden_states[0]
        mixed = self.qkv(_normalized(tokens, self.epsilon)).view(-1, self.heads + 2 * self.kv_heads, self.head_dim)
        _rotate(mixed, position_embeddings, self.heads + self.kv_heads)
        attended = attend(paddock_step, self.layer_index, mixed, self.kv_heads, self.scaling)
        tokens = self.output.plus(attended.flatten(-2), tokens)
        return self.down.plus(_gated(self.gate_up(_normalized(tokens, self.epsilon))), tokens)[None]


def _described(layers: list[FusedLayer]) -> kernels.Layers | None:
    """Tell our kernels of all layers, if they take every part of them."""
    native, first = kernels.load(), layers[0]
    if native is None or not native.attends(first.heads, first.kv_heads, first.head_dim):
        return None
    if not (native.takes(first.qkv.in_features) and native.takes(first.down.in_features)):
        return None
    packed = []
    for layer in layers:
        mixed, output, gate_up, down = layer.qkv.packed, layer.output.packed, layer.gate_up.packed, layer.down.packed
        if mixed is None or output is None or gate_up is None or down is None:
            return None
        packed.append((mixed, output, gate_up, down))
    return kernels.Layers(packed, first.heads, first.kv_heads, first.head_dim, first.scaling, first.epsilon)


class FusedRotary(nn.Module):
    """The stock rotary embedding's angles as complex numbers of length 1 (or of its `attention_scaling`)."""

    def __init__(self, rotary: nn.Module) -> None:
        super().__init__()
        self.rotary = rotary

    def forward(self, x: Tensor, position_ids: Tensor) -> Tensor:
        """Give complex64 [T, 1, head_dim / 2] for positions [1, T]."""
        cos, sin = self.rotary(x, position_ids)
        half = cos.shape[-1] // 2
        return torch.complex(cos[0, :, None, :half], sin[0, :, None, :half])


def _rotate(mixed: Tensor, angles: Tensor, rotated: int) -> None:
    """Rotate the first heads of [T, heads, head_dim], in place."""
    native = kernels.load()
    if native is not None:
        native.rotate(mixed, angles, rotated)
    else:
        torch.view_as_complex(mixed[:, :rotated].unflatten(-1, (-1, 2))).mul_(angles)


def _normalized(x: Tensor, epsilon: float) -> Tensor:
    """Divide by the root mean square; what the stock norm multiplies by is in the weights that follow."""
    native = kernels.load()
    if native is not None and native.takes(x.shape[-1]):
        return native.normalize(x, epsilon)
    return x * (x.square().mean(-1, keepdim=True) + epsilon).rsqrt_()


def _gated(mixed: Tensor) -> Tensor:
    """Give `silu(g) * u` for [T, 2 (g, u) * size]."""
    size = mixed.shape[-1] // 2
    native = kernels.load()
    if native is not None and native.takes(size):
        return native.gate(mixed)
    # A few rows at a time, which PyTorch does not divide among threads: it would do so in the midst of a row, and
    # the ends of a part are computed by another function, with other last bits.
    gate = torch.cat([silu(rows) for rows in mixed[:, :size].split(max(1, _UNDIVIDED // size))])
    return gate.mul_(mixed[:, size:])


def _interleaved(linear: nn.Linear, head_dim: int) -> tuple[Tensor, Tensor | None]:
    """Put the two coordinates that are rotated together side by side, where the checkpoint has them half a head apart.

    Queries and keys are both reordered, so their products don't change. It undoes what transformers'
    `convert_llama_weights_to_hf.py` does to Meta's weights.
    """

    def reorder(tensor: Tensor) -> Tensor:
        halves = tensor.view(-1, 2, head_dim // 2, *tensor.shape[1:])
        return halves.transpose(1, 2).reshape(tensor.shape)

    bias: Tensor | None = linear.bias
    return reorder(linear.weight), None if bias is None else reorder(bias)
