"""From a folder to a model: what is refused, and why. Every failure is a `LoadError` that names its remedy.

Only safetensors are read, and no code that comes with a checkpoint is run.
"""

from __future__ import annotations

import json
import logging
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers

from backends.errors import LoadError
from backends.transformers.attention import ATTENTION, register_attention
from backends.transformers.config import TransformersConfig
from backends.transformers.fit import Need, check_fit, needed, read_decoder
from backends.transformers.fused import fuse
from backends.transformers.threads import use_threads

logger = logging.getLogger(__name__)

_ARCHITECTURE = "LlamaForCausalLM"
_CLASSIFIERS = "ForSequenceClassification"
"""What the names of their architectures end in, whatever model is under them."""
_STATIC_ROPES = frozenset({"default", "linear", "llama3", "yarn"})
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class LoadedModel:
    """A model in eval mode on its device.

    Attributes:
        model: the `LlamaForCausalLM`, its attention replaced by ours; or a sequence classifier, as it is.
        classifies: which of the two.
        parameters: how many.
        device: where its weights are.
        dtype: of its weights.
        fused: whether its layers were replaced by our own, so that results don't depend on batch mates.
    """

    model: Any
    classifies: bool
    parameters: int
    device: torch.device
    dtype: torch.dtype
    fused: bool


def load_model(config: TransformersConfig) -> LoadedModel:
    """Read the folder of a config's checkpoint. Takes seconds to minutes; runs PyTorch on the calling thread.

    Raises:
        LoadError: no such folder, no safetensors, another architecture, remote code, quantized weights, missing
            weights, an absent device, or not enough memory.
    """
    started = time.monotonic()
    folder = Path(config.checkpoint)
    raw = check_checkpoint(folder)
    place = resolve_device(config.device)
    kind = _resolve_dtype(config.dtype, raw, place)
    size = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    logger.info("loading %s: %.2f GB of weights as %s on %s", folder, size / 1e9, _name(kind), place)
    classifies = str(raw["architectures"][0]).endswith(_CLASSIFIERS)
    fuses = config.fused_layers and not classifies and place.type == "cpu" and kind == torch.float32
    decoder = None if classifies else read_decoder(folder, raw)
    stored = _DTYPES.get(_stored(raw), kind)
    need = needed(decoder, config, kind, fuses) if decoder else Need(size * kind.itemsize // stored.itemsize)
    check_fit(need, config, place, kind)
    register_attention()
    model = _read(folder, kind, place, classifies)
    parameters = decoder.parameters if decoder else sum(p.numel() for p in model.parameters())
    use_threads(config.num_threads, parameters)  # before weights are packed: for how many matters
    fused = fuses and fuse(model)
    logger.info(
        "loaded %s: %.1f million parameters, %s on %s, layers %s, in %.1f s",
        folder,
        parameters / 1e6,
        _name(kind),
        place,
        "fused" if fused else "stock",
        time.monotonic() - started,
    )
    return LoadedModel(model, classifies, parameters, place, kind, fused)


def check_checkpoint(folder: Path) -> dict[str, Any]:
    """Look at a folder without reading weights.

    Returns:
        the content of its `config.json`.
    """
    if not folder.is_dir():
        raise LoadError(f"checkpoint {folder} is not a folder: set `checkpoint` to one that holds the model's files")
    try:
        raw = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LoadError(f"{folder} has no readable config.json ({error}): download the checkpoint again") from error
    if not isinstance(raw, dict):
        raise LoadError(f"{folder}/config.json is not a JSON object: download the checkpoint again")
    _check_config(folder, raw)
    _check_weights(folder)
    return raw


def _check_config(folder: Path, raw: dict[str, Any]) -> None:
    architectures = raw.get("architectures") or [None]
    if "auto_map" in raw:
        raise LoadError(
            f"{folder} wants code of its own run (`auto_map`), which is refused: "
            "use a checkpoint converted to the library's own Llama classes"
        )
    if "quantization_config" in raw:
        raise LoadError(f"{folder} is quantized, which this backend can't compute: use the unquantized checkpoint")
    if str(architectures[0]).endswith(_CLASSIFIERS):
        return
    if raw.get("model_type") != "llama" or architectures[0] != _ARCHITECTURE:
        raise LoadError(
            f"{folder} holds {architectures[0]} ({raw.get('model_type')}), not {_ARCHITECTURE} and no sequence "
            "classifier: serve it with another backend"
        )
    rope = raw.get("rope_parameters") or raw.get("rope_scaling") or {}
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind not in _STATIC_ROPES:
        raise LoadError(
            f"{folder} uses `{kind}` rotary embeddings, which change with the batch: "
            f"use a checkpoint with one of {sorted(_STATIC_ROPES)}"
        )


def _check_weights(folder: Path) -> None:
    index = folder / "model.safetensors.index.json"
    if (folder / "model.safetensors").is_file():
        return
    if not index.is_file():
        raise LoadError(
            f"{folder} has no model.safetensors (pickled weights are refused): "
            "convert it with `save_pretrained(safe_serialization=True)`"
        )
    try:
        names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise LoadError(f"{index} can't be read ({error}): download the checkpoint again") from error
    for name in sorted(map(str, names)):
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise LoadError(
                f"{index} names {name!r}, which is no safetensors file of this folder: use a clean download"
            )
        if not (folder / name).is_file():
            raise LoadError(f"{folder} lacks {name}: finish the download")


def resolve_device(device: str) -> torch.device:
    """Map the config's word to a device that is there."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu":
        return torch.device("cpu")
    place = torch.device(device)
    index = place.index or 0
    if not torch.cuda.is_available() or index >= torch.cuda.device_count():
        raise LoadError(f"device {device} is not there: set `device` to `cpu` or `auto`, or check the GPU's driver")
    return torch.device("cuda", index)


def _resolve_dtype(dtype: str, raw: dict[str, Any], device: torch.device) -> torch.dtype:
    if dtype != "auto":
        return _DTYPES[dtype]
    if device.type == "cpu":
        return torch.float32
    return _DTYPES.get(_stored(raw), torch.bfloat16)


def _stored(raw: dict[str, Any]) -> str:
    return str(raw.get("dtype") or raw.get("torch_dtype"))


def _read(folder: Path, dtype: torch.dtype, device: torch.device, classifies: bool) -> Any:
    auto: Any = transformers.AutoModelForSequenceClassification if classifies else transformers.AutoModelForCausalLM
    attention = {} if classifies else {"attn_implementation": ATTENTION}
    try:
        with _quiet():
            model, report = auto.from_pretrained(
                folder,
                dtype=dtype,
                **attention,
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
                output_loading_info=True,
            )
            model = model.to(device).eval()
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise LoadError(
            f"{folder} doesn't fit into the memory of {device}: use a larger one or a smaller `dtype`"
        ) from error
    except Exception as error:  # the library raises what it likes on a broken file
        raise LoadError(f"{folder} can't be loaded ({type(error).__name__}: {error}): check its files") from error
    missing = sorted(report["missing_keys"]) + sorted(str(key) for key in report["mismatched_keys"])
    if missing:
        raise LoadError(f"{folder} lacks {len(missing)} weights, such as {missing[0]}: download the checkpoint again")
    return model


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the library's progress bars and advice out of the log while it loads."""
    library: Any = transformers.utils.logging
    level, bars = library.get_verbosity(), library.is_progress_bar_enabled()
    library.set_verbosity_error()
    library.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        library.set_verbosity(level)
        if bars:
            library.enable_progress_bar()


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
