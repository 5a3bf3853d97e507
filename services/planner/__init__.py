"""What `paddock plan` answers: does a model fit, on what, how many sequences at once. `llama` has the arithmetic."""
