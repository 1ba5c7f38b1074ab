"""Carry scores over to a newer version of an own model: compute its values from the inputs of the older one's.

Nothing is written: a score is what somebody gave, and publishing a version gives none (docs/concepts.md).
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ARRAY, Text, and_, bindparam, exists, func, literal_column, or_, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import aliased

from api.accounts.tenancy import owned
from api.features.models import OPEN_STATUSES, Feature
from api.problems import Invalid, invalid_field
from api.roadmap.rank import Substitutes
from api.scores.frameworks import Method
from api.scores.inputs import outcome
from api.scores.models import LatestScore, Score
from api.stores import Prepared, Transaction

MOST_CARRIED = 10_000
_current = aliased(LatestScore)
_OLDER = Prepared(
    select(LatestScore.feature_id, Score.inputs)
    .ext(distinct_on(LatestScore.feature_id))
    .join(Feature, and_(owned(Feature), Feature.id == LatestScore.feature_id))
    .join(Score, and_(owned(Score), Score.id == LatestScore.score_id))
    .where(
        owned(LatestScore),
        LatestScore.framework == func.any(bindparam("older", type_=ARRAY(Text))),
        or_(*(Feature.status == literal_column(f"'{status}'") for status in OPEN_STATUSES)),
        ~exists().where(
            owned(_current),
            _current.framework == bindparam("series"),
            _current.feature_id == LatestScore.feature_id,
        ),
    )
    .order_by(LatestScore.feature_id, LatestScore.score_id.desc())
    .limit(MOST_CARRIED + 1)
)


@dataclass(frozen=True)
class Carried:
    """Values for features that only older versions have scored; `outdated` counts those whose inputs do not serve."""

    substitutes: Substitutes | None = None
    outdated: int = 0

    @property
    def count(self) -> int:
        return len(self.substitutes.ids) if self.substitutes else 0


async def carried_over(tx: Transaction, way: Method) -> Carried:
    """What open features score by this version, of those that only an older one has scored: their newest inputs count.

    Raises Invalid for more than 10,000 of them.
    """
    if way.version is None or way.version == 1:
        return Carried()
    older = [f"{way.framework}@{version}" for version in range(1, way.version)]
    rows = await tx.all(_OLDER, older=older, series=way.series)
    if len(rows) > MOST_CARRIED:
        raise invalid_field(
            "/model_version",
            f"more than {MOST_CARRIED:,} features are scored by older versions of {way.framework} alone. Score them by "
            f"version {way.version}, or rank by an older one",
            "too_many_outdated",
        )
    return await asyncio.to_thread(_computed, way, rows)


def _computed(way: Method, rows: Sequence[Any]) -> Carried:
    results = {}
    for row in rows:
        try:
            results[row["feature_id"]] = outcome(way, row["inputs"])
        except Invalid:
            continue
    substitutes = Substitutes(
        list(results), [one.value for one in results.values()], [one.effort_months for one in results.values()]
    )
    return Carried(substitutes if results else None, len(rows) - len(results))
