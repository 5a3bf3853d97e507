"""What a checkpoint, or an engine directory, says of itself; read before anything is loaded."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backends.errors import LoadError, UnfitError
from backends.tensorrt_llm.config import TensorrtLlmConfig
from llama.architecture import ArchitectureError, Decoder, read_architecture

SERIES = "1.2."
"""The releases that this backend is written for."""
_ARCHITECTURE = "LlamaForCausalLM"
MANIFEST = "paddock.json"
"""What `paddock build` leaves in an engine's folder."""


@dataclass(frozen=True)
class Model:
    """A model that can be served.

    Attributes:
        folder: of the checkpoint.
        context_length: the most tokens that prompt and answer fill together, as configured or as it was made for.
        shape: its sizes.
        dtype: of the weights, such as "fp8" or "bfloat16".
        fp8_cache: whether the checkpoint says that keys and values are FP8.
        end_token_id: what its tokenizer calls the end; the only id that ends a form. None where that isn't known.
    """

    folder: Path
    context_length: int
    shape: Decoder
    dtype: str
    fp8_cache: bool
    end_token_id: int | None


def read_model(config: TensorrtLlmConfig, version: str) -> Model:
    """Read the checkpoint, and the engine's own account where there is one.

    Args:
        config: checked.
        version: of the TensorRT-LLM that is installed.

    Raises:
        UnfitError: the release is another, or the model is none that this backend serves.
        LoadError: something is missing or doesn't fit, with the remedy.
    """
    if not version.startswith(SERIES):
        raise UnfitError(
            f"tensorrt_llm {version} is installed, and this backend is written for {SERIES}x: "
            "install tensorrt-llm 1.2.1, or serve the model with the transformers backend"
        )
    folder = Path(config.checkpoint)
    if not folder.is_dir():
        raise LoadError(f"checkpoint {folder} is not a folder: set `checkpoint` to one that holds the model's files")
    if (folder / MANIFEST).is_file():
        _check_sizes("checkpoint", folder, read_json(folder / MANIFEST, "build the checkpoint again"))
    shape = read_json(folder / "config.json", "download the checkpoint again")
    if "auto_map" in shape:
        raise LoadError(
            f"{folder} wants code of its own run (`auto_map`), which is refused: use a checkpoint without it"
        )
    architectures = shape.get("architectures") or [None]
    decoder = _decoder(folder, shape) if architectures[0] == _ARCHITECTURE else None
    if decoder is None:
        raise UnfitError(
            f"the model is a {architectures[0]}, and this backend serves {_ARCHITECTURE}: use the transformers backend"
        )
    longest = decoder.positions
    if config.engine is not None:
        built = _check_engine(config, Path(config.engine), version)
        longest = min(longest, built.get("max_seq_len") or longest)
    if config.context_length is not None and config.context_length > longest:
        raise LoadError(
            f"context_length {config.context_length}: the model was made for {longest}; set it to that or less"
        )
    quantized = _quantization(folder)
    return Model(
        folder=folder,
        context_length=config.context_length or longest,
        shape=decoder,
        dtype=str(quantized.get("quant_algo") or shape.get("dtype") or shape.get("torch_dtype") or "auto").lower(),
        fp8_cache=quantized.get("kv_cache_quant_algo") == "FP8",
        end_token_id=_end_token_id(folder),
    )


def _decoder(folder: Path, shape: dict[str, Any]) -> Decoder | None:
    try:
        model = read_architecture(shape)
    except ArchitectureError as error:
        raise LoadError(f"{folder}/config.json: {error}: use a checkpoint of the Llama family") from error
    return model if isinstance(model, Decoder) else None


