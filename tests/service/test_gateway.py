"""A gateway answers as its workers do: every method, every error, byte for byte."""

from __future__ import annotations

import asyncio

import grpc
import pytest
import pytest_asyncio

from backends.types import TokenDelta
from paddock.v1 import classify_pb2, generate_pb2, model_pb2, tokenize_pb2
from tests.service.answer import folded
from tests.service.backend import ScriptedBackend, byte_id, end
from tests.service.failure import failure
from tests.service.gateway import gateway, pool, routed, routing
from tests.service.rig import MODEL, chat, model_config, request, serving, soon, until

ID = (("x-request-id", "same"),)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def both(checkpoint):
    """A gateway with a model of its own and one behind it, and the worker."""
    worker = model_config(checkpoint, aliases=["own-alias"])
    async with gateway(worker, aliases=["far"]) as (rig, (worker_rig,), _):
        yield rig, worker_rig


async def test_streams_are_the_workers(both):
    rig, worker = both
    wanted = request(n=2, temperature=1.0, seed=5, logprobs=2, prompt_logprobs=1)

    through, direct = [await r.stream(wanted, metadata=ID) for r in (rig, worker)]

    assert (through.outputs, through.started, through.prompt, through.usage) == (
        direct.outputs, direct.started, direct.prompt, direct.usage
    )  # fmt: skip


async def test_generate_is_the_workers(both):
    rig, worker = both
    wanted = request(temperature=1.0, seed=5, strings=["e"])

    assert await rig.generate(wanted, metadata=ID) == await worker.generate(wanted, metadata=ID)


async def test_an_alias_of_the_gateways_is_the_model(both):
    rig, _ = both
    for name in ("far", "", MODEL):
        assert (await rig.stream(request(model=name))).started.model == MODEL
    refused = await failure(rig.generate(request(model="own-alias")))
    assert (refused.reason, refused.told["served"]) == ("MODEL_NOT_FOUND", MODEL)


async def test_workers_are_not_called_through_the_environments_proxy(checkpoint, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")  # where nobody listens
    async with serving(model_config(checkpoint)) as worker:
        config = routing(routed(pool(worker.address)))
        async with serving(routing=config) as rig:
            await soon(rig.server.router.heard(10.0))
            assert (await rig.stream(request())).started.model == MODEL


async def test_a_request_without_a_seed_gets_one(both):
    rig, _ = both
    seeds = {(await rig.stream(request(temperature=1.0, model=name))).seed for name in ("far", MODEL)}
    assert len(seeds) == 2
    assert (await rig.stream(request(seed=7, top_p=0.5))).started.parameters.sampling.top_p == 0.5
    assert (await rig.generate(request(seed=7))).started.parameters.sampling.seed == 7


async def test_the_other_methods_are_the_workers(both):
    rig, worker = both
    tokenize = [
        tokenize_pb2.TokenizeRequest(model="far", text="the horse"),
        tokenize_pb2.TokenizeRequest(model="far", chat=chat("Hello")),
        tokenize_pb2.TokenizeRequest(generate=request(model="far")),
        tokenize_pb2.TokenizeRequest(model=MODEL, generate=request(model="far")),
    ]
    for wanted in tokenize:
        direct = tokenize_pb2.TokenizeRequest.FromString(wanted.SerializeToString())
        direct.model = MODEL
        if direct.HasField("generate"):
            direct.generate.model = MODEL
        assert await rig.stub.Tokenize(wanted) == await worker.stub.Tokenize(direct)
    ids = tokenize_pb2.DetokenizeRequest(model="far", token_ids=[1, 2, 3])
    own = tokenize_pb2.DetokenizeRequest(token_ids=[1, 2, 3])
    assert await rig.stub.Detokenize(ids) == await worker.stub.Detokenize(own)


async def test_models_are_described_as_their_workers_do(both):
    rig, worker = both
    told, own = await rig.model("far"), await worker.model()
    (listed,) = (await rig.stub.ListModels(model_pb2.ListModelsRequest())).models

    assert list(told.aliases) == list(listed.aliases) == ["far"]
    own.aliases[:] = ["far"]
    assert told == listed == own


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        (request(max_tokens=0), "INVALID_ARGUMENT"),
        (request(prompt="x" * 4000), "INVALID_ARGUMENT"),
        (request(n=99, temperature=99.0), "INVALID_ARGUMENT"),
        (request(guards={"input": 3}), "UNIMPLEMENTED"),
    ],
)
async def test_errors_are_the_workers_own(both, wanted, code):
    rig, worker = both
    for call in ("generate", "stream"):
        through, direct = [await failure(getattr(r, call)(wanted, metadata=ID)) for r in (rig, worker)]
        assert through.code.name == code
        direct.size = through.size
        assert through == direct


