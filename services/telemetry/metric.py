"""Every metric: its name, its unit and its attributes.

Names that begin with gen_ai, and their buckets, are those of OpenTelemetry's semantic conventions for generative AI.
Attributes take few values: names that are configured, methods, and status codes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from services.admission.admission import Admission, Cause
from services.admission.limit import Limiter, LimitsConfig
from services.identity.expiry import Expiries
from services.model import ServedModels, State
from services.routing.pool import Pool
from services.routing.route import Route
from services.routing.router import Router
from services.routing.upstream import Upstream

MODEL = "gen_ai.request.model"
OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
TOKEN_TYPE = "gen_ai.token.type"
ERROR = "error.type"
METHOD = "rpc.method"
CODE = "rpc.response.status_code"
GUARD = "paddock.guard"
SUBJECT = "paddock.guard.subject"
DECISION = "paddock.guard.decision"
CALLER = "paddock.caller"
CAUSE = "paddock.cause"
LIMIT = "paddock.limit"
POOL = "paddock.pool"
UPSTREAM = "paddock.upstream"
BACKEND = "paddock.backend"
CHOICE = "paddock.backend.choice"
FILE = "paddock.file"

_DURATION_S = [0.01 * 2**power for power in range(14)]
_FIRST_TOKEN_S = [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0]
_TOKEN_S = [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5]
_TOKENS = [float(4**power) for power in range(14)]

_MOST_CALLERS = 1000
"""That have a label of their own."""

_Values = Iterable[tuple[float, dict[str, str]]]


class Instruments:
    """What is recorded when it happens: once or a few times a call, never per token."""

    def __init__(self, meter: Meter, tells_callers: bool) -> None:
        """Take whether calls are counted by who makes them, too."""
        self._tells_callers = tells_callers
        self._callers: set[str] = set()
        self.requests = meter.create_counter("paddock.requests", "{request}", "Calls that ended.")
        self.duration = meter.create_histogram(
            "gen_ai.server.request.duration", "s", "Of generations.", explicit_bucket_boundaries_advisory=_DURATION_S
        )
        self.first_token = meter.create_histogram(
            "gen_ai.server.time_to_first_token",
            "s",
            "From a call's arrival to the first that its client is sent of an answer.",
            explicit_bucket_boundaries_advisory=_FIRST_TOKEN_S,
        )
        self.per_token = meter.create_histogram(
            "gen_ai.server.time_per_output_token",
            "s",
            "Mean of a call, after its first token, per output.",
            explicit_bucket_boundaries_advisory=_TOKEN_S,
        )
        self.tokens = meter.create_histogram(
            "gen_ai.client.token.usage",
            "{token}",
            "Tokens read and written, of calls that completed.",
            explicit_bucket_boundaries_advisory=_TOKENS,
        )
        self.queue = meter.create_histogram(
            "paddock.queue.duration",
            "s",
            "Of outputs that ended: their wait for a slot of the backend.",
            explicit_bucket_boundaries_advisory=_FIRST_TOKEN_S,
        )
        self.admission = meter.create_histogram(
            "paddock.admission.duration",
            "s",
            "Of requests that were let in: their wait for their turn.",
            explicit_bucket_boundaries_advisory=_FIRST_TOKEN_S,
        )
        self.cached = meter.create_counter(
            "paddock.prompt.cached_tokens", "{token}", "Tokens of prompts whose computation was reused."
        )
        self.guard = meter.create_histogram(
            "paddock.guard.duration", "s", "Of judgments.", explicit_bucket_boundaries_advisory=_DURATION_S
        )

    def caller(self, name: str) -> str | None:
        """Give the label for a caller; None where there is to be none. Certificates may name any number of them."""
        if not self._tells_callers:
            return None
        if len(self._callers) < _MOST_CALLERS:
            self._callers.add(name)
        return name if name in self._callers else "other"


class Observer:
    """What is looked up when somebody asks. Runs in the threads of exporters, and only reads."""

    def __init__(self, models: ServedModels, router: Router, expiries: Expiries, limiter: Limiter) -> None:
        self._expiries = expiries
        self._models = models
        self._router = router
        self._limiter = limiter

    def register(self, meter: Meter) -> None:
        """Make the instruments that ask it."""
        gauge, counter = meter.create_observable_gauge, meter.create_observable_counter
        gauge("paddock.model.ready", [_call(self._ready)], "1", "Whether a model serves.")
        gauge("paddock.model.backend", [_call(self._backend)], "1", "1, with what computes a model, and why that.")
        gauge("paddock.model.running", [_call(self._running)], "{output}", "Outputs that hold a slot of the backend.")
        gauge("paddock.model.waiting", [_call(self._waiting)], "{output}", "Outputs that wait for a slot.")
        gauge(
            "paddock.model.cache_usage",
            [_call(self._cache_usage)],
            "1",
            "Part in use of the memory for keys and values.",
        )
        gauge("paddock.admission.computing", [_call(self._computing)], "{output}", "Outputs that were let in.")
        gauge("paddock.admission.waiting", [_call(self._queued)], "{output}", "Outputs that wait for their turn.")
        counter("paddock.admission.refused", [_call(self._refused)], "{request}", "Requests refused, by cause.")
        counter("paddock.limits.refused", [_call(self._limited)], "{request}", "Requests past their caller's limits.")
        gauge("paddock.upstream.serving", [_call(self._serving)], "1", "Whether a worker says that it serves.")
        gauge("paddock.upstream.ejected", [_call(self._ejected)], "1", "Whether a worker is left alone for a while.")
        gauge("paddock.upstream.work", [_call(self._work)], "{token}", "Estimate of what a worker has to do.")
        counter("paddock.upstream.ejections", [_call(self._ejections)], "{ejection}", "Times a worker was ejected.")
        counter("paddock.retries", [_call(self._retries)], "{retry}", "Calls made again before they began.")
        counter("paddock.resumes", [_call(self._resumes)], "{resume}", "Streams that went on with another worker.")
        gauge(
            "paddock.certificate.expiry", [_call(self._expiry)], "s", "Until the first of a file's certificates ends."
        )

    def _expiry(self) -> _Values:
        return [(left_s, {FILE: key}) for key, left_s in self._expiries.left_s().items()]

    def _ready(self) -> _Values:
        return [(model.state is State.READY, {MODEL: model.name}) for model in self._models.all]

    def _backend(self) -> _Values:
        return [
            (1.0, {MODEL: m.name, BACKEND: m.backend_name, CHOICE: m.loaded.capabilities.choice_reason})
            for m in self._models.all
            if m.loaded is not None
        ]

    def _running(self) -> _Values:
        return [(m.backend.health().running, {MODEL: m.name}) for m in self._models.all if m.backend is not None]

    def _waiting(self) -> _Values:
        return [(m.backend.health().waiting, {MODEL: m.name}) for m in self._models.all if m.backend is not None]

    def _cache_usage(self) -> _Values:
        healths = ((m.backend.health(), m.name) for m in self._models.all if m.backend is not None)
        return [(h.cache_usage, {MODEL: name}) for h, name in healths if h.cache_usage is not None]

    def _computing(self) -> _Values:
        return [(admission.computing, {MODEL: model}) for model, admission in self._admissions()]

    def _queued(self) -> _Values:
        return [(admission.waiting, {MODEL: model}) for model, admission in self._admissions()]

    def _refused(self) -> _Values:
        return [
            (admission.refused[cause], {MODEL: model, CAUSE: cause.value})
            for model, admission in self._admissions()
            for cause in Cause
        ]

    def _limited(self) -> _Values:
        models, routes = self._models.all, self._router.routes
        limiters = [self._limiter, *(model.limiter for model in models), *(route.limiter for route in routes)]
        names = [entry.name for entry in fields(LimitsConfig)]
        return [(sum(limiter.refused[name] for limiter in limiters), {LIMIT: name}) for name in names]

    def _admissions(self) -> Iterator[tuple[str, Admission]]:
        for model in self._models.all:
            if model.loaded is not None:
                yield model.name, model.loaded.admission
        for route in self._router.routes:
            yield route.name, route.admission

    def _serving(self) -> _Values:
        return [(u.serving, _of(route, pool, u)) for route, pool, u in self._upstreams()]

    def _ejected(self) -> _Values:
        return [(u.ejected, _of(route, pool, u)) for route, pool, u in self._upstreams()]

    def _work(self) -> _Values:
        return [(u.work, _of(route, pool, u)) for route, pool, u in self._upstreams()]

    def _ejections(self) -> _Values:
        return [(u.ejections, _of(route, pool, u)) for route, pool, u in self._upstreams()]

    def _retries(self) -> _Values:
        return [(route.retries, {MODEL: route.name}) for route in self._router.routes]

    def _resumes(self) -> _Values:
        return [(route.resumes, {MODEL: route.name}) for route in self._router.routes]

    def _upstreams(self) -> Iterator[tuple[Route, Pool, Upstream]]:
        for route in self._router.routes:
            for pool in route.pools:
                for upstream in list(pool.upstreams):
                    yield route, pool, upstream


def _of(route: Route, pool: Pool, upstream: Upstream) -> dict[str, str]:
    return {MODEL: route.name, POOL: pool.name, UPSTREAM: upstream.address}


def _call(look: Callable[[], _Values]) -> Callable[[CallbackOptions], Iterable[Observation]]:
    return lambda _: [Observation(float(value), attributes) for value, attributes in look()]
