"""What every error answer must look like, whoever gives it."""

import re
from typing import Any

import httpx

MEMBERS = {"type", "title", "status", "detail", "instance", "code", "request_id", "errors"}
_LEAKS = re.compile(
    r"Traceback|File \"|\.py\b|asyncpg|sqlalchemy|pydantic|starlette|fastapi|uvicorn|SELECT |INSERT |relation \"",
    re.IGNORECASE,
)


def problem(answer: httpx.Response, status: int, code: str | None = None) -> dict[str, Any]:
    """The body, once it is a whole problem (RFC 9457) of this status that tells nothing of our insides."""
    assert answer.status_code == status, (answer.status_code, answer.text)
    assert answer.headers["content-type"] == "application/problem+json", answer.headers
    told: dict[str, Any] = answer.json()
    assert set(told) == MEMBERS
    assert told["status"] == status
    assert told["type"].endswith(f"/docs/errors/{told['code']}")
    assert told["request_id"] == answer.headers["request-id"]
    assert told["request_id"].startswith("req_")
    assert told["detail"]
    assert len(told["errors"]) <= 50
    for error in told["errors"]:
        assert set(error) == {"code", "message", "target"}
        assert error["target"]["type"] in ("field", "header", "parameter")
    shown = answer.text.replace(told["instance"], "") if len(told["instance"]) > 1 else answer.text
    assert not _LEAKS.search(shown), shown
    if code is not None:
        assert told["code"] == code, told
    return told


def pointers(told: dict[str, Any]) -> list[str]:
    """Where the errors are."""
    return [error["target"]["name"] for error in told["errors"]]
