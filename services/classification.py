"""Classify, from a request to its response: the same for RPCs and for what else asks a guard."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from backends.errors import UnavailableError, UnsupportedError
from paddock.v1.classify_pb2 import ClassifyRequest, ClassifyResponse
from services.errors import DeadlineTooShortError, FeatureUnsupportedError, ModelUnavailableError
from services.status import RETRY_ELSEWHERE_S

if TYPE_CHECKING:  # models may ask each other as guards
    from services.model import ServedModels

_GONE = "no longer answering; the request can be sent elsewhere"


async def classify(request: ClassifyRequest, models: ServedModels, budget_s: float | None = None) -> ClassifyResponse:
    """Score what a request asks for. Cancelling ends the work.

    Args:
        request: as a client sends it.
        models: where its model is found.
        budget_s: seconds that it may take; None for no limit.

    Raises:
        ServiceError: as for an RPC, `DeadlineTooShortError` when the time is up.
        BackendError: of one input's computation.
    """
    try:
        return await asyncio.wait_for(_classify(request, models), budget_s)
    except asyncio.TimeoutError:
        raise DeadlineTooShortError from None


async def _classify(request: ClassifyRequest, models: ServedModels) -> ClassifyResponse:
    model = models.find(request.model)
    loaded, backend = model.ready()
    if loaded.classifier is None:
        raise FeatureUnsupportedError("classify", model.name)
    work = await asyncio.to_thread(loaded.classifier.prepare, request)  # even short inputs take milliseconds, if many
    with loaded.admission.admit(work.outputs):
        try:
            return await work.run(backend)
        except UnavailableError as error:
            raise ModelUnavailableError(model.name, _GONE, RETRY_ELSEWHERE_S) from error
        except UnsupportedError as error:
            raise FeatureUnsupportedError(error.feature, model.name) from error
