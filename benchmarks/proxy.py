"""Who stands between clients and a stand-in server: Paddock's gateway, and others, each as a process.

Paddock, a relay of bare `grpc.aio` and nginx (`grpc_pass`) speak gRPC; smg and litellm do over HTTP what is their part.
Of nginx, the one on the PATH is taken, or the one that `make peers` unpacked.

    python -m benchmarks.proxy ADDRESS     # the bare relay
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from benchmarks.client import METHOD
from benchmarks.fleet import free_port, routed
from benchmarks.origin import MODEL
from benchmarks.peers import FOLDER
from benchmarks.server import Server, ServerError, http, paddock, printing

GRPC = ("Paddock", "bare grpc.aio relay", "nginx grpc_pass")
HTTP = ("smg", "litellm")

_NGINX = """\
daemon off; master_process off; pid {folder}/pid; error_log stderr error;
events {{ worker_connections 4096; }}
http {{
  access_log off; client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
  uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5; grpc_read_timeout 600s; grpc_buffer_size 64k;
  http2_max_concurrent_streams 4096; keepalive_requests 1000000;
  upstream origin {{ server {origin}; keepalive 1024; keepalive_requests 1000000; }}
  server {{ listen 127.0.0.1:{port} http2; location / {{ grpc_pass grpc://origin; }} }}
  server {{ listen 127.0.0.1:{port_of_health}; location / {{ return 200; }} }}
}}
"""
_LITELLM = """\
model_list:
  - model_name: {model}
    litellm_params: {{model: openai/{model}, api_base: "http://{origin}/v1", api_key: none}}
general_settings: {{dangerously_permit_weak_or_unset_master_key: true}}
"""


def gateway(origin: Server, *settings: str) -> AbstractContextManager[Server]:
    """Run Paddock's."""

    @contextmanager
    def run() -> Iterator[Server]:
        with tempfile.TemporaryDirectory() as folder, paddock(*_routed(folder, origin), *settings) as server:
            yield server

    return run()


def _routed(folder: str, origin: Server) -> list[str]:
    return routed(Path(folder), [MODEL], [origin.address])


def proxy(name: str, origin: Server) -> AbstractContextManager[Server]:
    """Run one by its name.

    Raises:
        ServerError: on entering, if it is not there or doesn't start.
    """
    if name == "Paddock":
        return gateway(origin)
    if name == "bare grpc.aio relay":
        return printing([sys.executable, "-m", "benchmarks.proxy", origin.address])
    return {"nginx grpc_pass": _nginx, "smg": _smg, "litellm": _litellm}[name](origin)


@contextmanager
def _nginx(origin: Server) -> Iterator[Server]:
    program = shutil.which("nginx") or shutil.which("nginx", path=str(FOLDER))
    if program is None:
        raise ServerError("not installed")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "nginx.conf"
        ports: list[int] = []

        def command(port: int) -> Sequence[str]:
            ports.append(free_port())
            told = _NGINX.format(folder=folder, origin=origin.address, port=ports[0], port_of_health=port)
            file.write_text(told, encoding="utf-8")
            return [program, "-p", folder, "-c", str(file)]

        with http(command, "/", MODEL) as server:
            yield Server(f"127.0.0.1:{ports[0]}", server.pid, MODEL)


@contextmanager
def _smg(origin: Server) -> Iterator[Server]:
    def command(port: int) -> Sequence[str]:
        listen = ["--host", "127.0.0.1", "--port", str(port), "--prometheus-port", str(free_port())]
        worker = ["--worker-urls", f"http://{origin.address}", "--policy", "round_robin", "--disable-load-monitoring"]
        return [str(FOLDER / "smg"), "launch", *listen, *worker, "--log-level", "error"]

    with http(command, "/readiness", MODEL) as server:
        yield server


@contextmanager
def _litellm(origin: Server) -> Iterator[Server]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "config.yaml"
        file.write_text(_LITELLM.format(model=MODEL, origin=origin.address), encoding="utf-8")

        def command(port: int) -> Sequence[str]:
            quiet = ["env", "LITELLM_LOG=ERROR", "LITELLM_LOCAL_MODEL_COST_MAP=True", "LITELLM_TELEMETRY=False"]
            listen = ["--host", "127.0.0.1", "--port", str(port), "--num_workers", "1", "--telemetry", "False"]
            return [*quiet, str(FOLDER / "litellm"), "--config", str(file), *listen]

        with http(command, "/health/liveliness", MODEL) as server:
            yield server


async def _relay(origin: str) -> None:
    """Pass on each message of a stream, and nothing more."""
    channel = grpc.aio.insecure_channel(origin)
    there: Any = channel.unary_stream(METHOD)

    async def stream(body: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
        call = there(body)
        while (message := await call.read()) is not grpc.aio.EOF:
            await context.write(message)

    server = grpc.aio.server()
    service, _, method = METHOD[1:].partition("/")
    handler: Any = grpc.unary_stream_rpc_method_handler(stream)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"relay on 127.0.0.1:{port}", flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(_relay(sys.argv[1]))
