"""The inbox on the wire."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from api.db import WireId
from api.http.schema import Moment, Shown

MessageId = Annotated[UUID, WireId("msg")]


class MessageShown(Shown):
    """A request that arrived. `verified` says that one of the workspace's endpoint secrets signed it."""

    id: MessageId
    object: Literal["inbox_message"]
    livemode: bool
    headers: dict[str, str] = Field(description="Those of a webhook, by their names in lower case.", max_length=20)
    body: str = Field(description="As it came, up to 64 KiB.")
    verified: bool
    answered: int = Field(description="The status that the inbox answered.")
    received_at: Moment


class InboxShown(Shown):
    object: Literal["inbox"]
    url: str = Field(description="Where to send webhooks to see them here. Add ?status=500 to see retries.")
