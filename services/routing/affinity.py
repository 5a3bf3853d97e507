"""Which calls are better answered by the same worker: it may have kept what their prompts begin with. Pure."""

from __future__ import annotations

import hashlib
import math

from paddock.v1 import chat_pb2, generate_pb2

_CHARS = 4096
"""Of a text that count: what differs only later still has much in common."""
_IDS = 1024
_MESSAGES = 64


def affinity_key(request: generate_pb2.GenerateRequest, cache_salt: str = "") -> bytes:
    """Give what turns of a conversation have in common: all up to the user's first message, or a prompt's beginning.

    Requests whose salts differ share nothing, so they needn't meet.
    """
    digest = hashlib.blake2b(cache_salt.encode(), digest_size=16)
    kind = request.WhichOneof("input")
    if kind == "chat":
        for message in request.chat.messages[:_MESSAGES]:
            text = "".join(part.text[:_CHARS] for part in message.content[:16])
            digest.update(f"{message.role}\0{text[:_CHARS]}\0".encode())
            if message.role == chat_pb2.ROLE_USER:
                break
    elif kind == "token_ids":
        digest.update(repr(list(request.token_ids.ids[:_IDS])).encode())
    else:
        digest.update(request.prompt[:_CHARS].encode())
    return digest.digest()


def rank(key: bytes, address: str, weight: float) -> float:
    """Say how much a worker is the one for a key, by weighted rendezvous hashing: who comes or goes moves few keys."""
    drawn = int.from_bytes(hashlib.blake2b(address.encode(), key=key, digest_size=8).digest(), "big")
    return weight / -math.log((drawn + 0.5) / 2**64)
