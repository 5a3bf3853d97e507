"""Writes a guard's folder: weights, configurations, tokenizer, and the evaluation as JSON; and what a run was like."""

import json
import os
import platform
from pathlib import Path
from typing import Any, Final

import tokenizers
import torch
import transformers
from safetensors.torch import save_file
from transformers import PreTrainedModel

SIZE_LIMIT: Final = 6_000_000
"""Bytes of weights, at most."""


def write_json(path: Path, value: Any) -> None:
    """Write JSON as people read it."""
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _configuration(model: PreTrainedModel) -> dict[str, Any]:
    """The configuration, with the rotary settings under the names that every release of `transformers` reads."""
    config: dict[str, Any] = model.config.to_diff_dict()
    config["architectures"] = [type(model).__name__]
    if "rope_parameters" in config:
        rope = dict(config.pop("rope_parameters"))
        config["rope_theta"] = rope.pop("rope_theta")
        config["rope_scaling"] = rope
    return config


def write_model(folder: Path, model: PreTrainedModel) -> int:
    """Write weights (tied ones once) and the configuration; return the size of the weights in bytes.

    Raises:
        ValueError: the weights are larger than `SIZE_LIMIT`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tied = {"lm_head.weight"} if model.config.tie_word_embeddings else set()
    weights = {
        name: tensor.detach().to(torch.float32).contiguous()
        for name, tensor in model.state_dict().items()
        if name not in tied
    }
    path = folder / "model.safetensors"
    save_file(weights, path, metadata={"format": "pt"})
    path.chmod(0o644)
    write_json(folder / "config.json", _configuration(model))
    size = path.stat().st_size
    if size > SIZE_LIMIT:
        raise ValueError(f"{path} holds {size} bytes, more than {SIZE_LIMIT}")
    return size


def write_tokenizer(folder: Path, tokenizer: tokenizers.Tokenizer, configuration: dict[str, Any]) -> None:
    """Write `tokenizer.json` and its configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_text(tokenizer.to_str(pretty=False) + "\n", encoding="utf-8")
    common = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
        "model_input_names": ["input_ids", "attention_mask"],
    }
    write_json(folder / "tokenizer_config.json", {**common, **configuration})


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def facts(model: PreTrainedModel, name: str, recipe: Any, seen: int, minutes: float) -> dict[str, Any]:
    """What the card tells of a run: `recipe` has its steps, seed and threads, `seen` counts the examples."""
    return {
        "command": f"python -m models.guards {name}",
        "seed": recipe.seed,
        "steps": recipe.steps,
        "examples": seen,
        "threads": recipe.threads,
        "parameters": sum(p.numel() for p in model.parameters()),
        "vocabulary": model.config.vocab_size,
        "training_min": round(minutes, 1),
        "hardware": f"{_processor()}, {os.cpu_count()} virtual CPUs, {recipe.threads} threads, no GPU",
        "software": f"Python {platform.python_version()}, torch {torch.__version__}, "
        f"transformers {transformers.__version__}, tokenizers {tokenizers.__version__}",
    }


def run_table(run: dict[str, Any], shape: str) -> str:
    """The card's table of a run."""
    return "\n".join(
        [
            "| | |",
            "|---|---|",
            f"| parameters | {run['parameters']:,} |",
            f"| weights | {run['bytes'] / 1e6:.2f} MB, float32 |",
            f"| shape | {shape} |",
            f"| vocabulary | {run['vocabulary']} |",
            f"| training | {run['steps']} steps, {run['examples']:,} examples, seed {run['seed']} |",
            f"| wall time | {run['training_min']} min, on a machine that did other work beside it |",
            f"| hardware | {run['hardware']} |",
            f"| software | {run['software']} |",
        ]
    )
