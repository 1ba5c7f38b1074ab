"""Build the agenda of a sync from what the workspace knows: shipped 5, priorities 10, blockers 10, ahead 5 minutes."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    DateTime,
    Uuid,
    any_,
    bindparam,
    cast,
    func,
    literal_column,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB

from api import json
from api.accounts.tenancy import Resource, one, owned
from api.db import parse_id, uuid7, wire_id
from api.decisions.models import Decision
from api.features.models import OPEN_STATUSES, Feature
from api.http.etags import Precondition
from api.http.representation import Columns, Representation
from api.problems import Conflict, invalid_field
from api.roadmap.models import RoadmapRevision
from api.spikes.models import Spike
from api.stores import Prepared, Transaction
from api.syncs import events
from api.syncs.block import BLOCKER
from api.syncs.models import Blocker, Sync
from api.syncs.schemas import Action, SyncCreate, SyncPatch, SyncShown
from api.webhooks.outbox import emit

MINUTES = {"shipped": 5, "priorities": 10, "blockers": 10, "ahead": 5}
TITLES = {
    "shipped": "Shipped last week",
    "priorities": "Priorities this week",
    "blockers": "Blockers",
    "ahead": "Looking ahead",
}
TOP = 10
MOST_ITEMS = 30
AHEAD_DAYS = 28
# A change of priorities this long after a sync was built or held was agreed on in it.
SYNC_HOURS = 2


def _inside(name: str) -> Callable[[Columns], ColumnElement[Any]]:
    return lambda columns: func.jsonb_extract_path(columns.told, literal_column(f"'{name}'"))


SYNC = Resource(
    Representation(
        SyncShown,
        Sync.__table__,
        "sync",
        {
            "week": lambda columns: func.to_char(columns.monday, literal_column("'IYYY\"-W\"IW'")),
            "minutes": lambda columns: literal_column(str(sum(MINUTES.values()))),
            **{name: _inside(name) for name in ("agenda", "surprises", "carried_over")},
        },
    )
)
_INSERT = SYNC.insert("id", "monday", "status", "since", "told", "markdown", "shipped_ids", "actions", "created_at")
_LOCK = SYNC.lock("status", "notes", "actions")
_UPDATE = SYNC.update("status", "notes", "actions", "held_at")
_BEFORE = Prepared(
    select(Sync.created_at, Sync.actions)
    .where(owned(Sync), Sync.monday < bindparam("monday"))
    .order_by(Sync.monday.desc(), Sync.id.desc())
    .limit(1)
)
_told_before = (
    select(Sync.id)
    .where(
        Sync.workspace_id == Feature.workspace_id,
        Sync.livemode == Feature.livemode,
        Sync.monday < bindparam("monday"),
        Feature.id == any_(Sync.shipped_ids),
    )
    .exists()
)
_SHIPPED = Prepared(
    select(Feature.id, Feature.title, Feature.updated_at)
    .where(owned(Feature), Feature.status == "shipped", Feature.updated_at > bindparam("since"), ~_told_before)
    .order_by(Feature.updated_at, Feature.id)
    .limit(MOST_ITEMS)
)
_TOP_50: ColumnElement[Any] = literal_column("CAST('$.ranking[0 to 49]' AS jsonpath)")
# The top of the newest ranking as it was told; more than are shown, since some are built or dropped by now.
_RANKING = Prepared(
    select(func.jsonb_path_query_array(cast(RoadmapRevision.reply, JSONB), _TOP_50))
    .where(owned(RoadmapRevision))
    .order_by(RoadmapRevision.created_at.desc(), RoadmapRevision.id.desc())
    .limit(1)
)
_OPEN = Prepared(
    select(Feature.id, Feature.title, Feature.status).where(
        owned(Feature),
        Feature.id == any_(bindparam("ids", type_=ARRAY(Uuid))),
        or_(*(Feature.status == literal_column(f"'{status}'") for status in OPEN_STATUSES)),
    )
)
_AHEAD = Prepared(
    select(Feature.id, Feature.title, Feature.status)
    .where(
        owned(Feature),
        or_(Feature.status == "planned", Feature.status == "in_progress"),
        ~(Feature.id == any_(bindparam("shown", type_=ARRAY(Uuid)))),
    )
    .order_by(Feature.status, Feature.created_at, Feature.id)
    .limit(TOP)
)
_BLOCKERS = Prepared(
    select(BLOCKER.shape.text())
    .where(owned(Blocker), Blocker.status != "resolved")
    .order_by(Blocker.created_at, Blocker.id)
    .limit(MOST_ITEMS)
)
_REVIEWS = Prepared(
    select(Decision.id, Decision.title, Decision.review_at)
    .where(
        owned(Decision),
        Decision.review_at.is_not(None),
        Decision.review_at <= bindparam("until"),
        Decision.status == "recorded",
    )
    .order_by(Decision.review_at)
    .limit(TOP)
)
_SPIKES = Prepared(
    select(Spike.id, Spike.question, Spike.owner, Spike.due_at)
    .where(owned(Spike), Spike.status == "started")
    .order_by(Spike.due_at)
    .limit(TOP)
)
_near: ColumnElement[Any] = literal_column(f"interval '{SYNC_HOURS} hours'")
_in_a_sync = (
    select(Sync.id)
    .where(
        Sync.workspace_id == RoadmapRevision.workspace_id,
        Sync.livemode == RoadmapRevision.livemode,
        or_(
            RoadmapRevision.created_at.between(Sync.created_at, Sync.created_at + _near),
            RoadmapRevision.created_at.between(Sync.held_at - _near, Sync.held_at + _near),
        ),
    )
    .exists()
)
_REVISIONS = Prepared(
    select(RoadmapRevision.id, RoadmapRevision.reply)
    .where(owned(RoadmapRevision), RoadmapRevision.created_at > bindparam("since", type_=DateTime(True)), ~_in_a_sync)
    .order_by(RoadmapRevision.created_at.desc())
    .limit(20)
)


class SyncHeld(Conflict):
    """A sync that was held is not held again, and not un-held."""

    code, title = "sync_held", "The sync was held"


async def build(tx: Transaction, wanted: SyncCreate) -> tuple[UUID, asyncpg.Record]:
    """The week's agenda. Gives the id and the row. Raises Invalid for a week that is none."""
    monday, now = monday_of(wanted.week), datetime.now(UTC)
    before = await tx.first(_BEFORE, monday=monday)
    since = before["created_at"] if before else datetime.combine(monday, time(), UTC) - timedelta(days=7)
    shipped = await tx.all(_SHIPPED, since=since, monday=monday)
    ranked = await _ranked(tx)
    told = {
        "agenda": [
            _section("shipped", [_feature(row, f"shipped {row['updated_at']:%Y-%m-%d}") for row in shipped]),
            _section("priorities", [_feature(row, f"rank {rank}, {_words(row['status'])}") for rank, row in ranked]),
            _section("blockers", [_blocker(json.load(row["json"])) for row in await tx.all(_BLOCKERS)]),
            _section("ahead", await _ahead(tx, [row["id"] for _, row in ranked], now)),
        ],
        "surprises": await _surprises(tx, since) if before else [],
        "carried_over": [action for action in (before["actions"] if before else []) if not action["done"]],
    }
    sync_id = uuid7()
    row = await one(
        tx,
        _INSERT,
        sync_id,
        "sync",
        "sync",
        monday=monday,
        status="planned",
        since=since,
        told=json.dump(told),
        markdown=_markdown(monday, told),
        shipped_ids=[row["id"] for row in shipped],
        actions="[]",
        created_at=now,
    )
    await emit(tx, events.GENERATED, row["json"])
    return sync_id, row


