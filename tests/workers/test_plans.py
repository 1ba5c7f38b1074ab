"""How Postgres runs the courier's statements when its tables were empty at the time of planning."""

import pytest
from sqlalchemy import text

from api.settings import Settings
from api.stores import WORKER_ROLE, Prepared, open_stores
from api.webhooks import claims, deliveries

_PLANNED_FOR_ANY_VALUES = text("SELECT set_config('plan_cache_mode', 'force_generic_plan', true)")


@pytest.mark.parametrize("statement", [claims._DUE, claims._LANES, claims._ORDERED, deliveries._COMPLETE])
async def test_an_empty_table_is_not_planned_to_be_read_whole(
    settings: Settings, application: object, statement: Prepared
) -> None:
    sql, names, *_ = statement._compiled
    nulls = ", ".join(["NULL"] * len(names))
    async with open_stores(settings, role=WORKER_ROLE) as stores, stores.by_keys() as tx:
        await tx.value(_PLANNED_FOR_ANY_VALUES)
        await tx.run(text(f"PREPARE planned AS {sql.replace(':', chr(92) + ':')}"))
        rows = await tx.all(text(f"EXPLAIN EXECUTE planned ({nulls})"))
        await tx.run(text("DEALLOCATE planned"))

    plan = "\n".join(row[0] for row in rows)
    assert "Seq Scan" not in plan
    assert "Hash Join" not in plan
    assert "Merge Join" not in plan
    assert "deliveries" in plan
