"""Version 1 of the API: messages in `*_pb2`, client stubs and servicer bases in `*_pb2_grpc`."""
