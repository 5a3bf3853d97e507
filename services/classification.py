"""Classify, from a request to its response: the same for RPCs and for what else asks a guard."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from backends.errors import UnavailableError, UnsupportedError
from paddock.v1.classify_pb2 import ClassifyRequest, ClassifyResponse
from services.admission.admission import Demand
from services.errors import DeadlineTooShortError, FeatureUnsupportedError, ModelUnavailableError
from services.identity.origin import Origin
from services.status import RETRY_ELSEWHERE_S

if TYPE_CHECKING:  # models may ask each other as guards
    from services.model import ServedModels

_BYTES_PER_TOKEN = 4
_GONE = "no longer answering; the request can be sent elsewhere"


async def classify(
    request: ClassifyRequest,
    models: ServedModels,
    origin: Origin,
    budget_s: float | None = None,
    admitted: Callable[[], None] = lambda: None,
) -> ClassifyResponse:
    """Score what a request asks for. Cancelling ends the work.

    Args:
        request: as a client sends it.
        models: where its model is found.
        origin: on whose behalf.
        budget_s: seconds that it may take; None for no limit.
        admitted: called when its turn has come.

    Raises:
        ServiceError: as for an RPC, `DeadlineTooShortError` when the time is up.
        BackendError: of one input's computation.
    """
    try:
        return await asyncio.wait_for(_classify(request, models, origin, budget_s, admitted), budget_s)
    except asyncio.TimeoutError:
        raise DeadlineTooShortError from None


def tokens(request: ClassifyRequest) -> int:
    """Estimate the tokens that a request has."""
    return request.ByteSize() // _BYTES_PER_TOKEN + 1


async def _classify(
    request: ClassifyRequest,
    models: ServedModels,
    origin: Origin,
    budget_s: float | None,
    admitted: Callable[[], None],
) -> ClassifyResponse:
    model = models.find(request.model)
    loaded, backend = model.ready()
    if loaded.classifier is None:
        raise FeatureUnsupportedError("classify", model.name)
    work = await asyncio.to_thread(loaded.classifier.prepare, request)  # even short inputs take milliseconds, if many
    demand = Demand(origin, work.outputs, tokens(request), budget_s)
    grant = await loaded.admission.enter(demand)
    used = None
    try:
        admitted()
        response = await work.run(backend)
        used = response.usage.total_tokens
        return response
    except UnavailableError as error:
        raise ModelUnavailableError(model.name, _GONE, RETRY_ELSEWHERE_S) from error
    except UnsupportedError as error:
        raise FeatureUnsupportedError(error.feature, model.name) from error
    finally:
        grant.release(used, whole=used is not None)
