"""The pages over HTTP."""

import asyncio

from fastapi import APIRouter, FastAPI, Request, Response

from api import openapi
from api.docs.library import Document, Library
from api.problems import NotFound

# Nothing from anywhere but here, nothing inline, nobody's frame.
_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)

router = APIRouter(include_in_schema=False)


def install(app: FastAPI) -> None:
    """Give the application its pages. The reference is made of its own document."""
    app.state.docs = Library(lambda: openapi.document_of(app), app.state.settings.base_url)


@router.get("/docs")
@router.get("/docs/{name:path}")
@router.get("/llms.txt")
async def get_page(request: Request) -> Response:
    """A page, its Markdown, or what pages load."""
    library: Library = request.app.state.docs
    # The first look renders everything, in a thread, so that nobody else waits for it.
    documents = library.documents() if library.ready else await asyncio.to_thread(library.documents)
    document = documents.get(request.url.path.rstrip("/"))
    if document is None:
        raise NotFound(f"There is no page {request.url.path}. They are listed at /docs.")
    return _answer(request, document)


def _answer(request: Request, document: Document) -> Response:
    small = "gzip" in request.headers.get("accept-encoding", "").lower()
    etag = f'"{document.etag}-gzip"' if small else f'"{document.etag}"'
    headers = {
        "ETag": etag,
        "Cache-Control": document.cache_control,
        "Vary": "Accept-Encoding",
        "Content-Security-Policy": _POLICY,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }
    if etag in [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]:
        return Response(status_code=304, headers=headers)
    if small:
        headers["Content-Encoding"] = "gzip"
    body = document.compressed if small else document.content
    return Response(body, headers=headers, media_type=document.media_type)
