"""The tiny guard: a Llama that judges the last message of a conversation and writes Llama Guard's output format."""
