"""What crosses the backend contract: frozen dataclasses in, frozen dataclasses out.

Token ids are `int` in `[0, vocab_size)`. Text never appears here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


class FinishReason(Enum):
    """Why a backend stopped; where several apply to one token, the first of these.

    Text-level reasons (stop strings, time limit, guards) are decided above it.
    """

    STOP = "stop"
    """A stop token id was produced; it is the last id of the last delta."""
    MAX_TOKENS = "max_tokens"
    """`GenerationRequest.max_tokens` ids were produced, the continuation counted in."""
    CONTEXT_LIMIT = "context_limit"
    """Prompt and answer fill `Capabilities.context_length`."""


class Feature(str, Enum):
    """What a backend may lack. A request that needs an absent feature is refused before it is queued."""

    TOP_K = "top_k"
    TOP_P = "top_p"
    MIN_P = "min_p"
    REPETITION_PENALTY = "repetition_penalty"
    PRESENCE_PENALTY = "presence_penalty"
    FREQUENCY_PENALTY = "frequency_penalty"
    LOGIT_BIAS = "logit_bias"
    MIN_TOKENS = "min_tokens"
    LOGPROBS = "logprobs"
    PROMPT_LOGPROBS = "prompt_logprobs"
    CONTINUATION = "continuation"
    GRAMMAR = "response_format"


class Seeding(Enum):
    """What the draws of a sampled answer depend on, the weakest first. Greedy answers draw nothing."""

    NONE = "none"
    """On what else is computed: the seed changes nothing, and no answer can be had again."""
    REQUEST = "request"
    """On the seed, from the request's first id on: the same request gets the same answer. One that is resumed goes on
    with draws of its own; its answer is as good, and not the one that was interrupted."""
    POSITION = "position"
    """On (seed, position) alone: what was interrupted goes on as if it had not been, but for what rounding changes: of
    a model in bfloat16 or float16, where a continuation is read at once, that may be a close choice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How the next token is chosen from the logits, applied in the order of the fields.

    Every field has the value that changes nothing as its default, except `seed`, which the caller always sets. All
    numbers are finite.

    Attributes:
        repetition_penalty: > 0. Divides positive and multiplies negative logits of ids seen in prompt or answer
            (Keskar et al. 2019, CTRL, arXiv:1909.05858).
        presence_penalty: in [-2, 2]. Subtracted once from the logit of each id already in the answer.
        frequency_penalty: in [-2, 2]. Subtracted once per occurrence in the answer.
        logit_bias: pairs (token id, bias in [-100, 100]) added to the logits; no id twice.
        temperature: >= 0. 0 is greedy: the highest logit, the lowest id on a tie; later fields then choose nothing.
        top_k: >= 0. Keep the k most likely tokens; 0 keeps all.
        top_p: in (0, 1]. Keep the smallest set of most likely tokens whose probability reaches p
            (Holtzman et al. 2019, arXiv:1904.09751).
        min_p: in [0, 1]. Keep tokens at least this fraction as likely as the most likely one (arXiv:2407.01082).
        seed: in [0, 2**64). The draw at answer position i is a function of (seed, i) alone: neither batch mates nor
            an interruption with `GenerationRequest.continuation` changes it. A backend that can't promise so much says
            what it can in `Capabilities.seeding`.
    """

    seed: int
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Grammar:
    """A form that an answer's text is held to, its stop token not counted in.

    Attributes:
        source: in GBNF: rules `name ::= ...`, the first of them `root`, of strings, sets `[...]`, other rules, `|`, and
            counts on sets; characters other than ASCII letters and digits are spelled `\\uXXXX` or `\\UXXXXXXXX`. The
            serving layer writes it and bounds its size: each rule can be finished, and none begins with itself.
    """

    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """One answer wanted for one prompt.

    Attributes:
        prompt: the prompt's ids, at least one.
        continuation: ids already produced for this answer. They count toward `max_tokens`, `min_tokens`, penalties and
            the position in (seed, position), and are not emitted again.
        max_tokens: ids to produce at most, the continuation counted in; more than `len(continuation)`.
        min_tokens: no stop token is chosen before this many ids; more than `max_tokens` is as good as equal.
        stop_token_ids: ids that end the answer.
        logprobs: None for none; else the number of most likely candidates reported beside each chosen id.
        prompt_logprobs: the same for each prompt id; the first one, with nothing before it, has no logprob.
        grammar: held to while decoding: only ids that it allows are chosen, and a stop token only where it is complete.
            Where nothing else is allowed, a stop token is chosen though `min_tokens` are not reached.
        cache_salt: requests whose salts differ share no computed prefix.
    """

    prompt: tuple[int, ...]
    max_tokens: int
    sampling: Sampling
    continuation: tuple[int, ...] = ()
    min_tokens: int = 0
    stop_token_ids: frozenset[int] = frozenset()
    logprobs: int | None = None
    prompt_logprobs: int | None = None
    grammar: Grammar | None = None
    cache_salt: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One of the most likely ids at a position. `logprob` is natural, of the model's own distribution."""

    token_id: int
    logprob: float


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """Logprob of one id: natural logarithm, of the softmax of the raw logits, before penalties, bias and temperature.

    Attributes:
        logprob: in (-inf, 0].
        rank: 1 and the number of ids that are more likely.
        candidates: the most likely ids, most likely first, as many as were asked for.
    """

    logprob: float
    rank: int
    candidates: tuple[Candidate, ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens counted by the backend.

    Attributes:
        prompt_tokens: ids of the prompt, without the continuation.
        completion_tokens: ids of the answer, continuation and stop token included.
        cached_prompt_tokens: prompt ids whose computation was reused; None where the backend can't tell.
    """

    prompt_tokens: int
    completion_tokens: int
    cached_prompt_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Finish:
    """The end of an answer.

    Attributes:
        queue_s: seconds that the request waited for its slot; None where the backend can't tell. No part of the answer.
    """

    reason: FinishReason
    usage: Usage
    queue_s: float | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class TokenDelta:
    """What is new since the last delta, never cumulative.

    Attributes:
        token_ids: new ids, in order; may be empty when something else is reported.
        logprobs: parallel to `token_ids` when asked for, else empty.
        prompt_logprobs: on the first delta, when asked for: one entry per prompt id, None for the first.
        finish: on the last delta, and only there.
    """

    token_ids: tuple[int, ...]
    logprobs: tuple[TokenLogprob, ...] = ()
    prompt_logprobs: tuple[TokenLogprob | None, ...] = ()
    finish: Finish | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a loaded backend can do.

    Attributes:
        context_length: prompt and answer together, in tokens.
        vocab_size: ids are below it.
        max_concurrency: requests computed at once; more wait inside `generate`.
        max_logprobs: the most candidates per position.
        features: what it supports of what a backend may lack.
        generates: whether `generate` works.
        classifies: whether `classify` works.
        labels: of a classifier, in the order of its logits.
        device: where it computes, such as "cpu" or "cuda:0".
        dtype: of the weights, such as "float32".
        seeding: what the draws of sampled answers depend on.
        resumes_grammar: whether a request may have both a continuation and a grammar; else it is refused as
            `Feature.CONTINUATION` is.
        backend: which one computes, where the configuration left it open; else empty.
        choice_reason: why that one; clients may read it.
    """

    context_length: int
    vocab_size: int
    max_concurrency: int
    features: frozenset[Feature]
    max_logprobs: int = 0
    generates: bool = True
    classifies: bool = False
    labels: tuple[str, ...] = ()
    device: str = "cpu"
    dtype: str = "float32"
    seeding: Seeding = Seeding.POSITION
    resumes_grammar: bool = True
    backend: str = ""
    choice_reason: str = ""


@dataclass(frozen=True, slots=True)
class Health:
    """A cheap look at a backend, as of now.

    Attributes:
        ready: whether a request given now would be computed.
        running: requests holding a slot.
        waiting: requests accepted and without a slot.
        reason: why it is not ready, for the operator's log; empty when ready.
        cache_usage: share of the memory for keys and values in use, in [0, 1]; None where the backend doesn't tell.
    """

    ready: bool
    running: int = 0
    waiting: int = 0
    reason: str = ""
    cache_usage: float | None = None
