"""Bring in a document: read it, write what it says through the same verbs as everyone, and report what is doubtful.

A dry run does all of it and rolls back, so that it cannot differ from what the import does.
"""

import asyncio
import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import ColumnElement, bindparam, func, literal_column, select, true
from sqlalchemy.dialects.postgresql import ARRAY

from api import json
from api.accounts.auth import Caller
from api.accounts.tenancy import insert_owned, owned
from api.db import parse_id, uuid7
from api.decisions.draft import draft, revise
from api.decisions.models import Decision
from api.decisions.schemas import DecisionCreate, DecisionPatch
from api.features.models import Feature
from api.features.schemas import FeatureCreate
from api.features.upsert import upsert
from api.http.etags import ANY
from api.http.findings import refused
from api.http.representation import Columns, Representation
from api.imports.formats import read
from api.imports.models import Import
from api.imports.prds import write_prds
from api.imports.reading import Options, ReadDecision, ReadFeature, Reading
from api.imports.records import write_records
from api.imports.schemas import ImportCreate, ImportShown
from api.problems import Invalid, Problem, invalid_field
from api.scores.frameworks import built_in
from api.scores.inputs import outcome
from api.scores.models import LatestScore, Score
from api.scores.schemas import ScoreCreate
from api.scores.score import Computed, append_many
from api.stores import Prepared, Transaction

# A document of a megabyte holds about this many rows, at ten characters each.
MOST_FEATURES = 100_000
MOST_AT_ONCE = 1_000
MOST_DECISIONS = 50
MOST_LISTED = 1_000
MOST_NOTES = 100
LONGEST_NAME = 255
FRAMEWORK = "rice"


def _decision_ids(columns: Columns) -> ColumnElement[Any]:
    ids = func.unnest(columns.decision_ids).table_valued("id").render_derived(name="decision")
    shown = func.json_agg(func.roadbed_id(literal_column("'dec'"), ids.c.id))
    return func.coalesce(select(shown).scalar_subquery(), literal_column("'[]'::json"))


IMPORT = Representation(ImportShown, Import.__table__, "import", {"decision_ids": _decision_ids})
_JSON = ("skipped", "discrepancies", "notes")
_INSERT = Prepared(
    insert_owned(
        Import.__table__, "id", "format", "source", "created", "updated", "unchanged", *_JSON, "decision_ids", "author"
    ).returning(IMPORT.text())
)
_OWN = Prepared(
    select(Feature.id, Feature.title).where(
        owned(Feature), Feature.id == func.any(bindparam("ids", type_=Feature.depends_on.type))
    )
)
_DECISION = Prepared(
    select(
        Decision.id,
        Decision.status,
        Decision.options,
        Decision.criteria,
        Decision.ratings,
    )
    .where(owned(Decision), Decision.title == bindparam("title"))
    .order_by(Decision.id.desc())
    .limit(1)
)


def _inputs() -> Prepared:
    """The inputs of the latest score of each of `ids`, each looked up by itself: features/upsert.py tells why."""
    ids = func.unnest(bindparam("ids", type_=ARRAY(LatestScore.feature_id.type))).table_valued("id")
    wanted = ids.render_derived(name="wanted")
    latest = (
        select(LatestScore.feature_id, LatestScore.score_id)
        .where(
            owned(LatestScore),
            LatestScore.framework == bindparam("framework"),
            LatestScore.feature_id == wanted.c.id,
        )
        .limit(1)
        .lateral("latest")
    )
    score = select(Score.inputs).where(owned(Score), Score.id == latest.c.score_id).limit(1).lateral("score")
    joined = wanted.join(latest, true()).join(score, true())
    return Prepared(select(latest.c.feature_id, score.c.inputs).select_from(joined))


_INPUTS = _inputs()


