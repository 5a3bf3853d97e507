"""Guards that are models of other processes: asked by the same Classify, over the router."""

from __future__ import annotations

from functools import partial

from paddock.v1 import classify_pb2
from services.admission.admission import Demand
from services.edge import REQUEST_ID_KEY, request_id
from services.errors import InvalidArgumentError, Violation
from services.guard.config import GuardKind
from services.guard.guard import Guard
from services.identity.origin import origin
from services.routing.config import RetryConfig
from services.routing.error import Code, UpstreamError
from services.routing.relay import Call, ask
from services.routing.route import Route
from services.telemetry.record import call_record

_BYTES_PER_TOKEN = 4


def routed_guard(route: Route, config: RetryConfig) -> Guard:
    """Give the guard that a routed model is."""
    return Guard(route.name, route.guard is GuardKind.llama_guard, partial(_classify, route, config))


async def _classify(
    route: Route, config: RetryConfig, request: classify_pb2.ClassifyRequest
) -> classify_pb2.ClassifyResponse:
    """Ask a worker. Whoever asks bounds the wait; cancelling cancels the worker's work.

    Raises:
        InvalidArgumentError: the guard can't judge what it is shown.
        UpstreamError, ModelUnavailableError: it can't be asked.
    """
    body = request.SerializeToString()
    asked = origin()
    metadata = [(REQUEST_ID_KEY, request_id()), *asked.metadata, *(call_record().trace or ())]
    call = Call(metadata, lambda: None, len(body) // _BYTES_PER_TOKEN + 1)
    try:
        grant = await route.admission.enter(Demand(asked.urgent, 1, call.tokens))
        try:
            reply = await ask(route, "Classify", body, call, config)
        finally:
            grant.release()
    except UpstreamError as error:
        if error.code is Code.INVALID_ARGUMENT:
            raise InvalidArgumentError([Violation("inputs", error.message)]) from None
        raise
    return classify_pb2.ClassifyResponse.FromString(reply.body)
