"""`paddock serve`: a process from its configuration to its exit code."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import shutil
import signal
import sys
from pathlib import Path

from backends.errors import LoadError
from services import config as configs
from services.config import PaddockConfig, ServerConfig
from services.errors import ConfigError
from services.model import ServedModel
from services.server import Server
from services.telemetry.log import log_to_stderr

_DEATH = 1
_USAGE_ERROR = 2
_log = logging.getLogger(__name__)


def serve(overrides: list[str], config_dir: str | None = None) -> int:
    """Serve until SIGTERM or SIGINT.

    Returns:
        0 after a stop that was asked for, 2 when configuration or loading is at fault. The death of a backend ends the
        process with 1: whoever supervises it starts another.
    """
    try:
        config = configs.load(overrides, config_dir)
        log_to_stderr(config.telemetry)
        _raise_file_limit()
        served, death = asyncio.run(_serve(config))
    except (ConfigError, LoadError) as error:
        sys.stderr.write(f"paddock: {error}\n")
        return _USAGE_ERROR
    finally:
        logging.shutdown()
    if death is not None:
        sys.stderr.write(f"paddock: the backend of model {death.name} died; the log says why. Start the server again\n")
        sys.stderr.flush()
        os._exit(_DEATH)  # a dead engine's threads may never end
    if not served:
        os._exit(0)  # threads of an unfinished download would keep the process until they are through
    return 0


async def _serve(config: PaddockConfig) -> tuple[bool, ServedModel | None]:
    """Serve until asked to stop or until a backend dies; tell whether it came to serving, and whose backend died."""
    stop = asyncio.Event()
    _handle_signals(stop)
    server = Server(config)
    await server.start()
    try:
        _log.info("listening on %s; not serving until loaded", server.address)
        loaded = await _load(server, stop)
        if loaded:
            sys.stdout.write(_how_to_call(server, config.server))
            sys.stdout.flush()
            return True, await _until_stop(server, stop)
        return False, None
    finally:
        await server.stop()


async def _until_stop(server: Server, stop: asyncio.Event) -> ServedModel | None:
    """Wait until asked to stop, or for a backend's death; return the model that it takes down."""
    loop = asyncio.get_running_loop()
    stopping, dying = loop.create_task(stop.wait()), loop.create_task(server.death())
    try:
        await asyncio.wait({stopping, dying}, return_when=asyncio.FIRST_COMPLETED)
        return dying.result() if dying.done() and not stop.is_set() else None
    finally:
        for task in (stopping, dying):
            task.cancel()
        await asyncio.gather(stopping, dying, return_exceptions=True)


async def _load(server: Server, stop: asyncio.Event) -> bool:
    """Load, unless asked to stop meanwhile; tell whether it was done."""
    loop = asyncio.get_running_loop()
    loading, stopping = loop.create_task(server.load()), loop.create_task(stop.wait())
    try:
        await asyncio.wait({loading, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if loading.done():
            await loading
            return True
        return False
    finally:
        for task in (loading, stopping):
            task.cancel()
        await asyncio.gather(loading, stopping, return_exceptions=True)


def _raise_file_limit() -> None:
    """Let there be as many open files as may be: each connection is one, and what is left is for what is read again."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _handle_signals(stop: asyncio.Event) -> None:
    """The first signal asks for a stop; the second ends the process at once."""

    def on_signal(number: int) -> None:
        if stop.is_set():
            os._exit(128 + number)
        _log.info("%s: stopping; a second signal ends at once", signal.Signals(number).name)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, on_signal, number)


def _command() -> str:
    """How to call the command line from here: by its path where it isn't on the PATH."""
    installed = Path(sys.executable).with_name("paddock")
    return "paddock" if shutil.which("paddock") or not installed.exists() else os.path.relpath(installed)


def _how_to_call(server: Server, config: ServerConfig) -> str:
    computed = [f"{model.name} ({model.backend_name})" for model in server.models.all]
    models = ", ".join([*computed, *(f"{route.name} (routed)" for route in server.router.routes)])
    talking = [model.name for model in server.models.all if model.loaded is not None and model.loaded.chat is not None]
    secured = " --tls-ca CA.pem" if config.tls.cert_file else ""
    secured += " --tls-cert CLIENT.pem --tls-key CLIENT.key" if config.tls.client_ca_file else ""
    command = f"{'PADDOCK_API_KEY=KEY ' if config.api_keys else ''}{_command()}"
    where = f"--address {server.address}{secured}"
    if not talking:
        return f"\nPaddock serves {models} on {server.address}\n\n  {command} models {where}\n"
    if secured or config.api_keys:
        return f"\nPaddock serves {models} on {server.address}\n\n  {command} chat {where}\n"
    first = talking[0]
    body = f'{{"model":"{first}","chat":{{"messages":[{{"role":"ROLE_USER","content":[{{"text":"Hello!"}}]}}]}}}}'
    return (
        f"\nPaddock serves {models} on {server.address}\n\n"
        f"  {command} chat {where}\n"
        f"  grpcurl -plaintext -d '{body}' \\\n    {server.address} paddock.v1.InferenceService/GenerateStream\n"
    )
