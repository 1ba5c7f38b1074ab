"""`./run bench search`: how long a search takes over many features, through the API, and what search costs a writer.

Nine tenths of the features belong to the workspace that searches, the rest to another. Words are as common as in a
language (the n-th word is n times rarer than the first). Queries are rare words, common words, several words, phrases,
beginnings, typos and words that nothing has, in equal parts: first one client, kind by kind, then several clients at
once, mixed.
"""

import argparse
import asyncio
import json
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import asyncpg

from api.db import parse_id, uuid7
from api.local import LocalServers
from bench.machine import described, spread_ms
from tests.support.caller import call
from tests.support.processes import Service

VOCABULARY = 20_000
TITLE_WORDS = 5
BODY_WORDS = 30
COPY_ROWS = 10_000
WRITERS = 2
OWN_SHARE = 0.9
UPKEEP_ROWS = 3_000
POSTED = 200
COLUMNS = ["workspace_id", "livemode", "id", "title", "description", "status", "bucket", "labels", "metadata"]
COLUMNS += ["depends_on"]


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser("./run bench search")
    parser.add_argument("--json", action="store_true", help="print only the last line")
    parser.add_argument("--rows", type=int, default=100_000, help="features in all")
    parser.add_argument("--long", action="store_true", help="a million features")
    parser.add_argument("--queries", type=int, default=50, help="of each kind")
    parser.add_argument("--clients", type=int, default=4, help="at once")
    options = parser.parse_args(words)
    with tempfile.TemporaryDirectory(prefix="roadbed-bench-") as folder:
        rows = 1_000_000 if options.long else options.rows
        told = measure(Path(folder), rows, options.queries, options.clients)
    if not options.json:
        print(json.dumps(told, indent=2))
    print(json.dumps(told))
    return 0


def measure(folder: Path, rows: int, queries: int, clients: int) -> dict[str, Any]:
    folder.chmod(0o755)
    language = Language(random.Random(7))
    settings = {"ROADBED_STATEMENT_TIMEOUT_MS": "60000", "ROADBED_RATE_PER_S": "100000"}
    settings |= {"ROADBED_RATE_BURST": "100000", "ROADBED_WORKSPACE_RATE_PER_S": "100000"}
    with LocalServers.start(folder / "data") as local, Service(local.servers, folder, settings) as service:
        service.migrate()
        url = service.add_api()
        people = [
            call(url, None, "POST", "/v1/signup", {"email": "ada@example.com", "workspace": name})
            for name in ("Searching", "Another")
        ]
        ids = [id_ for one in people if (id_ := parse_id("ws", one["workspace"]["id"])) is not None]
        started = time.monotonic()
        asyncio.run(fill(local.servers.database_url, ids, rows, language))
        filled_s = time.monotonic() - started
        key = people[0]["live_key"]["secret"]
        alone = {kind: asyncio.run(ask(url, key, language, kind, queries)) for kind in KINDS}
        at_once = asyncio.run(ask_at_once(url, key, language, queries, clients))
        posted = asyncio.run(post(url, key, language))
        upkeep_us = asyncio.run(upkeep(local.servers.database_url, ids[0], language))
    everything = [taken for taken_s in alone.values() for taken in taken_s]
    return {
        "bench": "search",
        "documents": rows,
        "fill_s": round(filled_s, 1),
        **{f"search_{name}": value for name, value in spread_ms(everything).items()},
        "by_kind": {kind: spread_ms(taken) for kind, taken in alone.items()},
        "at_once": {"clients": clients, **spread_ms(at_once)},
        "post_feature": spread_ms(posted),
        "row_us": upkeep_us,
        "machine": described(),
    }


