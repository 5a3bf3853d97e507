"""More than can be done: who is served, who waits, who is refused and why; by a worker, and by a gateway."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack

import grpc
import pytest
import pytest_asyncio

from paddock.v1.classify_pb2 import ClassifyRequest
from services.admission.admission import Cause
from services.admission.limit import LimitsConfig
from services.guard.config import GuardKind
from services.identity.caller import line
from services.identity.key import new_key
from tests.service.backend import ScriptedBackend, text
from tests.service.failure import failure
from tests.service.gateway import gateway, pool, routed, routing
from tests.service.judge import classifier_folder, guard_config
from tests.service.rig import model_config, request, serving, simulator, soon, until
from tests.service.test_api_keys import shown
from tests.service.test_cancellation import first_token

Code = grpc.StatusCode
KEYS = {name: new_key() for name in ("heavy", "light", "twin", "bounded", "slow")}
FIELDS = {
    "bounded": {"limits": {"requests": 1, "tokens_per_minute": 1000}},
    "twin": {"tenant": "light"},
    "slow": {"priority": "low"},
}


@pytest.fixture(scope="module")
def keys_file(tmp_path_factory):
    file = tmp_path_factory.mktemp("keys") / "keys.jsonl"
    entries = [{**json.loads(line(name, key, [])), **FIELDS.get(name, {})} for name, key in KEYS.items()]
    file.write_text("".join(f"{json.dumps(entry)}\n" for entry in entries))
    return file


def slow(checkpoint, **settings):
    """One at once, and answers of 400 tokens that take 20 s."""
    return model_config(checkpoint, simulator(time_per_token_s=0.05, max_concurrency=1), **settings)


def stream(rig, caller=None, timeout=None, **fields):
    """Begin a stream."""
    metadata = None if caller is None else shown(KEYS[caller])
    return rig.stub.GenerateStream(request(**{"max_tokens": 400, **fields}), metadata=metadata, timeout=timeout)


def admission(rig):
    """A server's, of its one model."""
    return (
        rig.server.router.routes[0].admission if rig.server.router.routes else rig.server.models.all[0].loaded.admission
    )


async def until_admission(rig, computing, waiting):
    """Wait until so many outputs are let in, and so many wait."""

    async def reached():
        return (admission(rig).computing, admission(rig).waiting) == (computing, waiting)

    await until(reached)


async def until_slots(rig, slots):
    """Wait until a gateway knows how much its workers do at once."""

    async def known():
        return rig.server.router.routes[0].slots == slots

    await until(known)


@pytest_asyncio.fixture(params=["worker", "gateway"], loop_scope="session")
async def narrow(request, checkpoint, keys_file):
    """A server that does one thing at a time for those who show a key: itself, or by a worker."""
    async with AsyncExitStack() as stack:
        if request.param == "worker":
            yield await stack.enter_async_context(serving(slow(checkpoint, max_queue=4), api_keys=str(keys_file)))
            return
        worker = await stack.enter_async_context(serving(slow(checkpoint)))
        routes = routing(routed(pool(worker.address), max_queue=4))
        rig = await stack.enter_async_context(serving(routing=routes, api_keys=str(keys_file)))
        await until_slots(rig, 1)
        yield rig


async def test_a_light_caller_gets_a_place_in_a_queue_that_a_heavy_one_fills(narrow):
    running = stream(narrow, "heavy")
    await first_token(running)
    heavy = [stream(narrow, "heavy") for _ in range(4)]
    await until_admission(narrow, 2, 3)
    assert (await failure(stream(narrow, "heavy").read())).reason == "QUEUE_FULL"

    light = stream(narrow, "light")

    async def displaced():
        return sum(call.done() for call in heavy) == 1

    await until(displaced)
    (refused,) = [call for call in heavy if call.done()]
    assert (await failure(refused.read())).reason == "QUEUE_FULL"
    assert admission(narrow).refused == {Cause.full: 1, Cause.displaced: 1}
    assert not light.done()
    for call in (running, *heavy, light):
        call.cancel()
    await until_admission(narrow, 0, 0)


async def test_a_caller_past_a_limit_is_told_which_one(narrow):
    running = stream(narrow, "bounded")
    await first_token(running)

    failed = await failure(stream(narrow, "bounded", max_tokens=1).read())
    assert (failed.code, failed.reason) == (Code.RESOURCE_EXHAUSTED, "LIMIT_EXCEEDED")
    assert failed.told == {"caller": "bounded", "limit": "requests"}
    assert failed.retry_s
    running.cancel()
    await until_admission(narrow, 0, 0)

    async def counted():
        account = narrow.server.limiter._accounts["bounded"]
        return account.requests == account.tokens == 0

    await until(counted)
    await soon(narrow.stub.Generate(request(max_tokens=2), metadata=shown(KEYS["bounded"])))
    failed = await failure(stream(narrow, "bounded", n=3).read())
    assert failed.told["limit"] == "tokens_per_minute"
    assert narrow.server.limiter.refused == {"requests": 1, "tokens_per_minute": 1}


