"""What is told of keys. Never a secret."""

from typing import Any

from api.accounts.schemas import KeyShown
from api.keys.schemas import KeyRevoked, KeyRotated
from api.webhooks.catalogue import declare

_KEY: dict[str, Any] = {
    "id": "key_01h455vb4pex5vsknk084sn02q",
    "object": "key",
    "livemode": True,
    "name": "CI",
    "hint": "x7Qa",
    "scopes": ["features:read"],
    "expires_at": None,
    "revoked_at": None,
    "last_used_at": None,
    "version": 1,
    "created_at": "2026-11-23T09:30:00.000000Z",
    "updated_at": "2026-11-23T09:30:00.000000Z",
}

CREATED = declare(
    "key.created", data=KeyShown, example=_KEY, since="2026-11-23", description="A key was made, by another key."
)
ROTATED = declare(
    "key.rotated",
    data=KeyRotated,
    example={
        "id": _KEY["id"],
        "object": "key_rotation",
        "version": 2,
        "key": _KEY | {"id": "key_01h455vb4pex5vsknk084sn02r", "hint": "P0kd"},
        "old": _KEY | {"expires_at": "2026-11-24T09:30:00.000000Z", "version": 2},
    },
    since="2026-11-23",
    description="A key got a successor with the same scopes; both work until the old one expires.",
)
REVOKED = declare(
    "key.revoked",
    data=KeyRevoked,
    example=_KEY
    | {
        "revoked_at": "2026-11-23T09:31:00.000000Z",
        "version": 2,
        "reason": "leaked",
        "source_url": "https://github.com/acme/shop/blob/main/.env",
    },
    since="2026-11-23",
    description="A key was revoked: because somebody asked, or because it was found in public.",
)
