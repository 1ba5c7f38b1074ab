"""What happens around every handler: admit the caller, read the body, open the transaction, replay or run, commit.

The commit comes before the response leaves: nobody is told of a write that did not last.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine
from datetime import date
from functools import cached_property
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from fastapi._compat import Undefined
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import ClientDisconnect

from api import json
from api.http import idempotency
from api.http.arguments import Handler
from api.http.deprecation import Deprecation
from api.http.etags import fresh_by_content
from api.http.reply import Reply, raw
from api.http.schema import ListShown
from api.problems import Invalid, Pointer, Problem, RequestTimeout, TooLarge, UnsupportedMediaType
from api.stores import Scope, Stores, Transaction

Run = Callable[[Request], Coroutine[Any, Any, Response]]
_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_READS = ("GET", "HEAD")
_JSON_TYPES = ("application/json", "application/merge-patch+json")


def operation(
    operation_id: str,
    *,
    scope: str | None,
    returns: type[BaseModel] | None = None,
    many: bool = False,
    status: int = 200,
    deprecated: Deprecation | None = None,
    **extra: Any,
) -> dict[str, Any]:
    """The arguments of a route's decorator. `scope` is what the key must have; None is for routes without a caller.
    `many` says that the answer is a page of `returns`; `deprecated` that the operation will go, and when.

    The OpenAPI document and the check at run time read the same declaration.
    """
    if deprecated is not None:
        said = {"announced": deprecated.announced.isoformat(), "sunset": deprecated.sunset.isoformat()}
        extra["x-deprecation"] = {**said, "successor": deprecated.successor}
    return {
        "operation_id": operation_id,
        "deprecated": True if deprecated is not None else None,
        "status_code": status,
        "response_model": ListShown[returns] if many and returns is not None else returns,  # type: ignore[valid-type]
        "response_class": Reply if returns is not None else Response,
        "openapi_extra": {"security": [] if scope is None else [{"key": [scope]}], **extra},
    }


class WireRequest(Request):
    """A request whose JSON numbers are exact decimals. The body is read and bounded before any handler sees it."""

    raw: bytes = b""
    parsed: Any = None

    async def body(self) -> bytes:
        return self.raw

    async def json(self) -> Any:
        return self.parsed

    @property
    def sent(self) -> Any:
        """The body as a handler's arguments are made of it."""
        return self.parsed if self.raw else Undefined

    async def read(self, limit_bytes: int, timeout_s: float) -> None:
        """Raises TooLarge, RequestTimeout, UnsupportedMediaType, or Invalid for what is not JSON."""
        if self.method in ("GET", "HEAD", "OPTIONS"):
            return
        declared = self.headers.get("content-length", "")
        if declared.isdigit() and int(declared[:20]) > limit_bytes:
            raise _too_large(limit_bytes)
        try:
            async with asyncio.timeout(timeout_s):
                await self._gather(limit_bytes)
        except TimeoutError:
            message = f"The body did not arrive within {timeout_s:g} s. Send it again."
            raise RequestTimeout(message, headers={"Connection": "close"}) from None
        except ClientDisconnect:
            raise Invalid("The request ended before its body did.") from None
        if self.raw:
            self._parse()

    async def _gather(self, limit_bytes: int) -> None:
        chunks, size = [], 0
        async for chunk in self.stream():
            size += len(chunk)
            if size > limit_bytes:
                raise _too_large(limit_bytes)
            chunks.append(chunk)
        self.raw = b"".join(chunks)

    def _parse(self) -> None:
        media_type = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type not in _JSON_TYPES:
            raise UnsupportedMediaType("Send the body as JSON, with Content-Type: application/json.")
        if self.headers.get("content-encoding", "identity").lower() != "identity":
            raise UnsupportedMediaType("Send the body as it is, without Content-Encoding.")
        self.parsed = json.load_hostile(self.raw)
        if self.parsed is None:
            # Otherwise it would pass for no body at all where one may be left out.
            message = "must be a JSON object: null is none, and no body is sent as no bytes"
            raise Invalid(f"body: {message}", errors=(Pointer("model_type", message, "field", ""),))


class Route(APIRoute):
    """A route with a transaction. Subclasses say who the caller is by `admit`."""

    async def admit(self, request: Request, stores: Stores) -> Scope:
        """For whom the transaction speaks. Raises Unauthenticated or InsufficientScope."""
        raise NotImplementedError

    @cached_property
    def scope_needed(self) -> str | None:
        """The scope that the operation declares. None is for routes without a caller."""
        security = (self.openapi_extra or {})["security"]
        return str(security[0]["key"][0]) if security else None

    @property
    def deprecation(self) -> Deprecation | None:
        """When the operation goes, if it does."""
        said = (self.openapi_extra or {}).get("x-deprecation")
        if said is None:
            return None
        days = (date.fromisoformat(said["announced"]), date.fromisoformat(said["sunset"]))
        return Deprecation(*days, successor=said["successor"])

    def get_route_handler(self) -> Run:
        """What FastAPI calls, when it is made, for what runs the operation."""
        self.run = self._runner(Handler(self.dependant, lenient=not self.include_in_schema))

        async def run(incoming: Request) -> Response:
            return await self.run(WireRequest(incoming.scope, incoming.receive))

        return run

    def _runner(self, handle: Handler) -> Callable[["WireRequest"], Coroutine[Any, Any, Response]]:
        deprecation = self.deprecation
        by_content = self.methods == {"GET"} and not _takes_query(self.dependant, "cursor")
        takes_condition = self.methods == {"GET"} or _takes_header(self.dependant, "If-Match")

        async def run(request: WireRequest) -> Response:
            stores: Stores = request.app.state.stores
            if deprecation is not None:
                request.state.deprecation_headers = raw(deprecation.headers(stores.settings.base_url))
            scope = await self.admit(request, stores)
            _refuse_nul(request)
            if not takes_condition:
                _refuse_condition(request)
            await request.read(stores.settings.body_limit_bytes, stores.settings.body_timeout_s)
            sent = request.headers.getlist(idempotency.HEADER) if request.method == "POST" else []
            key = idempotency.read_key(sent)
            if key is None:
                response = await _run(stores, scope, request, handle)
                if by_content and isinstance(response, Reply) and not response.has_etag:
                    return fresh_by_content(request, response)
                return response
            if scope.workspace_id is None:
                scope = idempotency.scope_of_address(address_of(request), stores.settings.pepper_bytes)
            return await _run_once(stores, scope, request, handle, key)

        return run


