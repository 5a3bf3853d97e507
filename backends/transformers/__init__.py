"""Llama-architecture checkpoints on PyTorch: a step loop of our own over the stock Transformers model.

Sequence classifiers of any architecture too: `classifier.py` stands in the engine's place for them.

One request's way through the files:

1. `backend.py` checks the request (`backends/check.py`) and puts it into the worker's inbox; it runs on the event loop.
2. `worker.py` is the one thread that runs PyTorch: it loads (`loading.py`), empties the inbox, steps, hands results
   over.
3. `scheduler.py` admits requests first come, first served, and plans each step: every decode token, then prefill
   chunks.
4. `cache.py` owns the keys and values; `engine.py` lays the plan out as one ragged row of tokens and runs the
   model.
5. `attention.py` is what the model calls in place of its own attention; it reads and writes the cache.
6. `sampling.py` and `scoring.py` turn the wanted rows of logits into ids and logprobs; `engine.py` makes deltas of
   them.
7. `linear.py` replaces the linear layers on CPU, so that a row of a product doesn't depend on the other rows.

Only `config.py` and `backend.py` are meant to be imported from elsewhere; neither imports PyTorch.
"""
