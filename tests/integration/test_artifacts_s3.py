"""What depends on where the bytes are, on a real S3 server."""

import asyncio
import os
from collections.abc import Iterator

import pytest

from tests.integration.test_artifacts_wire import (  # noqa: F401 - tests and their fixtures
    TestGetting,
    TestUploads,
    artifacts,
    blobs,
    server,
    session,
)
from tests.integration.test_artifacts_wire import TestPutting as Putting
from tests.support.object_store import ObjectStore


@pytest.fixture(scope="module")
def place() -> Iterator[tuple[str, dict[str, str]]]:
    """A blob store: its URL, and what a server's environment needs to use it."""
    s3 = ObjectStore()
    asyncio.run(s3.start())
    yield f"{s3.url}/{os.urandom(4).hex()}", {f"AWS_{name.upper()}": value for name, value in s3.options.items()}
    s3.close()


class TestPutting:
    test_what_was_put_comes_back_and_is_told = Putting.test_what_was_put_comes_back_and_is_told
    test_equal_bytes_are_stored_once = Putting.test_equal_bytes_are_stored_once
    test_other_bytes_than_announced = Putting.test_other_bytes_than_announced
    test_too_large_and_not_announced = Putting.test_too_large_and_not_announced
    test_a_cancelled_stream_leaves_nothing = Putting.test_a_cancelled_stream_leaves_nothing
