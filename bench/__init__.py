"""The benchmark of Sojourn: what the service costs over bare gRPC, measured side by side in one run.

Run it with `python -m bench` (or `make bench`); `docs/benchmarks.md` says how to read the result.
"""