async def test_a_models_limits_hold_beside_those_of_the_server(checkpoint, tmp_path):
    """Of models that are computed here, and of those that workers compute, by whatever name and method asked."""
    once, folder = LimitsConfig(requests_per_minute=1), classifier_folder(tmp_path)

    def judge(name, **settings):
        return guard_config(folder, GuardKind.prompt_guard, simulator(num_labels=2), name=name, **settings)

    async with serving(model_config(checkpoint, name="far"), judge("far-judge")) as worker:
        away = pool(worker.address)
        routes = routing(
            routed(away, name="far", aliases=["far-away"], limits=once),
            routed(away, name="far-judge", guard=GuardKind.prompt_guard, limits=once),
        )
        near = model_config(checkpoint, name="near", aliases=["near-by"], limits=once)
        models = [near, judge("near-judge", limits=once), model_config(checkpoint, name="other")]
        async with serving(*models, routing=routes, limits=LimitsConfig(requests_per_minute=5)) as rig:
            for name, alias in (("near", "near-by"), ("far", "far-away")):
                assert await rig.generate(request(model=name, max_tokens=1))
                asked = ClassifyRequest(model=f"{name}-judge", inputs=[{"text": "x"}])
                assert await soon(rig.stub.Classify(asked))
                again = request(model=alias)
                for call, wanted in ((rig.generate, again), (rig.stream, again), (rig.stub.Classify, asked)):
                    failed = await failure(call(wanted))
                    concerned = asked.model if wanted is asked else name
                    assert (failed.code, failed.reason) == (Code.RESOURCE_EXHAUSTED, "LIMIT_EXCEEDED")
                    assert failed.told == {"caller": "anyone", "limit": "requests_per_minute", "model": concerned}
                    assert failed.retry_s
            assert not rig.server.limiter.refused
            assert await rig.generate(request(model="other", max_tokens=1))  # the fifth: no refusal was counted


async def test_what_a_worker_computed_until_its_deadline_counts(checkpoint, early_limit):
    never = simulator(time_to_first_token_s=30.0)
    async with serving(model_config(checkpoint, never)) as worker:
        routes = routing(routed(pool(worker.address)))
        async with serving(routing=routes, limits=LimitsConfig(requests_per_minute=1)) as rig:
            assert (await failure(rig.stream(request(), timeout=5.0))).reason == "DEADLINE_TOO_SHORT"
            assert (await failure(rig.stream(request()))).reason == "LIMIT_EXCEEDED"


async def test_what_cannot_end_before_its_deadline_is_refused_at_once(narrow):
    admission(narrow).service_time.add(100.0, 10.0)
    running = stream(narrow, "heavy"), stream(narrow, "heavy")
    await until_admission(narrow, 2, 0)

    failed = await failure(stream(narrow, "heavy", timeout=12.0, max_tokens=20).read())
    assert (failed.code, failed.reason) == (Code.RESOURCE_EXHAUSTED, "QUEUE_FULL")
    assert failed.retry_s
    assert admission(narrow).refused == {Cause.late: 1}
    waiting = stream(narrow, "heavy", timeout=60.0, max_tokens=20)
    await until_admission(narrow, 2, 1)
    for call in (*running, waiting):
        call.cancel()
    await until_admission(narrow, 0, 0)


async def test_a_gateway_gives_its_workers_what_they_can_do_and_keeps_the_rest(checkpoint):
    async with gateway(slow(checkpoint), slow(checkpoint)) as (rig, workers, _):
        await until_slots(rig, 2)
        calls = [stream(rig, prompt=f"{number}") for number in range(9)]
        await until_admission(rig, 3, 6)
        assert sum([admission(worker).admitted for worker in workers]) <= 3
        for call in calls:
            call.cancel()
        await until_admission(rig, 0, 0)


async def test_a_full_worker_leaves_a_request_to_another_one(checkpoint):
    models = [slow(checkpoint, max_queue=0) for _ in range(2)]
    async with gateway(*models) as (rig, workers, _):
        taken = stream(workers[0])
        await first_token(taken)
        for number in range(6):
            assert (await rig.generate(request(f"prompt {number}", max_tokens=1))).usage.completion_tokens == 1
        retries = rig.server.router.routes[0].retries
        assert retries > 0

        also_taken = stream(workers[1])
        await first_token(also_taken)
        for call in (rig.generate(request(max_tokens=1)), rig.stream(request(max_tokens=1))):
            failed = await failure(call)
            assert (failed.code, failed.reason) == (Code.RESOURCE_EXHAUSTED, "QUEUE_FULL")
            assert failed.retry_s
        assert rig.server.router.routes[0].retries == retries + 2
        taken.cancel()
        also_taken.cancel()


