"""Measurements, one command per question: `python -m benchmarks.NAME`. Results are kept beside hardware and command."""
