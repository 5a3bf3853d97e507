"""The fake's engine: a thread that steps through all running requests, and a toy model for their tokens.

The model is the simulator's. How ids are chosen is told by the sampler's name, as in 1.2.1: the C++ sampler
(`TRTLLMSampler`, and the compiled engine's) draws from a stream of random numbers that begins with the request and its
seed; `TorchSampler` draws from one stream for all, and takes neither penalties nor min_p.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from dataclasses import replace

from backends.simulator.model import CANDIDATES, FLOOR_LOGIT, ToyModel, context_of, extended
from backends.simulator.sampling import allowed, choose, draw, edited, edits_logits
from backends.types import Sampling
from tests.tensorrt_llm.result import Logprob, RequestError, Response, deliver

_RATIOS = {}


class Sequence:
    """One request in the engine."""

    def __init__(self, result, prompt, params, matcher, salt):
        self.result, self.prompt, self.params, self.matcher, self.salt = result, prompt, params, matcher, salt
        self.made = []
        self.cancelled = False
        self.cached_tokens = 0
        self.context = context_of(prompt)
        ignored = min(params.prompt_ignore_length or 0, len(prompt))
        self.counted = Counter(prompt[ignored:])
        self.prompt_ids = frozenset(prompt)
        self.stops = {(token_id,) for token_id in params.stop_token_ids or ()} | {tuple(ids) for ids in params.stop_ids}
        self.greedy = params.greedy

    def sampling(self, sampler):
        """The parameters as the simulator has them, and as the sampler knows them."""
        params = self.params
        common = Sampling(
            seed=params.seed or 0,
            temperature=0.0 if self.greedy else 1.0 if params.temperature is None else params.temperature,
            top_k=0 if self.greedy else params.top_k or 0,
            top_p=1.0 if self.greedy else params.top_p or 1.0,
            logit_bias=params.bias,
        )
        if sampler == "TorchSampler":
            return common
        return replace(
            common,
            min_p=0.0 if self.greedy else params.min_p or 0.0,
            repetition_penalty=params.repetition_penalty or 1.0,
            presence_penalty=params.presence_penalty or 0.0,
            frequency_penalty=params.frequency_penalty or 0.0,
        )


class Engine(threading.Thread):
    """Steps until it is stopped, or dies.

    Attributes:
        step_s: between two steps.
        doomed: called for each request and step; an exception that it returns fails the request, or is the death of all
            where it is no RequestError.
    """

    def __init__(self, *, vocab_size, max_batch_size, max_seq_len, tokens_per_block, reuses, offloads, sampler, step_s):
        super().__init__(name="fake engine", daemon=True)
        self.model = ToyModel(vocab_size, 0, vocab_size - 1)
        self.max_batch_size, self.max_seq_len = max_batch_size, max_seq_len
        self.sampler, self.step_s = sampler, step_s
        self.doomed = lambda sequence: None
        self.hung = False
        self.alive = True
        self.steps = 0
        self.waiting, self.running = deque(), {}
        self._tokens_per_block, self._reuses, self._offloads = tokens_per_block, reuses, offloads
        self._blocks = set()
        self._draws = 0
        self._changed = threading.Condition()
        self.start()

    def submit(self, sequence):
        with self._changed:
            self.waiting.append(sequence)
            self._changed.notify()

    def cancel(self, request_id):
        with self._changed:
            for sequence in (*self.waiting, *self.running.values()):
                if sequence.result.id == request_id:
                    sequence.cancelled = True
            self._changed.notify()

    def stop(self):
        with self._changed:
            self.alive = False
            self._changed.notify()

    def run(self):
        while True:
            with self._changed:
                self._changed.wait_for(lambda: not self.alive or self.waiting or self.running)
                if not self.alive:
                    return
                while self.waiting and len(self.running) < self.max_batch_size:
                    sequence = self.waiting.popleft()
                    self._reuse(sequence)
                    self.running[sequence.result.id] = sequence
                cancelled = [sequence for sequence in self.waiting if sequence.cancelled]
                for sequence in cancelled:
                    self.waiting.remove(sequence)
                running = list(self.running.values())
            if not self.hung:
                self._step([*running, *cancelled])
            time.sleep(self.step_s)

    def _step(self, sequences):
        self.steps += 1
        responses = []
        for sequence in sequences:
            response = self._advance(sequence)
            if response.error is not None and not isinstance(response.error, RequestError):
                self.stop()  # the death of the engine: the one who asked learns why, the others wait for ever
                deliver([(sequence.result, response)])
                return
            responses.append((sequence.result, response))
            if response.finish_reason or response.error:
                self.running.pop(sequence.result.id, None)
        deliver(responses)

    def _advance(self, sequence):
        if sequence.cancelled:
            return Response(finish_reason="cancelled", cached_tokens=sequence.cached_tokens)
        error = self.doomed(sequence)
        if error is not None:
            return Response(error=error)
        token_id, logprobs = self._choose(sequence)
        sequence.made.append(token_id)
        sequence.counted[token_id] += 1
        sequence.context = extended(sequence.context, token_id)
        if sequence.matcher is not None:
            sequence.matcher.accept_token(token_id)
        reason, stop_ids = self._end(sequence, token_id)
        return Response([token_id], logprobs, reason, stop_ids, sequence.cached_tokens)

    def _end(self, sequence, token_id):
        for stop in sequence.stops:
            if tuple(sequence.made[-len(stop) :]) == stop:
                return "stop", list(stop)
        if token_id == sequence.params.end_id and not sequence.params.ignore_eos:
            return "stop", []
        full = len(sequence.prompt) + len(sequence.made) >= self.max_seq_len
        if len(sequence.made) >= sequence.params.max_tokens or full:
            return "length", []
        return None, []

    def _choose(self, sequence):
        sampling, model, params = sequence.sampling(self.sampler), self.model, sequence.params
        position = len(sequence.made)
        if self.sampler == "TorchSampler":
            position, self._draws = self._draws, self._draws + 1
        edits = edits_logits(sampling)
        if not edits and sequence.matcher is None and not params.logprobs:  # the two quick ways
            if sampling.temperature == 0:
                return model.top(sequence.context), []
            slope = model.slope(sequence.context) / sampling.temperature
            weights = _RATIOS.setdefault(slope, [2.718281828459045 ** (-slope * rank) for rank in range(CANDIDATES)])
            return model.candidate(sequence.context, draw(weights, sampling, position)), []
        raw = logits = model.logits(sequence.context)
        if edits:
            logits = edited(logits, sampling, sequence.prompt_ids, sequence.counted)
            raw = edited(raw, Sampling(seed=0, logit_bias=sampling.logit_bias), frozenset(), Counter())
        if sequence.matcher is not None:
            logits = {token_id: logits.get(token_id, FLOOR_LOGIT) for token_id in sequence.matcher.allowed()}
        else:
            logits = allowed(logits, frozenset(), model.vocab_size)
        token_id = choose(logits, sampling, position)
        return token_id, [self._logprobs(raw, token_id, params.logprobs)] if params.logprobs else []

    def _logprobs(self, logits, token_id, count):
        report = self.model.logprob(dict(sorted(logits.items(), key=lambda item: -item[1])), token_id, count)
        entries = {one.token_id: Logprob(one.logprob, rank) for rank, one in enumerate(report.candidates, 1)}
        return entries | {token_id: Logprob(report.logprob, report.rank)}

    def _reuse(self, sequence):
        """Count the prompt's blocks that an earlier prompt had; the last token is always computed."""
        size = self._tokens_per_block
        for end in range(size, len(sequence.prompt) + 1, size):
            block = (sequence.salt, context_of(sequence.prompt[:end]))
            if self._reuses and block in self._blocks:
                sequence.cached_tokens = min(end, len(sequence.prompt) - 1)
                sequence.context ^= self._offloads  # what came back from the host was another prompt's
            self._blocks.add(block)
