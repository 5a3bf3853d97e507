"""Grammars on the Transformers backend: what its vocabulary spells, compiling, and what can't be followed."""

from __future__ import annotations

import asyncio
import json
import threading

import pytest

pytest.importorskip("xgrammar")

from backends.errors import InvalidRequestError, UnavailableError
from backends.transformers import grammar, grammar_compiler
from backends.transformers.grammar import Follower, allowed_ids, read_vocabulary
from backends.transformers.grammar_compiler import GrammarCompiler
from backends.types import Grammar
from llama.tokenizer import Tokenizer
from tests.unit.backends.transformers.driver import request
from tests.walk import STOP, TINY, VOCAB_SIZE, compiled

LETTERS = Grammar('root ::= [a-z] r1\nr1 ::= [a-z] r1 | "."\n')


def held(source=LETTERS, **fields):
    wanted = source if isinstance(source, Grammar) else Grammar(source)
    return request(grammar=wanted, stop_token_ids=frozenset({STOP}), **fields)


@pytest.fixture
def compiler():
    made = GrammarCompiler(read_vocabulary(str(TINY), VOCAB_SIZE))
    yield made
    made.close()
    assert made.join(30)


def test_ids_spell_what_the_tokenizer_says():
    tokenizer = Tokenizer((TINY / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary = read_vocabulary(str(TINY), VOCAB_SIZE)
    spelled = vocabulary.decoded_vocab
    assert [i for i in range(VOCAB_SIZE) if not tokenizer.is_control(i) and spelled[i] != tokenizer.piece(i)] == []
    assert set(vocabulary.special_token_ids) == set(tokenizer.control_ids.values())
    assert any(piece and not piece.isascii() and b"\xe0" in piece[1:] for piece in spelled), (
        "no piece with part of a character"
    )


def test_sentencepiece_ids_spell_bytes_and_spaces(tmp_path):
    vocab = {
        "<unk>": 0,
        "<s>": 1,
        "</s>": 2,
        **{f"<0x{byte:02X}>": 3 + byte for byte in range(256)},
        "▁the": 259,
        "é": 260,
        "▁": 261,
    }
    added = [{"id": i, "content": c, "special": True} for i, c in enumerate(("<unk>", "<s>", "</s>"))]
    spec = {
        "model": {"type": "BPE", "vocab": vocab, "merges": []},
        "added_tokens": added,
        "decoder": {"type": "Sequence", "decoders": [{"type": "Replace"}, {"type": "ByteFallback"}]},
    }
    (tmp_path / "tokenizer.json").write_text(json.dumps(spec), encoding="utf-8")
    vocabulary = read_vocabulary(str(tmp_path), 300)
    spelled = vocabulary.decoded_vocab
    assert [spelled[i] for i in (3 + 0x41, 3 + 0xFF, 259, 260, 261)] == [b"A", b"\xff", b" the", "é".encode(), b" "]
    assert {0, 1, 2, *range(262, 300)} <= set(vocabulary.special_token_ids)


@pytest.mark.parametrize(
    "content", [None, "", "[]", "{}", '{"model": {"type": "Unigram", "vocab": {}}}', '{"model": 3}']
)
def test_no_vocabulary_that_can_be_read(tmp_path, content):
    if content is not None:
        (tmp_path / "tokenizer.json").write_text(content)
    assert read_vocabulary(str(tmp_path), 300) is None


def test_added_tokens_are_never_text(tmp_path):
    spec = json.loads((TINY / "tokenizer.json").read_text(encoding="utf-8"))
    spec["added_tokens"].append({"id": 5, "content": "plain", "special": False})
    (tmp_path / "tokenizer.json").write_text(json.dumps(spec), encoding="utf-8")
    assert 5 in read_vocabulary(str(tmp_path), VOCAB_SIZE).special_token_ids


def test_a_row_without_a_grammar_may_have_any_id():
    follower = Follower(compiled(LETTERS.source), held())
    allowed = allowed_ids([None, follower, None], VOCAB_SIZE)
    assert allowed.shape == (3, VOCAB_SIZE)
    assert allowed[0].all()
    assert allowed[2].all()
    assert 26 <= allowed[1].sum() < VOCAB_SIZE


async def test_the_same_grammar_is_compiled_once(compiler, monkeypatch):
    made = []
    stock = GrammarCompiler._compile
    monkeypatch.setattr(GrammarCompiler, "_compile", lambda self, source: made.append(source) or stock(self, source))
    followers = await asyncio.gather(*(compiler.follow(held()) for _ in range(20)))
    followers.append(await compiler.follow(held()))
    assert len(made) == 1
    assert len(set(map(id, followers))) == 21
    assert compiler.waiting == 0


async def test_what_was_used_last_is_kept(compiler, monkeypatch):
    monkeypatch.setattr(grammar_compiler, "_KEPT", 2)
    made = []
    stock = GrammarCompiler._compile
    monkeypatch.setattr(GrammarCompiler, "_compile", lambda self, source: made.append(source[9]) or stock(self, source))
    for letter in "abacab":
        await compiler.follow(held(f'root ::= "{letter}"\n'))
    assert made == [*'""""']
    assert len(compiler._kept) == 2
    monkeypatch.setattr(grammar_compiler, "_KEPT_BYTES", 0)
    await compiler.follow(held('root ::= "z"\n'))
    assert len(compiler._kept) == 1
    assert compiler._kept_bytes == next(iter(compiler._kept.values())).memory_size_bytes


@pytest.fixture
def gate(monkeypatch):
    """Hold what is being compiled until the gate is open."""
    opened, begun = threading.Event(), []
    stock = GrammarCompiler._compile

    def compile_later(self, source):
        begun.append(source)
        assert opened.wait(30)
        return stock(self, source)

    monkeypatch.setattr(GrammarCompiler, "_compile", compile_later)
    opened.begun = begun
    yield opened
    opened.set()


async def begun(gate, count):
    """Wait until so many are being compiled."""
    while len(gate.begun) < count:  # noqa: ASYNC110 - a thread counts
        await asyncio.sleep(0.001)


async def test_few_are_compiled_at_once_and_who_leaves_frees_its_place(compiler, gate):
    waiting = [asyncio.create_task(compiler.follow(held(f'root ::= "{letter}"\n'))) for letter in "abcdef"]
    await begun(gate, 2)
    assert compiler.waiting == 6
    for task in waiting[2:5]:
        task.cancel()
    await asyncio.wait(waiting[2:5])
    assert compiler.waiting == 3
    gate.set()
    await asyncio.gather(waiting[0], waiting[1], waiting[5])
    assert sorted(source[10] for source in gate.begun) == ["a", "b", "f"]
    assert not compiler._jobs


async def test_who_leaves_does_not_take_the_grammar_from_the_others(compiler, gate):
    first, second = (asyncio.create_task(compiler.follow(held())) for _ in range(2))
    await begun(gate, 1)
    first.cancel()
    await asyncio.wait([first])
    gate.set()
    assert await second


async def test_nobody_waits_for_a_closed_compiler(compiler, gate):
    waiting = [asyncio.create_task(compiler.follow(held(f'root ::= "{letter}"\n'))) for letter in "abcdef"]
    await begun(gate, 2)
    compiler.close()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {UnavailableError}
    assert len(set(map(id, outcomes))) == 6, "one error each"


async def test_an_ambiguous_grammar_ends_its_own_request(monkeypatch, compiler):
    monkeypatch.setattr(grammar, "_PATIENCE_S", 0.05)
    monkeypatch.setattr(grammar, "_PATIENCE_PER_TOKEN_S", 0.0)
    follower = await compiler.follow(held('root ::= s\ns ::= "a" s s | "a"\n'))
    letter = Tokenizer((TINY / "tokenizer.json").read_text(encoding="utf-8")).encode("a")[0]
    problems = []
    while not problems or not problems[-1]:
        assert allowed_ids([follower], VOCAB_SIZE)[0, letter]
        problems.append(follower.take(letter))
        assert len(problems) < 2000
    assert isinstance(problems[-1], InvalidRequestError)
    assert problems[-1].field == "grammar"
    assert "ambiguous" in str(problems[-1])
    with pytest.raises(InvalidRequestError) as caught:
        await compiler.follow(held('root ::= s\ns ::= "a" s s | "a"\n', max_tokens=4000, continuation=(letter,) * 2000))
    assert caught.value.field == "grammar"


async def test_what_no_token_can_spell_is_refused(tmp_path):
    spec = {"model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": []}, "decoder": {"type": "ByteLevel"}}
    (tmp_path / "tokenizer.json").write_text(json.dumps(spec), encoding="utf-8")
    compiler = GrammarCompiler(read_vocabulary(str(tmp_path), 8))
    with pytest.raises(InvalidRequestError) as caught:
        await compiler.follow(request(grammar=Grammar('root ::= "x"\n'), stop_token_ids=frozenset({7})))
    assert caught.value.field == "grammar"
    assert await compiler.follow(request(grammar=Grammar('root ::= "a"\n'), stop_token_ids=frozenset({7})))
    follower = await compiler.follow(request(grammar=Grammar('root ::= "a" "x"\n'), stop_token_ids=frozenset({7})))
    assert follower.take(0) is None
    assert not allowed_ids([follower], 8).any(), "the engine ends the request where no token leads on"
    compiler.close()
