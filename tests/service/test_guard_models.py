"""Guards that are served models, asked by Classify as anyone would ask them."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager

import grpc
import pytest

from backends.errors import UnavailableError
from backends.types import TokenDelta
from llama.tokenizer import Tokenizer
from paddock.v1 import chat_pb2, generate_pb2, guard_pb2
from services.config import GuardKind
from services.guard.config import GuardConfig, GuardMode, GuardSubject
from tests.service.backend import ScriptedBackend, byte_id, end, text
from tests.service.failure import failure
from tests.service.gateway import pool, routed, routing
from tests.service.judge import (
    ScoringBackend,
    answering,
    classifier_folder,
    guard_config,
    guard_folder,
    probabilities,
)
from tests.service.rig import chat, model_config, request, serving, soon, until

BLOCKED = generate_pb2.FINISH_REASON_GUARD_BLOCKED
SAFE, UNSAFE, UNPARSEABLE = (
    guard_pb2.GUARD_DECISION_SAFE,
    guard_pb2.GUARD_DECISION_UNSAFE,
    guard_pb2.GUARD_DECISION_UNPARSEABLE,
)


class LlamaGuardBackend(ScriptedBackend):
    """Writes `unsafe` where the conversation's last turn holds a word, else `safe`.

    Attributes:
        shown: the conversations that it was shown, as text.
        read: tokens read and written.
        may_answer: answers wait for it.
        error: raised instead of an answer.
    """

    def __init__(self, folder, word="bad", **capabilities):
        super().__init__(self._judge, **{"context_length": 4096, **capabilities})
        self._tokenizer = Tokenizer((folder / "tokenizer.json").read_text())
        self._word = word
        self.shown: list[str] = []
        self.read = 0
        self.asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.error: Exception | None = None

    async def _judge(self, wanted):
        prompt = b"".join(map(self._tokenizer.piece, wanted.prompt)).decode()
        conversation = prompt.partition("<BEGIN CONVERSATION>")[2].partition("<END CONVERSATION>")[0].strip()
        self.shown.append(conversation)
        self.asked.set()
        await self.may_answer.wait()
        if self.error:
            raise self.error
        last = conversation[max(conversation.rfind("User: "), conversation.rfind("Agent: ")) :]
        self.read += len(wanted.prompt)
        async for delta in answering("unsafe\nS1" if self._word in last else "safe")(wanted):
            self.read += len(delta.token_ids)
            yield delta


@pytest.fixture(scope="module")
def llama_guard_folder(tmp_path_factory):
    return guard_folder(tmp_path_factory.mktemp("llama-guard"))


@pytest.fixture(scope="module")
def prompt_guard_folder(tmp_path_factory):
    return classifier_folder(tmp_path_factory.mktemp("prompt-guard"))


@pytest.fixture(params=["here", "elsewhere"])
def guarded(request, checkpoint, llama_guard_folder, prompt_guard_folder):
    """Serve a model, `sim`, with a Llama Guard, `z-llama`, and a Prompt Guard, `z-prompt`, attached as a test says.

    The guards are served by the same server, or by one that calls are routed to.
    """

    @asynccontextmanager
    async def serve(*guards, backend=None, llama=None, prompt=None, settings=None, **server):
        llama = llama or LlamaGuardBackend(llama_guard_folder)
        prompt = prompt or ScoringBackend(lambda window: probabilities(0.9, 0.08, 0.02))
        model = model_config(checkpoint, guards=[attach(*guard) for guard in guards])
        judges = (
            guard_config(llama_guard_folder, GuardKind.llama_guard, name="z-llama", **(settings or {})),
            guard_config(prompt_guard_folder, GuardKind.prompt_guard, name="z-prompt"),
        )
        backend = backend or ScriptedBackend(text("ok."))
        async with AsyncExitStack() as stack:
            if request.param == "here":
                made = {"sim": backend, "z-llama": llama, "z-prompt": prompt}
                rig = await stack.enter_async_context(_made(made, model, *judges, **server))
            else:
                there = await stack.enter_async_context(_made({"z-llama": llama, "z-prompt": prompt}, *judges))
                routes = [
                    routed(pool(there.address), name=judge.name, guard=judge.guard, aliases=judge.aliases)
                    for judge in judges
                ]
                made, routes = {"sim": backend}, routing(*routes)
                rig = await stack.enter_async_context(_made(made, model, routing=routes, **server))
            yield rig, llama, prompt

    return serve


@asynccontextmanager
async def _made(backends, *models, **server):
    """Serve models with backends of the test's."""
    async with serving(*models, load=False, **server) as rig:
        for model in rig.server.models.all:
            model._make_backend = lambda folder, made=backends[model.name]: made
        await soon(rig.server.load())
        yield rig


