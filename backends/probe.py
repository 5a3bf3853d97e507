"""A request of our own, for an engine that has failed somebody's: does it compute anything any more?

A failure is one request's. But an engine that has lost its GPU fails every request, at once, and would be sent more
than any other worker for being idle. So before a failure is told, somebody's answer must have gone on, or else a probe
been computed. Where neither does, the engine is lost: the backend is not ready any more, and the failure is
`UnavailableError`, after which a stream may go on elsewhere. docs/adr/0027-a-failure-is-probed.md
"""

from __future__ import annotations

from backends.types import GenerationRequest, Sampling

PROBE = GenerationRequest(prompt=(0,), max_tokens=1, sampling=Sampling(seed=0))
"""Nothing is wrong with it, and it costs one token."""


class EngineLostError(Exception):
    """An engine failed the probe, and nobody's request made progress."""
