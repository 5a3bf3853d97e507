"""Guards that other processes compute are lost, hang or come back: nothing unjudged leaves."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager

import grpc
import pytest

from backends.types import TokenDelta
from paddock.v1 import generate_pb2, guard_pb2
from paddock.v1.classify_pb2 import ClassifyRequest
from services.guard.config import GuardConfig, GuardKind, GuardMode, GuardSubject
from tests.service.answer import Stream
from tests.service.backend import ScriptedBackend, byte_id, end, text
from tests.service.failure import failure
from tests.service.gateway import gateway, pool, routed, routing, until_serving, wired
from tests.service.judge import ScoringBackend, answering, classifier_folder, guard_config, guard_folder, probabilities
from tests.service.rig import model_config, request, serving, soon, until

BLOCKED = generate_pb2.FINISH_REASON_GUARD_BLOCKED


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A Llama Guard's folder."""
    return guard_folder(tmp_path_factory.mktemp("llama-guard"))


class Judge(ScriptedBackend):
    """Says that all is safe, when it may."""

    def __init__(self):
        super().__init__(self._judge, context_length=4096)
        self.may_answer = asyncio.Event()
        self.asked = 0

    async def _judge(self, wanted):
        self.asked += 1
        await self.may_answer.wait()
        async for delta in answering("safe")(wanted):
            yield delta


@pytest.fixture
def guarded(checkpoint, folder):
    """Serve a model that workers of another server guard; yields it, the guards' backends and the wires to them."""

    @asynccontextmanager
    async def serve(*, subject="output", workers=1, answer="One.Two.", retry=None, **config):
        judges = [Judge() for _ in range(workers)]
        async with AsyncExitStack() as stack:
            wires = []
            for judge in judges:
                guard = guard_config(folder, GuardKind.llama_guard, name="z-guard")
                wires.append(await wired(await stack.enter_async_context(serving(guard, backend=judge)), stack))
            attached = GuardConfig(model="z-guard", subject=GuardSubject(subject), **config)
            pools = [pool(wire.address, name=str(number)) for number, wire in enumerate(wires)]
            routes = routing(routed(*pools, name="z-guard", guard=GuardKind.llama_guard), retry=retry)
            model = model_config(checkpoint, guards=[attached])
            rig = await stack.enter_async_context(serving(model, backend=ScriptedBackend(text(answer)), routing=routes))
            yield rig, judges, wires

    return serve


def waited(rig):
    """Give what is set once a call waits for a guard's worker to come back."""
    (route,) = rig.server.router.routes
    waits, news = asyncio.Event(), route.news

    async def waiting(seconds):
        waits.set()
        await news(seconds)

    route.news = waiting
    return waits


async def asked(judge, times=1):
    """Wait until a guard was asked."""

    async def reached():
        return judge.asked >= times

    await until(reached)


@pytest.mark.parametrize("subject", ["input", "output"])
async def test_a_guard_that_is_killed_while_it_judges_lets_nothing_pass(guarded, subject):
    async with guarded(subject=subject, retry={"resume_wait_s": 0.0}) as (rig, (judge,), (wire,)):
        wanted = request()
        call, stream = rig.stub.GenerateStream(wanted), Stream(wanted)
        await asked(judge)
        wire.cut()

        async def rest():
            async for message in call:
                stream.add(message)

        failed = await failure(rest())
        await rig.until_idle()

    assert (failed.code, failed.reason) == (grpc.StatusCode.UNAVAILABLE, "GUARD_UNAVAILABLE")
    assert failed.told == {"guard": "z-guard", "model": "sim"}
    assert "127.0.0.1" not in failed.message
    assert not stream.only.text
    assert not stream.only.tokens


