"""The catalogue of event types. A slice declares its own beside its verbs; this package imports no slice.

Every event's data has a `version`, by which two events of one id are put in order: that of the resource where it has
one; 1 where it is written once; and where an event tells of a thing that does not change by it, a count of what was
told, which goes up by one under that thing's lock.
"""

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, Field

from api.http.schema import Shown


@dataclass(frozen=True)
class EventType:
    """A kind of event. `data` is the model of what it carries, `example` one such, `since` the release's date."""

    name: str
    description: str
    data: type[BaseModel]
    example: dict[str, Any]
    since: str

    @property
    def patterns(self) -> list[str]:
        """What an endpoint may have asked for to get this: the name, `decision.*` for its family, or `*`."""
        return [self.name, self.name.partition(".")[0] + ".*", "*"]

    @property
    def whole_example(self) -> dict[str, Any]:
        """An example of a body, as an endpoint gets it."""
        return {
            "id": "evt_01h455vb4pex5vsknk084sn02q",
            "type": self.name,
            "timestamp": "2026-11-23T09:30:00.000Z",
            "workspace_id": "ws_01h455vb4pex5vsknk084sn02q",
            "livemode": True,
            "data": self.example,
        }


class WrittenOnce(Shown):
    """What never changes after it was written: of such a thing there is one version."""

    version: Literal[1] = Field(description="Always 1: it is written once and never changes.")


_types: dict[str, EventType] = {}


def declare(name: str, *, data: type[BaseModel], example: dict[str, Any], since: str, description: str) -> EventType:
    """Add a type to the catalogue, once, at import."""
    assert name not in _types, f"{name} is declared twice"
    _types[name] = EventType(name, description, data, example, since)
    return _types[name]


def every_type() -> list[EventType]:
    """All declared types, by name."""
    return [_types[name] for name in sorted(_types)]


def find(name: str) -> EventType | None:
    return _types.get(name)


def unknown_patterns(patterns: list[str]) -> list[str]:
    """Those that no event type would ever match."""
    known = {pattern for event_type in _types.values() for pattern in event_type.patterns}
    return [pattern for pattern in patterns if pattern not in known]


class Ping(WrittenOnce):
    """What a test event carries."""

    message: str


TEST = declare(
    "webhook.test",
    data=Ping,
    example={"message": "Roadbed can reach this endpoint.", "version": 1},
    since="2026-11-23",
    description="Sent by POST /v1/endpoints/{id}/test, through the same path as every other event.",
)
