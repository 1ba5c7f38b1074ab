"""The ground of every model: metadata with constraint names, ids and timestamps.

An id is a UUIDv7 in Postgres and `<type>_` with 26 characters of Crockford base32 on the wire.
"""

import os
import re
import time
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema
from sqlalchemy import ColumnElement, Computed, DateTime, MetaData, Text, Uuid, func, literal_column, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedColumn, mapped_column

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_AS_PYTHON = str.maketrans(ALPHABET, "0123456789abcdefghijklmnopqrstuv")  # int() reads digits of base 32 in this one
_ID_BODY = re.compile(f"[0-7][{ALPHABET}]{{25}}")
_PAIRS = [high + low for high in ALPHABET for low in ALPHABET]


class Base(DeclarativeBase):
    """The parent of all rows. Names of constraints are made by rule, so that migrations can name what they drop."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar = {str: Text, datetime: DateTime(timezone=True), dict[str, Any]: JSONB, UUID: Uuid}


class Tenant:
    """Columns of a row that belongs to a workspace and a mode.

    Row-level security compares both with the transaction's settings (migrations/tenancy.py), and both lead the
    primary key, so that the index a policy needs is the one that every look-up uses.
    """

    workspace_id: Mapped[UUID] = mapped_column(primary_key=True, info={"prefix": "ws"}, sort_order=-3)
    livemode: Mapped[bool] = mapped_column(primary_key=True, sort_order=-2)


class Stamped:
    """When a row was made and last changed (UTC), and its version: 1, then one more with each change."""

    version: Mapped[int] = mapped_column(server_default="1", sort_order=90)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), sort_order=91)
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), sort_order=92)


def identity(prefix: str) -> MappedColumn[UUID]:
    """The `id` column of a tenant's resource."""
    return mapped_column(primary_key=True, server_default=text("uuidv7()"), info={"prefix": prefix}, sort_order=-1)


def reference(prefix: str, **options: Any) -> MappedColumn[Any]:
    """A column with the id of another resource, shown with that resource's prefix."""
    return mapped_column(Uuid, info={"prefix": prefix}, **options)


def kept_id(prefix: str) -> MappedColumn[str]:
    """The id as it is shown, kept beside it by Postgres where rows are read most: to write one takes longer than to
    read the row."""
    return mapped_column(Computed(f"roadbed_id('{prefix}'::text, id)", persisted=True), sort_order=98)


def seconds(amount: ColumnElement[Any]) -> ColumnElement[Any]:
    """An interval of so many seconds, a number or a column."""
    return amount * literal_column("interval '1 second'")


_last_tick = 0


def uuid7() -> UUID:
    """A UUIDv7 (RFC 9562) whose 12 bits after the version are the fraction of the millisecond.

    Ids that one process makes always ascend, also within one tick of its clock and when the clock steps back a little.
    """
    global _last_tick  # noqa: PLW0603 - the one counter that makes ids ascend
    now_ns = time.time_ns()
    tick = (now_ns // 1_000_000 << 12) | (now_ns % 1_000_000 * 4096 // 1_000_000)
    _last_tick = tick = max(tick, _last_tick + 1)
    random_bits = int.from_bytes(os.urandom(8)) & ((1 << 62) - 1)
    return UUID(int=(tick >> 12) << 80 | 7 << 76 | (tick & 0xFFF) << 64 | 0b10 << 62 | random_bits)


def wire_id(prefix: str, value: UUID) -> str:
    """
    >>> wire_id("feat", UUID("01890a5d-ac96-774b-bcce-b302099a8057"))
    'feat_01h455vb4pex5vsknk084sn02q'
    """
    # Written out, and in two halves: a loop over the whole number takes three times as long.
    number = value.int
    high, low = number >> 60, number & 0xFFF_FFFF_FFFF_FFFF
    return (
        f"{prefix}_{_PAIRS[high >> 60]}{_PAIRS[high >> 50 & 1023]}{_PAIRS[high >> 40 & 1023]}"
        f"{_PAIRS[high >> 30 & 1023]}{_PAIRS[high >> 20 & 1023]}{_PAIRS[high >> 10 & 1023]}{_PAIRS[high & 1023]}"
        f"{_PAIRS[low >> 50]}{_PAIRS[low >> 40 & 1023]}{_PAIRS[low >> 30 & 1023]}"
        f"{_PAIRS[low >> 20 & 1023]}{_PAIRS[low >> 10 & 1023]}{_PAIRS[low & 1023]}"
    )


def parse_id(prefix: str, text_: str) -> UUID | None:
    """The UUID behind a wire id, or None when the prefix, the length or a character is wrong."""
    head, _, body = text_.partition("_")
    if head != prefix or not _ID_BODY.fullmatch(body):
        return None
    return UUID(int=int(body.translate(_AS_PYTHON), 32))


class WireId:
    """Makes `Annotated[UUID, WireId("feat")]` read and write the wire form, in bodies, queries and paths."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self._parse, serialization=core_schema.plain_serializer_function_ser_schema(self._show, when_used="json")
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {
            "type": "string",
            "pattern": f"^{self.prefix}_[0-7][0-9a-hjkmnp-tv-z]{{25}}$",
            "minLength": len(self.prefix) + 27,
            "maxLength": len(self.prefix) + 27,
            "examples": [wire_id(self.prefix, UUID("01890a5d-ac96-774b-bcce-b302099a8057"))],
        }

    def _parse(self, value: Any) -> UUID:
        if isinstance(value, UUID):
            return value
        parsed = parse_id(self.prefix, value) if isinstance(value, str) else None
        if parsed is None:
            raise PydanticCustomError("invalid_id", "must be an id like {example}", {"example": f"{self.prefix}_…"})
        return parsed

    def _show(self, value: UUID) -> str:
        return wire_id(self.prefix, value)