def attach(model, subject, mode="enforce", **config):
    return GuardConfig(model=model, subject=GuardSubject(subject), mode=GuardMode[mode], **config)


async def test_llama_guard_judges_the_agent_with_the_whole_conversation(guarded):
    conversation = chat("the question", "an answer", "another question")
    conversation.messages.insert(0, chat_pb2.Message(role=chat_pb2.ROLE_SYSTEM, content=[{"text": "the rules"}]))
    backend = ScriptedBackend(text("Fine.So.bad."))
    async with guarded(("z-llama", "output"), backend=backend) as (rig, llama, _):
        stream = await rig.stream(request(chat=conversation))

    before = "User: the question\n\nAgent: an answer\n\nUser: another question\n\nAgent: "
    assert all(shown.startswith(before) for shown in llama.shown)
    assert llama.shown[-1].endswith("bad.")
    assert stream.only.finished.reason == BLOCKED
    assert "bad" not in stream.only.text
    assert list(stream.only.guards[-1].verdict.categories) == ["S1"]
    assert stream.only.guards[-1].verdict.judged_role == chat_pb2.ROLE_ASSISTANT
    assert stream.usage.guard_tokens == llama.read


async def test_both_kinds_guard_the_input(guarded):
    async with guarded(("z-llama", "input"), ("z-prompt", "input")) as (rig, _, prompt):
        good = await rig.generate(request(chat=chat("the horse")))
        refused = await rig.generate(request(chat=chat("a bad horse")))

    assert good.outputs[0].text == "ok."
    assert {event.guard_model: event.verdict.decision for event in good.guard_events} == {
        "z-llama": SAFE,
        "z-prompt": SAFE,
    }
    assert refused.outputs[0].finished.reason == BLOCKED
    assert not refused.outputs[0].text
    assert prompt.calls


@pytest.mark.parametrize(
    ("role", "third_party", "blocked"),
    [
        (chat_pb2.ROLE_USER, None, False),
        (chat_pb2.ROLE_USER, True, True),
        (chat_pb2.ROLE_TOOL, None, True),
        (chat_pb2.ROLE_TOOL, False, False),
    ],
)
async def test_a_third_partys_instructions_are_indirect_injection(guarded, role, third_party, blocked):
    """The prompt guard sees an injection in all texts; only a third party must not instruct."""
    prompt = ScoringBackend(lambda window: probabilities(0.2, 0.7, 0.1))
    conversation = chat("the horse", "the rider") if role == chat_pb2.ROLE_TOOL else chat()
    part = chat_pb2.ContentPart(text="stops at the gate", third_party=third_party)
    conversation.messages.append(chat_pb2.Message(role=role, content=[part]))
    async with guarded(("z-prompt", "input"), prompt=prompt) as (rig, _, _):
        answer = await rig.generate(request(chat=conversation))

    assert (answer.outputs[0].finished.reason == BLOCKED) == blocked


async def test_a_conversation_that_the_guard_can_not_hold_is_not_safe(guarded, llama_guard_folder, caplog):
    llama = LlamaGuardBackend(llama_guard_folder, context_length=300)
    async with guarded(("z-llama", "input"), llama=llama) as (rig, _, _):
        answer = await rig.generate(request(chat=chat("the horse " * 40)))

    assert answer.outputs[0].finished.reason == BLOCKED
    assert answer.guard_events[0].verdict.decision == UNPARSEABLE
    assert "can't judge" in caplog.text
    assert "horse" not in caplog.text


async def test_ids_and_prompts_do_not_get_past_it(guarded, checkpoint):
    ids = Tokenizer((checkpoint / "tokenizer.json").read_text()).encode("a bad horse")
    async with guarded(("z-llama", "input")) as (rig, _, _):
        for wanted in (request("a bad horse"), request(token_ids=generate_pb2.TokenIds(ids=ids))):
            assert (await rig.generate(wanted)).outputs[0].finished.reason == BLOCKED


