"""A server shared by processes: its files, how it is joined, started and left."""
