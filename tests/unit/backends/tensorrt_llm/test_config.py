"""What a config may hold, and what TensorRT-LLM is given of it."""

from __future__ import annotations

import json

import pytest

from backends.errors import LoadError
from backends.tensorrt_llm.backend import TensorrtLlmBackend
from backends.tensorrt_llm.config import Drafter, Sampler, configured
from backends.types import Feature, Seeding
from tests.tensorrt_llm import fake

VOCAB_SIZE, CONTEXT_LENGTH = 512, 1024


@pytest.fixture
def checkpoint(tmp_path):
    with fake.installed():
        yield fake.checkpoint_folder(tmp_path / "checkpoint", VOCAB_SIZE, CONTEXT_LENGTH)


async def loaded(**settings):
    """Load a backend and give what the vendor's LLM was made of, and what the backend can do."""
    backend = TensorrtLlmBackend(**settings)
    try:
        capabilities = await backend.load()
        return fake.LLM.made[-1].arguments, capabilities
    finally:
        await backend.close()


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"max_concurrency": 0}, "max_concurrency"),
        ({"context_length": 1}, "context_length"),
        ({"parallel": {"tensor": 0}}, "parallel.tensor"),
        ({"kv_cache": {"memory_fraction": 1.0}}, "kv_cache.memory_fraction"),
        ({"kv_cache": {"tokens_per_block": 48}}, "kv_cache.tokens_per_block"),
        ({"kv_cache": {"dtype": "int4"}}, "kv_cache.dtype"),
        ({"kv_cache": {"dtype": "fp8"}, "engine": "/engine"}, "kv_cache.dtype"),
        ({"sampler": Sampler.torch, "engine": "/engine"}, "sampler"),
        ({"lora": {"adapter": "/adapter"}, "engine": "/engine"}, "lora.adapter"),
        ({"speculative": {"drafter": Drafter.ngram}, "engine": "/engine"}, "speculative.drafter"),
        ({"speculative": {"drafter": Drafter.ngram}}, "sampler"),
        ({"speculative": {"drafter": Drafter.eagle}, "sampler": Sampler.torch}, "speculative.model"),
        (
            {"speculative": {"drafter": Drafter.eagle}, "sampler": Sampler.torch, "parallel": {"pipeline": 2}},
            "speculative.drafter",
        ),
        ({"lora": {"adapter": "/adapter"}}, "cuda_graph.enabled"),
        ({"silence_s": 0}, "silence_s"),
        ({"silence_s": float("inf")}, "silence_s"),
    ],
    ids=str,
)
def test_what_can_not_be_is_refused_by_key(settings, key):
    with pytest.raises(ValueError, match=rf"^{key}\b"):
        configured({"checkpoint": "/checkpoint", **settings})


@pytest.mark.parametrize("settings", [{"max_batch_size": 3}, {"kv_cache": {"fraction": 0.5}}])
def test_unknown_keys_are_refused(settings):
    with pytest.raises(TypeError):
        configured({"checkpoint": "/checkpoint", **settings})


async def test_defaults_are_safe_ones(checkpoint):
    arguments, capabilities = await loaded(checkpoint=str(checkpoint))
    assert arguments["enable_chunked_prefill"]
    assert arguments["kv_cache_config"].host_cache_size is None
    assert not arguments["trust_remote_code"]
    assert arguments["sampler_type"] == "TRTLLMSampler"
    assert arguments["guided_decoding_backend"] == "xgrammar"
    assert arguments["max_seq_len"] == capabilities.context_length == CONTEXT_LENGTH
    assert arguments["max_batch_size"] == capabilities.max_concurrency == 256
    assert capabilities.seeding is Seeding.REQUEST
    assert capabilities.dtype == "bfloat16"


async def test_groups_reach_the_vendor(checkpoint):
    arguments, _ = await loaded(
        checkpoint=str(checkpoint),
        context_length=600,
        max_concurrency=12,
        max_batch_tokens=256,
        parallel={"tensor": 4, "pipeline": 2, "gpus_per_node": 8},
        kv_cache={"dtype": "fp8", "memory_fraction": 0.5, "block_reuse": False, "tokens_per_block": 64},
        cuda_graph={"batch_sizes": [1, 2, 4]},
    )
    assert [arguments[f"{name}_parallel_size"] for name in ("tensor", "pipeline")] == [4, 2]
    assert (arguments["gpus_per_node"], arguments["max_num_tokens"], arguments["max_seq_len"]) == (8, 256, 600)
    cache = arguments["kv_cache_config"]
    assert (cache.dtype, cache.free_gpu_memory_fraction, cache.enable_block_reuse) == ("fp8", 0.5, False)
    assert arguments["cuda_graph_config"].batch_sizes == [1, 2, 4]
    assert not arguments["enable_lora"]


