"""The simulator: a backend without a model, deterministic and paced, and the example for who writes another.

Read `backend.py` first: it is the contract, kept. `answer.py` is one request's progress, `model.py` and `sampling.py`
stand for the network and its sampler, and `config.py` holds the settings.
"""
