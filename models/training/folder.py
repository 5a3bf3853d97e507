"""Writes the model folder: weights, configurations, tokenizer, and the evaluation as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import tokenizers
import torch
from safetensors.torch import save_file
from transformers import LlamaForCausalLM

from models.training.evaluate import Score
from models.training.tokenizer import CHAT_TEMPLATE, CONTROL_TOKENS, PADDING

SIZE_LIMIT = 12_000_000


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_tokenizer(folder: Path, tokenizer: tokenizers.Tokenizer, positions: int) -> None:
    """Write `tokenizer.json` and its configuration, with the chat template for `transformers` users."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_text(tokenizer.to_str(pretty=False) + "\n", encoding="utf-8")
    configuration = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": CONTROL_TOKENS[0],
        "eos_token": "<|eot_id|>",
        "pad_token": PADDING,
        "clean_up_tokenization_spaces": False,
        "model_input_names": ["input_ids", "attention_mask"],
        "model_max_length": positions,
        "chat_template": CHAT_TEMPLATE.read_text(encoding="utf-8"),
    }
    _write_json(folder / "tokenizer_config.json", configuration)


def _configuration(model: LlamaForCausalLM) -> dict[str, Any]:
    """The configuration, with the rotary settings under the names that every release of `transformers` reads."""
    config: dict[str, Any] = model.config.to_diff_dict()
    rope = dict(config.pop("rope_parameters"))
    config["rope_theta"] = rope.pop("rope_theta")
    config["rope_scaling"] = rope
    return config


def write_model(folder: Path, model: LlamaForCausalLM) -> int:
    """Write weights (tied ones once) and configurations; return the size of the weights in bytes.

    Raises:
        ValueError: the weights are larger than `SIZE_LIMIT`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = {
        name: tensor.detach().to(torch.float32).contiguous()
        for name, tensor in model.state_dict().items()
        if name != "lm_head.weight"
    }
    path = folder / "model.safetensors"
    save_file(weights, path, metadata={"format": "pt"})
    path.chmod(0o644)
    model.config.architectures = ["LlamaForCausalLM"]
    _write_json(folder / "config.json", _configuration(model))
    generation = {
        "bos_token_id": model.config.bos_token_id,
        "eos_token_id": model.config.eos_token_id,
        "pad_token_id": model.config.pad_token_id,
        "do_sample": False,
    }
    _write_json(folder / "generation_config.json", generation)
    size = path.stat().st_size
    if size > SIZE_LIMIT:
        raise ValueError(f"{path} holds {size} bytes, more than {SIZE_LIMIT}")
    return size


def read_evaluation(folder: Path) -> tuple[list[Score], dict[str, Any]]:
    """Read back what `write_evaluation` wrote, without the misses."""
    read = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    return [Score(skill["skill"], skill["asked"], skill["right"]) for skill in read["skills"]], read["run"]


def write_evaluation(folder: Path, scores: Sequence[Score], run: dict[str, Any]) -> None:
    """Write `evaluation.json`: per skill how many of how many, a few misses, and the run it came from."""
    skills = [
        {
            "skill": score.skill,
            "asked": score.asked,
            "right": score.right,
            "accuracy": round(score.accuracy, 4),
            "misses": [asdict(miss) for miss in score.misses[:5]],
        }
        for score in scores
    ]
    _write_json(folder / "evaluation.json", {"run": run, "skills": skills})
