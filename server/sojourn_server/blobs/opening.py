"""Opening the blob store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from obstore.store import AzureStore, GCSStore, S3Store

from .local import LocalBlobs
from .store import CLIENT, RETRY, ObjectBlobs

CLOUDS: dict[str, Callable[..., S3Store | GCSStore | AzureStore]] = {
    "s3": S3Store.from_url, "gs": GCSStore.from_url, "az": AzureStore.from_url,
}  # fmt: skip
EXPECTED = "blobs URL: expected file:///directory, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix"


def open_blobs(url: str, **options: str) -> ObjectBlobs:
    """The blob store at a URL: `file:///directory`, `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix`.

    Credentials and endpoints come from the provider's own environment variables (`AWS_ENDPOINT_URL`, ...) or `options`.

    Raises:
        ValueError: another kind of URL.
        OSError: the directory cannot be used.
    """
    parts = urlsplit(url)
    if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"):
        return LocalBlobs(Path(unquote(parts.path)))
    if parts.scheme in CLOUDS and parts.netloc:
        # Plain HTTP is the operator's choice, by the scheme of the endpoint.
        client = CLIENT | {"allow_http": True}
        return ObjectBlobs(CLOUDS[parts.scheme](url, config=options, client_options=client, retry_config=RETRY))
    raise ValueError(EXPECTED)
