"""A stand-in for the `tensorrt_llm` package: the names, arguments and defaults of `api.json`, and nothing else.

An argument or an attribute that isn't recorded is an error here, as it would be there. `installed` puts the modules
where imports find them.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import sys
import types
from collections.abc import Iterator
from copy import deepcopy
from enum import Enum
from pathlib import Path
from typing import Any
from unittest import mock

from backends.tensorrt_llm.machine import Gpu
from tests.contract import checkpoint
from tests.tensorrt_llm.engine import Engine, Sequence
from tests.tensorrt_llm.result import IterationResult, RequestError, RequestOutput, Response, deliver

API = json.loads(Path(__file__).with_name("api.json").read_text(encoding="utf-8"))
RECORDED, SUPPLEMENT = API["recorded"], API["supplement"]
REQUIRED = "required"
H100 = Gpu((9, 0), 80 * 10**9)
BOS, BOS_TEXT = 301, "<|begin|>"
CALLS = frozenset(RECORDED["LLM.generate_async"])


def record(name, defaults, check=lambda self: None):
    """Make a class of keyword arguments with defaults, and no other attributes."""

    def __init__(self, **values):  # noqa: N807 - it becomes the class's
        for key in values:
            if key not in defaults:
                raise TypeError(f"{name} got an unexpected keyword argument {key!r}")
        for key, default in defaults.items():
            if default == REQUIRED and key not in values:
                raise TypeError(f"{name} misses {key!r}")
            setattr(self, key, values.get(key, deepcopy(default)))
        check(self)

    return type(name, (), {"__init__": __init__, "__slots__": tuple(defaults)})


def _is_greedy(params):
    unset = params.temperature is None and params.top_p is None and params.top_k is None
    return unset or params.temperature == 0 or params.top_k == 1 or params.top_p == 0


def _check_sampling(params):
    params.best_of = params.best_of or params.n
    if params.best_of < params.n:
        raise ValueError(f"best_of ({params.best_of}) cannot be less than n ({params.n})")
    if params.best_of > 1 and _is_greedy(params):
        raise ValueError("Greedy decoding in the LLM API does not allow multiple returns.")
    if params.guided_decoding is not None:
        params.guided_decoding.validate()
    if params.pad_id is None:
        params.pad_id = params.end_id


class GuidedDecodingParams(record("GuidedDecodingParams", RECORDED["GuidedDecodingParams"])):
    """One form, of one kind."""

    __slots__ = ()

    def validate(self):
        guides = sum(bool(getattr(self, name)) for name in RECORDED["GuidedDecodingParams"])
        if guides > 1:
            raise ValueError(f"Only one guide can be used for a request, but got {guides}.")


SamplingParams = record("SamplingParams", RECORDED["SamplingParams"], _check_sampling)
KvCacheConfig = record("KvCacheConfig", RECORDED["KvCacheConfig"])
CudaGraphConfig = record("CudaGraphConfig", RECORDED["CudaGraphConfig"])
_SUPPLEMENTED = ("SchedulerConfig", "NGramDecodingConfig", "EagleDecodingConfig", "DraftTargetDecodingConfig")
CONFIGS = {name: record(name, SUPPLEMENT[name]["fields"]) for name in (*_SUPPLEMENTED, "LoraConfig", "LoRARequest")}
BuildConfig, QuantConfig = (record(name, dict.fromkeys(RECORDED[name])) for name in ("BuildConfig", "QuantConfig"))
QuantAlgo = Enum("QuantAlgo", {"FP8": "FP8"}, type=str)
CapacitySchedulerPolicy = Enum(  # type: ignore[misc] - made of data
    "CapacitySchedulerPolicy", {name: name for name in SUPPLEMENT["CapacitySchedulerPolicy"]["values"]}, type=str
)


class _Request:
    """Sampling parameters as the engine takes them: what was set when the request was made."""

    def __init__(self, params, stop_ids):
        for name in RECORDED["SamplingParams"]:
            setattr(self, name, getattr(params, name))
        self.stop_token_ids = list(params.stop_token_ids or ())
        self.stop_ids = stop_ids
        self.greedy = _is_greedy(params)
        bias = params.embedding_bias
        self.bias = () if bias is None else tuple((i, float(bias[i])) for i in bias.nonzero().flatten().tolist())


class LLM:
    """What `tensorrt_llm.LLM` and `tensorrt_llm._tensorrt_engine.LLM` have in common.

    Attributes:
        version: what the module calls itself.
        made: those made since `installed`, for tests to look into.
        arguments: as given, with defaults.
        calls: of `generate_async`, by argument.
        engine: the thread; its knobs are for tests.
        make_engine: what makes it.
    """

    made: list[LLM]
    step_s = 0.001
    make_engine: Any = Engine
    _extra: dict[str, object]
    _sampler: str | None = None

    def __init__(self, model, **arguments):
        known = {**RECORDED["LLM.__init__"], **RECORDED["BaseLlmArgs"], **self._extra}
        for key in arguments:
            if key not in known:
                raise ValueError(f"LLM got invalid argument: {key}")
        self.arguments = {**known, "model": model, **arguments}
        self.calls = []
        self._ids = itertools.count(1)
        self._shut = False
        self._iterations = None
        self._asked = 0
        folder = Path(model)
        shape = self._shape(json.loads((folder / "config.json").read_text(encoding="utf-8")))
        self._eos = None if self.arguments["skip_tokenizer_init"] else checkpoint.STOP
        self._eos_ids = shape.get("eos_token_id", [])
        self._pieces = checkpoint.pieces()
        kv_cache = self.arguments["kv_cache_config"] or KvCacheConfig()
        self._check(kv_cache)
        self._max_num_tokens = self.arguments["max_num_tokens"]
        if self.arguments["guided_decoding_backend"] is not None:
            assert self._eos is not None, "guided decoding needs the tokenizer"
            assert (Path(self.arguments["tokenizer"] or model) / "tokenizer.json").is_file()
            self._compiler = _compiler(shape["vocab_size"])
        self.engine = self.make_engine(
            vocab_size=shape["vocab_size"],
            max_batch_size=self.arguments["max_batch_size"] or 2048,
            max_seq_len=self.arguments["max_seq_len"] or shape["max_position_embeddings"],
            tokens_per_block=kv_cache.tokens_per_block,
            reuses=kv_cache.enable_block_reuse,
            offloads=bool(kv_cache.host_cache_size),
            sampler=self._sampler or self.arguments["sampler_type"].replace("auto", "TorchSampler"),
            step_s=self.step_s,
        )
        LLM.made.append(self)

    def __getstate__(self):
        raise RuntimeError("LLM object can not be pickled.")

    @property
    def tokenizer(self):
        return self._eos

    def generate_async(self, inputs, sampling_params=None, **named):
        for key in named:
            if key not in CALLS:
                raise TypeError(f"generate_async() got an unexpected keyword argument {key!r}")
        if self._shut or not self.engine.alive:
            raise RuntimeError("LLM is shutting down")
        call = {"inputs": inputs, "sampling_params": sampling_params, **named}
        self.calls.append(call)
        prompt = self._prompt(inputs)
        params = self._prepared(sampling_params)
        chunked = self.arguments["enable_chunked_prefill"]
        if len(prompt) > self._max_num_tokens and not chunked:
            raise RequestError(f"The sum of prompt length ({len(prompt)}) should not exceed max_num_tokens")
        if len(prompt) >= self.engine.max_seq_len:
            raise RequestError(f"prompt length ({len(prompt)}) exceeds max_seq_len")
        stops = [params.stop] if isinstance(params.stop, str) else params.stop or []
        call["output"] = result = RequestOutput(self, next(self._ids), prompt, params)
        matcher = None
        if params.guided_decoding is not None:
            try:
                matcher = _Matcher(self._compiler, params.guided_decoding.grammar, self.engine.model.vocab_size)
            except RuntimeError:
                deliver([(result, Response(error=RequestError("the grammar can't be compiled")))])
                return result
        request = _Request(params, [list(stop.encode()) for stop in stops])
        if self._iterations is None:
            self._iterations = IterationResult(self._iteration)
        else:
            self._iterations.mark_undone()
        self.engine.submit(Sequence(result, prompt, request, matcher, named.get("cache_salt") or ""))
        return result

    def _iteration(self):
        """Give the statistics of an iteration, if there is one and they are kept."""
        if not self.arguments.get("enable_iter_perf_stats") or not self.engine.running:
            return None
        used = sum(len(s.prompt) + len(s.made) for s in tuple(self.engine.running.values()))
        blocks = {"maxNumBlocks": 1000, "usedNumBlocks": used, "freeNumBlocks": 1000 - used}
        active = {"numActiveRequests": len(self.engine.running)}
        return {**active, "kvCacheStats": {**blocks, "tokensPerBlock": 32, "cacheHitRate": 0.0}}

    def get_stats_async(self, timeout=2):
        """Give the one iterator that there is: none before the first request, and an ended one after a silence."""
        self._asked += 1
        assert self._asked < 100, "asked over and over: the event loop would never turn again"
        with contextlib.suppress(RuntimeError):
            asyncio.get_running_loop().call_soon(self._loop_turned)
        if self._iterations is None:
            return _nothing()
        self._iterations.set_timeout(timeout)
        return self._iterations

    def _loop_turned(self):
        self._asked = 0

    def shutdown(self):
        self._shut = True
        self.engine.stop()
        self.engine.join()

    def _check_health(self):
        return not self._shut and self.engine.alive

    def text_of(self, token_ids):
        return b"".join(self._pieces[i] for i in token_ids if i < checkpoint.STOP).decode(errors="replace")

    def _prompt(self, inputs):
        if isinstance(inputs, dict) and "prompt_token_ids" in inputs:
            inputs = inputs["prompt_token_ids"]
        elif isinstance(inputs, dict) and "prompt" in inputs:
            inputs = inputs["prompt"]
        if isinstance(inputs, str):
            pieces = inputs.split(BOS_TEXT)
            ids = [
                i for piece in pieces for i in (BOS, *piece.encode())
            ]  # a rendered BOS stays; one more comes before it
            return (BOS, *ids[1:])
        if isinstance(inputs, list):
            return tuple(inputs)
        raise TypeError(f"The inputs must be type str or list of int, but got {type(inputs)}")

    def _prepared(self, params):
        if params is None:
            params = SamplingParams()
        if not isinstance(params, SamplingParams):
            raise TypeError("The sampling_params must be type SamplingParams or None")
        if params.end_id is None:  # written into what was given
            if self._eos is None:
                raise ValueError("tokenizer is required to initialize a default sampling_params")
            params.end_id = self._eos
            params.pad_id = self._eos
            params.stop_token_ids = params.stop_token_ids or []
            params.stop_token_ids += [i for i in self._eos_ids if i not in params.stop_token_ids]
        return params

    def _shape(self, config):
        return config

    def _check(self, kv_cache):
        """Accept the arguments, or fail as the flow does."""


class TorchLLM(LLM):
    """`tensorrt_llm.LLM`."""

    _extra = RECORDED["TorchLlmArgs"]


class EngineLLM(LLM):
    """`tensorrt_llm._tensorrt_engine.LLM`, over an engine directory."""

    _extra = RECORDED["TrtLlmArgs"] | SUPPLEMENT["TrtLlmArgs"]["fields"]
    _sampler = "TRTLLMSampler"

    def _shape(self, config):
        if "pretrained_config" not in config:  # a checkpoint, to be compiled
            return config
        return config["pretrained_config"] | {"max_position_embeddings": config["build_config"]["max_seq_len"]}

    def _check(self, kv_cache):
        assert kv_cache.dtype == "auto", "kv_cache_config.dtype"
        if self.arguments["build_config"] is not None:
            return
        ranks = len(list(Path(self.arguments["model"]).glob("rank*.engine")))
        size = self.arguments["tensor_parallel_size"] * self.arguments["pipeline_parallel_size"]
        if size not in (1, ranks):
            raise ValueError(f"tp_size {size} is not consistent with the engine's {ranks}")

    def save(self, engine_dir):
        limits = {name: getattr(self.arguments["build_config"], name) for name in RECORDED["BuildConfig"]}
        shape = {"vocab_size": self.engine.model.vocab_size}
        account = {"version": API["version"], "pretrained_config": shape, "build_config": limits}
        _write(Path(engine_dir) / "config.json", account)
        for rank in range(self.arguments["tensor_parallel_size"] * self.arguments["pipeline_parallel_size"]):
            (Path(engine_dir) / f"rank{rank}.engine").touch()


def shape(vocab_size: int, context_length: int) -> dict[str, object]:
    """Describe a small Llama, as a checkpoint's `config.json` does."""
    kind = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "bfloat16"}
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    return {**kind, **sizes, **heads, "vocab_size": vocab_size, "max_position_embeddings": context_length}


