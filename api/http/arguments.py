"""From a request to a handler's arguments.

FastAPI reads the signature of a handler once and describes it (a `Dependant`), which the document is made of. The same
description and the same validators serve the request; what FastAPI works out anew for each one (which alias, is it a
list, is it a generator, which exit stack) is worked out here when the route is made. docs/decisions/0016-dispatch.md
has what that is worth.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction
from typing import Any

from fastapi._compat import ModelField, Undefined, field_annotation_is_sequence, get_cached_model_fields
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import (
    _get_param_aliases,
    _get_param_model,
    _is_json_field,
    _should_embed_body_fields,
    _validate_value_with_model_field,
    request_body_to_args,
    request_params_to_args,
)
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

Call = Callable[..., Awaitable[Any]]
Values = dict[str, Any]
Errors = list[Any]


_NOTHING = QueryParams()


class Unreadable(TypeError):
    """A handler asks for something that no handler of ours takes."""


class Handler:
    """A handler, to be called with a request. The body is what `request.parsed` is, if `request.raw` is anything.

    What it does not know is refused rather than ignored: parameters, and a body where it takes none. With `lenient` it
    is not, for what others send in a form that is theirs.
    """

    def __init__(self, dependant: Dependant, *, lenient: bool = False) -> None:
        self._call = _coroutine(dependant.call)
        self._arguments = Arguments(dependant)
        self._parameters = None if lenient else _parameters_of(dependant)
        self._once = frozenset() if lenient else _given_once(dependant)
        self._headers = () if lenient else _headers_of(dependant)
        self._no_body = not lenient and not _takes_body(dependant)

    async def __call__(self, request: Request, body: Any = Undefined) -> Response:
        """Raises RequestValidationError, and what the handler raises."""
        values, errors = await self._arguments.read(request, body)
        if request.scope["query_string"]:
            errors += self._wrong_parameters(request.query_params)
        errors += [_twice("header", name) for name in self._headers if len(request.headers.getlist(name)) > 1]
        if self._no_body and body is not Undefined and body:
            errors += [_not_taken("body", name, "is no field of this operation") for name in _names_in(body)]
        if errors:
            raise RequestValidationError(errors, body=None if body is Undefined else body)
        response = await self._call(**values)
        assert isinstance(response, Response), f"{self._call} answered with no response"
        return response

    def _wrong_parameters(self, given: QueryParams) -> Errors:
        """Those that the operation does not know, and those that it takes once and that are there twice."""
        names = Counter(name for name, _ in given.multi_items())
        unknown = [] if self._parameters is None else sorted(names.keys() - self._parameters)
        errors = [_not_taken("query", name, "is no parameter of this operation") for name in unknown]
        return errors + [_twice("query", name) for name, times in names.items() if times > 1 and name in self._once]


class Arguments:
    """What a handler, or something that it depends on, is called with."""

    def __init__(self, dependant: Dependant) -> None:
        _refuse_the_unknown(dependant)
        self._before = [(one.name, _coroutine(one.call), Arguments(one)) for one in dependant.dependencies]
        self._path, self._headers = dependant.path_params, dependant.header_params
        self._query = _query_of(dependant.query_params)
        self._body = _body_of(dependant.body_params)
        self._request = dependant.request_param_name

    async def read(self, request: Request, body: Any) -> tuple[Values, Errors]:
        """The arguments by name, and what is wrong with the request, all of it."""
        values: Values = {}
        errors: Errors = []
        for name, call, arguments in self._before:
            given, wrong = await arguments.read(request, body)
            if wrong:
                errors += wrong
            elif name is None:
                await call(**given)
            else:
                values[name] = await call(**given)
        for field in self._path:
            value, wrong = field.validate(request.path_params[field.alias], {}, loc=("path", field.alias))
            values[field.name] = value
            errors += wrong
        if self._query is not None:
            asked = request.query_params if request.scope["query_string"] else _NOTHING
            _add(values, errors, self._query(asked))
        if self._headers:
            _add(values, errors, request_params_to_args(self._headers, request.headers))
        if self._body is not None:
            _add(values, errors, await self._body(body))
        if self._request is not None:
            values[self._request] = request
        return values, errors


def _parameters_of(dependant: Dependant) -> frozenset[str] | None:
    """The names that a query may have; None where its own model refuses the others."""
    names: set[str] = set()
    for field in _every(dependant, lambda one: one.query_params):
        model = _get_param_model(field)
        if model is not None:
            assert model.model_config.get("extra") == "forbid", f"{model} ignores what it does not know"
            return None
        names.add(field.alias)
    return frozenset(names)


def _given_once(dependant: Dependant) -> frozenset[str]:
    """The names of the query parameters that are no lists."""
    names: set[str] = set()
    for field in _every(dependant, lambda one: one.query_params):
        model = _get_param_model(field)
        for member in [field] if model is None else get_cached_model_fields(model):
            if not field_annotation_is_sequence(member.field_info.annotation):
                names.update(name for name, _ in _get_param_aliases(member))
    return frozenset(names)


def _headers_of(dependant: Dependant) -> tuple[str, ...]:
    """Those that are one value. Conditions are lists, and several lines of one are one list (RFC 9110, 5.3)."""
    found = {field.alias for field in _every(dependant, lambda one: one.header_params)}
    return tuple(sorted(found - {"If-Match", "If-None-Match"}))


def _takes_body(dependant: Dependant) -> bool:
    return bool(_every(dependant, lambda one: one.body_params))


def _every(dependant: Dependant, of: Callable[[Dependant], list[ModelField]]) -> list[ModelField]:
    return [*of(dependant), *(field for one in dependant.dependencies for field in _every(one, of))]


def _names_in(body: Any) -> list[str | None]:
    return list(body) if isinstance(body, dict) else [None]


def _not_taken(place: str, name: str | None, message: str) -> dict[str, Any]:
    """As pydantic tells of what a model does not know."""
    if name is None:
        return {"type": "extra_forbidden", "loc": (place,), "msg": "This operation takes no body"}
    return {"type": "extra_forbidden", "loc": (place, name), "msg": message}


def _twice(place: str, name: str) -> dict[str, Any]:
    return {"type": "duplicate", "loc": (place, name), "msg": "must be given once"}


def _add(values: Values, errors: Errors, read: tuple[Values, Errors]) -> None:
    values.update(read[0])
    errors += read[1]


def _query_of(fields: list[ModelField]) -> Callable[[QueryParams], tuple[Values, Errors]] | None:
    if not fields:
        return None
    model = _get_param_model(fields[0])
    if model is None or len(fields) > 1:
        return lambda params: request_params_to_args(fields, params)
    return _QueryModel(fields[0], get_cached_model_fields(model))


class _QueryModel:
    """A query that is one model: the whole of it is what the model is made from, unknown parameters too."""

    def __init__(self, field: ModelField, members: list[ModelField]) -> None:
        self._field = field
        self._many: dict[str, bool] = {}
        for member in members:
            if _is_json_field(member):
                raise Unreadable(f"The parameter {member.name} is JSON.")
            for name, _ in _get_param_aliases(member):
                self._many[name] = field_annotation_is_sequence(member.field_info.annotation)

    def __call__(self, params: QueryParams) -> tuple[Values, Errors]:
        given: Values = {}
        for name, value in params.multi_items():
            many = self._many.get(name)
            if many:
                given.setdefault(name, []).append(value)
            elif many is None and name in given:
                # Unknown, and more than once: what is wrong with it is told of all.
                given[name] = [*(given[name] if isinstance(given[name], list) else [given[name]]), value]
            else:
                given[name] = value
        value, errors = self._field.validate(given, {}, loc=("query",))
        return {self._field.name: value}, errors


def _body_of(fields: list[ModelField]) -> Callable[[Any], Awaitable[tuple[Values, Errors]]] | None:
    if not fields:
        return None
    embedded = _should_embed_body_fields(fields)
    if embedded or len(fields) > 1:
        return lambda body: request_body_to_args(fields, body, embedded)
    [field] = fields

    async def whole(body: Any) -> tuple[Values, Errors]:
        value, errors = _validate_value_with_model_field(field=field, value=body, values={}, loc=("body",))
        return {field.name: value}, errors

    return whole


def _coroutine(call: Callable[..., Any] | None) -> Call:
    # A plain function would have to run in a thread, which costs as much as the rest of a request.
    if call is None or not iscoroutinefunction(call):
        raise Unreadable(f"{call} is not a coroutine function.")
    return call


def _refuse_the_unknown(dependant: Dependant) -> None:
    unknown = (
        dependant.cookie_params,
        dependant.websocket_param_name,
        dependant.http_connection_param_name,
        dependant.response_param_name,
        dependant.background_tasks_param_name,
        dependant.security_scopes_param_name,
        dependant.concurrency,
    )
    if any(unknown):
        raise Unreadable(f"{dependant.call} takes what no handler of ours does: {[one for one in unknown if one]}")