async def settle(tx: Transaction, sync_id: UUID, patch: SyncPatch, precondition: Precondition) -> asyncpg.Record:
    """Write down what came out. Raises NotFound, PreconditionFailed, SyncHeld for one that would be un-held."""
    row = await one(tx, _LOCK, sync_id, "sync", "sync")
    precondition.check(row["version"])
    current = {name: row[name] for name in ("status", "notes", "actions")}
    changes = patch.changes(current)
    if not changes:
        return await SYNC.read(tx, sync_id)
    if changes.get("status") == "planned":
        raise SyncHeld(f"{wire_id('sync', sync_id)} was held. Build one for another week.")
    # A patch holds what was given: the rest of each action are its defaults.
    values = current | changes
    values["actions"] = [Action.model_validate(action).model_dump() for action in values["actions"]]
    held = changes.get("status") == "held"
    statement = _UPDATE if held else _NOTE
    extra = {"held_at": datetime.now(UTC)} if held else {}
    changed = await one(
        tx, statement, sync_id, "sync", "sync", **values | {"actions": json.dump(values["actions"])}, **extra
    )
    await emit(tx, events.HELD if held else events.SYNC_UPDATED, changed["json"])
    return changed


_NOTE = SYNC.update("status", "notes", "actions")


def monday_of(week: str | None) -> date:
    """The Monday of a week, given as `2026-W48` or as a day in it; of this one for None. Raises Invalid.

    >>> monday_of("2026-W48"), monday_of("2026-11-29")
    (datetime.date(2026, 11, 23), datetime.date(2026, 11, 23))
    """
    try:
        if week is None:
            day = datetime.now(UTC).date()
        elif "W" in week:
            day = date.fromisocalendar(int(week[:4]), int(week[6:]), 1)
        else:
            day = date.fromisoformat(week)
        if not 1970 <= day.year < 9999:
            raise ValueError(week)
        return day - timedelta(days=day.weekday())
    except (ValueError, OverflowError):
        raise invalid_field("/week", "is no week of the calendar, such as 2026-W48", "no_such_week") from None