class _Tally:
    """What has become of everything so far."""

    def __init__(self) -> None:
        self.created = self.updated = self.unchanged = 0
        self.decision_ids: list[UUID] = []

    def count(self, status: str) -> None:
        setattr(self, status, getattr(self, status) + 1)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A row that is a feature: its body, and the feature that it names where that is one of ours."""

    row: ReadFeature
    item: FeatureCreate
    feature_id: UUID | None


async def bring(tx: Transaction, caller: Caller, given: ImportCreate) -> str:
    """The report as JSON text. Raises Invalid for base64 that is none; a document itself is never refused."""
    options = _options(given)
    # In a thread: reading a large document takes seconds, and the others must not wait for it.
    format, reading = await asyncio.to_thread(read, _content(given), given.format, options)
    tally = _Tally()
    await _write_features(tx, caller, reading, tally)
    await _write_decisions(tx, reading, tally)
    for status in await write_prds(tx, reading):
        tally.count(status)
    for status, decision_id in await write_records(tx, reading):
        tally.count(status)
        tally.decision_ids.append(decision_id)
    text: str = await tx.value(
        _INSERT,
        id=uuid7(),
        format=format,
        source=reading.source,
        created=tally.created,
        updated=tally.updated,
        unchanged=tally.unchanged,
        decision_ids=tally.decision_ids,
        author=caller.key_name,
        **_findings(reading),
    )
    if not given.dry_run:
        return text
    await tx.rollback()
    return json.dump(json.load(text) | {"id": None, "decision_ids": [], "created_at": None})


def _content(given: ImportCreate) -> bytes | str:
    if given.encoding == "text":
        return given.content
    try:
        return base64.b64decode(given.content, validate=True)
    except (binascii.Error, ValueError):
        raise invalid_field("/content", "is not base64. Send the text itself with encoding: text", "base64") from None


def _options(given: ImportCreate) -> Options:
    mapping = given.mapping
    words = {name: {word.strip().lower(): value for word, value in one.items()} for name, one in mapping.words}
    return Options(
        columns={header.strip().lower(): column for header, column in mapping.columns.items()},
        words=words,
        statuses={name.strip().lower(): status for name, status in mapping.status.items()},
        title=given.title,
        source=given.source,
    )


# --- Features ---------------------------------------------------------------------------------------------------------


async def _write_features(tx: Transaction, caller: Caller, reading: Reading, tally: _Tally) -> None:
    """A thousand at a time, each in a handful of statements, so that nothing waits long for a large document."""
    if len(reading.features) > MOST_FEATURES:
        line = reading.features[MOST_FEATURES].line
        reading.skip(line, f"Only the first {MOST_FEATURES:,} features are imported at once. Split the document.")
        del reading.features[MOST_FEATURES:]
    own = await _own_titles(tx, reading.features)
    wanted = await asyncio.to_thread(_wanted, reading, own)
    for start in range(0, len(wanted), MOST_AT_ONCE):
        await _write_part(tx, caller, wanted[start : start + MOST_AT_ONCE], reading, tally)


def _wanted(reading: Reading, own: Mapping[UUID, str]) -> list[_Wanted]:
    """The rows that are features, each name and each id of ours once. What is left out is told."""
    wanted: list[_Wanted] = []
    names: set[tuple[str | None, str | None]] = set()
    ids: set[UUID] = set()
    for row in reading.features:
        known = parse_id("feat", row.own_id) if row.own_id else None
        item = _item(row, reading, None if known is None else own.get(known))
        if item is None:
            continue
        feature_id = known if known in own else None
        if feature_id in ids:
            reading.skip(row.line, f"The feature {row.own_id} stands in the document more than once.")
        elif (item.source, item.external_id) in names:
            reading.skip(row.line, _refusal(row, "duplicate", ""))
        else:
            wanted.append(_Wanted(row, item, feature_id))
        names.add((item.source, item.external_id))
        if feature_id is not None:
            ids.add(feature_id)
    return wanted


async def _write_part(
    tx: Transaction, caller: Caller, wanted: Sequence[_Wanted], reading: Reading, tally: _Tally
) -> None:
    ids = {place: one.feature_id for place, one in enumerate(wanted) if one.feature_id is not None}
    outcomes = await upsert(tx, [one.item for one in wanted], ids)
    statuses: dict[UUID, str] = {}
    scored: list[tuple[UUID, ReadFeature]] = []
    for one, became in zip(wanted, outcomes, strict=True):
        if became.feature_id is None:
            reading.skip(one.row.line, _refusal(one.row, became.errors[0].code, became.errors[0].message))
            continue
        statuses[became.feature_id] = became.status
        if one.row.inputs is not None:
            scored.append((became.feature_id, one.row))
    for feature_id in await _score(tx, caller, scored, reading):
        if statuses[feature_id] == "unchanged":
            statuses[feature_id] = "updated"
    for status in statuses.values():
        tally.count(status)


async def _own_titles(tx: Transaction, rows: Sequence[ReadFeature]) -> dict[UUID, str]:
    """Those of our own ids in the document that are here, with their titles."""
    named = [id_ for row in rows if row.own_id and (id_ := parse_id("feat", row.own_id)) is not None]
    if not named:
        return {}
    return {row["id"]: row["title"] for row in await tx.all(_OWN, ids=list(set(named)))}


def _item(row: ReadFeature, reading: Reading, title: str | None) -> FeatureCreate | None:
    """The row as the body of a feature, None with a note when it is none."""
    name = row.external_id or row.own_id or _name_of(str(row.fields.get("title") or ""))
    source = (row.source if row.external_id and row.source else None) or reading.source
    try:
        item = FeatureCreate.model_validate({**row.fields, "external_id": name, "source": source})
    except ValidationError as error:
        first = refused(error).errors[0]
        where = first.name.removeprefix("/").replace("/", ".") or "row"
        reading.skip(row.line, f"{where}: {first.message}", where)
        return None
    if title is not None and " ".join(title.split()) == " ".join(item.title.split()):
        # Tables do not keep runs of spaces, and dropping them is no new title.
        item.model_fields_set.discard("title")
    return item


def _name_of(title: str) -> str:
    """What a row without an id is known by: its title, cut where it is too long for a name."""
    if len(title) <= LONGEST_NAME:
        return title
    return f"{title[:200]}…{hashlib.sha256(title.encode()).hexdigest()[:16]}"


def _refusal(row: ReadFeature, code: str, message: str) -> str:
    if code == "duplicate":
        return f"{str(row.fields.get('title'))[:80]!r} stands in the document more than once; the first was taken."
    return message


async def _score(
    tx: Transaction, caller: Caller, scored: Sequence[tuple[UUID, ReadFeature]], reading: Reading
) -> list[UUID]:
    """Append a score where the latest has other inputs. Gives the features that got one."""
    if not scored:
        return []
    rows = await tx.all(_INPUTS, framework=FRAMEWORK, ids=[feature_id for feature_id, _ in scored])
    latest = {row["feature_id"]: row["inputs"] for row in rows}
    computed = await asyncio.to_thread(_computed, scored, latest, reading)
    await append_many(tx, caller, computed)
    return [one.feature_id for one in computed]


def _computed(
    scored: Sequence[tuple[UUID, ReadFeature]], latest: Mapping[UUID, Any], reading: Reading
) -> list[Computed]:
    """The scores that are new. What cannot be computed is told."""
    way = built_in(FRAMEWORK, None)
    computed = []
    for feature_id, row in scored:
        inputs = row.inputs or {}
        if _same(inputs, latest.get(feature_id)):
            continue
        try:
            body = ScoreCreate.model_validate({"framework": FRAMEWORK, "inputs": inputs})
            computed.append(Computed(feature_id, body, way, outcome(way, body.inputs)))
        except ValidationError as error:
            reading.skip(row.line, f"The score could not be taken: {refused(error).message}", "score")
        except Invalid as problem:
            reading.skip(row.line, problem.message, "score")
    return computed


def _same(given: Any, stored: Any) -> bool:
    """Whether everything that is given is stored so; what is stored besides does not matter."""
    if isinstance(given, dict):
        return isinstance(stored, dict) and all(_same(value, stored.get(name)) for name, value in given.items())
    if isinstance(given, list):
        return (
            isinstance(stored, list)
            and len(given) == len(stored)
            and all(_same(one, other) for one, other in zip(given, stored, strict=True))
        )
    return bool(given == stored)


# --- Decisions --------------------------------------------------------------------------------------------------------


async def _write_decisions(tx: Transaction, reading: Reading, tally: _Tally) -> None:
    for row in reading.decisions[MOST_DECISIONS:]:
        reading.skip(row.line, f"Only the first {MOST_DECISIONS} decisions are imported at once. Split the document.")
    for row in reading.decisions[:MOST_DECISIONS]:
        try:
            await _write_decision(tx, row, reading, tally)
        except ValidationError as error:
            reading.skip(row.line, f"The matrix is no decision: {refused(error).message}")
        except Problem as problem:
            if problem.status >= 500:
                raise
            reading.skip(row.line, f"The matrix is no decision: {problem.message}")


async def _write_decision(tx: Transaction, row: ReadDecision, reading: Reading, tally: _Tally) -> None:
    """A decision is known by its title. A draft is brought up to date; a recorded one stays as it was decided."""
    wanted = DecisionCreate.model_validate(row.body)
    found = await tx.first(_DECISION, title=wanted.title)
    if found is None:
        decision_id, _ = await draft(tx, wanted)
        tally.count("created")
    elif _same({name: row.body[name] for name in ("options", "criteria", "ratings")}, dict(found)):
        decision_id = found["id"]
        tally.count("unchanged")
    elif found["status"] != "draft":
        reading.skip(
            row.line, f"{wanted.title!r} is decided already and stays as it is. Import it under another title."
        )
        return
    else:
        decision_id = found["id"]
        patch = DecisionPatch.model_validate({name: row.body[name] for name in ("options", "criteria", "ratings")})
        await revise(tx, decision_id, patch, ANY)
        tally.count("updated")
    tally.decision_ids.append(decision_id)


# --- The report -------------------------------------------------------------------------------------------------------


def _findings(reading: Reading) -> dict[str, str]:
    """What is doubtful, as JSON; a list that would be endless ends with how much more there is."""
    skipped = sorted(reading.skipped, key=lambda one: one.line)
    listed: list[dict[str, Any]] = [
        {"line": one.line, "reason": _storable(one.reason), "column": one.column} for one in skipped[:MOST_LISTED]
    ]
    if len(skipped) > MOST_LISTED:
        more = replace(skipped[-1], line=0, reason=f"{len(skipped) - MOST_LISTED} more were skipped.", column=None)
        listed.append({"line": more.line, "reason": more.reason, "column": more.column})
    notes = [_storable(note) for note in reading.notes[:MOST_NOTES]]
    if len(reading.discrepancies) > MOST_LISTED:
        notes.append(f"{len(reading.discrepancies) - MOST_LISTED} more figures differ.")
    printed = [
        {name: _storable(value) if isinstance(value, str) else value for name, value in one.as_dict().items()}
        for one in reading.discrepancies[:MOST_LISTED]
    ]
    return {"skipped": json.dump(listed), "discrepancies": json.dump(printed), "notes": json.dump(notes)}


def _storable(text: str) -> str:
    """Postgres keeps no U+0000 and no half of a surrogate pair, and a message needs no more than this."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()[:2_000]
