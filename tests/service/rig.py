"""A server on a port of its own in this process, and a client of it over a real connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from backends.base import Backend
from backends.simulator.config import SimulatorConfig
from paddock.v1 import chat_pb2, generate_pb2, inference_pb2_grpc, model_pb2
from services.config import ModelConfig, PaddockConfig, ServerConfig
from services.routing.config import RoutingConfig
from services.server import Server
from services.telemetry.config import TelemetryConfig
from tests.checkpoint import TEXT_IDS, VOCAB_SIZE
from tests.service.answer import Stream

PATIENCE_S = 60.0
"""The longest wait for anything. Nothing should take a tenth of it."""

MODEL = "sim"

T = TypeVar("T")


async def soon(awaitable: Awaitable[T]) -> T:
    """Await, but not forever."""
    return await asyncio.wait_for(awaitable, PATIENCE_S)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what nothing announces."""

    async def poll() -> None:
        while not await condition():  # noqa: ASYNC110 - a poll is all that there is
            await asyncio.sleep(0.01)

    await soon(poll())


def simulator(**settings: Any) -> SimulatorConfig:
    """Configure a simulator whose answers are text of the test tokenizer."""
    shape = {"vocab_size": VOCAB_SIZE, "last_token_id": TEXT_IDS - 1, "context_length": 512, "max_concurrency": 64}
    return SimulatorConfig(**{**shape, **settings})


def model_config(checkpoint: Path, backend: Any = None, **settings: Any) -> ModelConfig:
    """Configure a model of the simulator's."""
    config = {"name": MODEL, "checkpoint": str(checkpoint), "backend": backend or simulator(), "date": "2026-01-31"}
    return ModelConfig(**{**config, **settings})


def request(prompt: str = "the horse", max_tokens: int = 24, **fields: Any) -> generate_pb2.GenerateRequest:
    """Build a request for a prompt, greedy and without end unless told otherwise.

    Fields of `Sampling`, `Stop` and `GenerateRequest` mix freely; `strings` and `stop_ids` are the stop's.
    """
    sampling = {name: fields.pop(name) for name in generate_pb2.Sampling.DESCRIPTOR.fields_by_name if name in fields}
    stop = {name: fields.pop(name) for name in ("strings", "ignore_eos", "include_in_output") if name in fields}
    if not {"chat", "token_ids"} & fields.keys():
        fields["prompt"] = prompt
    return generate_pb2.GenerateRequest(
        model=fields.pop("model", MODEL),
        max_tokens=max_tokens,
        sampling=generate_pb2.Sampling(**{"temperature": 0.0, **sampling}),
        stop=generate_pb2.Stop(**{"token_ids": fields.pop("stop_ids", ()), **stop}),
        **fields,
    )


def chat(*texts: str, **fields: Any) -> chat_pb2.Chat:
    """Build a conversation of which the user says the first text, the assistant the second, and so on."""
    roles = (chat_pb2.ROLE_USER, chat_pb2.ROLE_ASSISTANT)
    messages = [
        chat_pb2.Message(role=roles[index % 2], content=[chat_pb2.ContentPart(text=text)])
        for index, text in enumerate(texts)
    ]
    return chat_pb2.Chat(messages=messages, **fields)


class Client:
    """One connection to a server."""

    def __init__(
        self, address: str, options: Sequence[tuple[str, Any]] = (), tls: grpc.ChannelCredentials | None = None
    ) -> None:
        alone = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0), ("grpc.enable_http_proxy", 0)]
        self.channel = (
            grpc.aio.secure_channel(address, tls, [*alone, *options])
            if tls
            else grpc.aio.insecure_channel(address, [*alone, *options])
        )
        self.stub = inference_pb2_grpc.InferenceServiceStub(self.channel)
        self.health = health_pb2_grpc.HealthStub(self.channel)

    async def generate(self, wanted: generate_pb2.GenerateRequest, **call: Any) -> generate_pb2.GenerateResponse:
        """Take an answer in one message."""
        return await soon(self.stub.Generate(wanted, **call))

    async def stream(self, wanted: generate_pb2.GenerateRequest, **call: Any) -> Stream:
        """Take a stream in whole, checking its order on the way."""
        return await soon(self._stream(wanted, call))

    async def _stream(self, wanted: generate_pb2.GenerateRequest, call: dict[str, Any]) -> Stream:
        stream = Stream(wanted)
        async for message in self.stub.GenerateStream(wanted, **call):
            stream.add(message)
        stream.check_end()
        return stream

    async def model(self, name: str = "") -> model_pb2.Model:
        """Describe a model."""
        return (await soon(self.stub.GetModel(model_pb2.GetModelRequest(model=name)))).model

    async def load(self, name: str = MODEL) -> tuple[int, int]:
        """Tell how many outputs run and how many wait."""
        load = (await self.model(name)).load
        return load.running, load.waiting

    async def until_load(self, running: int, waiting: int = 0) -> None:
        """Wait for a load."""

        async def reached() -> bool:
            return await self.load() == (running, waiting)

        await until(reached)

    async def serving(self, service: str = "") -> str:
        """Ask the health service."""
        answer = await soon(self.health.Check(health_pb2.HealthCheckRequest(service=service)))
        return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)


class Rig(Client):
    """A server and a client of it."""

    def __init__(self, server: Server) -> None:
        super().__init__(server.address)
        self.address = server.address
        self.server = server
        self._others: list[Client] = []

    def client(self, tls: grpc.ChannelCredentials | None = None, **options: Any) -> Client:
        """Connect once more. Options are channel arguments, without their prefix."""
        other = Client(self.server.address, [(f"grpc.{name}", value) for name, value in options.items()], tls)
        self._others.append(other)
        return other

    @property
    def admitted(self) -> int:
        """How many outputs admission counts."""
        loaded = self.server.models.all[0].loaded
        return 0 if loaded is None else loaded.admission.admitted

    async def until_idle(self) -> None:
        """Wait until nothing runs, waits or is admitted."""

        async def idle() -> bool:
            return await self.load() == (0, 0) and not self.admitted

        await until(idle)

    async def close_clients(self) -> None:
        """Close all connections."""
        for client in (self, *self._others):
            await client.channel.close()


@asynccontextmanager
async def serving(
    *models: ModelConfig,
    backend: Backend | None = None,
    load: bool = True,
    routing: RoutingConfig | None = None,
    telemetry: TelemetryConfig | None = None,
    **server: Any,
) -> AsyncIterator[Rig]:
    """Serve models on a free port. `backend` takes the place of the first model's; the rest configures the server."""
    defaults = {"address": "127.0.0.1:0", "drain_s": 1.0, "close_s": 5.0, "deadline_margin_s": 60.0}
    config = ServerConfig(**{**defaults, **server})
    named = {model.name: model for model in models}
    told = telemetry or TelemetryConfig()
    rig_server = Server(PaddockConfig(named, routing or RoutingConfig(), config, told))
    if backend is not None:
        rig_server.models.all[0]._make_backend = lambda folder: backend  # type: ignore[method-assign]
    await soon(rig_server.start())
    rig = Rig(rig_server)
    try:
        if load:
            await soon(rig_server.load())
        yield rig
    finally:
        await soon(rig_server.stop())
        await rig.close_clients()