def _section(name: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    return {"section": name, "title": TITLES[name], "minutes": MINUTES[name], "items": items}


def _item(kind: str, id_: str, title: str, detail: str) -> dict[str, Any]:
    return {"kind": kind, "id": id_, "title": title, "detail": detail}


def _feature(row: asyncpg.Record, detail: str) -> dict[str, Any]:
    return _item("feature", wire_id("feat", row["id"]), row["title"], detail)


def _blocker(shown: dict[str, Any]) -> dict[str, Any]:
    days = f"{shown['age_days']} day{'' if shown['age_days'] == 1 else 's'}"
    state = f"escalated to {shown['escalated_to']}" if shown["escalated_to"] else f"with {shown['owner']}"
    late = ", overdue: resolve or escalate" if shown["overdue"] else ""
    return _item("blocker", shown["id"], shown["title"], f"{shown['severity']}, open for {days}, {state}{late}")


async def _ranked(tx: Transaction) -> list[tuple[int, asyncpg.Record]]:
    """The top of the roadmap with the ranks that were told, and the features as they are now."""
    told = await tx.value(_RANKING) or []
    ranks = {parse_id("feat", entry["feature_id"]): int(entry["rank"]) for entry in told}
    rows = await tx.all(_OPEN, ids=list(ranks))
    return sorted(((ranks[row["id"]], row) for row in rows), key=lambda pair: pair[0])[:TOP]


async def _ahead(tx: Transaction, ranked: list[UUID], now: datetime) -> list[dict[str, Any]]:
    """The next weeks: what is planned and not among the priorities, running spikes, decisions to look at again."""
    items = [_feature(row, _words(row["status"])) for row in await tx.all(_AHEAD, shown=ranked)]
    for row in await tx.all(_SPIKES):
        items.append(
            _item(
                "spike", wire_id("spike", row["id"]), row["question"], f"due {row['due_at']:%Y-%m-%d}, {row['owner']}"
            )
        )
    for row in await tx.all(_REVIEWS, until=now + timedelta(days=AHEAD_DAYS)):
        items.append(
            _item(
                "decision", wire_id("dec", row["id"]), row["title"], f"to look at again on {row['review_at']:%Y-%m-%d}"
            )
        )
    return items


async def _surprises(tx: Transaction, since: datetime) -> list[dict[str, Any]]:
    """Revisions since the sync before that moved something, and that no sync spoke of."""
    found = []
    for row in await tx.all(_REVISIONS, since=since):
        revision = json.load(row["reply"])
        if revision["moves_total"]:
            titles = {ranked["feature_id"]: ranked["title"] for ranked in revision["ranking"]}
            moves = [
                {
                    "feature_id": move["feature_id"],
                    "title": titles.get(move["feature_id"], "no longer ranked"),
                    "from": move["from"],
                    "to": move["to"],
                }
                for move in revision["moves"][:10]
            ]
            found.append(
                {
                    "revision_id": wire_id("rev", row["id"]),
                    "created_at": revision["created_at"],
                    "author": revision["author"],
                    "reason": revision["reason"],
                    "moves": moves,
                    "moves_total": revision["moves_total"],
                }
            )
    return found


def _markdown(monday: date, told: dict[str, Any]) -> str:
    year, week, _ = monday.isocalendar()
    lines = [f"# Weekly sync {year}-W{week:02} ({sum(MINUTES.values())} min)", ""]
    if told["carried_over"]:
        lines += ["**Carried over**", ""]
        lines += [f"- [ ] {action['text']}{_by(action['owner'])}" for action in told["carried_over"]] + [""]
    for number, section in enumerate(told["agenda"], 1):
        lines += [f"## {number}. {section['title']} ({section['minutes']} min)", ""]
        lines += [f"- {item['title']} ({item['detail']})" for item in section["items"]] or ["- Nothing."]
        lines.append("")
        if section["section"] == "priorities" and told["surprises"]:
            lines += ["**Changed outside a sync**", "", *(_surprise(one_) for one_ in told["surprises"]), ""]
    # What somebody called a thing stays on its line, and makes no heading of its own.
    return "\n".join(" ".join(line.splitlines()) for line in lines)


def _surprise(surprise: dict[str, Any]) -> str:
    moves = (f"{move['title']} {move['from'] or '–'} → {move['to'] or '–'}" for move in surprise["moves"])
    reason = surprise["reason"] or "no reason given"
    return f"- {surprise['created_at'][:10]}, {surprise['author']}: {', '.join(moves)} ({reason})"


def _by(owner: str | None) -> str:
    return f" ({owner})" if owner else ""


def _words(status: str) -> str:
    return status.replace("_", " ")
