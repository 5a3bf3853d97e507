"""`python -m models.training`: tokenizer, corpus, training, evaluation, model folder and card, in one go."""

import argparse
import os
import platform
import time
from pathlib import Path
from typing import Any

import tokenizers
import torch
import transformers
from transformers import LlamaForCausalLM

from models.training.card import write_card
from models.training.evaluate import evaluate
from models.training.folder import read_evaluation, write_evaluation, write_model, write_tokenizer
from models.training.tokenizer import train_tokenizer
from models.training.train import Recipe, train

_FOLDER = Path(__file__).resolve().parent.parent / "paddock-tiny"


def _arguments() -> argparse.Namespace:
    recipe = Recipe()
    parser = argparse.ArgumentParser(prog="python -m models.training", description=__doc__)
    parser.add_argument("--out", type=Path, default=_FOLDER, help="model folder to write (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=recipe.seed)
    parser.add_argument("--threads", type=int, default=recipe.threads)
    parser.add_argument("--prompts", type=int, default=500, help="held-out prompts per skill (default: %(default)s)")
    parser.add_argument("--card-only", action="store_true", help="write the card again from evaluation.json, no more")
    return parser.parse_args()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def _describe(model: LlamaForCausalLM) -> str:
    c = model.config
    return (
        f"{c.num_hidden_layers} layers, hidden {c.hidden_size}, {c.num_attention_heads} heads of {c.head_dim} with "
        f"{c.num_key_value_heads} for keys and values, SwiGLU {c.intermediate_size}, llama3 rope scaling"
    )


def facts(model: LlamaForCausalLM, recipe: Recipe, tokens: int, size: int) -> dict[str, Any]:
    """What the card tells of a run, its times excepted."""
    return {
        "command": "python -m models.training",
        "seed": recipe.seed,
        "steps": recipe.steps,
        "tokens": tokens,
        "threads": recipe.threads,
        "parameters": sum(p.numel() for p in model.parameters()),
        "bytes": size,
        "vocabulary": model.config.vocab_size,
        "shape": _describe(model),
        "hardware": f"{_processor()}, {os.cpu_count()} virtual CPUs, {recipe.threads} threads, no GPU",
        "software": f"Python {platform.python_version()}, torch {torch.__version__}, "
        f"transformers {transformers.__version__}, tokenizers {tokenizers.__version__}",
    }


def main() -> None:
    """Train, evaluate, write."""
    args = _arguments()
    if args.card_only:
        write_card(args.out, *read_evaluation(args.out))
        return
    recipe = Recipe(seed=args.seed, threads=args.threads)
    started = time.monotonic()
    print("learning the tokenizer", flush=True)
    tokenizer = train_tokenizer(recipe.seed)
    training_started = time.monotonic()
    model, tokens = train(tokenizer, recipe)
    trained = time.monotonic()
    write_tokenizer(args.out, tokenizer, model.config.max_position_embeddings)
    size = write_model(args.out, model)
    print(f"wrote {args.out}: {size} bytes of weights; evaluating", flush=True)
    saved = LlamaForCausalLM.from_pretrained(args.out, dtype="float32").eval()
    reread = tokenizers.Tokenizer.from_file(str(args.out / "tokenizer.json"))
    scores = evaluate(saved, reread, recipe.seed, args.prompts, recipe.threads)
    run = facts(model, recipe, tokens, size)
    run["training_min"] = round((trained - training_started) / 60, 1)
    run["total_min"] = round((time.monotonic() - started) / 60, 1)
    write_evaluation(args.out, scores, run)
    write_card(args.out, scores, run)
    print(f"done in {run['total_min']} min", flush=True)


if __name__ == "__main__":
    main()
