"""How a tool call ended, as it is recorded."""

from __future__ import annotations

import base64
import binascii
import json
import mimetypes
from dataclasses import dataclass, field
from typing import Any

from ...enums import InvocationStatus

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Binary:
    """Bytes inside a result, and the block that is recorded in their place."""

    data: bytes
    content_type: str
    block: Document
    """Gets the artifact's reference, or the size."""

    @property
    def suffix(self) -> str:
        """The end of a file name for such bytes."""
        return mimetypes.guess_extension(self.content_type) or ".bin"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a call. `text` is what a model reads of it."""

    status: InvocationStatus
    result: Any = None
    error: str | None = None
    text: str = ""
    binaries: list[Binary] = field(default_factory=list)


def of_result(result: Document) -> Outcome:
    """Of a result as it goes over the wire.

    Recorded is the structured content; without it, the text when there is nothing but text; else the content's blocks.
    A call that asks its caller for more (`input_required`) has succeeded with what it asks.
    """
    if result.get("resultType") == "input_required":
        asked = {key: result[key] for key in ("resultType", "inputRequests") if key in result}
        return Outcome(InvocationStatus.SUCCEEDED, asked, text="(the tool asks for input)")
    binaries: list[Binary] = []
    blocks = [_block(block, binaries) for block in result.get("content") or () if isinstance(block, dict)]
    text = "\n".join(_read(block) for block in blocks)
    if result.get("isError"):
        return Outcome(InvocationStatus.FAILED, error=text or "the tool failed", text=text, binaries=binaries)
    structured = result.get("structuredContent")
    value: Any = structured
    if structured is None:
        value = text if all(block.get("type") == "text" for block in blocks) else blocks
    elif binaries:
        value = {"structuredContent": structured, "content": blocks}
    return Outcome(InvocationStatus.SUCCEEDED, value, text=text or _dumped(value), binaries=binaries)


def of_exception(error: BaseException) -> Outcome:
    """Of a call that raised."""
    text = str(error) or type(error).__name__
    return Outcome(InvocationStatus.FAILED, error=text, text=text)


CANCELLED = Outcome(InvocationStatus.CANCELLED, text="(cancelled)")


def _block(block: Document, binaries: list[Binary]) -> Document:
    """A block of content; its bytes go among the binaries."""
    if isinstance(resource := block.get("resource"), dict) and isinstance(resource.get("blob"), str):
        inner = {key: value for key, value in resource.items() if key != "blob"}
        data, kind, block = resource["blob"], resource.get("mimeType"), block | {"resource": inner}
    elif block.get("type") in ("image", "audio") and isinstance(block.get("data"), str):
        inner = {key: value for key, value in block.items() if key != "data"}
        data, kind, block = block["data"], block.get("mimeType"), inner
    else:
        return block
    try:
        content = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        content = data.encode()
    binaries.append(Binary(content, str(kind or "application/octet-stream"), inner))
    return block


def _read(block: Document) -> str:
    """A block as a model reads it; of what is no text only what it is."""
    if block.get("type") == "text":
        return str(block.get("text", ""))
    resource = block.get("resource")
    inner = resource if isinstance(resource, dict) else block
    if isinstance(inner.get("text"), str):
        return str(inner["text"])
    facts = (block.get("type"), inner.get("mimeType"), inner.get("uri"))
    return f"[{' '.join(str(fact) for fact in facts if fact)}]"


def _dumped(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
