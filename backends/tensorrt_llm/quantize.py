"""Quantizes a checkpoint to FP8 with NVIDIA Model Optimizer: `PYTHON quantize.py SOURCE TARGET TEXTS`.

Without arguments it prints the version of Model Optimizer, which what it makes depends on.

Runs by path in an environment of Model Optimizer's own (`pip install nvidia-modelopt[hf]`), which wants another
transformers than TensorRT-LLM does; so it imports nothing of Paddock's. `TEXTS` is a file with a text per line, by
which activations are scaled; they should be like what the model will serve.
"""

from __future__ import annotations

import copy
import importlib
import importlib.metadata
import sys
from pathlib import Path
from typing import Any

_TOKENS = 512


def main(source: str, target: str, texts: str) -> None:
    """Write the quantized checkpoint, in the format that TensorRT-LLM reads."""
    torch: Any = importlib.import_module("torch")
    transformers: Any = importlib.import_module("transformers")
    quantization: Any = importlib.import_module("modelopt.torch.quantization")
    export: Any = importlib.import_module("modelopt.torch.export")

    tokenizer = transformers.AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    model = transformers.AutoModelForCausalLM.from_pretrained(
        source, torch_dtype="auto", device_map="auto", trust_remote_code=False
    )
    lines = [line for line in Path(texts).read_text(encoding="utf-8").splitlines() if line.strip()]

    def calibrate(quantized: Any) -> None:
        for number, line in enumerate(lines, 1):
            ids = tokenizer(line, return_tensors="pt", truncation=True, max_length=_TOKENS).input_ids
            with torch.no_grad():
                quantized(ids.to(quantized.device))
            if number % 50 == 0 or number == len(lines):
                sys.stderr.write(f"calibrated with {number} of {len(lines)} texts\n")

    config = copy.deepcopy(quantization.FP8_DEFAULT_CFG)
    config["quant_cfg"].update(quantization.FP8_KV_CFG["quant_cfg"])
    export.export_hf_checkpoint(quantization.quantize(model, config, forward_loop=calibrate), export_dir=target)
    tokenizer.save_pretrained(target)


def version() -> str:
    """Tell which Model Optimizer is installed."""
    try:
        return importlib.metadata.version("nvidia-modelopt")
    except importlib.metadata.PackageNotFoundError:
        sys.exit(f"{sys.executable} has no Model Optimizer: pip install 'nvidia-modelopt[hf]' there")


if __name__ == "__main__":
    if sys.argv[1:]:
        main(*sys.argv[1:])
    else:
        sys.stdout.write(version())
