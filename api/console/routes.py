"""The console over HTTP: one page, and what it loads."""

import hashlib
from functools import cache
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from api.docs.library import assets
from api.http.documents import Document, answer, policy, static_files
from api.problems import NotFound

_STATIC = Path(__file__).resolve().parent / "static"
# It calls /v1 of this origin and nothing else. Browsers that know trusted types refuse to make markup of any string,
# so that what a receiver answered stays text even under a defect of ours.
_POLICY = policy("connect-src 'self'", "require-trusted-types-for 'script'", "trusted-types 'none'")
_ASK_AGAIN = "no-cache"  # the page names the folder of the release that runs
# Whoever opened this page, or would load its files into another, gets no hold of it.
_ALONE = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin"}

router = APIRouter(include_in_schema=False)


@router.get("/console")
async def go_to_console() -> Response:
    """To the address with the slash, which is the one that is told."""
    return RedirectResponse("/console/", status_code=308)


@router.get("/console/")
@router.get("/console/{name:path}")
async def get_file(request: Request) -> Response:
    """The page, or a file that it loads."""
    document = documents().get(request.url.path)
    if document is None:
        raise NotFound(f"There is no file {request.url.path}. The console is at /console/.")
    response = answer(request, document, _POLICY)
    response.headers.update(_ALONE)
    return response


@cache
def documents() -> dict[str, Document]:
    """The page and its files by path, read at the first look.

    The files stand in a folder that is named after what is in all of them. So the modules may import each other by
    their plain names, be kept for ever, and never be of two releases at once.
    """
    files = static_files(_STATIC)
    digest = hashlib.sha256("".join(file.etag for file in files.values()).encode()).hexdigest()[:12]
    folder = f"/console/{digest}"
    shared, _ = assets()
    page = (_STATIC / "index.html").read_text().replace("{folder}", folder)
    for name, address in shared.items():
        page = page.replace(f"{{docs/{name}}}", address)
    found = {f"{folder}/{name}": file for name, file in files.items()}
    return {"/console/": Document.of(page, "text/html", _ASK_AGAIN), **found}