async def test_what_workers_refuse_counts_for_no_limit(checkpoint):
    limits = LimitsConfig(requests_per_minute=1, tokens_per_minute=1000)
    async with gateway(slow(checkpoint, max_queue=0), limits=limits) as (rig, (worker,), _):
        taken = stream(worker)
        await first_token(taken)
        for call in (rig.generate, rig.stream) * 2:
            assert (await failure(call(request(max_tokens=400)))).reason == "QUEUE_FULL"
        taken.cancel()
        await worker.until_idle()
        assert (await rig.generate(request(max_tokens=1))).usage.completion_tokens == 1
        assert (await failure(rig.stream(request(max_tokens=1)))).told["limit"] == "requests_per_minute"


async def test_a_full_pool_is_not_helped_by_the_one_for_emergencies(checkpoint):
    models = [slow(checkpoint, max_queue=0) for _ in range(2)]
    async with gateway(*models, fallback=True) as (rig, workers, _):
        taken = stream(workers[0])
        await first_token(taken)
        assert (await failure(rig.generate(request(max_tokens=1)))).reason == "QUEUE_FULL"
        assert rig.server.router.routes[0].retries == 0
        taken.cancel()


async def test_retries_of_what_was_refused_are_budgeted(checkpoint):
    models = [slow(checkpoint, max_queue=0) for _ in range(2)]
    async with gateway(*models, retry={"budget_ratio": 0.0, "budget_min_per_s": 0.0}) as (rig, workers, _):
        taken = [stream(worker) for worker in workers]
        for call in taken:
            await first_token(call)
        assert (await failure(rig.generate(request(max_tokens=1)))).reason == "QUEUE_FULL"
        assert rig.server.router.routes[0].retries == 0
        for call in taken:
            call.cancel()


async def test_an_output_that_is_computed_leaves_its_place_to_others_though_nobody_reads_it(checkpoint):
    model = model_config(checkpoint, simulator(max_concurrency=1, context_length=100_000), max_queue=1)
    async with serving(model) as rig:
        stalled = rig.client(http2_max_frame_size=16_384, http2_bdp_probe=0)
        call = stalled.stub.GenerateStream(request(max_tokens=20_000))
        await soon(call.read())
        await until_admission(rig, 0, 0)
        assert not call.done()
        call.cancel()


def telling(salts):
    """A backend that tells under which salt it was asked."""

    async def script(wanted):
        salts.append(wanted.cache_salt)
        async for delta in text("ok")(wanted):
            yield delta

    return ScriptedBackend(script)


async def salt_of(rig, salts, caller=None, **metadata):
    """Have one request computed, and give its salt."""
    given = tuple((f"x-paddock-{key.replace('_', '-')}", value) for key, value in metadata.items())
    await rig.generate(request(), metadata=(*(shown(KEYS[caller]) if caller else ()), *given))
    return salts[-1]


async def test_callers_share_nothing_that_was_computed_but_with_their_tenants(checkpoint, keys_file):
    salts = []
    async with serving(model_config(checkpoint), backend=telling(salts)) as worker:
        routes = routing(routed(pool(worker.address)))
        async with (
            serving(routing=routes, api_keys=str(keys_file)) as rig,
            serving(routing=routes, api_keys=str(keys_file), shared_cache=True) as sharing,
        ):
            own = {name: await salt_of(rig, salts, name) for name in ("heavy", "light", "twin")}
            assert own["light"] == own["twin"] != own["heavy"]
            assert own["heavy"] == await salt_of(rig, salts, "heavy")
            split = await salt_of(rig, salts, "heavy", cache_salt="light")
            assert split not in own.values()
            assert "light" not in "".join(own.values())
            assert await salt_of(sharing, salts, "heavy") == await salt_of(sharing, salts, "light") == ""
        assert await salt_of(worker, salts) == ""
        assert await salt_of(worker, salts, cache_salt="x") not in ("", *own.values())


async def test_a_priority_that_is_none(rig):
    metadata = (("x-paddock-priority", "urgent"),)
    for call in (rig.generate(request(), metadata=metadata), rig.stream(request(), metadata=metadata)):
        assert (await failure(call)).violations.keys() == {"x-paddock-priority"}


async def test_a_low_priority_waits_for_the_others(narrow):
    running = stream(narrow, "heavy"), stream(narrow, "heavy")
    await until_admission(narrow, 2, 0)
    low = stream(narrow, "slow", max_tokens=1)
    await until_admission(narrow, 2, 1)
    normal = stream(narrow, "light", max_tokens=1)
    await until_admission(narrow, 2, 2)
    for call in running:
        call.cancel()
    assert await soon(normal.read()) is not grpc.aio.EOF
    assert await soon(low.read()) is not grpc.aio.EOF
