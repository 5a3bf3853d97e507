"""One call's way from upstream to upstream."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import grpc.aio

from services.errors import ModelUnavailableError
from services.routing.config import RetryConfig
from services.routing.error import Trailing, UpstreamError, of_call
from services.routing.route import Route
from services.routing.upstream import Upstream
from services.status import RETRY_ELSEWHERE_S
from services.telemetry.record import call_record

POOL_KEY = "x-paddock-pool"
ATTEMPTS_KEY = "x-paddock-attempts"

_LOGGED = 256
"""Characters of what a worker says."""

_log = logging.getLogger(__name__)


class Attempts:
    """The upstreams that one call is given to, one after the other.

    Attributes:
        tried: those that failed, and are not to be chosen again.
        count: how many were asked.
    """

    def __init__(
        self, route: Route, config: RetryConfig, tokens: int, key: bytes | None = None, outputs: int = 1
    ) -> None:
        """Take what the call counts for while an upstream has it, in tokens and outputs, and its affinity."""
        self._route = route
        self._config = config
        self._tokens = tokens
        self._outputs = outputs
        self._key = key
        self._pool = ""
        self._losses = 0
        self._reconnected = False
        self.tried: list[Upstream] = []
        self.count = 0
        route.budget.called()

    @property
    def left(self) -> bool:
        """Whether another upstream may be asked."""
        return self._losses < self._config.max_attempts

    @property
    def metadata(self) -> Trailing:
        """What the client is told of it."""
        return ((POOL_KEY, self._pool), (ATTEMPTS_KEY, str(self.count)))

    @contextmanager
    def next(self) -> Iterator[Upstream | None]:
        """Give the next upstream to ask; None where there is none.

        Raises:
            UpstreamError: what happened inside was an error of its call.
        """
        choice = self._route.choose(self.tried, self._tokens, self._key)
        if choice is None:
            yield None
            return
        self.count += 1
        self._pool = choice.pool.name
        upstream = choice.upstream
        call_record().attempted(self._pool, upstream.address)
        try:
            with upstream.working(self._tokens, self._outputs):
                yield upstream
        except grpc.aio.AioRpcError as error:
            self._failed(upstream, of_call(error))
        except UpstreamError as error:
            self._failed(upstream, error)
        else:
            upstream.report(None)

    def _failed(self, upstream: Upstream, error: UpstreamError) -> None:
        upstream.report(error)
        self.tried.append(upstream)
        if error.lost:
            self._losses += 1
            _log.info(
                "a call to upstream %s of model %s is lost: %s, %s",
                upstream.address,
                self._route.name,
                error.code.name,
                error.message[:_LOGGED],
            )
        error.trailing = (*error.trailing, *self.metadata)
        raise error

    def may_retry(self, error: UpstreamError) -> bool:
        """Tell whether a call that nothing has come of may be made again, and count it if so.

        It is made elsewhere; where there is nobody else, once more over a new connection if the one that it had broke.
        One for which a worker has no room stays within its pool: the next is for when there is no worker.
        """
        if not (error.lost or error.full) or not self.left:
            return False
        choice = self._route.choose(self.tried)
        if error.full and (choice is None or choice.pool.name != self._pool):
            return False
        if choice is None:
            if self._reconnected or error.status is not None or self._route.choose() is None:
                return False
            self._reconnected = True
            self.tried.clear()
        taken = self._route.budget.take()
        self._route.retries += taken
        return taken

    def may_wait(self, error: UpstreamError) -> bool:
        """Tell whether a call that nothing has come of may wait for an upstream, and count it if so.

        Its connection broke, and nobody else is there: one that restarts is back soon.
        """
        return error.lost and error.status is None and self.left and self._route.budget.take()

    def unavailable(self, error: UpstreamError | None = None) -> Exception:
        """Give what the client is told when nothing more can be done."""
        if error is not None and not error.refused and (error.status is not None or not error.lost):
            return error
        why = "not answered by any worker now" if error is None else "no longer answering"
        return ModelUnavailableError(self._route.name, why, RETRY_ELSEWHERE_S)