@pytest.mark.parametrize("subject", ["input", "output"])
@pytest.mark.parametrize("judging", [True, False], ids=["while it judges", "before it is asked"])
async def test_a_guards_only_worker_is_waited_for_while_nothing_passes(guarded, subject, judging):
    retry = {"resume_wait_s": 60.0}
    async with guarded(subject=subject, retry=retry, timeout_s=60.0) as (rig, (judge,), (wire,)):
        waits, wanted = waited(rig), request()
        if not judging:
            wire.cut()
            await until_serving(rig, 0, "z-guard")
        call, stream = rig.stub.GenerateStream(wanted), Stream(wanted)
        stream.add(await soon(call.read()))
        reading = asyncio.create_task(call.read())
        if judging:
            await asked(judge)
            wire.cut()
        await soon(waits.wait())
        assert not reading.done()
        assert not stream.only.tokens

        judge.may_answer.set()
        await wire.mend()
        message = await soon(reading)
        while message is not grpc.aio.EOF:
            stream.add(message)
            message = await soon(call.read())

    assert stream.only.text == "One.Two."
    decisions = {event.verdict.decision for event in [*stream.guards, *stream.only.guards]}
    assert decisions == {guard_pb2.GUARD_DECISION_SAFE}


async def test_the_wait_for_a_guard_ends_with_the_calls_deadline(guarded):
    async with guarded(retry={"resume_wait_s": 60.0}, timeout_s=60.0) as (rig, _, (wire,)):
        wire.cut()
        await until_serving(rig, 0, "z-guard")
        waits = waited(rig)
        failed = await failure(rig.stub.Generate(request(), timeout=1.5))
        assert failed.code is grpc.StatusCode.DEADLINE_EXCEEDED
        assert waits.is_set()

        async def let_go():
            return not rig.server.router.routes[0].admission.admitted

        await until(let_go)


async def test_a_guard_that_was_never_there_is_not_waited_for(checkpoint):
    routes = routing(routed(pool("127.0.0.1:1"), name="z-guard", guard=GuardKind.llama_guard))
    attached = GuardConfig(model="z-guard", subject=GuardSubject.input)
    async with serving(model_config(checkpoint, guards=[attached]), routing=routes) as rig:
        waits = waited(rig)
        assert (await failure(rig.generate(request()))).reason == "GUARD_UNAVAILABLE"
        assert not waits.is_set()


async def test_what_a_guard_has_judged_before_it_is_killed_stays(guarded):
    async with guarded(step_chars=4) as (rig, (judge,), (wire,)):
        judge.may_answer.set()
        wanted = request()
        assert (await rig.stream(wanted)).only.text == "One.Two."
        wire.cut()
        await until_serving(rig, 0, "z-guard")
        rig.server.router.routes[0].served_until -= 10.0  # waited for long enough
        failed = await failure(rig.stream(wanted))
        assert (failed.code, failed.reason) == (grpc.StatusCode.UNAVAILABLE, "GUARD_UNAVAILABLE")
        assert failed.retry_s
        await wire.mend()
        await until_serving(rig, 1, "z-guard")
        assert (await rig.stream(wanted)).only.text == "One.Two."


async def test_a_guard_that_hangs_is_waited_for_as_long_as_configured(guarded):
    async with guarded(timeout_s=0.2) as (rig, (judge,), _):
        failed = await failure(rig.generate(request()))
        assert failed.reason == "GUARD_UNAVAILABLE"

        async def let_go():
            return judge.running == 0

        await until(let_go)
        assert judge.asked == 1


@pytest.mark.parametrize("config", [{"fail_open": True}, {"mode": GuardMode.annotate}])
async def test_a_killed_guard_that_may_be_missing_holds_nothing_up(guarded, config):
    async with guarded(**config) as (rig, (judge,), (wire,)):
        waits = waited(rig)
        asking = asyncio.create_task(rig.generate(request()))
        await asked(judge)
        wire.cut()
        answer = await soon(asking)
        assert not waits.is_set()

    assert answer.outputs[0].text == "One.Two."
    assert not answer.outputs[0].guard_events[0].HasField("verdict")


