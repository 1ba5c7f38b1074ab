"""What wire models share: bounded types, bodies that refuse unknown fields, and JSON merge patch (RFC 7396)."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Generic, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from api import json

MOST_METADATA_BYTES = 16_384
T = TypeVar("T")


class Body(BaseModel):
    """What a caller writes. A field that the operation does not know, or that only we set, is an error."""

    model_config = ConfigDict(extra="forbid")


class Patch(Body):
    """A merge patch: what is left out stays, `null` removes. `required` names the fields that cannot be removed."""

    required: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="after")
    def _keep_required(self) -> Self:
        for name in self.required & self.model_fields_set:
            if getattr(self, name) is None:
                raise PydanticCustomError("required", "{name} cannot be removed", {"name": name})
        return self

    def changes(self, current: dict[str, Any]) -> dict[str, Any]:
        """The fields that the patch makes different from `current`, with their new values."""
        given = self.model_dump(exclude_unset=True)
        merged = {name: merge_patch(current.get(name), value) for name, value in given.items()}
        return {name: value for name, value in merged.items() if value != current.get(name)}


class Shown(BaseModel):
    """What we answer. It documents the JSON that Postgres builds, and tests hold the two together."""


class ListShown(Shown, Generic[T]):
    """A page. Follow `next_cursor` while `has_more`."""

    object: Literal["list"]
    data: list[T] = Field(max_length=100)
    has_more: bool
    next_cursor: str | None = Field(max_length=1000)


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


def _finite(value: Decimal) -> Decimal:
    if not value.is_finite():
        raise PydanticCustomError("finite_number", "must be a finite number")
    return value


def _number(value: Any) -> Any:
    """A JSON number, never text or a boolean: "10" is a mistake that we name rather than guess about."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal | float):
        raise PydanticCustomError("number_type", "must be a number")
    return value


Title = Annotated[str, StringConstraints(min_length=1, max_length=300, strip_whitespace=True)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=100, strip_whitespace=True)]
Line = Annotated[str, StringConstraints(min_length=1, max_length=1_000, strip_whitespace=True)]
Prose = Annotated[str, StringConstraints(max_length=50_000)]
Slug = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[a-z0-9][a-z0-9_-]*$")]
ExternalId = Annotated[str, StringConstraints(min_length=1, max_length=255)]
Label = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Metadata = Annotated[dict[Annotated[str, StringConstraints(max_length=255)], Any], AfterValidator(_small)]
Number = Annotated[Decimal, BeforeValidator(_number), AfterValidator(_finite)]
CommaSeparated = BeforeValidator(_split)
Version = Annotated[int, Field(ge=1, description="Goes up by one with each change; the ETag in quotes.")]
Moment = Annotated[datetime, Field(description="RFC 3339, UTC.")]
