"""Trains the embedded guards, paddock-guard-tiny and paddock-prompt-guard-tiny, from text that it makes itself."""
