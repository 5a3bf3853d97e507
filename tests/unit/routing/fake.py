"""Stand-ins for what routing is made of."""

from __future__ import annotations

from services.routing.config import OutlierConfig, PoolConfig, UpstreamConfig
from services.routing.credential import Credential
from services.routing.outlier import OutlierDetector
from services.routing.upstream import Upstream


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def pass_(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


def upstream(
    address: str = "a:1", *, weight: float = 1.0, clock: Clock | None = None, serving: bool = True, **outlier: object
) -> Upstream:
    """Make an upstream that nothing is connected to, and that doesn't say how many slots it has."""
    detector = OutlierDetector(OutlierConfig(**{"slow_start_s": 0.0, **outlier}), clock or Clock())
    credential = Credential("pool", PoolConfig("main"))
    made = Upstream("m", UpstreamConfig(address, weight), None, detector, lambda: None, credential)  # type: ignore[arg-type]
    made.serving, made.asked = serving, True
    return made
