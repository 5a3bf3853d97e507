"""API keys: random, and known to the server by their SHA-256 alone.

A key has 256 bits of its own, so there is no dictionary to try against a digest that leaked, which is what slow hashes
are for. A slow one would let anybody who sends wrong keys keep the server busy.
"""

from __future__ import annotations

import hashlib
import secrets

_PREFIX = "pdk_"
"""By which scanners, and people, know what they have found."""
_BYTES = 32


def new_key() -> str:
    """Make a key."""
    return _PREFIX + secrets.token_urlsafe(_BYTES)


def digest(key: str) -> str:
    """Give the SHA-256 of a key, in hexadecimal digits."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()
