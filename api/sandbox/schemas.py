"""The sandbox on the wire."""

from typing import Literal

from pydantic import EmailStr, Field

from api.accounts.schemas import NewSecret, WorkspaceId, WorkspaceShown
from api.http.schema import Body, Moment, Name, Shown


class ResetShown(Shown):
    """What a reset deleted. Keys, usage and the audit log stay."""

    object: Literal["sandbox_reset"]
    deleted: int = Field(ge=0, description="Rows.")
    complete: bool = Field(description="False when there was more than one request may delete: send it again.")


class SeedShown(Shown):
    """What is there now of the guide. Seeding again makes nothing twice."""

    object: Literal["sandbox_seed"]
    features: int
    decisions: int
    prds: int
    endpoint_url: str | None = Field(description="The inbox that gets every event; null where it may not be reached.")
    discrepancies: list[str] = Field(max_length=100, description="Figures that the guide prints and that are wrong.")


class SandboxShown(Shown):
    """A workspace for seven days, with a test key and no owner."""

    object: Literal["sandbox"]
    workspace_id: WorkspaceId
    test_key: NewSecret
    claim_until: Moment


class Claim(Body):
    """Whose the sandbox becomes. Nothing is mailed."""

    email: EmailStr = Field(max_length=254, examples=["ada@example.com"])
    workspace: Name = Field(description="The team's name.", examples=["Acme"])


class ClaimedShown(Shown):
    """A workspace like any other: its sandbox as it was, and a live key."""

    object: Literal["claimed_sandbox"]
    workspace: WorkspaceShown
    live_key: NewSecret