def checkpoint_folder(folder: Path, vocab_size: int, context_length: int) -> Path:
    """Write a checkpoint without weights, once per folder, and return where it lies."""
    if not folder.exists():
        folder.mkdir(parents=True)
        _write(folder / "config.json", {**shape(vocab_size, context_length), "eos_token_id": [checkpoint.STOP]})
        _write(folder / "tokenizer.json", checkpoint.tokenizer())
        _write(folder / "tokenizer_config.json", {"eos_token": "<|end|>"})
    return folder


def engine_folder(folder: Path, vocab_size: int, context_length: int, ranks: int = 1, **account: object) -> Path:
    """Write an engine directory without engines, once per folder, and return where it lies."""
    if not folder.exists():
        folder.mkdir(parents=True)
        limits = {"max_seq_len": context_length, "max_batch_size": 256, "max_num_tokens": 8192}
        config = {"version": API["version"], "pretrained_config": {"vocab_size": vocab_size}, "build_config": limits}
        _write(folder / "config.json", {**config, **account})
        for rank in range(ranks):
            (folder / f"rank{rank}.engine").touch()
    return folder


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


def _compiler(vocab_size):
    import xgrammar

    pieces = checkpoint.pieces()
    vocabulary = [*pieces, *[b""] * (vocab_size - len(pieces))]
    kind = xgrammar.VocabType.RAW
    info = xgrammar.TokenizerInfo(vocabulary, kind, vocab_size=vocab_size, stop_token_ids=[checkpoint.STOP])
    return xgrammar.GrammarCompiler(info, max_threads=1)