class Language:
    """Made-up words, the first of them in most texts and the last in few."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        found: dict[str, None] = {}
        while len(found) < VOCABULARY:
            syllables = (dice.choice("bcdfghjklmnprstvwz") + dice.choice("aeiou") for _ in range(dice.randint(2, 5)))
            found["".join(syllables)] = None
        self.words = list(found)
        total = 0.0
        self._sums = [total := total + 1 / (place + 10) for place in range(VOCABULARY)]

    def text(self, length: int) -> str:
        return " ".join(self._dice.choices(self.words, cum_weights=self._sums, k=length))

    def queries(self, kind: str, count: int) -> Iterator[str]:
        for _ in range(count):
            yield self._query(kind)

    def _query(self, kind: str) -> str:
        dice = self._dice
        common, rare = dice.choice(self.words[:50]), dice.choice(self.words[5_000:])
        if kind == "common":
            return common
        if kind == "rare":
            return rare
        if kind == "two common":
            return f"{common} {dice.choice(self.words[:200])}"
        if kind == "three":
            return self.text(3)
        if kind == "phrase":
            return f'"{common} {dice.choice(self.words[:50])}"'
        if kind == "beginning":
            return dice.choice(self.words)[:4]
        if kind == "unknown":
            return "x" + "".join(dice.choices("xqy", k=9))
        place = dice.randrange(1, len(rare) - 1)
        return rare[:place] + rare[place + 1] + rare[place] + rare[place + 2 :]


KINDS = ("common", "rare", "two common", "three", "phrase", "beginning", "typo", "unknown")


async def fill(database_url: str, workspaces: list[UUID], rows: int, language: Language) -> None:
    """By COPY over several connections, past policies and triggers; index and vocabulary are made at the end."""
    connection = await asyncpg.connect(database_url)
    try:
        index = await connection.fetchval("SELECT pg_get_indexdef('ix_features_search'::regclass)")
        await connection.execute("DROP INDEX ix_features_search")
        starts = iter(range(0, rows, COPY_ROWS))
        await asyncio.gather(*(_copy(database_url, workspaces, starts, rows, language) for _ in range(WRITERS)))
        await connection.execute("SET maintenance_work_mem = '512MB'")
        await connection.execute(index)
        for workspace_id in workspaces:
            await connection.execute(
                "INSERT INTO search_words (workspace_id, livemode, word) SELECT $1, true, word "
                f"FROM ts_stat($$SELECT search FROM features WHERE workspace_id = '{workspace_id}'$$) "
                "WHERE length(word) BETWEEN 3 AND 30 AND word ~ '^[a-z]+$'",
                workspace_id,
            )
        await connection.execute("VACUUM ANALYZE features")
        await connection.execute("VACUUM ANALYZE search_words")
    finally:
        await connection.close()


async def _copy(
    database_url: str, workspaces: list[UUID], starts: Iterator[int], rows: int, language: Language
) -> None:
    """Chunks, until there are none left."""
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute("SET session_replication_role = replica")
        for start in starts:
            numbers = range(start, min(start + COPY_ROWS, rows))
            records = [_row(workspaces[0 if n % 10 < OWN_SHARE * 10 else 1], language) for n in numbers]
            await connection.copy_records_to_table("features", records=records, columns=COLUMNS)
    finally:
        await connection.close()


def _row(workspace_id: UUID, language: Language) -> tuple[Any, ...]:
    title, description = language.text(TITLE_WORDS), language.text(BODY_WORDS)
    return (workspace_id, True, uuid7(), title, description, "candidate", "product", [], "{}", [])


async def ask(url: str, secret: str, language: Language, kind: str, count: int) -> list[float]:
    """Seconds of each query, after a first round that warms the caches."""
    async with _session(secret) as session:
        for q in language.queries(kind, 5):
            await _asked(session, url, q)
        return [await _asked(session, url, q) for q in language.queries(kind, count)]


async def ask_at_once(url: str, secret: str, language: Language, count: int, clients: int) -> list[float]:
    """Seconds of each query of all kinds, mixed, while every client always waits for one."""
    queries = [q for kind in KINDS for q in language.queries(kind, count)]
    random.Random(7).shuffle(queries)
    left = iter(queries)
    taken_s: list[float] = []

    async def client() -> None:
        for q in left:
            taken_s.append(await _asked(session, url, q))

    async with _session(secret) as session:
        await asyncio.gather(*(client() for _ in range(clients)))
    return taken_s


async def post(url: str, secret: str, language: Language) -> list[float]:
    """Seconds of each feature that is created, one after another."""
    taken_s = []
    async with _session(secret) as session:
        for _ in range(POSTED):
            feature = {"title": language.text(TITLE_WORDS), "description": language.text(BODY_WORDS)}
            started = time.monotonic()
            async with session.post(f"{url}/v1/features", json=feature) as answer:
                await answer.read()
                answer.raise_for_status()
            taken_s.append(time.monotonic() - started)
    return taken_s


async def upkeep(database_url: str, workspace_id: UUID, language: Language) -> dict[str, float]:
    """Microseconds that a new row costs in Postgres: all told, and with less and less of what search keeps.

    What is taken away, is in a transaction that is rolled back.
    """
    rows = [_row(workspace_id, language) for _ in range(UPKEEP_ROWS)]
    no_index = "DROP INDEX ix_features_search"
    no_vocabulary = "DROP TRIGGER keep_words_insert ON features"
    no_column = "DROP TRIGGER keep_words_update ON features; ALTER TABLE features DROP COLUMN search"
    without = {
        "all": [],
        "without_index": [no_index],
        "without_index_and_vocabulary": [no_index, no_vocabulary],
        "without_search": [no_vocabulary, no_column],
    }
    connection = await asyncpg.connect(database_url)
    told = {}
    try:
        for name, statements in without.items():
            change = connection.transaction()
            await change.start()
            for statement in statements:
                await connection.execute(statement)
            started = time.monotonic()
            await connection.copy_records_to_table("features", records=rows, columns=COLUMNS)
            told[name] = round((time.monotonic() - started) / UPKEEP_ROWS * 1e6, 1)
            await change.rollback()
    finally:
        await connection.close()
    return told


def _session(secret: str) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(headers={"Authorization": f"Bearer {secret}"})


async def _asked(session: aiohttp.ClientSession, url: str, q: str) -> float:
    started = time.monotonic()
    async with session.get(f"{url}/v1/features", params={"q": q}) as answer:
        text = await answer.text()
        if answer.status != 200:
            raise RuntimeError(text)
    return time.monotonic() - started
