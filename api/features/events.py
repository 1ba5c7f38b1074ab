"""What is told of features."""

from typing import Any

from pydantic import Field

from api.features.schemas import FeatureShown
from api.webhooks.catalogue import declare

EXAMPLE: dict[str, Any] = {
    "id": "feat_01h455vb4pex5vsknk084sn02q",
    "object": "feature",
    "livemode": True,
    "title": "Real-time collaboration",
    "description": None,
    "status": "candidate",
    "bucket": "product",
    "labels": ["collaboration"],
    "metadata": {},
    "external_id": None,
    "source": None,
    "depends_on": [],
    "version": 1,
    "created_at": "2026-11-23T09:30:00.000000Z",
    "updated_at": "2026-11-23T09:30:00.000000Z",
}


class FeatureChanged(FeatureShown):
    """A feature, and which of its fields the change made different."""

    changed: list[str] = Field(description="Names of the fields that are different now.")


CREATED = declare(
    "feature.created", data=FeatureShown, example=EXAMPLE, since="2026-11-23", description="A feature was made."
)
UPDATED = declare(
    "feature.updated",
    data=FeatureChanged,
    example=EXAMPLE | {"version": 2, "status": "planned", "changed": ["status"]},
    since="2026-11-23",
    description="A feature was changed; one event for a change, however many fields it has.",
)
DELETED = declare(
    "feature.deleted",
    data=FeatureShown,
    example=EXAMPLE,
    since="2026-11-23",
    description="A feature was deleted; the data is its last state, under the version after it.",
)
