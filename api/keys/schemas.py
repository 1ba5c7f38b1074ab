"""Keys on the wire: rotation, and what is told of a key. `accounts/schemas` has the key itself."""

from typing import Literal

from pydantic import Field

from api.accounts.schemas import KeyId, KeyShown
from api.http.schema import Body, Shown, Version

WEEK_S = 604_800


class Rotate(Body):
    """How long both secrets work, so that no program has to change at once."""

    overlap_s: int = Field(
        86_400, ge=0, le=WEEK_S, description="Seconds until the old key expires; 0 ends it at once.", examples=[3600]
    )


class KeyRotated(Shown):
    """A key was replaced; `key` is the new one, and `old` says until when the other works."""

    id: KeyId = Field(description="That of the old key.")
    object: Literal["key_rotation"]
    version: Version = Field(description="That of the old key.")
    key: KeyShown
    old: KeyShown


class KeyRevoked(KeyShown):
    """A key is refused from now on."""

    reason: Literal["requested", "leaked"] = Field(description="`leaked`: a secret scanner found it in public.")
    source_url: str | None = Field(description="Where it was found.", max_length=2000)
