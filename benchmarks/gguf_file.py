"""A Llama checkpoint as a GGUF file for llama.cpp, in float32: `python -m benchmarks.gguf_file CHECKPOINT FILE`.

Runs in the environment of the peers. Names and keys are those of the GGUF specification's `llama` architecture; queries
and keys are permuted, since llama.cpp rotates neighbouring pairs where transformers rotates halves.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from safetensors.numpy import load_file

_ARCHITECTURE = gguf.MODEL_ARCH.LLAMA


def write(checkpoint: Path, file: Path) -> None:
    """Convert a folder with `config.json`, `tokenizer.json` and safetensors."""
    config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    writer = gguf.GGUFWriter(file, gguf.MODEL_ARCH_NAMES[_ARCHITECTURE])
    _add_shape(writer, config)
    _add_tokenizer(writer, json.loads((checkpoint / "tokenizer.json").read_text(encoding="utf-8")), config)
    names = gguf.get_tensor_name_map(_ARCHITECTURE, config["num_hidden_layers"])
    for part in sorted(checkpoint.glob("*.safetensors")):
        for name, weight in load_file(part).items():
            mapped = names.get_name(name, try_suffixes=(".weight",))
            if mapped is None:
                raise ValueError(f"{name}: no tensor of that name in a Llama")
            writer.add_tensor(mapped, _permuted(name, weight.astype(np.float32), config))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_shape(writer: Any, config: dict[str, Any]) -> None:
    writer.add_vocab_size(config["vocab_size"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_rope_dimension_count(config["hidden_size"] // config["num_attention_heads"])
    writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)


def _add_tokenizer(writer: Any, tokenizer: dict[str, Any], config: dict[str, Any]) -> None:
    tokens = {index: token for token, index in tokenizer["model"]["vocab"].items()}
    control = {entry["id"]: entry["content"] for entry in tokenizer["added_tokens"]}
    known, size = {**tokens, **control}, range(config["vocab_size"])
    kinds = gguf.TokenType
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("llama-bpe")
    writer.add_token_list([known.get(index, f"<|unused_{index}|>") for index in size])
    writer.add_token_types(
        [kinds.CONTROL if i in control else kinds.NORMAL if i in tokens else kinds.UNUSED for i in size]
    )
    writer.add_token_merges([" ".join(merge) for merge in tokenizer["model"]["merges"]])
    writer.add_bos_token_id(config["bos_token_id"])
    writer.add_eos_token_id(config["eos_token_id"])


def _permuted(name: str, weight: Any, config: dict[str, Any]) -> Any:
    heads = {"q_proj": config["num_attention_heads"], "k_proj": config["num_key_value_heads"]}
    count = next((heads[key] for key in heads if key in name), None)
    if count is None:
        return weight
    rows, columns = weight.shape
    return weight.reshape(count, 2, rows // count // 2, columns).swapaxes(1, 2).reshape(rows, columns)


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(sys.argv[2]))