async def test_what_is_no_request_is_refused_here(both):
    rig, _ = both
    raw = rig.channel.unary_unary("/paddock.v1.InferenceService/Generate")
    assert (await failure(raw(b"\xff\xff"))).violations.keys() == {"request"}
    disagreeing = tokenize_pb2.TokenizeRequest(model=MODEL, generate=request(model="other"))
    assert (await failure(rig.stub.Tokenize(disagreeing))).reason == "MODEL_NOT_FOUND"


async def test_classify_is_refused_as_the_worker_refuses_it(both):
    rig, _ = both
    wanted = classify_pb2.ClassifyRequest(model="far", inputs=[{"text": "x"}])
    assert (await failure(rig.stub.Classify(wanted))).told == {"feature": "classify", "model": MODEL}


async def test_a_relayed_call_says_by_which_pool(both):
    rig, _ = both
    call = rig.stub.GenerateStream(request())
    async for _ in call:
        pass
    assert {("x-paddock-pool", "main"), ("x-paddock-attempts", "1")} <= set(await call.trailing_metadata())
    refused = rig.stub.Generate(request(n=99))
    assert (await failure(refused)).code is grpc.StatusCode.INVALID_ARGUMENT
    assert ("x-paddock-pool", "main") in set(await refused.trailing_metadata())


async def test_a_server_does_both_at_once(checkpoint):
    async with serving(model_config(checkpoint)) as worker:
        config = routing(routed(pool(worker.address)))
        async with serving(model_config(checkpoint, name="near"), routing=config) as rig:
            await soon(rig.server.router.heard(10.0))
            near, far = [await rig.generate(request(model=name, seed=1)) for name in ("near", MODEL)]
            assert (near.started.model, far.started.model) == ("near", MODEL)
            assert near.outputs == far.outputs
            assert [m.name for m in (await rig.stub.ListModels(model_pb2.ListModelsRequest())).models] == [
                "near",
                MODEL,
            ]
            missing = await failure(rig.generate(request(model="")))
            assert missing.violations.keys() == {"model"}
            assert await rig.serving(MODEL) == await rig.serving("near") == await rig.serving() == "SERVING"


def forever():
    """A model that goes on until it is cancelled."""

    async def script(wanted):
        while True:
            yield TokenDelta(tuple(map(byte_id, "on.")))
            await asyncio.sleep(0.001)

    return script


async def test_a_client_that_leaves_ends_the_workers_work(checkpoint):
    backend = ScriptedBackend(forever())
    async with gateway(model_config(checkpoint), backends=[backend]) as (rig, _, _):
        for method in (rig.stub.GenerateStream, rig.stub.Generate):
            call = method(request(max_tokens=500))

            async def runs(running=1):
                return backend.running == running

            await until(runs)
            call.cancel()
            await until(lambda: runs(0))


