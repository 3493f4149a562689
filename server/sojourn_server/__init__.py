"""The Sojourn service: a gRPC server that coordinates the live sessions of agents."""

__version__ = "0.1.0"
