"""`./run bench roadmap`: reprioritising against one bare SQL statement, planning, simulating, and deep pages.

Each size is ranked by the verb that the API calls, from its first query to the end of its commit, with the snapshot,
the moves, the churn and the event for an endpoint that wants it. Before each round one score in a hundred has changed.
The control ranks the same rows in one statement on the same connection settings:

* `reprioritize_vs_sql` counts until its client has the rows, as a caller of such a statement would;
* `reprioritize_vs_sql_on_server` lets the server rank and hand over nothing but a count.

`growth_vs_n_log_n` is how much longer the largest size takes than the one before it, over how much longer sorting
should: about 1. `peak_mb` is the most memory that the process has ever had, after each size; Postgres's is its own.
"""

import argparse
import asyncio
import base64
import json
import math
import random
import resource
import tempfile
import time
from collections.abc import Awaitable, Callable
from fractions import Fraction
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx

from api.accounts.auth import Caller
from api.db import parse_id, uuid7
from api.formulas.expression import parse
from api.formulas.simulation import Uncertain, simulate
from api.formulas.spread import Spread
from api.http.pagination import binding_of
from api.local import LocalServers
from api.main import create_app
from api.migrate import migrate_to
from api.roadmap.reprioritize import reprioritize
from api.roadmap.schemas import Reprioritize
from api.settings import Settings
from api.stores import Scope, open_stores
from bench.machine import described, median

SIZES = (10_000, 100_000)
LONG = 1_000_000
LONG_ROUNDS = 3
PAGE = 10
DEEP_PAGE = 10_000
PLANNED = 200
SECRET = base64.b64encode(bytes(range(32))).decode()
_SEED = random.Random(7)


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser("./run bench roadmap")
    parser.add_argument("--json", action="store_true", help="print only the last line")
    parser.add_argument("--long", action="store_true", help="a million features as well")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(words)
    sizes = [*SIZES, LONG] if options.long else [*SIZES]
    with tempfile.TemporaryDirectory(prefix="roadbed-bench-") as folder:
        told = measure(Path(folder), sizes, options.rounds)
    if not options.json:
        print(json.dumps(told, indent=2))
    print(json.dumps(told))
    return 0


def measure(folder: Path, sizes: list[int], rounds: int) -> dict[str, Any]:
    folder.chmod(0o755)
    with LocalServers.start(folder / "data") as local:
        migrate_to(local.database_url)
        settings = Settings(
            database_url=local.database_url,
            redis_url=local.redis_url,
            pepper=SECRET,
            sealing_keys=f"k1:{SECRET}",
            rate_per_s=100_000,
            rate_burst=100_000,
            workspace_rate_per_s=100_000,
        )
        told = asyncio.run(_measure(settings, sizes, rounds))
    largest = told["sizes"][str(SIZES[-1])]
    return {
        "bench": "roadmap",
        "reprioritize_vs_sql": largest["reprioritize_vs_sql"],
        "reprioritize_vs_sql_on_server": largest["reprioritize_vs_sql_on_server"],
        **told,
        "simulate_s_per_10m_draws": _simulate_s(rounds),
        "machine": described(),
    }