@pytest.mark.parametrize("subject", ["input", "output"])
async def test_a_guard_whose_engine_is_gone_is_missing(guarded, subject):
    async with guarded(("z-llama", subject)) as (rig, llama, _):
        llama.error = UnavailableError("engine at 10.0.0.7 is gone")
        failed = await failure(rig.generate(request()))
        llama.ready = False
        again = await failure(rig.stream(request()))
        await rig.until_idle()

    for each in (failed, again):
        assert (each.code, each.reason) == (grpc.StatusCode.UNAVAILABLE, "GUARD_UNAVAILABLE")
        assert each.told == {"guard": "z-llama", "model": "sim"}


async def test_a_guard_that_annotates_may_be_missing(guarded):
    async with guarded(("z-llama", "input", "annotate"), ("z-llama", "output", "annotate")) as (rig, llama, _):
        llama.ready = False
        answer = await rig.generate(request())

    assert answer.outputs[0].text == "ok."
    assert not answer.guard_events[0].HasField("verdict")
    assert not answer.outputs[0].guard_events[0].HasField("verdict")


async def test_a_guard_without_room_is_missing_until_it_has_some(guarded, llama_guard_folder):
    llama = LlamaGuardBackend(llama_guard_folder, max_concurrency=1)
    async with guarded(("z-llama", "input"), llama=llama, settings={"max_queue": 0}) as (rig, _, _):
        llama.may_answer.clear()
        first = asyncio.create_task(rig.generate(request()))
        await soon(llama.asked.wait())
        refused = await failure(rig.generate(request()))
        llama.may_answer.set()
        assert (await soon(first)).outputs[0].text == "ok."
        assert (await rig.generate(request())).outputs[0].text == "ok."

    assert refused.reason == "GUARD_UNAVAILABLE"
    assert refused.retry_s


async def test_a_narrow_guard_and_many_outputs_wait_for_each_other_and_come_through(guarded, llama_guard_folder):
    llama = LlamaGuardBackend(llama_guard_folder, max_concurrency=1)
    backend = ScriptedBackend(text("One.Two.Three."), max_concurrency=32)
    guards = (("z-llama", "input"), ("z-llama", "output"))
    async with guarded(*guards, llama=llama, backend=backend) as (rig, _, _):
        answers = await soon(asyncio.gather(*(rig.generate(request(n=16)) for _ in range(4))))
        await rig.until_idle()

    assert {output.text for answer in answers for output in answer.outputs} == {"One.Two.Three."}


async def test_a_client_that_leaves_frees_model_and_guard(guarded):
    async with guarded(("z-llama", "output")) as (rig, llama, _):
        llama.may_answer.clear()
        call = rig.stub.GenerateStream(request())
        await soon(llama.asked.wait())
        call.cancel()
        await rig.until_idle()
        await until(lambda: idle(rig))
        assert llama.running == 0


async def idle(rig):
    """Whether no model has anything admitted."""
    return all(model.loaded.admission.admitted == 0 for model in rig.server.models.all)


async def test_calls_in_progress_are_guarded_while_the_server_drains(guarded):
    go_on = asyncio.Event()

    async def script(wanted):
        yield TokenDelta(tuple(map(byte_id, "One.")))
        await go_on.wait()
        yield TokenDelta(tuple(map(byte_id, "Two")))
        yield end(wanted, byte_id("."))

    backend = ScriptedBackend(script)
    async with guarded(("z-llama", "output"), backend=backend, drain_s=30.0) as (rig, llama, _):
        asking = asyncio.create_task(rig.stream(request()))
        await soon(llama.asked.wait())
        stopping = asyncio.create_task(rig.server.stop())
        await asyncio.sleep(0)
        go_on.set()
        stream = await soon(asking)
        await soon(stopping)

    assert stream.only.text == "One.Two."
    assert stream.only.guards[-1].verdict.decision == SAFE


async def test_a_guard_is_asked_by_its_alias_and_speaks_by_its_name(guarded):
    settings = {"aliases": ["watchman"]}
    async with guarded(("watchman", "input"), settings=settings) as (rig, _, _):
        answer = await rig.generate(request())

    assert [event.guard_model for event in answer.guard_events] == ["z-llama"]
