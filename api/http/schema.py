"""What wire models share: bounded types, bodies that refuse unknown fields, and JSON merge patch (RFC 7396)."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Generic, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    StringConstraints,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from api import json
from api.formulas.exact import MAX_DIGITS, MAX_EXPONENT
from api.http.findings import misplaced
from api.http.strict import as_json_has_it, as_query_has_it, number
from api.problems import invalid_field

MOST_METADATA_BYTES = 16_384
# A cursor holds the sort keys of a row: a title of 300 characters is up to 1,800 bytes of JSON, 2,400 in base64.
LONGEST_CURSOR = 4000
# Counting costs what reading so many rows costs.
MOST_COUNTED = 10_000
T = TypeVar("T")


class Asked(BaseModel):
    """What a query asks, all of it text. A parameter that the operation does not know is an error."""

    model_config = ConfigDict(extra="forbid")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return as_query_has_it(handler(source))


class Body(BaseModel):
    """What a caller writes. A field that the operation does not know, or that only we set, is an error.

    A boolean is `true` or `false` and a number a JSON number: what only looks like one is a mistake that we name rather
    than guess about. An integer may be written `5.0`, which is the same number in JSON.
    """

    model_config = ConfigDict(extra="forbid")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return as_json_has_it(handler(source))


class Patch(Body):
    """A merge patch: what is left out stays, `null` removes. `required` names the fields that cannot be removed, and
    `emptied` says what the others become where that is not null."""

    required: ClassVar[frozenset[str]] = frozenset()
    emptied: ClassVar[Mapping[str, Any]] = {"metadata": {}}

    @model_validator(mode="after")
    def _keep_required(self) -> Self:
        removed = [name for name in self.required & self.model_fields_set if getattr(self, name) is None]
        if removed:
            raise misplaced("required", "cannot be removed", *sorted(removed))
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The fields that cannot be removed are documented without `null`."""
        schema = handler(core_schema)
        properties = handler.resolve_ref_schema(schema)["properties"]
        for name in cls.required:
            options = [one for one in properties[name].get("anyOf", []) if one != {"type": "null"}]
            if len(options) == 1:
                del properties[name]["anyOf"]
                properties[name] = {**options[0], **properties[name]}
            properties[name].pop("default", None)
        return schema

    def changes(self, current: dict[str, Any]) -> dict[str, Any]:
        """The fields that the patch makes different from `current`, with their new values.

        Raises Invalid for metadata that many small patches would make too large.
        """
        given = self.model_dump(exclude_unset=True)
        merged = {
            name: self.emptied.get(name) if value is None else merge_patch(current.get(name), value)
            for name, value in given.items()
        }
        if len(json.dump(merged.get("metadata")).encode()) > MOST_METADATA_BYTES:
            message = f"would be more than {MOST_METADATA_BYTES:,} bytes of JSON with what is there"
            raise invalid_field("/metadata", message, "too_large")
        return {name: value for name, value in merged.items() if value != current.get(name)}


class Shown(BaseModel):
    """What we answer. It documents the JSON that Postgres builds, and tests hold the two together."""


def _only_asked(**described: Any) -> Any:
    """A field that is there only when it is asked for, and is never null."""
    return Field(default=None, json_schema_extra=_without_default, **described)


def _without_default(schema: dict[str, Any]) -> None:
    schema.pop("default", None)


class ListShown(Shown, Generic[T]):
    """A page. Follow `next_cursor` while `has_more`."""

    object: Literal["list"]
    data: list[T] = Field(max_length=100)
    has_more: bool
    next_cursor: str | None = Field(max_length=LONGEST_CURSOR)
    total_count: int = _only_asked(
        ge=0,
        le=MOST_COUNTED,
        examples=[57],
        description="With `include=total_count`: how many items there are under these filters.",
    )
    total_count_capped: bool = _only_asked(
        examples=[False],
        description=f"With `include=total_count`: true says that there are more than {MOST_COUNTED:,}.",
    )


