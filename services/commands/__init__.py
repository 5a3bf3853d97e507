"""The commands of `paddock`: one module each, with `configure` for its arguments and `run` for what it does."""
