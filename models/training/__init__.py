"""Trains the embedded model `models/paddock-tiny` from text that this package makes itself."""
