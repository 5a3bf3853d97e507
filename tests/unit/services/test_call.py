"""services.call: what may be a call waits, everything else passes."""

from llama.chat import ToolCall
from services.call import CallReader
from services.text import Piece


def pieces(*texts):
    return [Piece(text, [index], []) for index, text in enumerate(texts)]


def test_text_passes_from_its_first_character_on():
    reader = CallReader({"f"})
    passed = [reader.push(piece) for piece in pieces(" ", "\n", "Hi", " {")]
    assert passed[:2] == [None, None]
    assert passed[2] == Piece(" \nHi", [0, 1, 2], [])
    assert passed[3] == Piece(" {", [3], [])
    assert reader.finish() == (None, Piece("", [], []))


def test_a_call_waits_until_it_is_whole():
    reader = CallReader({"f"})
    assert not any(reader.push(piece) for piece in pieces('{"name"', ': "f", "para', 'meters": {"x": 1}}'))
    call, held = reader.finish()
    assert call == ToolCall("f", {"x": 1})
    assert held.token_ids == [0, 1, 2]


def test_what_only_began_like_a_call_is_text():
    reader = CallReader({"f"})
    assert not any(reader.push(piece) for piece in pieces("{", "not json"))
    assert reader.finish() == (None, Piece("{not json", [0, 1], []))


def test_a_resumed_call_is_known_again_and_not_told_again():
    reader = CallReader({"f"})
    reader.skip('{"name": "f"}')
    assert reader.finish() == (ToolCall("f", {}), Piece("", [], []))


def test_a_resumed_text_goes_on_as_text():
    reader = CallReader({"f"})
    reader.skip("Hi")
    assert reader.push(Piece(" {", [1], [])) == Piece(" {", [1], [])
