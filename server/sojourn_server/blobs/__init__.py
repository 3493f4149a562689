"""The blob store: snapshots, archives and artifacts as objects in a directory, S3, GCS or Azure."""