async def test_a_guard_is_asked_elsewhere_when_one_is_killed(guarded):
    async with guarded(workers=2) as (rig, (first, second), (wire, _)):
        second.may_answer.set()
        asking = asyncio.create_task(rig.generate(request()))
        await asked(first)
        wire.cut()
        answer = await soon(asking)

    assert answer.outputs[0].text == "One.Two."
    assert answer.outputs[0].guard_events[-1].verdict.decision == guard_pb2.GUARD_DECISION_SAFE


async def test_a_routed_prompt_guard_blocks(checkpoint, tmp_path):
    prompt_guard = guard_config(classifier_folder(tmp_path), GuardKind.prompt_guard, name="z-prompt")
    backend = ScoringBackend(lambda window: probabilities(0.1, 0.1, 0.8))
    attached = GuardConfig(model="z-prompt", subject=GuardSubject.input)
    async with serving(prompt_guard, backend=backend) as worker:
        routes = routing(routed(pool(worker.address), name="z-prompt", guard=GuardKind.prompt_guard))
        async with serving(model_config(checkpoint, guards=[attached]), routing=routes) as rig:
            answer = await rig.generate(request("ignore the horse"))

    assert answer.outputs[0].finished.reason == BLOCKED
    assert not answer.outputs[0].text


async def test_a_guarded_stream_is_resumed_and_judged_on(checkpoint, folder):
    """The guard sees what the lost worker's client was sent before, and what is new."""
    answer, go_on = "One.Two.Three.", asyncio.Event()

    async def script(wanted):
        for place in range(len(wanted.continuation), len(answer) - 1):
            if place == len("One.Tw"):
                await go_on.wait()
            yield TokenDelta((byte_id(answer[place]),))
        yield end(wanted, byte_id(answer[-1]))

    judge = Judge()
    judge.may_answer.set()
    attached = [GuardConfig(model="z-guard", subject=subject) for subject in GuardSubject]
    guard = guard_config(folder, GuardKind.llama_guard, name="z-guard")
    backends = [ScriptedBackend(script) for _ in range(2)]
    async with AsyncExitStack() as stack:
        judging = await stack.enter_async_context(serving(guard, backend=judge))
        guards = routing(routed(pool(judging.address), name="z-guard", guard=GuardKind.llama_guard))
        model = model_config(checkpoint, guards=attached)
        workers = [await stack.enter_async_context(serving(model, backend=b, routing=guards)) for b in backends]
        wires = [await wired(worker, stack) for worker in workers]
        main = routing(routed(pool(*(wire.address for wire in wires))))
        rig = await stack.enter_async_context(serving(routing=main))
        wanted = request(max_tokens=60)
        call, stream = rig.stub.GenerateStream(wanted), Stream(wanted)
        while not stream.only.text.startswith("One."):
            stream.add(await soon(call.read()))
        (running,) = [number for number, backend in enumerate(backends) if backend.running]
        wires[running].cut()
        go_on.set()
        while (message := await soon(call.read())) is not grpc.aio.EOF:
            stream.add(message)

    assert stream.only.text == answer
    assert [event.guard_model for event in stream.guards] == ["z-guard"]
    assert stream.only.guards[-1].released_through == len(answer)
    releases = [event.released_through for event in stream.only.guards]
    assert releases == sorted(releases)


async def test_classify_is_relayed(folder):
    guard = guard_config(folder, GuardKind.llama_guard, name="z-guard")
    judge = Judge()
    judge.may_answer.set()
    async with gateway(guard, backends=[judge], guard=GuardKind.llama_guard) as (rig, (worker,), _):
        wanted = {"model": "z-guard", "inputs": [{"text": "Hello"}]}
        through, direct = [await r.stub.Classify(ClassifyRequest(**wanted)) for r in (rig, worker)]
        assert through == direct
        assert through.results[0].verdict.decision == guard_pb2.GUARD_DECISION_SAFE
        assert (await rig.model("z-guard")).support.supports_classify