@pytest.mark.parametrize(
    ("drafter", "kind"),
    [("ngram", "NGramDecodingConfig"), ("eagle", "EagleDecodingConfig"), ("draft_model", "DraftTargetDecodingConfig")],
)
async def test_drafters_become_the_vendors(checkpoint, drafter, kind):
    speculative = {"drafter": Drafter(drafter), "max_draft_tokens": 5, "model": "/draft"}
    arguments, capabilities = await loaded(checkpoint=str(checkpoint), sampler=Sampler.torch, speculative=speculative)
    assert type(arguments["speculative_config"]).__name__ == kind
    drafts = arguments["speculative_config"]
    assert drafts.max_draft_len == 5
    assert arguments["disable_overlap_scheduler"]
    if drafter == "ngram":
        assert not drafts.is_public_pool  # what one client's text teaches is no other's
    else:
        assert drafts.speculative_model == "/draft"
    if drafter == "eagle":
        assert not drafts.eagle3_one_model  # that one would draw greedily whatever was asked
    assert capabilities.seeding is Seeding.NONE
    assert Feature.LOGPROBS in capabilities.features
    assert Feature.GRAMMAR not in capabilities.features


async def test_the_adapter_is_on_for_every_request(checkpoint):
    from tests.contract.rig import request

    lora = {"adapter": "/adapter", "max_rank": 16}
    backend = TensorrtLlmBackend(checkpoint=str(checkpoint), lora=lora, cuda_graph={"enabled": False})
    await backend.load()
    async for _ in backend.generate(request(max_tokens=2)):
        pass
    assert fake.LLM.made[-1].calls[-1]["lora_request"].lora_path == "/adapter"
    arguments = fake.LLM.made[-1].arguments
    assert (arguments["enable_lora"], arguments["cuda_graph_config"]) == (True, None)
    assert (arguments["lora_config"].lora_dir, arguments["lora_config"].max_lora_rank) == (["/adapter"], 16)
    await backend.close()


async def test_without_an_end_token_no_forms(checkpoint):
    (checkpoint / "tokenizer_config.json").unlink()
    arguments, capabilities = await loaded(checkpoint=str(checkpoint))
    assert arguments["guided_decoding_backend"] is None
    assert arguments["skip_tokenizer_init"]
    assert Feature.GRAMMAR not in capabilities.features


async def test_fp8_checkpoints_say_so(checkpoint):
    (checkpoint / "hf_quant_config.json").write_text(json.dumps({"quantization": {"quant_algo": "FP8"}}))
    assert (await loaded(checkpoint=str(checkpoint)))[1].dtype == "fp8"


@pytest.mark.parametrize("version", ["1.1.0", "1.3.0", "1.20.1"])
async def test_other_releases_are_refused_in_words(tmp_path, version):
    with fake.installed(version):
        folder = fake.checkpoint_folder(tmp_path / "checkpoint", VOCAB_SIZE, CONTEXT_LENGTH)
        with pytest.raises(LoadError, match=rf"{version} is installed.*1\.2\.x.*transformers"):
            await loaded(checkpoint=str(folder))


async def test_without_the_package_load_says_what_to_do(tmp_path):
    with fake.absent(), pytest.raises(LoadError, match=r"tensorrt_llm can't be imported.*transformers"):
        await loaded(checkpoint=str(tmp_path))


@pytest.mark.parametrize(
    ("account", "settings", "message"),
    [
        ({"version": "1.2.0"}, {}, r"built by TensorRT-LLM 1\.2\.0, and 1\.2\.1 is installed: build it again"),
        ({}, {"parallel": {"tensor": 2}}, r"built for 1 GPUs.* is 2"),
        ({"pretrained_config": {"mapping": {"tp_size": 1, "pp_size": 2}}}, {}, r"parallel\.pipeline 1: .* with 2"),
        ({}, {"max_concurrency": 300}, r"max_concurrency 300.*max_batch_size 256"),
        ({}, {"max_batch_tokens": 9000}, r"max_batch_tokens 9000.*max_num_tokens 8192"),
        ({}, {"context_length": 1025}, r"context_length 1025: the model was made for 1024"),
    ],
    ids=str,
)
async def test_an_engine_that_does_not_fit_is_refused_before_it_loads(checkpoint, tmp_path, account, settings, message):
    engine = fake.engine_folder(tmp_path / "engine", VOCAB_SIZE, CONTEXT_LENGTH, **account)
    with pytest.raises(LoadError, match=message):
        await loaded(checkpoint=str(checkpoint), engine=str(engine), **settings)
    assert fake.LLM.made == []


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", "{", "can't be read"),
        ("config.json", "[]", "not a JSON object"),
        ("config.json", '{"architectures": ["LlamaForCausalLM"], "model_type": "llama"}', "hidden_size"),
        ("config.json", '{"architectures": ["LlamaForCausalLM"], "model_type": "bert"}', "model_type is 'bert'"),
        ("config.json", '{"architectures": ["BertForSequenceClassification"]}', "serves LlamaForCausalLM"),
        ("config.json", '{"auto_map": {}}', "auto_map"),
    ],
)
async def test_a_broken_checkpoint_is_refused(checkpoint, name, content, message):
    (checkpoint / name).write_text(content)
    with pytest.raises(LoadError, match=message):
        await loaded(checkpoint=str(checkpoint))
