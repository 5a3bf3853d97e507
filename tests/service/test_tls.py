"""Certificates on the way to a server: who gets in, and what changes while it runs."""

from __future__ import annotations

import asyncio
import logging

import grpc
import pytest

from services.config import PaddockConfig, ServerConfig
from services.errors import ConfigError
from services.identity.caller import line
from services.identity.config import TlsConfig
from services.identity.key import new_key
from services.server import Server
from tests.authority import Authority, Pair
from tests.service.rig import MODEL, model_config, request, serving, simulator, soon, until
from tests.service.test_cli import paddock

HERE = "IP:127.0.0.1,DNS:localhost"
Code = grpc.StatusCode


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls") / "authority")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    """An authority that the server doesn't know."""
    return Authority(tmp_path_factory.mktemp("tls") / "stranger")


@pytest.fixture(scope="module")
def server_pair(authority):
    return authority.issue("server", HERE)


@pytest.fixture(scope="module")
def client_pair(authority):
    return authority.issue("client", "DNS:client.internal")


def trusting(authority: Authority, shown: Pair | None = None) -> grpc.ChannelCredentials:
    """Credentials of a client that trusts an authority, and shows a certificate."""
    root = authority.file.read_bytes()
    if shown is None:
        return grpc.ssl_channel_credentials(root)
    return grpc.ssl_channel_credentials(root, shown.key.read_bytes(), shown.cert.read_bytes())


def tls(pair: Pair, clients: Authority | None = None) -> TlsConfig:
    return TlsConfig(str(pair.cert), str(pair.key), None if clients is None else str(clients.file))


async def refused(client) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.generate(request())
    return caught.value


async def test_a_server_with_a_certificate(checkpoint, authority, stranger, server_pair):
    async with serving(model_config(checkpoint), tls=tls(server_pair)) as rig:
        assert (await rig.client(trusting(authority)).generate(request())).outputs
        assert (await rig.client(trusting(authority)).serving()) == "SERVING"
        assert (await refused(rig.client(trusting(stranger)))).code() is Code.UNAVAILABLE
        assert (await refused(rig.client())).code() is Code.UNAVAILABLE  # plain


async def test_only_who_shows_a_certificate_of_the_authority_gets_in(
    checkpoint, authority, stranger, server_pair, client_pair
):
    expired = authority.issue("expired", "DNS:client.internal", expired=True)
    unnamed = authority.issue("unnamed", "")
    forged = stranger.issue("forged", "DNS:client.internal")
    async with serving(model_config(checkpoint), tls=tls(server_pair, authority)) as rig:
        assert (await rig.client(trusting(authority, client_pair)).generate(request())).outputs
        for shown in (None, expired, forged):
            assert (await refused(rig.client(trusting(authority, shown)))).code() is Code.UNAVAILABLE
        assert (await refused(rig.client(trusting(authority, unnamed)))).code() is Code.UNAUTHENTICATED


async def test_a_new_certificate_is_shown_and_no_stream_ends(checkpoint, authority, stranger, tmp_path, caplog):
    caplog.set_level(logging.INFO, "services.identity.file")
    pair = Pair(tmp_path / "server.pem", tmp_path / "server.key")
    pair.replace(authority.issue("first", HERE))
    second = stranger.issue("second", HERE)
    model = model_config(checkpoint, simulator(time_per_token_s=0.01))
    async with serving(model, tls=tls(pair)) as rig:
        old = rig.client(trusting(authority))
        running = asyncio.create_task(old.stream(request(max_tokens=200)))
        await old.until_load(1)

        pair.key.write_bytes(b"half of a key")  # a broken one changes nothing
        assert (await rig.client(trusting(authority)).generate(request(max_tokens=1))).outputs
        assert (await rig.client(trusting(authority)).generate(request(max_tokens=1))).outputs
        told = [entry.getMessage() for entry in caplog.records if entry.levelno == logging.ERROR]
        assert len(told) == 1
        assert "server.tls.key_file" in told[0]
        assert "half of a key" not in told[0]

        pair.replace(second)
        assert (await rig.client(trusting(stranger)).generate(request(max_tokens=1))).outputs
        assert (await refused(rig.client(trusting(authority)))).code() is Code.UNAVAILABLE
        assert (await old.generate(request(max_tokens=1))).outputs  # its connection goes on, and the stream on it
        assert (await soon(running)).outputs[0].finished.completion_tokens == 200


