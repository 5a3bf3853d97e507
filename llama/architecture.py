"""Sizes of the Llama 3.1 family, and of any checkpoint of their kinds, from its `config.json`.

Two kinds: `Decoder`, the language models (`LlamaForCausalLM`, Llama Guard included), and `Encoder`, the sequence
classifiers that Prompt Guard is made of (`DebertaV2ForSequenceClassification`). Parameters are counted from the sizes,
tensor by tensor as Hugging Face's model classes declare them; counts of the presets equal those of the published
checkpoints.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_LARGEST = 2**24
"""Above any size of a `config.json` that is meant; keeps what is computed from a hostile one small."""


class ArchitectureError(ValueError):
    """A `config.json` doesn't describe a model of a known kind; `str()` names the field and the remedy."""


@dataclass(frozen=True, kw_only=True)
class Decoder:
    """A Llama-architecture language model.

    Attributes:
        hidden: width of the residual stream.
        heads: query heads; `kv_heads`: those of keys and values, which groups of query heads share.
        head_dim: width of a head.
        intermediate: width of the gated feed-forward layer.
        vocabulary: rows of the embedding, and logits.
        positions: prompt and answer together, in tokens.
        tied: whether the output layer is the embedding, stored once.
        attention_bias: whether the four attention projections have biases; `mlp_bias`: whether the other three have.
    """

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    vocabulary: int = 128256
    positions: int = 131072
    tied: bool = False
    attention_bias: bool = False
    mlp_bias: bool = False

    @property
    def layer_linear(self) -> int:
        """Weights of one layer's seven linear projections, without biases: q, k, v, o; gate, up, down."""
        return self.attention_linear + 3 * self.hidden * self.intermediate

    @property
    def attention_linear(self) -> int:
        """Those of q and o, as wide as all heads, and of k and v, as wide as the key heads."""
        return 2 * self.hidden * self.head_dim * (self.heads + self.kv_heads)

    @property
    def layer_outputs(self) -> int:
        """Outputs of those projections, one a row of a weight matrix."""
        return self.head_dim * (self.heads + 2 * self.kv_heads) + 2 * self.hidden + 2 * self.intermediate

    @property
    def layer_rest(self) -> int:
        """Parameters of one layer that no quantization touches: two norms, and biases where there are any."""
        attention = self.head_dim * (self.heads + 2 * self.kv_heads) + self.hidden
        feed_forward = 2 * self.intermediate + self.hidden
        return 2 * self.hidden + self.attention_bias * attention + self.mlp_bias * feed_forward

    @property
    def embedding(self) -> int:
        """Parameters of the embedding; of the output layer too, whether tied or not."""
        return self.vocabulary * self.hidden

    @property
    def parameters(self) -> int:
        """All parameters: layers, embedding, output layer (counted once where tied) and the last norm."""
        ends = self.embedding * (1 if self.tied else 2) + self.hidden
        return self.layers * (self.layer_linear + self.layer_rest) + ends


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """A DeBERTa-v2 sequence classifier, with relative positions and no others, as Prompt Guard is.

    Attributes:
        buckets: of relative positions, to each side.
        labels: classes.
        positions: tokens of a window.
    """

    hidden: int
    layers: int
    heads: int
    intermediate: int
    vocabulary: int
    labels: int
    buckets: int = 256
    positions: int = 512

    @property
    def parameters(self) -> int:
        """All parameters, biases and norms included."""
        norm, square = 2 * self.hidden, self.hidden * (self.hidden + 1)
        feed_forward = 2 * self.hidden * self.intermediate + self.intermediate + self.hidden
        layer = 4 * square + feed_forward + 2 * norm
        embedding = self.vocabulary * self.hidden + norm + 2 * self.buckets * self.hidden + norm
        return embedding + self.layers * layer + square + self.labels * (self.hidden + 1)


Architecture = Decoder | Encoder

_8B = Decoder(hidden=4096, layers=32, heads=32, kv_heads=8, head_dim=128, intermediate=14336)
_PROMPT_GUARD = {"hidden": 768, "layers": 12, "heads": 12, "intermediate": 3072, "vocabulary": 251000}

