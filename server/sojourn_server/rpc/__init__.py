"""The gRPC edge: parse, one use case, render. The only place of the server that knows protobuf and gRPC."""
