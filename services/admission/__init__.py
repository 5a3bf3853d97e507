"""What a model takes on, from whom, and in which order; all else is refused at once, with the time to come back."""
