"""What every operation shares: problems with their headers, the idempotency key, the keys and their scopes."""

from typing import Any

from api.accounts.scopes import EVERY_SCOPE
from api.problems import Problem, every_problem

Headers = dict[str, Any]
_REQUEST_ID = "req_01h455vb4pex5vsknk084sn02q"
LIMITS = ("RateLimit", "RateLimit-Policy")
# By status: the component's name, what it says, which code is its example.
RESPONSES = {
    "400": ("BadRequest", "The request is not valid; `errors` points at each field.", "invalid_request"),
    "401": ("Unauthorized", "No valid key was sent.", "unauthenticated"),
    "403": ("Forbidden", "The key does not have the scope.", "insufficient_scope"),
    "404": ("NotFound", "There is no such thing in this workspace and mode.", "not_found"),
    "406": ("NotAcceptable", "None of the accepted media types can be sent.", "not_acceptable"),
    "408": ("RequestTimeout", "The body did not arrive in time.", "request_timeout"),
    "409": ("Conflict", "The state does not allow this, or a twin of the request is running.", "conflict"),
    "412": ("PreconditionFailed", "The resource has changed since it was read.", "precondition_failed"),
    "413": ("TooLarge", "The body is larger than a megabyte.", "body_too_large"),
    "415": ("UnsupportedMediaType", "The body is not JSON.", "unsupported_media_type"),
    "422": ("KeyReused", "The idempotency key was used for another request.", "idempotency_key_reused"),
    "429": ("TooManyRequests", "Faster than the limit, or the month's quota is used up.", "rate_limited"),
    "500": ("InternalError", "A defect of ours: name the request id.", "internal_error"),
    "503": ("Unavailable", "A part that we stand on is away for a moment.", "unavailable"),
}


def add(document: dict[str, Any]) -> None:
    """The shared components."""
    components = document["components"]
    for name in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(name, None)
    components["schemas"].update(_problem_schemas())
    components["headers"] = _headers()
    components["responses"] = {name: _response(status) for status, (name, _, _) in RESPONSES.items()}
    components.setdefault("parameters", {})["IdempotencyKey"] = {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "description": "Makes the request safe to send again for 24 hours: a UUID is a good one.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[\x21-\x7e]+$"},
        "example": "4f2b9f6e-8a3d-4c1b-9a57-0d9a8f1c2e33",
    }
    components["securitySchemes"] = {
        "key": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "rb_live_… or rb_test_…",
            "description": "An API key. Scopes: " + ", ".join(EVERY_SCOPE) + ".",
        }
    }


def headers_of(status: str) -> Headers:
    """The headers that an answer of this status may have."""
    names = ["Request-Id", "Access-Control-Allow-Origin"]
    if status[0] in "24":
        names += LIMITS
    if status in ("429", "503"):
        names.append("Retry-After")
    if status == "201":
        names.append("Location")
    if status in ("401", "403"):
        names.append("WWW-Authenticate")
    if status == "412":
        names.append("ETag")
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def not_found_here() -> dict[str, Any]:
    """The 404 of one operation, which gets an example of its own: with one code, and nothing that points at a field."""
    response = _response("404")
    response["content"] = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/NotFoundProblem"}}}
    return response


def example_problem(code: str) -> dict[str, Any]:
    problem = next(problem for problem in every_problem() if problem.code == code)
    return _example(problem)


def _example(problem: type[Problem]) -> dict[str, Any]:
    errors = []
    if problem.status == 400:
        target = {"type": "field", "name": "/title"}
        errors.append({"code": "string_too_short", "message": "must have at least 1 character", "target": target})
    return {
        "type": f"https://roadbed.example/docs/errors/{problem.code}",
        "title": problem.title,
        "status": problem.status,
        "detail": f"{problem.title}. The page of the code says what to do.",
        "instance": "/v1/features",
        "code": problem.code,
        "request_id": _REQUEST_ID,
        "errors": errors,
    }


def _response(status: str) -> dict[str, Any]:
    _, description, code = RESPONSES[status]
    content = {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example_problem(code)}
    return {
        "description": description,
        "headers": headers_of(status),
        "content": {"application/problem+json": content},
    }