async def test_who_is_vouched_for_can_change(checkpoint, authority, stranger, server_pair, client_pair, tmp_path):
    clients = tmp_path / "clients.pem"
    clients.write_bytes(authority.file.read_bytes())
    config = TlsConfig(str(server_pair.cert), str(server_pair.key), str(clients))
    newcomer = stranger.issue("newcomer", "DNS:new.internal")
    async with serving(model_config(checkpoint), tls=config) as rig:
        assert (await rig.client(trusting(authority, client_pair)).generate(request())).outputs
        assert (await refused(rig.client(trusting(authority, newcomer)))).code() is Code.UNAVAILABLE

        clients.write_bytes(stranger.file.read_bytes())

        async def let_in() -> bool:
            try:
                return bool((await rig.client(trusting(authority, newcomer)).generate(request())).outputs)
            except grpc.aio.AioRpcError:
                return False

        await until(let_in)
        assert (await refused(rig.client(trusting(authority, client_pair)))).code() is Code.UNAVAILABLE


@pytest.mark.parametrize("kind", ["missing", "no certificate", "no key", "another's key", "encrypted", "bad authority"])
def test_what_can_t_be_used_is_told_before_anything_starts(authority, server_pair, client_pair, tmp_path, kind):
    other = tmp_path / "other.pem"
    other.write_text("-----BEGIN CERTIFICATE-----\nbm8=\n-----END CERTIFICATE-----\n")
    encrypted = tmp_path / "encrypted.pem"
    encrypted.write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\nbm8=\n-----END ENCRYPTED PRIVATE KEY-----\n")
    cert, key = str(server_pair.cert), str(server_pair.key)
    config, named = {
        "missing": (TlsConfig(str(tmp_path / "none"), key), "server.tls.cert_file:"),
        "no certificate": (TlsConfig(key, key), "server.tls.cert_file:"),
        "no key": (TlsConfig(cert, cert), "server.tls.key_file:"),
        "another's key": (TlsConfig(cert, str(client_pair.key)), "server.tls.key_file:"),
        "encrypted": (TlsConfig(cert, str(encrypted)), "server.tls.key_file:"),
        "bad authority": (TlsConfig(cert, key, str(other)), "server.tls.client_ca_file:"),
    }[kind]
    with pytest.raises(ConfigError) as caught:
        Server(PaddockConfig(server=ServerConfig(address="127.0.0.1:0", tls=config)))
    assert str(caught.value).startswith(named)
    assert "; " in str(caught.value)


async def test_a_name_of_a_certificate_is_a_caller(checkpoint, authority, server_pair, client_pair, tmp_path):
    file = tmp_path / "callers.jsonl"
    key = new_key()
    file.write_text(
        f'{{"name": "client", "san": "client.internal", "models": ["sim"]}}\n{line("keyholder", key, ["nothing"])}\n'
    )
    listed, unlisted = client_pair, authority.issue("unlisted", "DNS:unlisted.internal")
    config = tls(server_pair, authority)
    async with serving(model_config(checkpoint), tls=config, api_keys=str(file)) as rig:
        known, unknown = (rig.client(trusting(authority, shown)) for shown in (listed, unlisted))
        assert (await known.generate(request())).outputs
        assert (await refused(unknown)).code() is Code.UNAUTHENTICATED
        for client in (known, unknown):  # a key says more than a certificate
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await client.generate(request(), metadata=(("authorization", f"Bearer {key}"),))
            assert caught.value.code() is Code.PERMISSION_DENIED
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await known.generate(request(), metadata=(("authorization", f"Bearer {new_key()}"),))
        assert caught.value.code() is Code.UNAUTHENTICATED


async def test_commands_over_tls(checkpoint, authority, stranger, server_pair, client_pair):
    """What is said when the connection fails, too: gRPC's own words help nobody."""
    shown = ("--tls-cert", str(client_pair.cert), "--tls-key", str(client_pair.key))
    async with serving(model_config(checkpoint), tls=tls(server_pair, authority)) as rig:

        async def models(*argv: str) -> tuple[int, str]:
            done = await paddock("models", "--address", rig.address, *argv)
            return done.returncode, done.stdout or done.stderr

        code, told = await models("--tls-ca", str(authority.file), *shown)
        assert code == 0
        assert MODEL in told
        for argv, remedy in (
            ((), "if it wants TLS, give --tls-ca"),
            (("--tls-ca", str(authority.file)), "if it wants a certificate, give --tls-cert and --tls-key"),
            (("--tls-ca", str(stranger.file), *shown), "does not vouch for"),
        ):
            code, told = await models(*argv)
            assert code == 1
            assert remedy in told