async def _nothing():
    """End at once, and without giving way."""
    for entry in ():
        yield entry


class _Matcher:
    """Follows a form, as the real engine does with the same library."""

    def __init__(self, compiler, grammar, vocab_size):
        import xgrammar

        self._matcher = xgrammar.GrammarMatcher(compiler.compile_grammar(grammar))
        self._mask = xgrammar.allocate_token_bitmask(1, vocab_size)
        self._vocab_size = vocab_size

    def allowed(self):
        self._matcher.fill_next_token_bitmask(self._mask)
        words = [word & 0xFFFFFFFF for word in self._mask[0].tolist()]
        return [i for i in range(self._vocab_size) if words[i >> 5] >> (i & 31) & 1]

    def accept_token(self, token_id):
        self._matcher.accept_token(token_id)


def absent():
    """Let `import tensorrt_llm` fail, whatever is installed."""
    return _modules({"tensorrt_llm": None})


@contextlib.contextmanager
def _modules(these):
    """Let imports find these, and afterwards what was there before. What is imported meanwhile stays."""
    before = {name: sys.modules[name] for name in these if name in sys.modules}
    sys.modules.update(these)
    try:
        yield
    finally:
        for name in these:
            del sys.modules[name]
        sys.modules.update(before)


def machine_of(gpus):
    """Let the backend see such GPUs."""
    return mock.patch("backends.tensorrt_llm.machine.gpus", return_value=list(gpus))


