"""What a workspace holds its roadmap to: shares of effort, capacity, churn, and when it is frozen."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import bindparam, func, select
from sqlalchemy.dialects.postgresql import insert as postgres_insert

from api import json
from api.accounts.tenancy import owned
from api.formulas.allocation import RULE_70_20_10, allocation
from api.formulas.exact import FormulaError
from api.http.etags import Precondition
from api.problems import invalid_field
from api.roadmap.models import RoadmapPolicy
from api.roadmap.schemas import PolicyWrite
from api.stores import Prepared, Transaction, binds

TOLERANCE = Decimal("0.05")
_WRITABLE = ("targets", "tolerance", "capacity_months", "churn_limit", "freeze_from", "freeze_until", "freeze_note")


@dataclass(frozen=True)
class Policy:
    """The rules in force. `version` 0 means that nobody has written any, and 70/20/10 serves."""

    version: int = 0
    targets: Mapping[str, Decimal] = field(default_factory=lambda: RULE_70_20_10)
    tolerance: Decimal = TOLERANCE
    capacity_months: Decimal | None = None
    churn_limit: Decimal | None = None
    freeze_from: datetime | None = None
    freeze_until: datetime | None = None
    freeze_note: str | None = None
    updated_at: datetime | None = None

    def frozen_at(self, now: datetime) -> bool:
        if self.freeze_from is None or self.freeze_until is None:
            return False
        return self.freeze_from <= now < self.freeze_until

    def shown(self, livemode: bool | None) -> dict[str, Any]:
        freeze = None
        if self.freeze_from is not None and self.freeze_until is not None:
            freeze = {"from": _wire(self.freeze_from), "until": _wire(self.freeze_until), "note": self.freeze_note}
        return {
            "object": "roadmap_policy",
            "livemode": livemode,
            "targets": {bucket: Decimal(share) for bucket, share in self.targets.items()},
            "tolerance": self.tolerance,
            "unit": "person_months",
            "capacity_months": self.capacity_months,
            "churn_limit": self.churn_limit,
            "freeze": freeze,
            "frozen": self.frozen_at(datetime.now(UTC)),
            "version": self.version,
            "updated_at": self.updated_at and _wire(self.updated_at),
        }


_columns = [RoadmapPolicy.version, *(getattr(RoadmapPolicy, name) for name in _WRITABLE), RoadmapPolicy.updated_at]
_READ = Prepared(select(*_columns).where(owned(RoadmapPolicy)))
_LOCKED = Prepared(select(*_columns).where(owned(RoadmapPolicy)).with_for_update())
_insert = postgres_insert(RoadmapPolicy).values(binds("workspace_id", "livemode", *_WRITABLE))
_WRITE = Prepared(
    _insert.on_conflict_do_update(
        index_elements=["workspace_id", "livemode"],
        set_={name: bindparam(name) for name in _WRITABLE}
        | {"version": RoadmapPolicy.version + 1, "updated_at": func.now()},
    ).returning(*_columns)
)


async def policy(tx: Transaction) -> Policy:
    """The rules of this workspace and mode, or the defaults."""
    return _policy(await tx.first(_READ))


async def write_policy(tx: Transaction, given: PolicyWrite, precondition: Precondition) -> Policy:
    """Replace the rules. Raises Invalid for targets that do not sum to 1, PreconditionFailed."""
    current = _policy(await tx.first(_LOCKED))
    precondition.check(current.version)
    targets = given.targets.model_dump()
    try:
        allocation({}, targets, given.tolerance)
    except FormulaError as error:
        raise invalid_field("/" + error.field.replace(".", "/"), error.message) from None
    freeze = given.freeze
    row = await tx.first(
        _WRITE,
        targets=json.dump(targets),
        tolerance=given.tolerance,
        capacity_months=given.capacity_months,
        churn_limit=given.churn_limit,
        freeze_from=freeze and freeze.from_,
        freeze_until=freeze and freeze.until,
        freeze_note=freeze and freeze.note,
    )
    return _policy(row)


def allocated(rules: Policy, effort_months: Mapping[str, Decimal]) -> dict[str, Any]:
    """Effort by bucket against the targets, as it is shown."""
    told = allocation(effort_months, rules.targets, rules.tolerance)
    return {
        "total_months": told.total_months,
        "tolerance": rules.tolerance,
        "drifted": told.drifted,
        "buckets": [
            {
                "bucket": name,
                "effort_months": bucket.effort_months,
                "share": bucket.share,
                "target": bucket.target,
                "drift": bucket.drift,
                "drift_months": bucket.drift_months,
                "drifted": bucket.drifted,
                "to_add_months": bucket.to_add,
            }
            for name, bucket in told.buckets.items()
        ],
    }


def _policy(row: Any) -> Policy:
    if row is None:
        return Policy()
    values = dict(row)
    values["targets"] = {name: Decimal(share) for name, share in row["targets"].items()}
    return Policy(**values)


def _wire(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
