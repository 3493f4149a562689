"""Screenshots: from whatever drives the browser."""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Awaitable, Callable, Generator
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from .._transport.values import invalid
from ..models import Artifact

EXPECTED = "a Playwright page, a Selenium driver, bytes or the path of a file"

InThread = Callable[..., Awaitable[Any]]
"""Calls a function with arguments in some thread."""

_KINDS = (
    (b"\x89PNG\r\n\x1a\n", "image/png", ".png"),
    (b"\xff\xd8\xff", "image/jpeg", ".jpg"),
    (b"GIF8", "image/gif", ".gif"),
    (b"RIFF", "image/webp", ".webp"),
)


class Screenshot(BaseModel):
    """A screenshot that was taken. It is an artifact of the session, and a file of the run."""

    phase: str
    name: str
    """Of the artifact; the same name again is its next version."""
    version: int = 0
    """0 when it is no artifact of a session."""
    node: str = ""
    run: int = 0
    path: str = ""
    """The file; empty for one that was taken elsewhere."""
    content_type: str = ""
    size_bytes: int = 0
    sha256: str = ""
    time: datetime

    def reference(self) -> dict[str, Any]:
        """As `sojourn.Artifact.reference`: a JSON value that stands for the bytes."""
        names = {"name", "version", "sha256", "content_type", "size_bytes"}
        return {"$artifact": self.model_dump(include=names)}


class Taken(Awaitable[Screenshot]):
    """A screenshot that a plain function took; it is kept already."""

    def __init__(self, screenshot: Screenshot) -> None:
        self._screenshot = screenshot

    def __await__(self) -> Generator[Any, None, Screenshot]:
        return self._screenshot
        yield  # what makes it a generator

    def result(self) -> Screenshot:
        """What was taken."""
        return self._screenshot


def from_artifact(artifact: Artifact) -> Screenshot:
    """What the session knows of a screenshot."""
    run = artifact.labels.get("run", "")
    return Screenshot(
        phase=artifact.phase,
        name=artifact.name,
        version=artifact.version,
        node=artifact.labels.get("node", ""),
        run=int(run) if run.isdigit() else 0,
        content_type=artifact.content_type,
        size_bytes=artifact.size_bytes,
        sha256=artifact.sha256,
        time=artifact.create_time,
    )


def is_async(source: object) -> bool:
    """Whether taking it is an `async def`, as with Playwright's async API."""
    return inspect.iscoroutinefunction(getattr(source, "screenshot", None))


def take(source: object) -> bytes | Awaitable[object]:
    """The bytes, or what gives them when it is awaited. Blocks as long as the browser takes.

    Raises InvalidFieldError for what cannot be photographed, OSError, and what the browser's driver raises.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    if isinstance(source, str | os.PathLike):
        return Path(source).read_bytes()
    if callable(of_driver := getattr(source, "get_screenshot_as_png", None)):
        taken: object = of_driver()
    elif hasattr(type(source), "screenshot_as_png"):  # an element, in Selenium's words
        taken = source.screenshot_as_png  # type: ignore[attr-defined]
    elif callable(of_page := getattr(source, "screenshot", None)):
        taken = of_page()
    else:
        raise invalid("source", EXPECTED)
    return taken if inspect.isawaitable(taken) else image(taken)


async def take_in_loop(source: object, in_thread: InThread = asyncio.to_thread) -> bytes:
    """The bytes, without stopping the event loop. Raises what `take` does."""
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    taken = take(source) if is_async(source) else await in_thread(take, source)
    return taken if isinstance(taken, bytes) else image(await taken)


def image(taken: object) -> bytes:
    """What a driver gave. Raises InvalidFieldError unless it is bytes."""
    if not isinstance(taken, bytes | bytearray | memoryview):
        raise invalid("source", EXPECTED)
    return bytes(taken)


def kind_of(data: bytes) -> tuple[str, str]:
    """Media type and file name suffix of an image."""
    for magic, content_type, suffix in _KINDS:
        if data.startswith(magic):
            return content_type, suffix
    return "application/octet-stream", ".bin"


def is_running(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether the loop runs this very code. Playwright's sync API leaves another loop running in its thread."""
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False