PRESETS: Mapping[str, Architecture] = {
    "llama-3.1-8b": _8B,
    "llama-3.1-70b": Decoder(hidden=8192, layers=80, heads=64, kv_heads=8, head_dim=128, intermediate=28672),
    "llama-3.1-405b": Decoder(hidden=16384, layers=126, heads=128, kv_heads=8, head_dim=128, intermediate=53248),
    "llama-guard-3-8b": _8B,
    "llama-guard-3-1b": Decoder(hidden=2048, layers=16, heads=32, kv_heads=8, head_dim=64, intermediate=8192),
    "prompt-guard-86m": Encoder(**_PROMPT_GUARD, labels=3),
    "llama-prompt-guard-2-86m": Encoder(**_PROMPT_GUARD, labels=2),
    "llama-prompt-guard-2-22m": Encoder(hidden=384, layers=12, heads=6, intermediate=1536, vocabulary=128100, labels=2),
}
"""By name; base and Instruct models are alike. Sizes from each checkpoint's `config.json`. The last three are named by
the size of their backbones: most of their parameters are the embedding."""


def read_architecture(config: Mapping[str, Any]) -> Architecture:
    """Read the sizes from the content of a checkpoint's `config.json`.

    Raises:
        ArchitectureError: another kind of model, or a size that is missing, no whole number or out of range.
    """
    kind = config.get("model_type")
    if kind == "llama":
        return _decoder(config)
    if kind == "deberta-v2":
        return _encoder(config)
    raise ArchitectureError(f"model_type is {kind!r}: one of llama and deberta-v2 is known")


def _decoder(config: Mapping[str, Any]) -> Decoder:
    hidden, heads = _size(config, "hidden_size"), _size(config, "num_attention_heads")
    kv_heads = _size(config, "num_key_value_heads", heads)
    if heads % kv_heads:
        raise ArchitectureError(f"num_key_value_heads {kv_heads} doesn't divide num_attention_heads {heads}: check it")
    if config.get("head_dim") is None and hidden % heads:
        raise ArchitectureError(f"num_attention_heads {heads} doesn't divide hidden_size {hidden}: set head_dim")
    return Decoder(
        hidden=hidden,
        layers=_size(config, "num_hidden_layers"),
        heads=heads,
        kv_heads=kv_heads,
        head_dim=_size(config, "head_dim", hidden // heads),
        intermediate=_size(config, "intermediate_size"),
        vocabulary=_size(config, "vocab_size"),
        positions=_size(config, "max_position_embeddings"),
        tied=_flag(config, "tie_word_embeddings"),
        attention_bias=_flag(config, "attention_bias"),
        mlp_bias=_flag(config, "mlp_bias"),
    )


def _encoder(config: Mapping[str, Any]) -> Encoder:
    labels = config.get("id2label")
    expected = {"position_biased_input": False, "share_att_key": True, "type_vocab_size": 0}
    for name, value in expected.items():
        if config.get(name) != value:
            raise ArchitectureError(f"{name} is not {json.dumps(value)}: only classifiers like Prompt Guard are known")
    return Encoder(
        hidden=_size(config, "hidden_size"),
        layers=_size(config, "num_hidden_layers"),
        heads=_size(config, "num_attention_heads"),
        intermediate=_size(config, "intermediate_size"),
        vocabulary=_size(config, "vocab_size"),
        labels=len(labels) if isinstance(labels, Mapping) and labels else 2,  # what the library takes as its default
        buckets=_size(config, "position_buckets"),
        positions=_size(config, "max_position_embeddings"),
    )


def _size(config: Mapping[str, Any], name: str, default: int | None = None) -> int:
    value = config.get(name)
    if value is None:
        value = default
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= _LARGEST:
        said = "is missing" if value is None else "is no whole number in [1, 2**24]"
        raise ArchitectureError(f"{name} {said}: check the config.json")
    return value


def _flag(config: Mapping[str, Any], name: str) -> bool:
    value = config.get(name, False)
    if not isinstance(value, bool):
        raise ArchitectureError(f"{name} is neither true nor false: check the config.json")
    return value