@contextlib.contextmanager
def installed(version=API["version"], gpus=(H100,) * 8) -> Iterator[type[LLM]]:
    """Let `import tensorrt_llm` find the fake, on a machine with such GPUs."""
    made = {**CONFIGS, "GuidedDecodingParams": GuidedDecodingParams, "SamplingParams": SamplingParams}
    made |= {"KvCacheConfig": KvCacheConfig, "CudaGraphConfig": CudaGraphConfig, "RequestError": RequestError}
    made |= {"CapacitySchedulerPolicy": CapacitySchedulerPolicy, "QuantAlgo": QuantAlgo}
    made |= {"BuildConfig": BuildConfig, "QuantConfig": QuantConfig}
    modules = {}
    for name, entry in SUPPLEMENT["modules"].items():
        parts = name.split(".")
        for depth in range(1, len(parts) + 1):
            modules.setdefault(".".join(parts[:depth]), types.ModuleType(".".join(parts[:depth])))
        for member in entry["names"]:
            setattr(modules[name], member, version if member == "__version__" else made[member])
    modules["tensorrt_llm._tensorrt_engine"] = types.ModuleType("tensorrt_llm._tensorrt_engine")
    modules["tensorrt_llm"].LLM = TorchLLM  # type: ignore[attr-defined]
    modules["tensorrt_llm._tensorrt_engine"].LLM = EngineLLM  # type: ignore[attr-defined]
    made_before, LLM.made = getattr(LLM, "made", []), []
    try:
        with _modules(modules), machine_of(gpus):
            yield LLM
    finally:
        for llm in LLM.made:
            llm.engine.stop()
        LLM.made = made_before
