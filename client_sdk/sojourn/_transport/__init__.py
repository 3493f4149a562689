"""The wire: the only package of the SDK that knows protobuf and gRPC. What crosses its border are models and errors."""
