"""What is loaded, and what is refused with a remedy."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from backends.errors import LoadError
from backends.transformers.assembly import build_engine
from backends.transformers.config import TransformersConfig
from backends.transformers.linear import PackedLinear
from backends.transformers.loading import check_checkpoint, load_model, resolve_device


@pytest.fixture
def copy(checkpoint, tmp_path):
    """A copy to be spoilt."""
    return Path(shutil.copytree(checkpoint, tmp_path / "copy"))


def edit(folder, **fields):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def load(folder, **fields):
    return load_model(TransformersConfig(checkpoint=str(folder), device="cpu", **fields))


def build(checkpoint, **fields):
    return build_engine(TransformersConfig(checkpoint=checkpoint, **{"cache_gib": 0.25, "num_threads": 1, **fields}))[
        :2
    ]


def test_loads_fused_float32_on_cpu(checkpoint, caplog):
    with caplog.at_level(logging.INFO):
        loaded = load(checkpoint)
    assert (loaded.device.type, loaded.dtype, loaded.fused) == ("cpu", torch.float32, True)
    assert isinstance(loaded.model.lm_head, PackedLinear)
    assert not loaded.model.training
    parameters = f"{sum(tensor.numel() for tensor in load_file(f'{checkpoint}/model.safetensors').values()) / 1e6:.1f}"
    assert f"{parameters} million parameters" in caplog.text
    assert [record.levelname for record in caplog.records] == ["INFO", "INFO"]


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_dtype_asked_for(checkpoint, dtype):
    engine, capabilities = build(checkpoint, dtype=dtype)
    assert capabilities.dtype == dtype
    assert engine._model.dtype == getattr(torch, dtype)


def test_sharded_checkpoint(stock, tmp_path):
    stock()[1].save_pretrained(tmp_path, max_shard_size="100KB")
    assert not (tmp_path / "model.safetensors").exists()
    assert torch.equal(load(tmp_path).model.model.norm.weight, stock()[1].model.norm.weight)
    shard = next(tmp_path.glob("model-00002-*"))
    shard.unlink()
    with pytest.raises(LoadError, match=f"lacks {shard.name}"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"auto_map": {"AutoModelForCausalLM": "evil.Model"}}, "auto_map"),
        ({"architectures": ["MistralForCausalLM"], "model_type": "mistral"}, "not LlamaForCausalLM"),
        ({"architectures": ["LlamaForTokenClassification"]}, "not LlamaForCausalLM and no sequence classifier"),
        ({"architectures": None}, "not LlamaForCausalLM"),
        ({"quantization_config": {"quant_method": "fp8"}}, "quantized"),
        ({"rope_parameters": {"rope_type": "dynamic", "factor": 2.0}}, "change with the batch"),
        ({"rope_parameters": None, "rope_scaling": {"type": "longrope"}}, "change with the batch"),
    ],
)
def test_config_refused(copy, fields, reason):
    edit(copy, **fields)
    with pytest.raises(LoadError, match=reason):
        check_checkpoint(copy)


def test_remote_code_is_not_run(copy):
    edit(copy, auto_map={"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model"})
    (copy / "evil.py").write_text("raise SystemExit('was run')")
    with pytest.raises(LoadError, match="refused"):
        load(copy)


def test_pickled_weights_are_refused(copy):
    torch.save(load_file(copy / "model.safetensors"), copy / "pytorch_model.bin")
    (copy / "model.safetensors").unlink()
    with pytest.raises(LoadError, match=r"pickled weights are refused.*safe_serialization"):
        load(copy)


@pytest.mark.parametrize("name", ["../elsewhere.safetensors", "model.bin", "/etc/passwd"])
def test_index_pointing_elsewhere(copy, name):
    (copy / "model.safetensors").unlink()
    (copy / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"lm_head.weight": name}}))
    with pytest.raises(LoadError, match="no safetensors file of this folder"):
        load(copy)


@pytest.mark.parametrize("text", ["{", "[]", '{"weight_map": []}'])
def test_broken_index(copy, text):
    (copy / "model.safetensors").unlink()
    (copy / "model.safetensors.index.json").write_text(text)
    with pytest.raises(LoadError, match="can't be read"):
        load(copy)


def test_missing_folder_and_config(tmp_path):
    with pytest.raises(LoadError, match="not a folder"):
        load(tmp_path / "absent")
    with pytest.raises(LoadError, match=r"no readable config\.json"):
        load(tmp_path)
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(LoadError, match="not a JSON object"):
        load(tmp_path)


def test_missing_weights_are_not_made_up(copy):
    weights = load_file(copy / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(LoadError, match=r"lacks 1 weights, such as model\.layers\.1\.mlp\.up_proj\.weight"):
        load(copy)


def test_truncated_weights(copy):
    path = copy / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(LoadError, match="check its files"):
        load(copy)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is there")
def test_absent_device():
    assert resolve_device("auto").type == "cpu"
    with pytest.raises(LoadError, match="device cuda:3 is not there"):
        resolve_device("cuda:3")


def test_context_length(checkpoint):
    assert build(checkpoint)[1].context_length == 384
    assert build(checkpoint, context_length=100)[1].context_length == 100
    with pytest.raises(LoadError, match="`context_length` 385 exceeds the model's 384"):
        build(checkpoint, context_length=385)


def test_cache_size_bounds_the_context(checkpoint, caplog):
    per_token = 2 * 2 * 2 * 16 * 4  # 2 layers, 2 key heads of 16, f32
    gib = 200 * per_token / 2**30
    assert build(checkpoint, cache_gib=gib)[1].context_length == 193
    assert "doesn't fit `cache_gib`" in caplog.text
    with pytest.raises(LoadError, match="`context_length` 300 takes 384 tokens of cache and 200 fit"):
        build(checkpoint, cache_gib=gib, context_length=300)
    with pytest.raises(LoadError, match="raise `cache_gib`"):
        build(checkpoint, cache_gib=gib / 100)
    with pytest.raises(LoadError, match="lower it"):
        build(checkpoint, cache_gib=1e6)


def test_default_cache_is_half_of_what_is_free(checkpoint, monkeypatch):
    monkeypatch.setattr("backends.transformers.assembly.free_bytes", lambda device: 2 * 200 * 512)
    assert build(checkpoint, cache_gib=None)[1].context_length == 193


def test_what_is_kept_fits_beside_the_cache(checkpoint, monkeypatch):
    monkeypatch.setattr("backends.transformers.assembly.free_bytes", lambda device: 1000 * 512)
    gib = 512 / 2**30
    assert build(checkpoint, cache_gib=500 * gib, prefix_cache_gib=500 * gib)
    with pytest.raises(LoadError, match=r"`prefix_cache_gib`.*lower it"):
        build(checkpoint, cache_gib=500 * gib, prefix_cache_gib=501 * gib)


def test_model_that_cannot_run_is_not_served(copy):
    weights = load_file(copy / "model.safetensors")
    weights["model.norm.weight"].fill_(float("nan"))
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(LoadError, match="not finite"):
        build(str(copy))