def _problem_schemas() -> dict[str, Any]:
    def text(description: str, longest: int, **more: Any) -> dict[str, Any]:
        return {"type": "string", "description": description, "minLength": 0, "maxLength": longest, **more}

    target = {
        "type": {
            "type": "string",
            "enum": ["field", "header", "parameter"],
            "description": "Which part of the request it is.",
        },
        "name": text("A JSON pointer for a field, else the name.", 10_000),
    }
    error = {
        "code": text("What is wrong, for programs.", 100),
        "message": text("What is wrong, as a sentence.", 10_000),
        "target": {"$ref": "#/components/schemas/ProblemTarget"},
    }
    problem = {
        "type": {**text("Opens a page about the code.", 2_000), "format": "uri", "pattern": "^https?://"},
        "title": text("The code in words.", 200),
        "status": {"type": "integer", "format": "int32", "minimum": 400, "maximum": 599, "description": "As in HTTP."},
        "detail": text("What happened, and what to do.", 100_000),
        "instance": text("The path of the request.", 100_000),
        "code": {
            "type": "string",
            "enum": [problem.code for problem in every_problem()],
            "description": "The problem, for programs; each has a page in the docs.",
        },
        "request_id": text("Name it when you write to us.", 64),
        "errors": {
            "type": "array",
            "minItems": 0,
            "maxItems": 50,
            "items": {"$ref": "#/components/schemas/ProblemError"},
            "description": "Each thing that is wrong, with its place.",
        },
    }
    absent = problem | {
        "status": {**problem["status"], "minimum": 404, "maximum": 404},
        "code": {"type": "string", "enum": ["not_found"], "description": "The problem, for programs."},
        "errors": {
            "type": "array",
            "minItems": 0,
            "maxItems": 0,
            "items": {"type": "object", "description": "There is none.", "properties": {}},
            "description": "Always empty: no field is wrong.",
        },
    }
    return {
        "NotFoundProblem": _object("NotFoundProblem", "There is no such thing: the Problem of a 404.", absent),
        "Problem": _object("Problem", "What went wrong (RFC 9457).", problem),
        "ProblemError": _object("ProblemError", "One thing that is wrong.", error),
        "ProblemTarget": _object("ProblemTarget", "Where it is.", target),
    }


def _object(title: str, description: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "title": title,
        "type": "object",
        "description": description,
        "required": list(properties),
        "properties": properties,
    }


def _headers() -> Headers:
    def header(description: str, example: str, longest: int = 1_000, **more: Any) -> dict[str, Any]:
        schema = {"type": "string", "minLength": 1, "maxLength": longest, "pattern": r"^[\x20-\x7e]*$", **more}
        return {"description": description, "schema": schema, "example": example}

    return {
        "Request-Id": header("Name it when you write to us.", _REQUEST_ID, 64),
        "RateLimit": header("What is left of each limit, and the seconds until it is more.", '"second";r=199;t=1'),
        "RateLimit-Policy": header("The limits: so many requests in so many seconds.", '"second";q=100;w=1'),
        "Retry-After": header("Seconds to wait before the next try.", "1", 20),
        "ETag": header("The version in quotes, or a digest of what has none.", '"3"', 100),
        "Location": header("Where the new resource is.", "/v1/features/feat_01h455vb4pex5vsknk084sn02q", 4_000),
        "WWW-Authenticate": header("How to authenticate, and the scope that is missing.", 'Bearer realm="roadbed"'),
        "Access-Control-Allow-Origin": header(
            "Whose pages may read the answer in a browser.", "https://roadbed.example"
        ),
        "Deprecation": header("Since when the operation is deprecated (RFC 9745).", "@1798761600", 20),
        "Sunset": header("When it stops answering (RFC 8594).", "Sat, 01 Jan 2028 00:00:00 GMT", 40),
        "Link": header(
            "Related pages: the next one, the successor of a deprecated operation.", '</v1/x>; rel="next"', 10_000
        ),
    }