def merge_patch(target: Any, patch: Any) -> Any:
    """
    >>> merge_patch({"a": 1, "b": {"c": 2}}, {"b": {"c": None, "d": 3}})
    {'a': 1, 'b': {'d': 3}}
    """
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def _small(value: dict[str, Any]) -> dict[str, Any]:
    if len(json.dump(value).encode()) > MOST_METADATA_BYTES:
        raise PydanticCustomError("too_large", "must be {limit} bytes of JSON or less", {"limit": MOST_METADATA_BYTES})
    return value


def _split(value: Any) -> Any:
    """`a,b` and repeated parameters alike."""
    if isinstance(value, list):
        return [part for item in value for part in (item.split(",") if isinstance(item, str) else [item])]
    return value.split(",") if isinstance(value, str) else value


def _bounded(value: Decimal) -> Decimal:
    """No longer and no larger than `formulas/exact` takes: beyond that a number is a mistake."""
    if not value.is_finite():
        raise PydanticCustomError("finite_number", "must be a finite number")
    _, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    if value and (len(digits) > MAX_DIGITS or abs(exponent) > MAX_DIGITS or abs(value.adjusted()) > MAX_EXPONENT):
        raise PydanticCustomError(
            "number_too_long",
            "must have at most {digits} digits and lie between 1e-{exponent} and 1e{exponent}",
            {"digits": MAX_DIGITS, "exponent": MAX_EXPONENT},
        )
    return value


def _text_of_time(value: Any) -> Any:
    """RFC 3339 text. A bare number would be read as Unix seconds, or as milliseconds, by its size."""
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not _RFC_3339.fullmatch(value):
        raise PydanticCustomError("rfc_3339", "must be a time as RFC 3339 writes it, like 2026-11-23T09:30:00Z")
    return value


def _text_of_day(value: Any) -> Any:
    if isinstance(value, date) or (isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value)):
        return value
    raise PydanticCustomError("iso_date", "must be a day like 2026-11-23")


def _storable_time(value: datetime) -> datetime:
    """In UTC, where the first and the last hours of the calendar may have no place."""
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError("rfc_3339", "must be between the years 1 and 9999 in UTC") from None


_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")

# The document says what strip_whitespace leads to: something has to be left.
_NOT_BLANK = Field(json_schema_extra={"pattern": r"^[^\u0000]*\S[^\u0000]*$"})
Title = Annotated[str, StringConstraints(min_length=1, max_length=300, strip_whitespace=True), _NOT_BLANK]
Name = Annotated[str, StringConstraints(min_length=1, max_length=100, strip_whitespace=True), _NOT_BLANK]
Line = Annotated[str, StringConstraints(min_length=1, max_length=1_000, strip_whitespace=True), _NOT_BLANK]
Prose = Annotated[str, StringConstraints(max_length=50_000)]
Slug = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[a-z0-9][a-z0-9_-]*$")]
ExternalId = Annotated[str, StringConstraints(min_length=1, max_length=255)]
Label = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Metadata = Annotated[dict[Annotated[str, StringConstraints(max_length=255)], Any], AfterValidator(_small)]


class _JsonNumber:
    """pydantic documents a Decimal as a number or text; ours is written and shown as a number only."""

    def __get_pydantic_json_schema__(self, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler(core_schema)
        options = schema.pop("anyOf", None)
        return schema if options is None else {**next(one for one in options if one["type"] == "number"), **schema}


Number = Annotated[
    Decimal,
    BeforeValidator(number),
    AfterValidator(_bounded),
    PlainSerializer(float, float, when_used="json"),
    _JsonNumber(),
]
CommaSeparated = BeforeValidator(_split)
Version = Annotated[int, Field(ge=1, description="Goes up by one with each change; the ETag in quotes.")]
Time = Annotated[AwareDatetime, BeforeValidator(_text_of_time), AfterValidator(_storable_time)]
Day = Annotated[date, BeforeValidator(_text_of_day)]
Moment = Annotated[datetime, Field(description="RFC 3339, UTC.")]
