"""The backend that the machine allows: TensorRT-LLM where it can serve the model, else Transformers."""
