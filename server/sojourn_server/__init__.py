"""The Sojourn service: a gRPC server that coordinates the live sessions of agents."""

import os

# Read when gRPC is imported. We start engines and workers while it runs, and those replace themselves at once: its
# handlers around fork have nothing to do, and complain in the log.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

__version__ = "0.1.0"
