"""A small adapter over TensorRT-LLM, right but for the one flaw that it is told to have, for its test to catch."""

from __future__ import annotations

import asyncio

from backends.errors import ComputeError, UnavailableError
from tests.tensorrt_llm import fake

FLAWS = {
    "from a thread": "generate_async is called where no event loop runs",
    "cumulative": "token_ids are taken for what is new",
    "late reading": "a step is read after the next one has come",
    "no abort": "cancelling is left to the garbage collector",
    "result with a timeout": "result(timeout) is trusted to return",
    "stop strings": "stop strings are the engine's to find",
    "one SamplingParams": "sampling parameters are kept for the next request",
    "defaults left out": "sampling fields at our defaults are not passed",
    "no seed": "the seed is not passed",
    "no max_tokens": "max_tokens is not passed",
    "no end_id": "the end id is left to the engine",
    "stop cut off": "the stop token is not put back",
    "whole prefill": "chunked prefill is not switched on",
    "errors as they come": "the vendor's errors are passed on",
    "every error is one request's": "death is taken for bad luck",
    "every RequestError is one request's": "what each running request is told is taken for its own",
    "text in": "the prompt goes in as text",
    "penalized prompt": "the prompt is counted by presence and frequency penalties",
    "offloading": "blocks are offloaded to the host",
    "no salt": "the salt is not passed on",
    "statistics unasked": "statistics are read and not switched on",
    "statistics from a thread": "statistics are asked for where no event loop runs",
    "statistics without a pause": "statistics that have ended are asked for again at once",
}


class Sketch:
    """Greedy or sampled answers of token ids; no queue, no logprobs."""

    def __init__(self, folder, flaw="", max_batch_tokens=8192):
        self.flaw, self._folder, self._max_batch_tokens = flaw, folder, max_batch_tokens
        self._params = None
        self._dead = asyncio.Event()
        self.usage = None

    def has(self, flaw):
        assert flaw in FLAWS
        return self.flaw == flaw

    async def open(self):
        from tensorrt_llm import LLM
        from tensorrt_llm.llmapi import KvCacheConfig

        self.llm = LLM(
            model=str(self._folder),
            sampler_type="TRTLLMSampler",
            max_num_tokens=self._max_batch_tokens,
            enable_chunked_prefill=not self.has("whole prefill"),
            enable_iter_perf_stats=not self.has("statistics unasked"),
            kv_cache_config=KvCacheConfig(host_cache_size=2**30 if self.has("offloading") else None),
        )
        if self.has("statistics from a thread"):
            self._following = asyncio.create_task(asyncio.to_thread(self.llm.get_stats_async, 5))
        else:
            self._following = asyncio.create_task(self._follow())
        return self

    async def close(self):
        self._following.cancel()
        await asyncio.wait([self._following])
        if not self._following.cancelled():
            self._following.exception()
        self.llm.shutdown()

    @property
    def is_ready(self):
        return not self._dead.is_set()

    async def _follow(self):
        while True:
            if not self.has("statistics without a pause"):
                await asyncio.sleep(0.01)
            async for entry in self.llm.get_stats_async(timeout=1):
                self.usage = entry["kvCacheStats"]["usedNumBlocks"] / entry["kvCacheStats"]["maxNumBlocks"]

    async def generate(self, request):
        """Yield lists of new ids."""
        from tensorrt_llm.llmapi import RequestError

        try:
            async for ids in self._generate(request):
                yield ids
        except RuntimeError as error:
            if self.has("errors as they come"):
                raise
            own = isinstance(error, RequestError) and "CUDA" not in str(error)
            own |= isinstance(error, RequestError) and self.has("every RequestError is one request's")
            if own or self.has("every error is one request's"):
                raise ComputeError("failed") from error
            self._dead.set()
            raise UnavailableError("dead") from error

    async def _generate(self, request):
        output = await self._submitted(request)
        if self.has("result with a timeout"):
            yield output.result(timeout=0.001).outputs[0].token_ids
            return
        dead = asyncio.create_task(self._dead.wait())
        previous = None
        try:
            while not output.finished:
                step = asyncio.ensure_future(anext(output))
                await asyncio.wait({step, dead}, return_when=asyncio.FIRST_COMPLETED)
                if not step.done():
                    step.cancel()
                    raise UnavailableError("dead")
                step.result()
                completion = output.outputs[0]
                ids = list(completion.token_ids if self.has("cumulative") else completion.token_ids_diff)
                if completion.finish_reason == "stop" and not self.has("stop cut off"):
                    stops = request.stop_token_ids
                    ids += [] if ids and ids[-1] in stops else [completion.stop_reason or min(stops)]
                if not self.has("late reading"):
                    yield ids
                elif previous is not None:
                    yield list(previous.outputs[0].token_ids_diff)
                previous = output
        finally:
            dead.cancel()
            if not output.finished and not self.has("no abort"):
                output.abort()

    async def _submitted(self, request):
        inputs = {"prompt_token_ids": [*request.prompt]}
        if self.has("text in"):
            inputs = "".join(fake.BOS_TEXT if i == fake.BOS else chr(i) for i in request.prompt)
        salt = None if self.has("no salt") else request.cache_salt or None
        arguments = {"streaming": True, "cache_salt": salt, "sampling_params": self._sampling(request)}
        if self.has("from a thread"):
            return await asyncio.to_thread(self.llm.generate_async, inputs, **arguments)
        return self.llm.generate_async(inputs, **arguments)

    def _sampling(self, request):
        from tensorrt_llm import SamplingParams

        if self.has("one SamplingParams") and self._params is not None:
            return self._params
        sampling, stops = request.sampling, sorted(request.stop_token_ids)
        greedy = sampling.temperature == 0
        fields = {
            "end_id": stops[0] if stops else 0,
            "ignore_eos": not stops,
            "max_tokens": request.max_tokens,
            "seed": sampling.seed,
            "temperature": 0.0 if greedy else sampling.temperature,
            "top_k": None if greedy else sampling.top_k,
            "top_p": None if greedy else sampling.top_p,
        }
        left_out = {
            "no seed": ("seed",),
            "no max_tokens": ("max_tokens",),
            "no end_id": ("end_id", "ignore_eos"),
            "defaults left out": ("temperature", "top_k", "top_p") if sampling.temperature == 1.0 else (),
        }
        for name in left_out.get(self.flaw, ()):
            del fields[name]
        bias = None
        if sampling.logit_bias:
            import torch

            bias = torch.zeros(512)
            for token_id, value in sampling.logit_bias:
                bias[token_id] = value
        self._params = SamplingParams(
            stop_token_ids=stops,
            stop=["ab"] if self.has("stop strings") else None,
            detokenize=self.has("stop strings"),
            embedding_bias=bias,
            presence_penalty=sampling.presence_penalty,
            prompt_ignore_length=None if self.has("penalized prompt") else len(request.prompt),
            **fields,
        )
        return self._params
