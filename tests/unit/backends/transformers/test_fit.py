"""What doesn't fit is refused in words before its weights are read, and the advice given works."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from backends.errors import LoadError
from backends.transformers import fit, loading
from backends.transformers.config import TransformersConfig
from backends.transformers.fit import Need, check_fit, needed, read_decoder
from backends.transformers.loading import load_model

CPU = torch.device("cpu")
LARGE = {
    "hidden_size": 16384,
    "intermediate_size": 53248,
    "num_hidden_layers": 126,
    "num_attention_heads": 128,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
    "tie_word_embeddings": False,
}


@pytest.fixture
def large(checkpoint, tmp_path):
    """A folder that says it holds 405 billion parameters."""
    folder = Path(shutil.copytree(checkpoint, tmp_path / "large"))
    raw = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**raw, **LARGE}))
    return folder


@pytest.fixture
def free(monkeypatch):
    """Say how many bytes are free."""

    def say(size):
        monkeypatch.setattr(fit, "free_bytes", lambda device: size)

    return say


def refusal(config, free_bytes, free) -> str:
    free(free_bytes)
    with pytest.raises(LoadError) as refused:
        load_model(config)
    return str(refused.value)


def test_weights_are_not_read(large, free, monkeypatch):
    monkeypatch.setattr(loading, "_read", lambda *args: pytest.fail("weights were read"))
    message = refusal(TransformersConfig(checkpoint=str(large), device="cpu"), 24 * 10**9, free)
    assert message.startswith(f"{large} doesn't fit cpu: it takes 1623.41 GB of weights as float32, ")
    assert message.endswith("24.00 GB are free: have 1637.41 GB free, or take a smaller model")


def test_what_is_needed_of_weights_is_what_they_are(checkpoint):
    raw = json.loads((Path(checkpoint) / "config.json").read_text())
    model = read_decoder(Path(checkpoint), raw)
    stored = sum(tensor.numel() for tensor in load_file(f"{checkpoint}/model.safetensors").values())
    config = TransformersConfig(checkpoint=checkpoint)
    assert needed(model, config, torch.bfloat16, fuses=False).weights == 2 * stored
    assert needed(model, config, torch.float32, fuses=True).weights == 4 * stored
    tied = dataclasses.replace(model, tied=True)
    assert needed(tied, config, torch.float32, fuses=False).weights == 4 * (stored - model.embedding)
    assert needed(tied, config, torch.float32, fuses=True).weights == 4 * stored  # the packed output layer is a copy


def test_what_just_fits_is_loaded(checkpoint, free):
    config = TransformersConfig(checkpoint=checkpoint, device="cpu")
    model = read_decoder(Path(checkpoint), json.loads((Path(checkpoint) / "config.json").read_text()))
    total = needed(model, config, torch.float32, fuses=True).total
    assert "doesn't fit" in refusal(config, total - 1, free)
    free(total)
    assert load_model(config).parameters == model.parameters


@pytest.mark.parametrize(
    "fields",
    [{}, {"cache_gib": 4.0}, {"context_length": 300}, {"cache_gib": 0.01, "context_length": 300}],
)
@pytest.mark.parametrize("gigabytes", [0.01, 0.5, 5, 20, 30, 33])
def test_the_advice_works(fields, gigabytes):
    eight = {
        **LARGE,
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
    }
    model = read_decoder(Path("x"), {"model_type": "llama", **eight})
    config = TransformersConfig(checkpoint="x", **fields)
    size = int(gigabytes * 1e9)

    def refused(config, dtype, fuses, size=size):
        try:
            fit_free(size)
            check_fit(needed(model, config, dtype, fuses), config, CPU, dtype)
        except LoadError as error:
            return str(error)
        return ""

    def fit_free(size):
        patch.setattr(fit, "free_bytes", lambda device: size)

    with pytest.MonkeyPatch.context() as patch:
        message = refused(config, torch.float32, fuses=True)
        assert message
        if "set `dtype` to bfloat16" in message:
            assert not refused(config, torch.bfloat16, fuses=False)
        elif lower := re.search(r"\(`cache_gib`\).* lower it to ([\d.]+) at most", message):
            assert not refused(TransformersConfig(checkpoint="x", cache_gib=float(lower[1])), torch.float32, fuses=True)
        elif lower := re.search(r"`context_length` 300\).* lower it to (\d+) at most", message):
            shorter = TransformersConfig(checkpoint="x", context_length=int(lower[1]))
            assert not refused(shorter, torch.float32, fuses=True)
        else:
            enough = float(re.search(r"have ([\d.]+) GB free, or take a smaller model", message)[1])
            assert not refused(config, torch.float32, fuses=True, size=round(enough * 1e9))


def test_the_key_that_asks_for_too_much_is_named(checkpoint, free):
    cache = TransformersConfig(checkpoint=checkpoint, device="cpu", cache_gib=1.0)
    assert re.search(r"1.07 GB of cache \(`cache_gib`\).*: lower it to 0.4\d at most", refusal(cache, 2**29, free))
    context = TransformersConfig(checkpoint=checkpoint, device="cpu", context_length=384, fused_layers=False)
    model = read_decoder(Path(checkpoint), json.loads((Path(checkpoint) / "config.json").read_text()))
    need = needed(model, context, torch.float32, fuses=False)
    message = refusal(context, need.total - need.cache // 2, free)
    assert "a request of `context_length` 384" in message
    assert message.endswith(": lower it to 192 at most")


def test_a_classifier_takes_its_files(free):
    config = TransformersConfig(checkpoint="x")
    free(999)
    with pytest.raises(LoadError, match=r"x doesn't fit cpu: it takes 0\.00 GB of weights as float32, and"):
        check_fit(Need(1000), config, CPU, torch.float32)
    free(1000)
    check_fit(Need(1000), config, CPU, torch.float32)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"num_hidden_layers": None}, "num_hidden_layers is missing"),
        ({"vocab_size": -1}, "vocab_size is no whole number"),
    ],
)
def test_a_config_without_sizes_is_refused(large, fields, reason):
    path = large / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))
    with pytest.raises(LoadError, match=rf"config\.json: {reason}"):
        load_model(TransformersConfig(checkpoint=str(large), device="cpu"))
