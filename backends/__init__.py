"""Backends: token ids in, tokens out. `base.py` is the contract; each package beside it is one implementation."""
