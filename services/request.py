"""From request messages to what is to be done: checked, with every default filled in. Pure."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from backends.types import Capabilities, Feature, Grammar, Sampling, Seeding
from llama.chat import EncodedPrompt
from paddock.v1 import generate_pb2, guard_pb2
from services.checks import Checks, check_ids, check_text
from services.conversation import encode_chat, told_date
from services.errors import FeatureUnsupportedError, PromptTooLongError
from services.generation import Continuation, Plan
from services.guard.config import GuardConfig, GuardMode, GuardSubject
from services.model import Loaded, ServedModel
from services.response_format import read_response_format
from services.sampling import FEATURES, NEUTRAL, RANGES
from services.tool_choice import call_grammar, callable_tools, forces_call

_MAX_OUTPUTS = 16
_MAX_STOP_STRINGS = 16
_MAX_STOP_BYTES = 1024
_MAX_STOP_IDS = 64
_MAX_BIASES = 1024

_GUARD_MODES = {
    guard_pb2.GUARD_MODE_OFF: GuardMode.off,
    guard_pb2.GUARD_MODE_ANNOTATE: GuardMode.annotate,
    guard_pb2.GUARD_MODE_ENFORCE: GuardMode.enforce,
}
_STRICTNESS = tuple(_GUARD_MODES.values())


def plan(request: generate_pb2.GenerateRequest, model: ServedModel, loaded: Loaded) -> Plan:
    """Check a request and say what it amounts to.

    Raises:
        InvalidArgumentError: with every field at fault.
        PromptTooLongError: the prompt leaves no room for an answer.
        FeatureUnsupportedError: the model can't do what is asked.
    """
    _check_features(request, model, loaded)
    checks = Checks()
    vocab_size = loaded.capabilities.vocab_size
    n = request.n if request.HasField("n") else 1
    checks.require(1 <= n <= _MAX_OUTPUTS, "n", f"{n} is not in [1, {_MAX_OUTPUTS}]")
    sampling = _sampling(request.sampling, loaded, checks)
    _check_stop(request.stop, loaded, checks)
    max_tokens, min_tokens = _token_limits(request, model, loaded, checks)
    _check_logprobs(request, loaded.capabilities, checks)
    guard_modes = _guard_modes(request.guards, model.config.guards, checks)
    continuations = _continuations(request, n, max_tokens, vocab_size, checks)
    prompt = encode_input(request, model, loaded, checks)
    grammar = _grammar(request, loaded, checks)
    checks.done()
    longest = max((len(c.token_ids) for c in continuations.values() if not c.finished), default=0)
    limit = loaded.capabilities.context_length - 1
    if len(prompt.token_ids) + longest > limit:
        raise PromptTooLongError(request.WhichOneof("input") or "input", len(prompt.token_ids) + longest, limit)
    model_stops = () if request.stop.ignore_eos else loaded.stop_token_ids
    return Plan(
        prompt=tuple(prompt.token_ids),
        neutralized=prompt.neutralized,
        sampling=sampling,
        n=n,
        max_tokens=max_tokens,
        min_tokens=min_tokens,
        stop_strings=tuple(request.stop.strings),
        stop_token_ids=frozenset((*request.stop.token_ids, *model_stops)),
        ignore_eos=request.stop.ignore_eos,
        include_stop=request.stop.include_in_output,
        logprobs=request.logprobs if request.HasField("logprobs") else None,
        prompt_logprobs=request.prompt_logprobs if request.HasField("prompt_logprobs") else None,
        grammar=grammar,
        tools=callable_tools(request.chat),
        date=told_date(request.chat, "chat", model, checks).isoformat() if request.HasField("chat") else None,
        guard_modes=guard_modes,
        continuations=continuations,
    )


def has_form(request: generate_pb2.GenerateRequest) -> bool:
    """Tell whether the answer is held to a form, which takes long to read."""
    return request.HasField("response_format") or forces_call(request.chat)


def field_of(request: generate_pb2.GenerateRequest, name: str) -> str:
    """Give the path of the field that a backend calls by the name that it has in its own request."""
    form = "chat.tool_choice" if forces_call(request.chat) else "response_format"
    return {"continuation": "continuations", "grammar": form, "stop_token_ids": "stop.token_ids"}.get(name, name)


def encode_input(
    request: generate_pb2.GenerateRequest, model: ServedModel, loaded: Loaded, checks: Checks
) -> EncodedPrompt:
    """Encode whichever input the request has; what is wrong with it goes to `checks`."""
    kind = request.WhichOneof("input")
    if kind == "chat":
        return encode_chat(request.chat, "chat", model, loaded, checks)
    if kind == "prompt":
        checks.require(bool(request.prompt), "prompt", "is empty")
        if not check_text(request.prompt, "prompt", checks):
            return EncodedPrompt([], 0)
        encoded = encode_text(request.prompt, loaded)
        bos = loaded.tokenizer.bos_id
        return EncodedPrompt([*([] if bos is None else [bos]), *encoded.token_ids], encoded.neutralized)
    if kind == "token_ids":
        ids = list(request.token_ids.ids)
        checks.require(bool(ids), "token_ids.ids", "is empty")
        check_ids(ids, loaded.capabilities.vocab_size, "token_ids.ids", checks)
        return EncodedPrompt(ids, 0)
    checks.require(False, "input", "is missing: set chat, prompt or token_ids")
    return EncodedPrompt([], 0)


def encode_text(text: str, loaded: Loaded) -> EncodedPrompt:
    """Encode text by itself."""
    return EncodedPrompt(loaded.tokenizer.encode(text), loaded.tokenizer.count_control(text))


def _sampling(message: generate_pb2.Sampling, loaded: Loaded, checks: Checks) -> Sampling:
    values: dict[str, Any] = dict(loaded.sampling_defaults)
    for name, allowed in RANGES.items():
        if message.HasField(name):
            value = values[name] = getattr(message, name)
            checks.require(value in allowed, f"sampling.{name}", f"{value:g} is not in {allowed}")
    bias = sorted(message.logit_bias.items())
    checks.require(len(bias) <= _MAX_BIASES, "sampling.logit_bias", f"more than {_MAX_BIASES} entries")
    for token_id, value in bias:
        field = f"sampling.logit_bias[{token_id}]"
        checks.require(token_id < loaded.capabilities.vocab_size, field, "is no id of the vocabulary")
        checks.require(-100 <= value <= 100, field, f"{value:g} is not in [-100, 100]")
    seed = message.seed if message.HasField("seed") else secrets.randbits(64)
    return Sampling(seed=seed, logit_bias=tuple(bias), **values)


def _check_stop(stop: generate_pb2.Stop, loaded: Loaded, checks: Checks) -> None:
    checks.require(len(stop.strings) <= _MAX_STOP_STRINGS, "stop.strings", f"more than {_MAX_STOP_STRINGS}")
    for index, string in enumerate(stop.strings):
        size = len(string.encode())
        checks.require(
            1 <= size <= _MAX_STOP_BYTES, f"stop.strings[{index}]", f"{size} bytes are not in [1, {_MAX_STOP_BYTES}]"
        )
    own = set(stop.token_ids).difference(loaded.stop_token_ids)  # the model's own are among those that we told it used
    checks.require(len(own) <= _MAX_STOP_IDS, "stop.token_ids", f"more than {_MAX_STOP_IDS}")
    check_ids(stop.token_ids, loaded.capabilities.vocab_size, "stop.token_ids", checks)


def _grammar(request: generate_pb2.GenerateRequest, loaded: Loaded, checks: Checks) -> Grammar | None:
    """Read the form that the answer is held to, and refuse what could end an output before it has it."""
    if not has_form(request):
        return None
    is_call = forces_call(request.chat)
    form = "chat.tool_choice" if is_call else "response_format"
    beside, stop = f"can't be had beside {form}", request.stop
    own = set(stop.token_ids).difference(loaded.stop_token_ids)
    checks.require(not stop.strings, "stop.strings", beside)
    checks.require(not own, "stop.token_ids", f"other than the model's own {beside}")
    checks.require(not stop.ignore_eos, "stop.ignore_eos", beside)
    checks.require(not stop.include_in_output, "stop.include_in_output", beside)
    checks.require(bool(loaded.stop_token_ids), form, "needs a model with a stop token")
    if is_call:
        checks.require(not request.HasField("response_format"), "response_format", beside)
        return call_grammar(request.chat, "chat", checks)
    called = callable_tools(request.chat)
    checks.require(not called, "response_format", "can't be had beside chat.tools, unless chat.tool_choice is NONE")
    return read_response_format(request.response_format, checks)


def _token_limits(
    request: generate_pb2.GenerateRequest, model: ServedModel, loaded: Loaded, checks: Checks
) -> tuple[int, int]:
    context = loaded.capabilities.context_length
    default = min(model.config.max_tokens, context)
    max_tokens = request.max_tokens if request.HasField("max_tokens") else default
    checks.require(1 <= max_tokens <= context, "max_tokens", f"{max_tokens} is not in [1, {context}]")
    min_tokens = request.min_tokens
    checks.require(min_tokens <= max_tokens, "min_tokens", f"{min_tokens} is more than max_tokens, {max_tokens}")
    return max_tokens, min_tokens


def _check_logprobs(request: generate_pb2.GenerateRequest, capabilities: Capabilities, checks: Checks) -> None:
    most = capabilities.max_logprobs
    for name in ("logprobs", "prompt_logprobs"):
        value = getattr(request, name)
        checks.require(value <= most, name, f"{value} is not in [0, {most}]")


def _continuations(
    request: generate_pb2.GenerateRequest, n: int, max_tokens: int, vocab_size: int, checks: Checks
) -> dict[int, Continuation]:
    continuations: dict[int, Continuation] = {}
    for number, message in enumerate(request.continuations):
        field = f"continuations[{number}]"
        index = message.output_index
        checks.require(index < n, f"{field}.output_index", f"{index} is not below n, {n}")
        checks.require(index not in continuations, f"{field}.output_index", f"{index} is there twice")
        check_ids(message.token_ids, vocab_size, f"{field}.token_ids", checks)
        ended = message.HasField("finished")
        count = message.finished.completion_tokens if ended else len(message.token_ids)
        counted = f"{field}.finished.completion_tokens" if ended else f"{field}.token_ids"
        checks.require(count <= max_tokens, counted, f"{count} are more than max_tokens")
        continuations[index] = Continuation(
            tuple(message.token_ids),
            message.finished.completion_tokens if ended else None,
            message.text_bytes if message.HasField("text_bytes") else None,
        )
    return continuations


def _guard_modes(
    options: guard_pb2.GuardOptions, configured: Sequence[GuardConfig], checks: Checks
) -> tuple[GuardMode, ...]:
    """Say what each guard's verdict leads to: what is configured, or what is asked for where that is stricter."""
    modes = []
    for guard in configured:
        mode = getattr(options, guard.subject.value)
        wanted = _GUARD_MODES.get(mode, guard.mode)
        field = f"guards.{guard.subject.value}"
        known = checks.require(mode == guard_pb2.GUARD_MODE_UNSPECIFIED or mode in _GUARD_MODES, field, "is no mode")
        looser = known and _STRICTNESS.index(wanted) < _STRICTNESS.index(guard.mode)
        checks.require(not looser, field, f"is looser than the model's configuration, {guard.mode.value}")
        modes.append(wanted)
    return tuple(modes)


