"""Publish a view of the roadmap: what its readers see is kept to the byte."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select

from api import json
from api.accounts.auth import Caller
from api.accounts.tenancy import insert_owned, owned
from api.db import parse_id, uuid7, wire_id
from api.problems import Conflict
from api.roadmap import events
from api.roadmap.models import RoadmapView
from api.roadmap.read import current
from api.roadmap.schemas import ViewCreate
from api.stores import Prepared, Transaction
from api.webhooks.outbox import emit, written_once

VIEW_BY_ID = Prepared(
    select(RoadmapView.reply.label("json")).where(owned(RoadmapView), RoadmapView.id == bindparam("id"))
)
_INSERT = Prepared(
    insert_owned(RoadmapView.__table__, "id", "title", "audience", "revision_id", "author", "reply", "created_at")
)


class NothingRanked(Conflict):
    """There is no ranking yet."""

    code, title = "nothing_ranked", "Nothing has been ranked yet"


async def publish(tx: Transaction, caller: Caller, given: ViewCreate) -> tuple[UUID, str]:
    """Freeze the roadmap by horizon, as it is now. Gives the view's id and its JSON text. Raises NothingRanked."""
    roadmap = json.load(await current(tx))
    if roadmap["revision_id"] is None:
        raise NothingRanked("Reprioritise first: a view shows the current ranking.")
    view_id, created_at = uuid7(), datetime.now(UTC)
    summary = {
        "id": wire_id("view", view_id),
        "object": "roadmap_view",
        "livemode": tx.scope.livemode,
        "title": given.title,
        "audience": given.audience,
        "revision_id": roadmap["revision_id"],
        "author": caller.key_name,
        "created_at": created_at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
    }
    horizons = [_horizon(name, roadmap["ranking"], given.with_values) for name in dict.fromkeys(given.horizons)]
    text = json.dump(summary | {"horizons": horizons})
    revision_id = parse_id("rev", roadmap["revision_id"])
    await tx.run(
        _INSERT,
        id=view_id,
        title=given.title,
        audience=given.audience,
        revision_id=revision_id,
        author=caller.key_name,
        reply=text,
        created_at=created_at,
    )
    await emit(tx, events.PUBLISHED, written_once(json.dump(summary)))
    return view_id, text


def _horizon(name: str, ranking: list[dict[str, Any]], with_values: bool) -> dict[str, Any]:
    kept = ("feature_id", "title", "status", *(("rank", "value") if with_values else ()))
    features = [{field: entry[field] for field in kept} for entry in ranking if entry["horizon"] == name]
    return {"horizon": name, "features": features}