async def test_a_deadline_is_the_workers_budget(checkpoint, early_limit):
    async def script(wanted):
        yield TokenDelta((byte_id("a"),))
        await asyncio.Event().wait()

    async with gateway(model_config(checkpoint), backends=[ScriptedBackend(script)]) as (rig, _, _):
        answer = await rig.generate(request(), timeout=5.0)

    assert answer.outputs[0].finished.reason == generate_pb2.FINISH_REASON_TIME_LIMIT
    assert answer.outputs[0].text == "a"


async def test_a_reader_that_stalls_is_ended_and_so_is_the_worker(checkpoint):
    async with gateway(model_config(checkpoint), stall_s=0.3) as (rig, (worker,), _):
        slow = rig.client(**{"http2.bdp_probe": 0, "http2.lookahead_bytes": 16_384, "http2.max_frame_size": 16_384})
        call = slow.stub.GenerateStream(request(max_tokens=500, n=16, logprobs=20, temperature=1.0))
        await soon(call.read())
        await worker.until_idle()

        async def rest():
            while await call.read() is not grpc.aio.EOF:
                pass

        stalled = await failure(rest())
        assert (stalled.code, stalled.reason) == (grpc.StatusCode.CANCELLED, "READER_STALLED")


async def test_the_first_token_does_not_wait_for_the_second(checkpoint):
    go_on = asyncio.Event()

    async def script(wanted):
        yield TokenDelta((byte_id("a"),))
        await go_on.wait()
        yield end(wanted, byte_id("b"))

    async with gateway(model_config(checkpoint), backends=[ScriptedBackend(script)]) as (rig, _, _):
        call = rig.stub.GenerateStream(request(max_tokens=2))
        texts = ""
        while texts != "a":
            message = await soon(call.read())
            texts += "".join(event.token_delta.text for event in message.events)
        go_on.set()
        while (message := await soon(call.read())) is not grpc.aio.EOF:
            texts += "".join(event.token_delta.text for event in message.events)
    assert texts == "ab"


async def test_without_workers_a_call_is_unavailable(checkpoint):
    config = routing(routed(pool("127.0.0.1:1")))
    async with serving(routing=config) as rig:
        for call in (rig.generate, rig.stream):
            failed = await failure(call(request()))
            assert (failed.code, failed.reason, failed.retry_s) == (
                grpc.StatusCode.UNAVAILABLE, "MODEL_UNAVAILABLE", 1.0
            )  # fmt: skip
            assert "127.0.0.1" not in failed.message
        assert (await rig.model()).state == model_pb2.MODEL_STATE_LOADING
        assert await rig.serving(MODEL) == "NOT_SERVING"
        assert await rig.serving() == "SERVING"


async def test_folded_streams_agree(both):
    rig, _ = both
    wanted = request(seed=3, n=2)
    assert folded(await rig.stream(wanted, metadata=ID)) == await rig.generate(wanted, metadata=ID)


async def test_a_worker_that_does_not_know_the_model_is_not_asked(both, caplog):
    _, worker = both
    caplog.set_level("INFO")
    async with serving(routing=routing(routed(pool(worker.address), name="other"))) as rig:
        failed = await failure(rig.generate(request(model="other")))

    assert failed.reason == "MODEL_UNAVAILABLE"
    assert f"upstream {worker.address} doesn't serve model other: SERVICE_UNKNOWN" in caplog.text


async def test_a_worker_without_a_health_service_is_asked():
    async def answer(body, context):
        return generate_pb2.GenerateResponse(outputs=[{"text": "ok"}]).SerializeToString()

    handler = grpc.unary_unary_rpc_method_handler(answer)
    worker = grpc.aio.server()
    worker.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler("paddock.v1.InferenceService", {"Generate": handler})]
    )
    port = worker.add_insecure_port("127.0.0.1:0")
    await worker.start()
    async with serving(routing=routing(routed(pool(f"127.0.0.1:{port}")))) as rig:
        assert (await rig.generate(request())).outputs[0].text == "ok"
        failed = await failure(rig.stream(request()))
        assert failed.code is grpc.StatusCode.UNIMPLEMENTED
    await worker.stop(None)