def _has_guards(options: guard_pb2.GuardOptions, configured: Sequence[GuardConfig]) -> bool:
    """Tell whether there is a guard for each subject that is to be judged."""
    idle = (guard_pb2.GUARD_MODE_UNSPECIFIED, guard_pb2.GUARD_MODE_OFF)
    wanted = {subject for subject in GuardSubject if getattr(options, subject.value) not in idle}
    return bool(configured) and wanted <= {guard.subject for guard in configured}


def _check_features(request: generate_pb2.GenerateRequest, model: ServedModel, loaded: Loaded) -> None:
    features = loaded.capabilities.features
    asked = {
        "generate": not loaded.capabilities.generates,
        "response_format": request.HasField("response_format") and Feature.GRAMMAR not in features,
        "tool_choice": bool(request.chat.tools) and forces_call(request.chat) and Feature.GRAMMAR not in features,
        "guards": request.HasField("guards") and not _has_guards(request.guards, model.config.guards),
        "logprobs": request.HasField("logprobs") and Feature.LOGPROBS not in features,
        "prompt_logprobs": request.HasField("prompt_logprobs") and Feature.PROMPT_LOGPROBS not in features,
        "min_tokens": request.min_tokens > 0 and Feature.MIN_TOKENS not in features,
        "continuation": bool(request.continuations) and Feature.CONTINUATION not in features,
        "logit_bias": bool(request.sampling.logit_bias) and Feature.LOGIT_BIAS not in features,
        "seed": request.sampling.HasField("seed") and loaded.capabilities.seeding is Seeding.NONE,
    }
    asked |= {
        name: getattr(request.sampling, name) != NEUTRAL[name]
        and request.sampling.HasField(name)
        and feature not in features
        for name, feature in FEATURES.items()
    }
    for name, missing in asked.items():
        if missing:
            raise FeatureUnsupportedError(name, model.name)
