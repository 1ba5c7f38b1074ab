"""The `webhooks` section: every event type, as the request that an endpoint gets."""

from typing import Any

from pydantic.json_schema import models_json_schema

from api.webhooks.catalogue import every_type


def add(document: dict[str, Any]) -> None:
    """After the routes' schemas have their names: an event's data has the same ones."""
    types = every_type()
    models = [(event_type.data, "serialization") for event_type in types]
    schemas, definitions = models_json_schema(models, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    known = document["components"]["schemas"]
    for name, definition in definitions.get("$defs", {}).items():
        # Where a model is both written and shown FastAPI calls the shown one so.
        if f"{name}-Output" not in known:
            known.setdefault(name, definition)
    document["webhooks"] = {
        event_type.name: {
            "post": {
                "operationId": "on_" + event_type.name.replace(".", "_"),
                "summary": event_type.name,
                "description": event_type.description,
                "tags": ["webhooks"],
                "security": [],
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {
                            "schema": _envelope(event_type.name, schemas[event_type.data, "serialization"]),
                            "example": event_type.whole_example,
                        }
                    },
                },
                "responses": {"204": {"description": "Any 2xx says that it arrived."}},
            }
        }
        for event_type in types
    }
    _point_at_shown(document)


def _point_at_shown(document: dict[str, Any]) -> None:
    known = document["components"]["schemas"]
    pending: list[Any] = [document["webhooks"], *(known[name] for name in known)]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            reference = node.get("$ref")
            if isinstance(reference, str) and (name := reference.rpartition("/")[2]) not in known:
                assert f"{name}-Output" in known, f"nothing is called {name}"
                node["$ref"] = f"#/components/schemas/{name}-Output"
            pending.extend(value for key, value in node.items() if key not in ("example", "examples"))
        elif isinstance(node, list):
            pending.extend(node)


def _envelope(name: str, data: dict[str, Any]) -> dict[str, Any]:
    properties = {
        "id": {
            "type": "string",
            "description": "The event's id, also in the webhook-id header.",
            "pattern": "^evt_[0-7][0-9a-hjkmnp-tv-z]{25}$",
            "minLength": 30,
            "maxLength": 30,
        },
        "type": {"type": "string", "enum": [name], "description": "What happened."},
        "timestamp": {"type": "string", "format": "date-time", "description": "When it happened."},
        "workspace_id": {
            "type": "string",
            "description": "Whose event it is.",
            "pattern": "^ws_[0-7][0-9a-hjkmnp-tv-z]{25}$",
            "minLength": 29,
            "maxLength": 29,
        },
        "livemode": {"type": "boolean", "description": "True for live data, false for the sandbox."},
        "data": data,
    }
    return {
        "type": "object",
        "description": "An event as it arrives.",
        "required": list(properties),
        "properties": properties,
    }