def _check_engine(config: TensorrtLlmConfig, folder: Path, version: str) -> dict[str, Any]:
    """Compare an engine with the machine's software and the config; mismatches fail late and darkly otherwise."""
    path = folder / "config.json"
    if not path.is_file():
        raise LoadError(f"engine {folder} holds no config.json: set `engine` to a folder that LLM.save wrote")
    account = read_json(path, "build the engine again")
    if account.get("version") != version:
        raise LoadError(
            f"engine {folder} was built by TensorRT-LLM {account.get('version')}, and {version} is installed: "
            f"build it again with the one that is installed{_rebuild(folder)}"
        )
    ranks = len(list(folder.glob("rank*.engine")))
    size = config.parallel.tensor * config.parallel.pipeline
    if ranks != size:
        raise LoadError(
            f"engine {folder} was built for {ranks} GPUs, and parallel.tensor x parallel.pipeline is {size}: "
            f"set them to what it was built with, or build it again for {size}{_rebuild(folder)}"
        )
    manifest = read_json(folder / MANIFEST, "build the engine again") if (folder / MANIFEST).is_file() else {}
    _check_spread(config, folder, {**_mapping(account), **manifest})
    _check_files(config, folder, manifest)
    built: dict[str, Any] = account.get("build_config") or {}
    limits = {
        "max_concurrency": (config.max_concurrency, "max_batch_size"),
        "max_batch_tokens": (config.max_batch_tokens, "max_num_tokens"),
    }
    for key, (wanted, name) in limits.items():
        if built.get(name) is not None and wanted > built[name]:
            raise LoadError(
                f"{key} {wanted}: engine {folder} was built with {name} {built[name]}; "
                f"set it to that or less, or build it again{_rebuild(folder)}"
            )
    return built


def _mapping(account: dict[str, Any]) -> dict[str, Any]:
    """Read how an engine's own account says that it was spread."""
    mapping = (account.get("pretrained_config") or {}).get("mapping") or {}
    return {"tensor": mapping.get("tp_size"), "pipeline": mapping.get("pp_size")}


def _check_spread(config: TensorrtLlmConfig, folder: Path, built: dict[str, Any]) -> None:
    for key, wanted in (("tensor", config.parallel.tensor), ("pipeline", config.parallel.pipeline)):
        if built.get(key) not in (None, wanted):
            raise LoadError(
                f"parallel.{key} {wanted}: engine {folder} was built with {built[key]}; set it to that, or build it "
                f"again{_rebuild(folder)}"
            )


def _check_sizes(what: str, folder: Path, manifest: dict[str, Any]) -> None:
    for name, size in (manifest.get("files") or {}).items():
        path = folder / Path(name).name
        if not path.is_file() or path.stat().st_size != size:
            raise LoadError(
                f"{what} {folder} is not whole: {path.name} had {size} bytes; copy it again, or build it "
                f"again{_rebuild(folder)}"
            )


def _check_files(config: TensorrtLlmConfig, folder: Path, manifest: dict[str, Any]) -> None:
    """Compare sizes, and the checkpoint's `config.json`: to hash weights would take longer than to load them."""
    _check_sizes("engine", folder, manifest)
    source = (manifest.get("sources") or {}).get("config.json")
    if source not in (None, hashlib.sha256((Path(config.checkpoint) / "config.json").read_bytes()).hexdigest()):
        raise LoadError(
            f"engine {folder} was built of another checkpoint than {config.checkpoint}: set `checkpoint` to the one it "
            f"was built of, or build it again{_rebuild(folder)}"
        )


def _rebuild(folder: Path) -> str:
    """Name the command that built an engine, where `paddock build` did."""
    if not (folder / MANIFEST).is_file():
        return ""
    return f"; it was built with `{read_json(folder / MANIFEST, 'build the engine again').get('command')}`"


def _quantization(folder: Path) -> dict[str, Any]:
    """Read what NVIDIA Model Optimizer did to a checkpoint; nothing where it did nothing."""
    path = folder / "hf_quant_config.json"
    return (read_json(path, "download the checkpoint again").get("quantization") or {}) if path.is_file() else {}


def _end_token_id(folder: Path) -> int | None:
    """Find the tokenizer's end token, by which xgrammar, as TensorRT-LLM sets it up, ends a form."""
    settings, tokenizer = folder / "tokenizer_config.json", folder / "tokenizer.json"
    if not settings.is_file() or not tokenizer.is_file():
        return None
    end = read_json(settings, "download the checkpoint again").get("eos_token")
    text = end.get("content") if isinstance(end, dict) else end
    added = read_json(tokenizer, "download the checkpoint again").get("added_tokens") or ()
    return next((int(token["id"]) for token in added if token.get("content") == text), None)


def read_json(path: Path, remedy: str) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        LoadError: it can't be read; the remedy ends the sentence.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LoadError(f"{path} can't be read ({error}): {remedy}") from error
    if not isinstance(content, dict):
        raise LoadError(f"{path} is not a JSON object: {remedy}")
    return content
