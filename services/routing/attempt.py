"""One call's way from upstream to upstream."""

from __future__ import annotations

import logging
import time
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
_IN_ALL = 8
"""Times `max_attempts` that a call may lose workers however much comes of it: it may be what ends them."""
_LOOK_S = 0.25
"""How often a call that waits for an upstream looks whether one may be tried again."""

_log = logging.getLogger(__name__)


class Attempts:
    """The upstreams that one call is given to, one after the other.

    Attributes:
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
        self._tried: list[Upstream] = []
        """Those that failed, and are not to be chosen again."""
        self._losses = 0
        """In a row: since something new came of the call."""
        self._losses_in_all = 0
        self._give_up_at: float | None = None
        self._waited = False
        self.count = 0
        route.budget.called()

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
        choice = self._route.choose(self._tried, self._tokens, self._key)
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
            raise self._failed(upstream, of_call(error)) from None
        except UpstreamError as error:
            raise self._failed(upstream, error) from None
        else:
            upstream.report(None)

    def progressed(self) -> None:
        """Note that something new came of the call: what it lost before was hardly its own doing."""
        self._losses, self._give_up_at, self._waited = 0, None, False

    def _failed(self, upstream: Upstream, error: UpstreamError) -> UpstreamError:
        upstream.report(error)
        self._tried.append(upstream)
        if self._give_up_at is None:
            self._give_up_at = time.monotonic() + self._config.resume_wait_s
        if error.lost:
            self._losses += error.seen
            self._losses_in_all += error.seen
            _log.info(
                "a call to upstream %s of model %s is lost%s: %s, %s",
                upstream.address,
                self._route.name,
                "" if error.seen else " on its way",
                error.code.name,
                error.message[:_LOGGED],
            )
        error.trailing = (*error.trailing, *self.metadata)
        return error

    def retry(self, error: UpstreamError) -> None:
        """Let a call that nothing has come of be made again after an error, and count it.

        One for which a worker has no room stays within its pool: the next is for when there is no worker. One that no
        worker has seen was no load on any, so that the budget is not for it.

        Raises:
            UpstreamError, ModelUnavailableError: it is to fail.
        """
        if error.full:
            choice = self._route.choose(self._tried)
            if choice is None or choice.pool.name != self._pool:
                raise error
        elif not error.lost:
            raise error
        self.go_on(error)
        if error.seen and not self._route.budget.take():
            raise self._given_up("the budget of retries is used up", error)
        self._route.retries += 1

    def go_on(self, error: UpstreamError) -> None:
        """Let a call be given to another upstream, unless it has lost too many.

        Raises:
            UpstreamError, ModelUnavailableError: it has.
        """
        most = self._config.max_attempts
        if self._losses >= most or self._losses_in_all >= most * _IN_ALL:
            raise self._given_up(f"{self._losses} workers were lost in a row, {self._losses_in_all} in all", error)

    async def wait(self, error: UpstreamError | None) -> None:
        """Let a call wait that there is nobody for, or nobody who hasn't lost it, until there may be somebody.

        The first time it doesn't: a connection may be all that broke.

        Args:
            error: that lost it; None where nobody was asked.

        Raises:
            UpstreamError, ModelUnavailableError: there was nobody for too long.
        """
        self._tried.clear()
        if not self._waited:
            self._waited = True
            return
        since_loss = self._give_up_at
        give_up_at = self._route.served_until + self._config.resume_wait_s if since_loss is None else since_loss
        left_s = give_up_at - time.monotonic()
        if left_s <= 0:
            raise self._given_up("no worker takes it", error)
        await self._route.news(min(left_s, _LOOK_S))

    def _given_up(self, why: str, error: UpstreamError | None) -> Exception:
        _log.info("a call of model %s is given up after %d attempts: %s", self._route.name, self.count, why)
        return self.unavailable(error)

    def unavailable(self, error: UpstreamError | None = None) -> Exception:
        """Give what the client is told when nothing more can be done."""
        if error is not None and not error.refused and (error.status is not None or not error.lost):
            return error
        why = "not answered by any worker now" if error is None else "no longer answering"
        return ModelUnavailableError(self._route.name, why, RETRY_ELSEWHERE_S)
