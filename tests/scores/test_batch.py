"""Many scores written at once are what they would be one by one."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from api.accounts.auth import Caller
from api.db import parse_id, uuid7
from api.scores.inputs import outcome
from api.scores.schemas import ScoreCreate
from api.scores.score import Computed, append, append_many, method_of
from api.stores import Prepared, Stores, Transaction
from tests.support.plans import scope_of
from tests.support.workspace import Workspace

_RICE = st.fixed_dictionaries(
    {
        "reach": st.decimals(0, 10_000, places=3) | st.just({"low": 1, "likely": 5, "high": 9}),
        "impact": st.sampled_from([1, 3, Decimal("0.25")]),
        "confidence": st.sampled_from([1, Decimal("0.35")]),
        "effort": st.decimals(Decimal("0.01"), 100, places=2),
    }
)
_BODIES = st.one_of(
    _RICE.map(lambda inputs: {"framework": "rice", "inputs": inputs}),
    _RICE.map(lambda inputs: {"framework": "rice", "inputs": inputs, "author": "Ada", "author_kind": "agent"}),
    st.just({"framework": "moscow", "inputs": {"category": "must", "effort": 2}, "note": 'it\'s "quoted" \\ é 需'}),
    st.just(
        {
            "framework": "kano",
            "inputs": {"answers": [{"functional": "like", "dysfunctional": "dislike"}]},
            "evidence": [{"claim": "Asked for", "url": "https://example.com/", "observed_on": "2026-11-01"}],
        }
    ),
)
_SCORES = Prepared(
    text(
        "SELECT to_jsonb(scores) - ARRAY['id', 'created_at'] AS row FROM scores WHERE workspace_id = :workspace_id "
        "ORDER BY id"
    )
)
_LATEST = Prepared(
    text(
        "SELECT to_jsonb(latest) - 'score_id' || jsonb_build_object('number', (SELECT count(*) FROM scores "
        "WHERE scores.id <= latest.score_id)) AS row FROM latest_scores AS latest WHERE workspace_id = :workspace_id "
        "ORDER BY framework, feature_id"
    )
)
_EVENTS = Prepared(
    text(
        "SELECT (body::jsonb - ARRAY['id', 'timestamp']) #- '{data,id}' #- '{data,created_at}' AS row FROM events "
        "WHERE workspace_id = :workspace_id AND type = 'feature.scored' ORDER BY id"
    )
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 2), _BODIES), max_size=12))
async def test_a_batch_writes_what_one_by_one_writes(
    workspace: Workspace, stores: Stores, wanted: list[tuple[int, dict[str, Any]]]
) -> None:
    """Rows, the latest of each series, and events; also where a feature is scored several times."""
    ids = [parse_id("feat", (await workspace.feature())["id"]) for _ in range(3)]
    caller = Caller(scope_of(workspace).workspace_id or uuid7(), True, uuid7(), "Key", frozenset(), None)

    async def one_by_one(tx: Transaction, computed: list[Computed]) -> None:
        for one in computed:
            await append(tx, caller, one)

    async def at_once(tx: Transaction, computed: list[Computed]) -> None:
        assert len(await append_many(tx, caller, computed)) == len(computed)

    async def written(write: Callable[[Transaction, list[Computed]], Awaitable[None]]) -> list[Any]:
        async with stores.transaction(scope_of(workspace)) as tx:
            computed = [await _computed(tx, ids[place], body) for place, body in wanted]
            await write(tx, computed)
            return [[row["row"] for row in await tx.all(one)] for one in (_SCORES, _LATEST, _EVENTS)]

    assert await written(at_once) == await written(one_by_one)


async def _computed(tx: Transaction, feature_id: UUID | None, body: dict[str, Any]) -> Computed:
    assert feature_id is not None
    given = ScoreCreate.model_validate(body)
    way = await method_of(tx, given)
    return Computed(feature_id, given, way, outcome(way, given.inputs))
