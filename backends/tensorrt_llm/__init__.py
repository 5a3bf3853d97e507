"""NVIDIA TensorRT-LLM 1.2.x as a backend: token ids in, token ids out; the engine batches, we keep the contract.

One request's way through the files:

1. `backend.py` checks the request, gives it a place in its own queue, and submits it once one of `max_concurrency`
   slots is free. It runs on the event loop and knows nothing of TensorRT-LLM.
2. `flow.py` turns the request into what `generate_async` takes. Two subclasses construct the vendor's `LLM`:
   `pytorch_flow.py` from a checkpoint, `engine_flow.py` from a compiled engine directory.
3. `ticket.py` is the request while it runs: a task reads the vendor's iterator as fast as it goes, and what it read
   waits for the consumer as one delta.
4. `model.py` reads what a checkpoint or an engine directory says of itself, and refuses before loading what can't work.

Only the three flow modules import `tensorrt_llm`, and inside functions: everything here can be imported anywhere.
"""