async def _measure(settings: Settings, sizes: list[int], rounds: int) -> dict[str, Any]:
    app = create_app(settings)
    owner = await asyncpg.connect(settings.database_url)
    told: dict[str, Any] = {}
    pages: dict[str, Any] = {}
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://bench") as client:
            for size in sizes:
                signed_up = await _signed_up(client)
                caller = _caller(signed_up)
                await _fill(owner, caller.workspace_id, size)
                told[str(size)] = await _reprioritize(
                    settings, owner, caller, rounds if size < LONG else min(rounds, LONG_ROUNDS)
                )
                told[str(size)]["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
                if size == SIZES[-1]:
                    pages = await _pages(app, client, owner, signed_up, caller)
            plan_s = await _plan_s(client, rounds)
    await owner.close()
    *_, before, last = sizes
    longer = told[str(last)]["reprioritize_s"] / told[str(before)]["reprioritize_s"]
    growth = longer / (last * math.log(last) / (before * math.log(before)))
    return {"sizes": told, "growth_vs_n_log_n": round(growth, 2), f"plan_{PLANNED}_s": plan_s, **pages}


async def _signed_up(client: httpx.AsyncClient) -> dict[str, Any]:
    answer = await client.post("/v1/signup", json={"email": "ada@example.com", "workspace": "Bench"})
    told: dict[str, Any] = answer.raise_for_status().json()
    return told


def _caller(signed_up: dict[str, Any]) -> Caller:
    workspace_id = parse_id("ws", signed_up["workspace"]["id"])
    assert workspace_id is not None
    return Caller(workspace_id, True, uuid7(), "Bench", frozenset({"roadmap:write"}), None)


async def _fill(owner: asyncpg.Connection, workspace_id: UUID, size: int) -> None:
    """Features of about 400 bytes, each with a score, and without what this bench does not ask: search and audit."""
    await owner.execute("DROP INDEX IF EXISTS ix_features_search")
    await owner.execute("SET session_replication_role = replica")
    await owner.execute(
        f"""
        INSERT INTO features (workspace_id, livemode, id, title, description, status, bucket, labels, metadata,
                              depends_on, created_at, updated_at)
        SELECT '{workspace_id}', true, uuidv7(), 'Feature number ' || n, repeat('words ', 40), 'candidate',
               (ARRAY['product', 'technical', 'innovation'])[1 + n % 3], '{{}}', '{{}}', '{{}}',
               now() - n * interval '1 second', now() - n * interval '1 second'
        FROM generate_series(1, {size}) AS n
        """
    )
    await owner.execute(
        f"""
        INSERT INTO latest_scores (workspace_id, livemode, framework, feature_id, score_id, value, worth, effort_months)
        SELECT workspace_id, livemode, 'rice', id, uuidv7(), round((random() * 100000)::numeric, 3), 1, 1
        FROM features WHERE workspace_id = '{workspace_id}'
        """
    )
    await owner.execute("SET session_replication_role = origin")
    await owner.execute("VACUUM ANALYZE features")
    await owner.execute("VACUUM ANALYZE latest_scores")


async def _reprioritize(
    settings: Settings, owner: asyncpg.Connection, caller: Caller, rounds: int
) -> dict[str, float | None]:
    """Ours and both controls in turn, so that the machine's mood falls on all; medians of the rounds."""
    ours, rows, server = [], [], []
    async with open_stores(settings) as stores:
        control = await asyncpg.connect(settings.database_url)
        await control.execute("SET jit = off; SET work_mem = '64MB'")

        async def reprioritized() -> None:
            async with stores.transaction(Scope(caller.workspace_id, True)) as tx:
                await reprioritize(tx, caller, Reprioritize())
                await tx.commit()

        await reprioritized()
        for _ in range(rounds):
            await owner.execute(
                "UPDATE latest_scores SET value = round((random() * 100000)::numeric, 3) "
                f"WHERE workspace_id = '{caller.workspace_id}' AND random() < 0.01"
            )
            rows.append(await _taken(lambda: control.fetch(_ranking(caller.workspace_id))))
            server.append(
                await _taken(
                    lambda: control.fetch(f"SELECT count(rank) FROM ({_ranking(caller.workspace_id)} OFFSET 0) AS r")
                )
            )
            ours.append(await _taken(reprioritized))
        await control.close()
    ours_s, rows_s, server_s = median(ours) or 0, median(rows) or 0, median(server) or 0
    return {
        "reprioritize_s": round(ours_s, 4),
        "sql_s": round(rows_s, 4),
        "sql_on_server_s": round(server_s, 4),
        "reprioritize_vs_sql": round(rows_s / ours_s, 3),
        "reprioritize_vs_sql_on_server": round(server_s / ours_s, 3),
    }


def _ranking(workspace_id: UUID) -> str:
    """The bare statement: the same rows in the same order, with their ranks."""
    return f"""
        SELECT f.id, f.title, l.value, row_number() OVER (ORDER BY l.value DESC, f.created_at, f.id) AS rank
        FROM latest_scores AS l JOIN features AS f USING (workspace_id, livemode)
        WHERE l.workspace_id = '{workspace_id}' AND l.livemode AND l.framework = 'rice' AND f.id = l.feature_id
          AND f.status IN ('idea', 'candidate', 'planned', 'in_progress')
        ORDER BY rank"""


async def _pages(
    app: Any, client: httpx.AsyncClient, owner: asyncpg.Connection, signed_up: dict[str, Any], caller: Caller
) -> dict[str, Any]:
    """First pages against the ten-thousandth, of features by age and by score, and of a revision's ranking."""
    client.headers["Authorization"] = f"Bearer {signed_up['live_key']['secret']}"
    revision = (await client.get("/v1/roadmap/revisions?limit=1")).raise_for_status().json()["data"][0]["id"]
    skipped = DEEP_PAGE * PAGE - PAGE
    last_id = await owner.fetchval(
        "SELECT id FROM features WHERE workspace_id = $1 ORDER BY id DESC OFFSET $2 LIMIT 1",
        caller.workspace_id,
        skipped - 1,
    )
    last_scored = await owner.fetchrow(
        "SELECT place, value, feature_id FROM latest_scores WHERE workspace_id = $1 AND framework = 'rice' "
        "ORDER BY place DESC, value DESC, feature_id DESC OFFSET $2 LIMIT 1",
        caller.workspace_id,
        skipped - 1,
    )
    told: dict[str, Any] = {}
    for name, path, query, sort, keys in (
        ("deep_page_ratio", "/v1/features", "", ("-id",), [last_id]),
        ("deep_score_page_ratio", "/v1/features", "&sort=-score", ("-score",), list(last_scored)),
        ("deep_ranking_page_ratio", f"/v1/roadmap/revisions/{revision}/ranking", "", ("rank",), [skipped]),
    ):
        binding = binding_of(Scope(caller.workspace_id, True), path, {}, sort)
        first = f"{path}?limit={PAGE}{query}"
        deep = f"{first}&cursor={app.state.cursors.write(keys, binding)}"
        first_s, deep_s = [], []
        for _ in range(60):
            first_s.append(await _taken(lambda first=first: _read(client, first)))
            deep_s.append(await _taken(lambda deep=deep: _read(client, deep)))
        told[name] = round((median(first_s) or 0) / (median(deep_s) or 1), 3)
    return told


async def _plan_s(client: httpx.AsyncClient, rounds: int) -> float:
    """Seconds of a plan of 200 features through the API: half of them fit, and half of them need earlier ones."""
    told = await _signed_up(client)
    client.headers["Authorization"] = f"Bearer {told['live_key']['secret']}"
    dice = random.Random(7)
    rows = [
        f"Feature {n},{dice.randint(100, 10_000)},{dice.randint(1, 3)},0.8,{dice.randint(1, 12)}"
        for n in range(PLANNED)
    ]
    content = "\n".join(["Title,Reach,Impact,Confidence,Effort", *rows])
    (await client.post("/v1/imports", json={"content": content})).raise_for_status()
    features: list[dict[str, Any]] = []
    path = "/v1/features?limit=100&sort=created_at"
    while path:
        page = (await client.get(path)).raise_for_status()
        features += page.json()["data"]
        path = page.links.get("next", {}).get("url", "")
    for place, feature in enumerate(features):
        if place % 2:
            needed = {dice.choice(features[:place])["id"] for _ in range(2)}
            patch = {"depends_on": sorted(needed)}
            (await client.patch(f"/v1/features/{feature['id']}", json=patch)).raise_for_status()
    body = {"framework": "rice", "capacity": 3 * PLANNED}
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        plan = (await client.post("/v1/roadmap/plan", json=body)).raise_for_status().json()
        taken.append(time.perf_counter() - started)
        if plan["status"] != "optimal" or len(plan["items"]) != PLANNED:
            raise RuntimeError(f"the plan is {plan['status']} with {len(plan['items'])} items")
    return round(median(taken) or 0, 3)


async def _read(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    rows = answer.raise_for_status().json()["data"]
    if len(rows) != PAGE:
        raise RuntimeError(f"{path} has {len(rows)} rows")


async def _taken(work: Callable[[], Awaitable[Any]]) -> float:
    started = time.perf_counter()
    await work()
    return time.perf_counter() - started


def _simulate_s(rounds: int) -> float:
    """A thousand features of three log-normal inputs and one sure one, ten thousand draws each."""
    items = [
        Uncertain(
            str(number),
            {
                "reach": _doubtful(_SEED.randint(100, 10_000)),
                "impact": _doubtful(_SEED.randint(1, 3)),
                "confidence": Fraction(4, 5),
                "effort": _doubtful(_SEED.randint(1, 12)),
            },
        )
        for number in range(1_000)
    ]
    formula = parse("reach * impact * confidence / effort")
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        simulate(items, formula, {}, draws=10_000, seed=7, line=100)
        taken.append(time.perf_counter() - started)
    return round(median(taken) or 0, 3)


def _doubtful(value: int) -> Spread:
    return Spread("lognormal", Fraction(value, 2), Fraction(value), Fraction(value * 2))