def address_of(request: Request) -> str:
    """Where the request came from, for what is held apart by address."""
    return request.client.host if request.client else "unknown"


class OpenRoute(Route):
    """A route that anyone may call: signup, the catalogue."""

    async def admit(self, request: Request, stores: Stores) -> Scope:
        await request.app.state.gate.admit_anyone(request)
        return Scope()


async def _run(stores: Stores, scope: Scope, request: WireRequest, handle: Handler) -> Response:
    async with stores.transaction(scope, reads=request.method in _READS) as tx:
        tx.trace_id = _trace_id(request)
        request.state.tx = tx
        response = await handle(request, request.sent)
        await tx.commit()
    promise = _promise(response)
    return response if promise is None else await promise()


async def _run_once(stores: Stores, scope: Scope, request: WireRequest, handle: Handler, key: str) -> Response:
    """Run under an idempotency key. A refusal of the operation itself (4xx) is kept too; a failure of ours is not."""
    url = request.url.path + ("?" + request.url.query if request.url.query else "")
    print_ = idempotency.fingerprint(request.method, url, request.raw)
    vault: idempotency.Vault = request.app.state.vault
    async with stores.transaction(scope) as tx:
        tx.trace_id = _trace_id(request)
        request.state.tx = tx
        if (kept := await idempotency.replay(tx, vault, key, print_)) is not None:
            return kept
        try:
            response = await handle(request, request.sent)
        except Problem as problem:
            if problem.status >= 500:
                raise
            await tx.rollback()
            # The lock went with the transaction: take it again, lest a twin that runs now and this refusal both last.
            if (kept := await idempotency.replay(tx, vault, key, print_)) is not None:
                return kept
            response = request.app.state.problem_reply(request, problem)
        promise = _promise(response)
        if tx.scope is not scope:
            # Signing up speaks for the workspace that it makes. The reply belongs to whoever asked.
            await tx.speak_for(scope)
        if not await idempotency.keep(tx, vault, key, print_, response, promised=promise is not None):
            await tx.rollback()
            kept = await idempotency.replay(tx, vault, key, print_)
            assert kept is not None, "a twin's reply was in the way a moment ago"
            return kept
        await tx.commit()
    if promise is None:
        return response
    response = await promise()
    async with stores.transaction(scope) as tx:
        await idempotency.keep(tx, vault, key, print_, response)
        await tx.commit()
    return response


def _promise(response: Response) -> Callable[[], Awaitable[Reply]] | None:
    return response.then if isinstance(response, Reply) else None


def _trace_id(request: Request) -> str | None:
    """The trace of a W3C `traceparent`, if the caller sent a right one."""
    match = _TRACEPARENT.fullmatch(request.headers.get("traceparent", ""))
    return match[1] if match else None


def _refuse_nul(request: Request) -> None:
    """Postgres keeps no U+0000, so no parameter may hold one."""
    if b"%00" in request.scope.get("query_string", b"") or "\x00" in request.scope["path"]:
        raise Invalid("A parameter holds the character U+0000. Leave it out.")


def _takes_header(dependant: Dependant, name: str) -> bool:
    own = any(field.alias == name for field in dependant.header_params)
    return own or any(_takes_header(one, name) for one in dependant.dependencies)


def _takes_query(dependant: Dependant, name: str) -> bool:
    """By itself, or as a field of the model that the query is."""
    return any(
        field.alias == name or name in getattr(field.field_info.annotation, "model_fields", ())
        for field in dependant.query_params
    )


def _refuse_condition(request: Request) -> None:
    """A condition that nothing here can be held against is not ignored: the caller relies on it."""
    if any(name == b"if-match" for name, _ in request.scope["headers"]):
        message = "This operation changes nothing that has an ETag. Leave If-Match out."
        raise Invalid(message, errors=(Pointer("not_taken", message, "header", "If-Match"),))


def _too_large(limit_bytes: int) -> TooLarge:
    # The connection stays until the body has come, or its time is over: what arrives at one that was closed is answered
    # by a reset, and with it the client's system throws away the answer that it has not read yet (RFC 9112, 9.6).
    return TooLarge(f"The body is larger than {limit_bytes:,} bytes. Send less, or in several requests.")


async def _transaction(request: Request) -> Transaction:
    tx: Transaction = request.state.tx
    return tx


async def _stores(request: Request) -> Stores:
    stores: Stores = request.app.state.stores
    return stores


Tx = Annotated[Transaction, Depends(_transaction)]
OpenStores = Annotated[Stores, Depends(_stores)]
