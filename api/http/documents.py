"""What is served as it is, the same to everybody: bytes, their compressed form and an ETag, under a strict policy."""

import gzip
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fastapi import Request, Response

FOR_A_WHILE = "public, max-age=300"
FOR_EVER = "public, max-age=31536000, immutable"  # its address changes with its content
KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@dataclass(frozen=True)
class Document:
    """A body to serve. `etag` is strong and without quotes; the compressed form has one of its own."""

    content: bytes
    compressed: bytes
    media_type: str
    etag: str
    cache_control: str = FOR_A_WHILE

    @classmethod
    def of(cls, content: str | bytes, media_type: str, cache_control: str = FOR_A_WHILE) -> "Document":
        raw = content.encode() if isinstance(content, str) else content
        digest = hashlib.sha256(raw).hexdigest()[:24]
        return cls(raw, gzip.compress(raw, 6, mtime=0), media_type, digest, cache_control)


def static_files(folder: Path) -> dict[str, Document]:
    """What a page loads from `folder`, by file name."""
    return {
        path.name: Document.of(path.read_bytes(), KINDS[path.suffix], FOR_EVER)
        for path in sorted(folder.iterdir())
        if path.suffix in KINDS
    }


def policy(*more: str) -> str:
    """A Content-Security-Policy: nothing from anywhere but here, nothing inline, nobody's frame; and `more`."""
    ours = ("default-src 'none'", "style-src 'self'", "script-src 'self'", "img-src 'self'")
    return "; ".join([*ours, *more, "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"])


def answer(request: Request, document: Document, content_policy: str) -> Response:
    """The document, or 304 to who has it already."""
    small = "gzip" in request.headers.get("accept-encoding", "").lower()
    etag = f'"{document.etag}-gzip"' if small else f'"{document.etag}"'
    headers = {
        "ETag": etag,
        "Cache-Control": document.cache_control,
        "Vary": "Accept-Encoding",
        "Content-Security-Policy": content_policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }
    if etag in _known(request.headers.get("if-none-match", "").split(",")):
        return Response(status_code=304, headers=headers)
    if small:
        headers["Content-Encoding"] = "gzip"
    body = document.compressed if small else document.content
    return Response(body, headers=headers, media_type=document.media_type)


def _known(tags: Iterable[str]) -> list[str]:
    return [tag.strip().removeprefix("W/") for tag in tags]
