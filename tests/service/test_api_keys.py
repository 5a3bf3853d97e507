"""Keys: who is answered, what they may ask, and what they get to know."""

from __future__ import annotations

import logging

import grpc
import pytest
import pytest_asyncio
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from paddock.v1 import classify_pb2, model_pb2, tokenize_pb2
from services.identity.caller import line
from services.identity.key import new_key
from tests.service.failure import failure
from tests.service.gateway import pool, routed, routing
from tests.service.rig import model_config, request, serving, soon, until

Code = grpc.StatusCode
ALL, LIMITED = new_key(), new_key()


def shown(key: str) -> tuple[tuple[str, str], ...]:
    """The metadata that shows a key."""
    return (("authorization", f"Bearer {key}"),)


@pytest.fixture(scope="module")
def keys_file(tmp_path_factory):
    file = tmp_path_factory.mktemp("keys") / "keys.jsonl"
    file.write_text(f"# those who call\n{line('all', ALL, [])}\n\n{line('limited', LIMITED, ['second'])}\n")
    return file


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def keyed(checkpoint, keys_file):
    """A server of two models, and of a third that nobody computes; one caller may ask one of them, by an alias."""
    models = [model_config(checkpoint, name="one"), model_config(checkpoint, name="two", aliases=["second"])]
    elsewhere = routing(routed(pool("127.0.0.1:1"), name="three"))
    async with serving(*models, routing=elsewhere, api_keys=str(keys_file)) as rig:
        yield rig


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ((), "CREDENTIAL_MISSING"),
        ((("x-api-key", ALL),), "CREDENTIAL_MISSING"),
        (shown(new_key()), "CREDENTIAL_INVALID"),
        (shown(ALL[:-1]), "CREDENTIAL_INVALID"),
        (shown(f"{ALL}x"), "CREDENTIAL_INVALID"),
        (shown(f"{ALL} {ALL}"), "CREDENTIAL_INVALID"),
        ((*shown(ALL), *shown(LIMITED)), "CREDENTIAL_INVALID"),
        ((("authorization", ALL),), "CREDENTIAL_INVALID"),
        ((("authorization", f"Basic {ALL}"),), "CREDENTIAL_INVALID"),
        ((("authorization", "Bearer "),), "CREDENTIAL_INVALID"),
        ((("authorization", ""),), "CREDENTIAL_INVALID"),
    ],
)
async def test_who_shows_no_key_of_ours_is_refused(keyed, metadata, reason):
    for call in (
        keyed.generate(request(model="one"), metadata=metadata),
        keyed.stream(request(model="one"), metadata=metadata),
        keyed.stub.ListModels(model_pb2.ListModelsRequest(), metadata=metadata),
        keyed.stub.Generate(request(model="nowhere"), metadata=metadata),  # no word of which models there are
    ):
        failed = await failure(call)
        assert (failed.code, failed.reason) == (Code.UNAUTHENTICATED, reason)
        assert ALL not in failed.message
        assert failed.request_id


async def test_the_digest_is_no_key(keyed, keys_file):
    known = keys_file.read_text().split('"sha256": "')[1][:64]
    assert (await failure(keyed.generate(request(model="one"), metadata=shown(known)))).code is Code.UNAUTHENTICATED


async def test_who_shows_a_key_is_answered(keyed):
    assert (await keyed.generate(request(model="one"), metadata=shown(ALL))).outputs
    assert (await keyed.stream(request(model="two"), metadata=shown(LIMITED))).outputs
    assert (await keyed.generate(request(model="second"), metadata=(("authorization", f"bearer {LIMITED}"),))).outputs


async def test_a_limited_caller_asks_its_models_only(keyed):
    inner = request(model="one")
    calls = {
        "one": lambda m: keyed.stub.Generate(request(model="one"), metadata=m),
        "three": lambda m: keyed.stub.Generate(request(model="three"), metadata=m),
        "nowhere": lambda m: keyed.stub.GetModel(model_pb2.GetModelRequest(model="nowhere"), metadata=m),
    }
    for name, call in calls.items():
        failed = await failure(call(shown(LIMITED)))
        assert (failed.code, failed.reason) == (Code.PERMISSION_DENIED, "MODEL_NOT_PERMITTED")
        assert failed.told == {"caller": "limited", "model": name}  # the same, whether there is such a model or not
    for call in (
        keyed.stream(request(model="one"), metadata=shown(LIMITED)),
        keyed.stub.Tokenize(tokenize_pb2.TokenizeRequest(model="one", text="a"), metadata=shown(LIMITED)),
        keyed.stub.Tokenize(tokenize_pb2.TokenizeRequest(generate=inner), metadata=shown(LIMITED)),
        keyed.stub.Tokenize(tokenize_pb2.TokenizeRequest(model="two", generate=inner), metadata=shown(LIMITED)),
        keyed.stub.Detokenize(tokenize_pb2.DetokenizeRequest(model="one"), metadata=shown(LIMITED)),
        keyed.stub.Classify(classify_pb2.ClassifyRequest(model="one"), metadata=shown(LIMITED)),
    ):
        assert (await failure(call)).code is Code.PERMISSION_DENIED


async def test_to_a_limited_caller_there_are_no_other_models(keyed):
    listed = await soon(keyed.stub.ListModels(model_pb2.ListModelsRequest(), metadata=shown(LIMITED)))
    assert [model.name for model in listed.models] == ["two"]
    assert (await keyed.generate(request(model=""), metadata=shown(LIMITED))).outputs  # the only one there is
    assert (await failure(keyed.generate(request(model=""), metadata=shown(ALL)))).code is Code.INVALID_ARGUMENT
    listed = await soon(keyed.stub.ListModels(model_pb2.ListModelsRequest(), metadata=shown(ALL)))
    assert [model.name for model in listed.models] == ["one", "three", "two"]


async def test_health_and_reflection_ask_for_no_key(keyed):
    assert await keyed.serving() == "SERVING"
    asked = reflection_pb2.ServerReflectionRequest(list_services="")
    stream = reflection_pb2_grpc.ServerReflectionStub(keyed.channel).ServerReflectionInfo(iter([asked]))
    answers = [answer async for answer in stream]
    assert "paddock.v1.InferenceService" in {s.name for s in answers[0].list_services_response.service}


async def test_the_file_is_followed(checkpoint, tmp_path, caplog):
    caplog.set_level(logging.INFO, "services.identity.file")
    old, new = new_key(), new_key()
    file = tmp_path / "keys.jsonl"
    file.write_text(f"{line('someone', old, [])}\n")
    async with serving(model_config(checkpoint), api_keys=str(file)) as rig:

        async def known(key: str) -> bool:
            call = rig.stub.Generate(request(max_tokens=1), metadata=shown(key))
            code = await soon(call.code())
            assert code in (Code.OK, Code.UNAUTHENTICATED)
            return code is Code.OK

        assert await known(old)
        assert not await known(new)

        file.write_text(f"{line('someone', old, [])}\n{old}\n")  # a key where a digest should be

        async def complained() -> bool:
            return any(entry.levelno == logging.ERROR for entry in caplog.records)

        await until(complained)
        assert await known(old)

        file.write_text(f"{line('someone', new, [])}\n")
        await until(lambda: known(new))
        assert not await known(old)
    assert "line 2" in caplog.text
    assert old not in caplog.text
    assert new not in caplog.text
