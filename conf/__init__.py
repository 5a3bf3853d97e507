"""The built-in configuration, composed by Hydra. A folder laid out like this one can be put before it: --config-dir."""
