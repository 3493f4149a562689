"""The archive format: a session as one file of compressed, checksummed frames. docs/archive-format.md describes it."""
