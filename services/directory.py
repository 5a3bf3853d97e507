"""Models by name and alias, wherever they are computed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Generic, Protocol, TypeVar

from services.errors import InvalidArgumentError, ModelNotFoundError, Violation

MAX_NAME = 128
"""Characters of a model's name at most."""


class Named(Protocol):
    """A model, as far as finding it goes."""

    @property
    def name(self) -> str: ...

    @property
    def aliases(self) -> Sequence[str]: ...

    @property
    def is_guard(self) -> bool: ...


M = TypeVar("M", bound=Named)


class Directory(Generic[M]):
    """Models to be found by what requests call them.

    Attributes:
        all: of them, in the order of their names.
    """

    def __init__(self, models: Iterable[M]) -> None:
        self.all = sorted(models, key=lambda model: model.name)
        self._by_name = {name: model for model in self.all for name in (model.name, *model.aliases)}

    def find(self, name: str) -> M:
        """Find a model; without a name, the only one there is, or the only one that is no guard.

        Raises:
            ModelNotFoundError: there is none.
            InvalidArgumentError: the name is missing and there are several models, or it is too long to be one.
        """
        if len(name) > MAX_NAME:
            raise InvalidArgumentError([Violation("model", f"is longer than {MAX_NAME} characters")])
        meant = self.all if len(self.all) == 1 else [model for model in self.all if not model.is_guard]
        if not name and len(meant) == 1:
            return meant[0]
        if not name:
            served = ", ".join(model.name for model in self.all)
            raise InvalidArgumentError([Violation("model", f"is missing, and several are served: {served[:MAX_NAME]}")])
        if name not in self._by_name:
            raise ModelNotFoundError(name, [model.name for model in self.all])
        return self._by_name[name]
