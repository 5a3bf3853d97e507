"""`paddock tokenize`."""

from __future__ import annotations

import json

from paddock.v1.chat_pb2 import Role
from paddock.v1.tokenize_pb2 import TokenizeResponse, TokenSpan

RESPONSE = TokenizeResponse(
    tokens=[
        TokenSpan(id=15, piece=b"Hi", start=0, end=2),
        TokenSpan(id=300, piece=b" \xe2\x82", start=2, end=5),
        TokenSpan(id=4, piece=b"\xac\n\x1b", start=5, end=8),
    ],
    token_count=3,
    context_length=2048,
)


def test_prints_a_token_a_line(server, run):
    server.responses["Tokenize"] = RESPONSE
    result = run("tokenize", "Hi")
    assert result.out == (
        'ID   PIECE         BYTES\n15   "Hi"          0-2\n300  " \\xe2\\x82"   2-5\n4    "\\xac\\n\\x1b"  5-8\n'
    )
    assert result.err == "3 of the 2048 tokens that prompt and answer fill together\n"
    assert server.requests[0].text == "Hi"


def test_tells_what_was_kept_text(server, run):
    server.responses["Tokenize"] = TokenizeResponse(token_count=9, context_length=10, neutralized_sequences=1)
    assert "1 spelled a control token and stay text" in run("tokenize", "<|eot_id|>").err


def test_chat_encodes_a_users_message(server, run):
    run("tokenize", "--chat", "--model", "m", stdin="hello")
    request = server.requests[0]
    (message,) = request.chat.messages
    assert (request.model, message.role, message.content[0].text) == ("m", Role.ROLE_USER, "hello")


def test_json_prints_the_whole_response(server, run):
    server.responses["Tokenize"] = RESPONSE
    result = run("tokenize", "Hi", "--json")
    assert json.loads(result.out)["tokens"][0] == {"id": 15, "piece": "SGk=", "start": "0", "end": "2"}
    assert result.err == ""
