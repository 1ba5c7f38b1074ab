"""The pages over HTTP."""

import asyncio

from fastapi import APIRouter, FastAPI, Request, Response

from api import openapi
from api.docs.library import Library
from api.http.documents import answer, policy
from api.problems import NotFound

_POLICY = policy()

router = APIRouter(include_in_schema=False)


def install(app: FastAPI) -> None:
    """Give the application its pages. The reference is made of its own document."""
    app.state.docs = Library(lambda: openapi.document_of(app), app.state.settings.base_url)


@router.get("/docs")
@router.get("/docs.md")
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
    return answer(request, document, _POLICY)
