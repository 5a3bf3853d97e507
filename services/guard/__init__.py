"""Guards: models that judge what goes into another model and what comes out of it, while it generates."""
