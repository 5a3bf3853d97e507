"""What is true of Llama 3.1 however it is served. Pure: no I/O, no gRPC, no torch."""
