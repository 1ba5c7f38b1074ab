"""Changes and deprecations on the wire."""

from datetime import date
from typing import Literal

from pydantic import Field

from api.http.schema import Shown

ChangeKind = Literal["added", "changed", "deprecated", "removed"]


class ContractChange(Shown):
    """One difference between two releases of the contract."""

    kind: ChangeKind = Field(description="What happened to it.")
    where: str = Field(max_length=500, description="The operation or the event type, and the place in its body.")
    text: str = Field(max_length=5_000, description="What is different.")


class ContractRelease(Shown):
    """One release of the contract, with what it changed. Derived from the contracts themselves."""

    object: Literal["contract_release"]
    version: str = Field(max_length=20, examples=["1.1.0"])
    released_on: date
    changes: list[ContractChange] = Field(max_length=1000)


class KeyMigration(Shown):
    """How far one key has moved from a deprecated operation to its successor."""

    key_id: str = Field(max_length=40)
    name: str = Field(max_length=100)
    calls: int = Field(ge=0, description="Calls of the deprecated operation.")
    successor_calls: int = Field(ge=0, description="Calls of its successor.")
    moved_share: float = Field(ge=0, le=1, description="Calls of the successor as a part of both.")
    last_called_on: date = Field(description="The last day on which the deprecated operation was called; UTC.")


class DeprecationPlan(Shown):
    """A deprecated operation, and which keys of the workspace have called it in the last 30 days."""

    object: Literal["deprecation"]
    operation: str = Field(max_length=100)
    announced: date = Field(description="Since when it is known.")
    sunset: date = Field(description="From this day on it may be gone.")
    successor: str | None = Field(max_length=100, description="The operation that takes its place.")
    moved_share: float | None = Field(ge=0, le=1, description="Of all keys; null when nobody called either.")
    keys: list[KeyMigration] = Field(max_length=1000)
