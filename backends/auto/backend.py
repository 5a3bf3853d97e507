"""Tries one backend after the other, and stands for the one that can serve the model here."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import hydra.utils
from omegaconf import DictConfig, OmegaConf

from backends.base import Backend, Deltas
from backends.errors import LoadError, UnfitError
from backends.types import Capabilities, GenerationRequest, Health

logger = logging.getLogger(__name__)


class AutoBackend(Backend):
    """The first backend that is fit for the model and the machine.

    Only `UnfitError` passes the model on: a broken checkpoint is broken for all, and should be told as it is.

    Args:
        checkpoint: folder, given to each.
        choices: settings of each backend by its name, in the order they are tried.
    """

    def __init__(self, *, checkpoint: str, **choices: Mapping[str, Any]) -> None:
        self._choices = {name: _made(settings, checkpoint) for name, settings in choices.items()}
        self._chosen = next(iter(self._choices.values()))
        self._closed = False

    async def load(self) -> Capabilities:
        """Load the first that is fit, and say in `Capabilities` which one it is and why."""
        unfit: list[str] = []
        for name, backend in self._choices.items():
            if self._closed:
                raise LoadError("closed while loading: build and load another backend")
            self._chosen = backend
            try:
                capabilities = await backend.load()
            except UnfitError as error:
                logger.warning("not served by %s: %s", name, error)
                unfit.append(f"not {name}: {error}")
                await backend.close()
            else:
                why = "; ".join(unfit) or "the first choice, and fit"
                logger.info("served by %s (%s)", name, why)
                return replace(capabilities, backend=name, choice_reason=why)
        raise LoadError("no backend is fit for this model on this machine: " + "; ".join(unfit))

    def health(self) -> Health:
        """See `Backend.health`."""
        return self._chosen.health()

    async def close(self) -> None:
        """See `Backend.close`."""
        self._closed = True
        for backend in self._choices.values():
            await backend.close()

    def generate(self, request: GenerationRequest) -> Deltas:
        """See `Backend.generate`."""
        return self._chosen.generate(request)

    async def classify(self, windows: Sequence[Sequence[int]]) -> list[list[float]]:
        """See `Backend.classify`."""
        return await self._chosen.classify(windows)


def _made(settings: Mapping[str, Any], checkpoint: str) -> Backend:
    plain: Any = OmegaConf.to_container(settings) if isinstance(settings, DictConfig) else settings
    backend: Backend = hydra.utils.instantiate({**plain, "checkpoint": checkpoint})
    return backend
