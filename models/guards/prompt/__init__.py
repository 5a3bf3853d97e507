"""The tiny prompt guard: a sequence classifier that tells benign text, injections and jailbreaks apart."""
