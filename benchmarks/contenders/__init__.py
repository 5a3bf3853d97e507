"""What runs workloads, one module each, as a process that `benchmarks.contender` starts."""
