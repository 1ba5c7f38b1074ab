"""Which form of a thing a caller prefers (RFC 9110, 12.5.1). JSON is what everybody gets who does not say."""

from fastapi import Request
from starlette.responses import Response

from api.http.etags import fresh_form

JSON = "application/json"
MARKDOWN = "text/markdown"


def prefers(request: Request, media_type: str) -> bool:
    """Whether the caller asks for this form by name, and likes JSON no better."""
    weights = _weights(",".join(request.headers.getlist("accept")))
    wanted = weights.get(media_type, 0.0)
    json = next((weights[name] for name in (JSON, "application/*", "*/*") if name in weights), 0.0)
    return wanted > 0 and wanted >= json


def as_markdown_page(request: Request, version: int, text: str) -> Response:
    """The Markdown form of what has this version, or 304 when the caller has it already."""
    return negotiated(fresh_form(request, version, MARKDOWN, text))


def negotiated(response: Response) -> Response:
    """The response as one of several forms, which is what caches have to know of it, of a 304 too."""
    response.headers["Vary"] = "Accept"
    return response


def _weights(accept: str) -> dict[str, float]:
    """Media types with what they weigh, 0 to 1. One that is written wrongly is not wanted.

    >>> _weights("text/markdown;q=0.5, */*")
    {'text/markdown': 0.5, '*/*': 1.0}
    """
    found = {}
    for part in accept.lower().split(","):
        name, *parameters = (one.strip() for one in part.split(";"))
        weight = next((one[2:] for one in parameters if one.startswith("q=")), "1")
        try:
            found[name] = min(1.0, max(0.0, float(weight)))
        except ValueError:
            found[name] = 0.0
    return found
