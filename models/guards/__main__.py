"""`python -m models.guards`: tokenizer, corpus, training, evaluation, folder and card of both guards, in one go."""

import argparse
import json
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import tokenizers
from transformers import DebertaV2ForSequenceClassification, LlamaForCausalLM

from models.guards.chat import card as chat_card
from models.guards.chat import evaluate as chat_evaluate
from models.guards.chat import tokenizer as chat_tokenizer
from models.guards.chat import train as chat_train
from models.guards.chat.encoding import CHAT_TEMPLATE
from models.guards.folder import facts, write_json, write_model, write_tokenizer
from models.guards.prompt import card as prompt_card
from models.guards.prompt import evaluate as prompt_evaluate
from models.guards.prompt import tokenizer as prompt_tokenizer
from models.guards.prompt import train as prompt_train

_MODELS = Path(__file__).resolve().parent.parent
_NAMES = {"chat": "paddock-guard-tiny", "prompt": "paddock-prompt-guard-tiny"}
_CARDS = {"chat": chat_card.write_card, "prompt": prompt_card.write_card}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m models.guards", description=__doc__)
    parser.add_argument("guard", nargs="*", help="chat, prompt, or both (default)")
    parser.add_argument("--out", type=Path, default=_MODELS, help="where the folders are made (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=chat_train.Recipe().seed)
    parser.add_argument("--threads", type=int, default=chat_train.Recipe().threads)
    parser.add_argument("--examples", type=int, default=300, help="held-out examples per kind (default: %(default)s)")
    parser.add_argument("--card-only", action="store_true", help="write the cards again from evaluation.json, no more")
    args = parser.parse_args()
    args.guard = args.guard or list(_NAMES)
    for name in args.guard:
        if name not in _NAMES:
            parser.error(f"there is no guard {name!r}: chat or prompt")
    return args


def make_chat(folder: Path, seed: int, threads: int, examples: int) -> dict[str, Any]:
    """Make the guard; return what `evaluation.json` is to hold."""
    recipe = replace(chat_train.Recipe(), seed=seed, threads=threads)
    tokenizer = chat_tokenizer.train_tokenizer(seed)
    started = time.monotonic()
    model, seen = chat_train.train(tokenizer, recipe)
    run = facts(model, "chat", recipe, seen, (time.monotonic() - started) / 60)
    config = model.config
    names = {"bos_token": chat_tokenizer.BEGIN, "eos_token": chat_tokenizer.END_OF_TURN}
    names |= {"pad_token": chat_tokenizer.PADDING}
    write_tokenizer(folder, tokenizer, {**names, "model_max_length": config.max_position_embeddings})
    shutil.copyfile(CHAT_TEMPLATE, folder / CHAT_TEMPLATE.name)
    ids = {name: getattr(config, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    write_json(folder / "generation_config.json", {**ids, "do_sample": False})
    run["bytes"] = write_model(folder, model)
    run["shape"] = (
        f"{config.num_hidden_layers} layers, hidden {config.hidden_size}, {config.num_attention_heads} heads of "
        f"{config.head_dim} with {config.num_key_value_heads} for keys and values, SwiGLU {config.intermediate_size}, "
        "llama3 rope scaling, embeddings tied"
    )
    saved = LlamaForCausalLM.from_pretrained(folder, dtype="float32").eval()
    reread = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    return {"run": run, **chat_evaluate.evaluate(saved, reread, seed, examples, threads)}


def make_prompt(folder: Path, seed: int, threads: int, examples: int) -> dict[str, Any]:
    """Make the prompt guard; return what `evaluation.json` is to hold."""
    recipe = replace(prompt_train.Recipe(), seed=seed, threads=threads)
    tokenizer = prompt_tokenizer.make_tokenizer(seed)
    started = time.monotonic()
    model, seen = prompt_train.train(tokenizer, recipe)
    run = facts(model, "prompt", recipe, seen, (time.monotonic() - started) / 60)
    config = model.config
    names = {"pad_token": prompt_tokenizer.PADDING, "cls_token": prompt_tokenizer.CLASS}
    names |= {"sep_token": prompt_tokenizer.SEPARATOR, "unk_token": prompt_tokenizer.UNKNOWN}
    write_tokenizer(folder, tokenizer, {**names, "model_max_length": config.max_position_embeddings})
    run["bytes"] = write_model(folder, model)
    run["shape"] = (
        f"{config.num_hidden_layers} layers, hidden {config.hidden_size}, {config.num_attention_heads} heads, "
        f"feed-forward {config.intermediate_size}, disentangled attention with {config.position_buckets} position "
        "buckets"
    )
    saved = DebertaV2ForSequenceClassification.from_pretrained(folder, dtype="float32").eval()
    reread = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    return {"run": run, **prompt_evaluate.evaluate(saved, reread, seed, examples, threads)}


def main() -> None:
    """Train, evaluate, write."""
    args = _arguments()
    for name in args.guard:
        folder = args.out / _NAMES[name]
        if not args.card_only:
            make = {"chat": make_chat, "prompt": make_prompt}[name]
            write_json(folder / "evaluation.json", make(folder, args.seed, args.threads, args.examples))
        _CARDS[name](folder, json.loads((folder / "evaluation.json").read_text(encoding="utf-8")))
        print(f"wrote {folder}", flush=True)


if __name__ == "__main__":
    main()
