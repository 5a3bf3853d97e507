"""Who makes a call, and whether they may."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import grpc.aio
from google.protobuf.message import Message

from paddock.v1 import model_pb2, tokenize_pb2
from services.directory import Directory, Named
from services.errors import (
    CredentialInvalidError,
    CredentialMissingError,
    ModelNotFoundError,
    ModelNotPermittedError,
)
from services.identity.caller import ANYONE, Caller, Callers, read_callers
from services.identity.config import Listening
from services.identity.file import Reloaded
from services.identity.origin import Origin, read_origin

_SAN = "x509_subject_alternative_name"
_KEY = "server.api_keys"


class Identity:
    """A server's.

    Attributes:
        files: what it reads, to be followed.
    """

    def __init__(self, config: Listening, models: Callable[[], Iterable[Named]]) -> None:
        """Take what gives the models that can be asked.

        Raises:
            ConfigError: the file of keys can't be used.
        """
        self._models = models
        self._shares_cache = config.shared_cache
        self._certificates = config.tls.client_ca_file is not None
        self._callers: Reloaded[Callers] | None = None
        self.files: Sequence[Reloaded[Any]] = ()
        if (path := config.api_keys) is not None:
            self._callers = Reloaded({_KEY: path}, lambda contents: read_callers(_KEY, path, contents[_KEY]))
            self.files = (self._callers,)

    def caller(self, context: grpc.aio.ServicerContext[Any, Any]) -> Caller:
        """Say who calls: whose key it is, or else whose certificate.

        Raises:
            CredentialMissingError: there is neither.
            CredentialInvalidError: it is nobody's.
        """
        if self._callers is None and not self._certificates:
            return ANYONE
        callers = None if self._callers is None else self._callers.value
        if callers is not None and (key := _key(context)) is not None:
            return _known(callers.of_key(key))
        sans = _sans(context) if self._certificates else []
        if not sans:
            raise CredentialMissingError
        return _known(callers.of_certificate(sans)) if callers is not None else Caller(sans[0])

    def origin(self, caller: Caller, context: grpc.aio.ServicerContext[Any, Any]) -> Origin:
        """Say where a call of theirs comes from.

        Raises:
            InvalidArgumentError: its metadata say what they can't.
        """
        return read_origin(caller, context.invocation_metadata() or (), self._shares_cache)

    def permit(self, caller: Caller, request: Message) -> None:
        """Let a request pass if its model may be asked. One that names none is given the only one there is for them.

        To those who may not ask all models, others are as good as not there.

        Raises:
            ModelNotPermittedError: it may not be.
            InvalidArgumentError: it names none, where several could be meant.
        """
        if caller.models is None or isinstance(request, model_pb2.ListModelsRequest):
            return
        mine = Directory(model for model in self._models() if caller.may_ask((model.name, *model.aliases)))
        names = _names(request)
        if not mine.all:
            raise ModelNotPermittedError(caller.name, next(iter(names), ""))
        if not names:
            request.model = mine.find("").name  # type: ignore[attr-defined]
        for name in names:
            try:
                mine.find(name)
            except ModelNotFoundError:
                raise ModelNotPermittedError(caller.name, name) from None

    def hide(self, caller: Caller, answer: Any) -> None:
        """Take out of a list of models those that the caller may not ask."""
        if caller.models is not None and isinstance(answer, model_pb2.ListModelsResponse):
            shown = [model for model in answer.models if caller.may_ask((model.name, *model.aliases))]
            del answer.models[:]
            answer.models.extend(shown)


def _known(caller: Caller | None) -> Caller:
    if caller is None:
        raise CredentialInvalidError
    return caller


def _names(request: Any) -> list[str]:
    names = [request.model]
    if isinstance(request, tokenize_pb2.TokenizeRequest):
        names.append(request.generate.model)
    return [name for name in names if name]


def _key(context: grpc.aio.ServicerContext[Any, Any]) -> str | None:
    """Give the key that a call shows.

    Raises:
        CredentialInvalidError: it shows several, or something else.
    """
    shown = [value for key, value in context.invocation_metadata() or () if key == "authorization"]
    if not shown:
        return None
    match = re.fullmatch(r"(?i:bearer) +(\S+)", shown[0]) if isinstance(shown[0], str) else None
    if match is None or len(shown) > 1:
        raise CredentialInvalidError
    return match[1]


def _sans(context: grpc.aio.ServicerContext[Any, Any]) -> list[str]:
    sans = context.auth_context().get(_SAN, ())
    return [san.decode("utf-8", "replace") for san in sans]
