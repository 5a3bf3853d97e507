"""The embedded models: small, made here, each with its card."""
