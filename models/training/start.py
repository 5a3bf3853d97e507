"""The weights before training: random, with two attention patterns laid out that training would find late by itself.

A model this small, shown a few million words, spends most of them on discovering how to copy: a first head that looks
at the word before, a second that looks for "the word after the last time this one was said" (C. Olsson et al.,
"In-context learning and induction heads", 2022). So those heads start roughly there, in the spirit of mimetic
initialization (A. Trockman and J. Z. Kolter, 2023): made of random projections, without any data. All of it is trained
on from the first step.
"""

import math

import torch
from torch import Tensor, nn
from transformers import LlamaForCausalLM

_BIAS = 4.0
"""Size of the component that all embeddings share, in units of the others: what position-only attention reads."""
_POSITION_GAIN = 1.75
_MATCH_GAIN = 1.6
_NEAR = 6
"""How many of the fastest rotary frequencies tell neighbours apart; the rest carry what a word is."""


def _random(rows: int, columns: int, scale: float = 1.0) -> Tensor:
    return torch.randn(rows, columns) * scale / math.sqrt(columns)


@torch.no_grad()
def initialize(model: LlamaForCausalLM) -> None:
    """Set the weights of a freshly made model."""
    config = model.config
    hidden, width = config.hidden_size, config.hidden_size // config.num_attention_heads
    groups = model.model.layers[0].self_attn.k_proj.out_features // width
    per_group = config.num_attention_heads // groups
    sigma = config.initializer_range
    embedding = model.model.embed_tokens.weight
    embedding.normal_(0.0, sigma)
    embedding[:, 0] = _BIAS * sigma
    layers = [layer.self_attn for layer in model.model.layers]
    for layer in model.model.layers:
        nn.init.zeros_(layer.self_attn.o_proj.weight)
        nn.init.zeros_(layer.mlp.down_proj.weight)
    half = width // 2
    angles = model.model.rotary_emb.inv_freq[:_NEAR]
    slow = torch.ones(width, 1)
    slow[:_NEAR] = slow[half : half + _NEAR] = 0.0
    first, second = layers[0], layers[1]
    read, turn = _random(width, hidden), torch.linalg.qr(torch.randn(width, width)).Q
    read[:, 0] = 0.0  # what all embeddings share tells nothing
    before = torch.zeros(groups, width, hidden)
    for group in range(groups):
        lag = 1 + group % 2
        keys = slice(group * width, (group + 1) * width)
        head = group * per_group * width
        heads = slice(head, head + width)
        write = torch.linalg.qr(torch.randn(hidden, width)).Q
        # The word before, or the one before that: keys point one way, queries lag by steps of each fast rotation.
        first.k_proj.weight[keys].mul_(0.1)
        first.k_proj.weight[group * width : group * width + _NEAR, 0] = _POSITION_GAIN
        first.q_proj.weight[heads].mul_(0.1)
        first.q_proj.weight[head : head + _NEAR, 0] = _POSITION_GAIN * (lag * angles).cos()
        first.q_proj.weight[head + half : head + half + _NEAR, 0] = -_POSITION_GAIN * (lag * angles).sin()
        first.v_proj.weight[keys] = read
        first.o_proj.weight[:, heads] = 1.5 * sigma * write
        before[group] = write.T
    one_before, two_before = before[0], before[1]
    # The word after the last one like this, whose own predecessor was like ours: match what the first heads wrote.
    for group in range(groups):
        keys = slice(group * width, (group + 1) * width)
        head = group * per_group * width
        heads = slice(head, head + width)
        second.q_proj.weight[heads] = _MATCH_GAIN * slow * (read + turn @ one_before)
        second.k_proj.weight[keys] = _MATCH_GAIN * slow * (one_before + turn @ two_before)
        content = _random(width, hidden)
        content[:, 0] = 0.0
        second.v_proj.weight[keys] = content
        second.o_proj.weight[:, heads] = 2.0 * sigma * content.T
