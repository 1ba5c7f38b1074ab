"""The audit log on the wire."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from api.accounts.schemas import KeyId
from api.db import WireId
from api.http.pagination import PageQuery
from api.http.schema import CommaSeparated, Moment, Shown, Time

AuditId = Annotated[UUID, WireId("aud")]
AuditAction = Literal["insert", "update", "delete"]
# The tables that have the triggers (migrations/auditing.py); a test holds the two together.
AuditResource = Literal[
    "blockers",
    "debts",
    "decision_observations",
    "decisions",
    "endpoint_secrets",
    "endpoints",
    "features",
    "imports",
    "keys",
    "plans",
    "prd_observations",
    "prd_reviews",
    "prds",
    "roadmap_items",
    "roadmap_overrides",
    "roadmap_revisions",
    "roadmap_scenarios",
    "roadmap_views",
    "scores",
    "scoring_models",
    "spikes",
    "syncs",
]


class AuditShown(Shown):
    id: AuditId
    object: Literal["audit_entry"]
    livemode: bool
    at: Moment
    key_id: KeyId | None = Field(description="The key that did it; null when it was the service itself.")
    request_id: str | None
    resource: AuditResource = Field(description="What kind of row.")
    resource_id: str = Field(description="Its id.")
    action: AuditAction
    before: dict[str, Any] | None = Field(description="The columns as they were: those that an update changed.")
    after: dict[str, Any] | None = Field(description="The columns as they are.")
    sequence: int | None = Field(description="Its place in the chain; null for a second, until it is sealed.")
    hash: str | None = Field(description="SHA-256 of the entry and of the hash before it, in hex.")


class AuditQuery(PageQuery):
    resource: Annotated[list[AuditResource] | None, CommaSeparated] = Field(None, max_length=22)
    resource_id: Annotated[str, StringConstraints(max_length=40)] | None = None
    request_id: Annotated[str, StringConstraints(max_length=40)] | None = None
    key_id: KeyId | None = None
    action: Annotated[list[AuditAction] | None, CommaSeparated] = Field(None, max_length=3)
    at_gte: Time | None = Field(None, description="RFC 3339.")
    at_lte: Time | None = Field(None, description="RFC 3339.")


class AuditBroken(Shown):
    """The first entry that is not what the chain says."""

    id: AuditId
    sequence: int
    reason: Literal["changed", "missing_before"]


class AuditChainShown(Shown):
    """Whether the chain holds."""

    object: Literal["audit_chain"]
    livemode: bool
    intact: bool
    sealed: int = Field(description="Entries in the chain.")
    unsealed: int = Field(description="Entries of the last second.")
    head: str | None = Field(description="The newest hash. Kept elsewhere, it shows a cut end too.")
    broken: AuditBroken | None
