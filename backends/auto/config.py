"""Configuration of the choice between backends. Imports nothing heavy, so that a config can be read anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(kw_only=True)
class AutoConfig:
    """Structured config (Hydra) of `AutoBackend`; the fields are its constructor's arguments.

    Attributes:
        checkpoint: folder of the checkpoint, whichever serves it.
        tensorrt_llm: settings of the first choice: the keys of the `tensorrt_llm` backend.
        transformers: settings of the second choice: the keys of the `transformers` backend.
    """

    _target_: str = "backends.auto.backend.AutoBackend"
    _recursive_: bool = False
    """For Hydra: the settings go to the constructor as they are."""
    checkpoint: str = "???"  # OmegaConf's mark for a mandatory value
    tensorrt_llm: Any = "???"
    transformers: Any = "???"
