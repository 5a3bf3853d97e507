"""The gRPC edge: server life cycle, servicer, conversion, admission, configuration, command line."""
