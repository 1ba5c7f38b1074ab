"""Publish a version of an own scoring model. Versions never change; a change is the next one."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, select

from api import json
from api.accounts.auth import Caller
from api.accounts.tenancy import insert_owned, owned
from api.db import uuid7
from api.formulas.exact import FormulaError, exact
from api.http.representation import Representation
from api.problems import Conflict, Invalid, Problem, invalid_field
from api.scores import events
from api.scores.frameworks import BUILT_IN, as_invalid, own
from api.scores.models import ScoringModel
from api.scores.schemas import Criterion, ModelCreate, ModelInput, ModelShown
from api.stores import Prepared, Transaction
from api.webhooks.outbox import emit

MOST_VERSIONS = 1000

MODEL = Representation(ModelShown, ScoringModel.__table__, "scoring_model")
_COLUMNS = ("id", "key", "version", "title", "description", "kind", "definition", "author")
_INSERT = Prepared(insert_owned(ScoringModel.__table__, *_COLUMNS).returning(MODEL.text()))
_NEWEST = Prepared(
    select(func.max(ScoringModel.version)).where(owned(ScoringModel), ScoringModel.key == bindparam("key"))
)
_LOCK = Prepared(select(func.pg_advisory_xact_lock(func.hashtextextended(bindparam("name"), 0))))


class TooManyVersions(Conflict):
    """A model has as many versions as it may."""

    code, title = "too_many_versions", "The model has too many versions"


async def publish(tx: Transaction, caller: Caller, given: ModelCreate) -> tuple[UUID, int, str]:
    """Write the next version of the model. Gives its id, its version and its JSON text.

    Raises Invalid for a key that is built in and for a definition that cannot work, TooManyVersions.
    """
    if given.key in BUILT_IN:
        raise invalid_field("/key", f"{given.key} is built in: choose another key", "reserved")
    definition = _definition(given)
    _try_out(given, definition)
    await tx.value(_LOCK, name=f"{tx.scope.workspace_id}/{tx.scope.livemode}/scoring_model/{given.key}")
    version = (await tx.value(_NEWEST, key=given.key) or 0) + 1
    if version > MOST_VERSIONS:
        raise TooManyVersions(f"{given.key} has {MOST_VERSIONS} versions. Start a model with another key.")
    model_id = uuid7()
    text: str = await tx.value(
        _INSERT,
        id=model_id,
        key=given.key,
        version=version,
        title=given.title,
        description=given.description,
        kind=given.kind,
        definition=json.dump(definition),
        author=caller.key_name,
    )
    await emit(tx, events.PUBLISHED, text)
    return model_id, version, text


def _definition(given: ModelCreate) -> dict[str, Any]:
    parts = {
        "base": ("base", "variant", "scale", "reach_period", "reach_unit"),
        "formula": ("expression", "inputs", "effort", "per_effort"),
        "weighted": ("criteria",),
    }[given.kind]
    whole = given.model_dump(include=set(parts))
    return {name: whole[name] for name in parts if whole[name] is not None}


def _try_out(given: ModelCreate, definition: dict[str, Any]) -> None:
    """Build the model once: what cannot be built is refused before anything is scored with it."""
    _check_names(given)
    if given.reach_period and given.base != "rice":
        raise invalid_field("/reach_period", "only rice has a reach", "extra_forbidden")
    if given.scale and given.base != "rice":
        raise invalid_field("/scale", "a scale is for a model on the base of rice", "extra_forbidden")
    try:
        own(given.key, 1, given.kind, json.load(json.dump(definition)))
    except FormulaError as error:
        places = {"weights": "/criteria", "expression": "/expression"}
        if error.field in places:
            raise invalid_field(places[error.field], error.message) from None
        raise as_invalid(error, "/scale" if given.scale else "/inputs") from None
    except Problem as problem:
        raise Invalid(problem.message, errors=problem.errors) from None


def _check_names(given: ModelCreate) -> None:
    place = "inputs" if given.kind == "formula" else "criteria"
    rows: Sequence[ModelInput | Criterion] = (given.inputs if given.kind == "formula" else given.criteria) or ()
    seen: set[str] = set()
    for number, row in enumerate(rows):
        at = f"/{place}/{number}"
        if row.name in seen:
            raise invalid_field(f"{at}/name", f"{row.name} stands twice", "duplicate")
        seen.add(row.name)
        try:
            low, high = exact(row.minimum, "minimum"), exact(row.maximum, "maximum")
        except FormulaError as error:
            raise invalid_field(f"{at}/{error.field}", error.message) from None
        if low >= high:
            raise invalid_field(f"{at}/maximum", "must be more than the minimum")
    if given.effort is not None and given.effort not in seen:
        raise invalid_field("/effort", "must be the name of an input", "unknown_input")
    if given.per_effort and given.effort is None:
        raise invalid_field("/per_effort", "needs effort: which input it is", "missing")
