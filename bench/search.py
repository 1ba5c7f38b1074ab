"""`./run bench search`: how long a search takes over many features, through the API.

Nine tenths of the features belong to the workspace that searches, the rest to another. Words are as common as in a
language (the n-th word is n times rarer than the first). Queries are rare words, common words, several words, phrases,
beginnings and typos, in equal parts, one after another.
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
COPY_ROWS = 50_000
OWN_SHARE = 0.9


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser("./run bench search")
    parser.add_argument("--json", action="store_true", help="print only the last line")
    parser.add_argument("--rows", type=int, default=100_000, help="features in all")
    parser.add_argument("--long", action="store_true", help="a million features")
    parser.add_argument("--queries", type=int, default=50, help="of each kind")
    options = parser.parse_args(words)
    with tempfile.TemporaryDirectory(prefix="roadbed-bench-") as folder:
        told = measure(Path(folder), 1_000_000 if options.long else options.rows, options.queries)
    if not options.json:
        print(json.dumps(told, indent=2))
    print(json.dumps(told))
    return 0


def measure(folder: Path, rows: int, queries: int) -> dict[str, Any]:
    folder.chmod(0o755)
    language = Language(random.Random(7))
    settings = {"ROADBED_STATEMENT_TIMEOUT_MS": "60000"}
    with LocalServers.start(folder / "data") as local, Service(local.servers, folder, settings) as service:
        service.migrate()
        url = service.add_api()
        people = [
            call(url, None, "POST", "/v1/signup", {"email": "ada@example.com", "workspace": name})
            for name in ("Searching", "Another")
        ]
        ids = [parse_id("ws", one["workspace"]["id"]) for one in people]
        started = time.monotonic()
        asyncio.run(fill(local.servers.database_url, [id_ for id_ in ids if id_], rows, language))
        filled_s = time.monotonic() - started
        times = asyncio.run(ask(url, people[0]["live_key"]["secret"], language, queries))
    everything = [taken for kind in times.values() for taken in kind]
    return {
        "bench": "search",
        "documents": rows,
        "fill_s": round(filled_s, 1),
        **{f"search_{name}": value for name, value in spread_ms(everything).items()},
        "by_kind": {kind: spread_ms(taken) for kind, taken in times.items()},
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
        place = dice.randrange(1, len(rare) - 1)
        return rare[:place] + rare[place + 1] + rare[place] + rare[place + 2 :]


KINDS = ("common", "rare", "two common", "three", "phrase", "beginning", "typo")


async def fill(database_url: str, workspaces: list[UUID], rows: int, language: Language) -> None:
    """By COPY, past the policies; the index is built once, at the end."""
    connection = await asyncpg.connect(database_url)
    try:
        index = await connection.fetchval("SELECT pg_get_indexdef('ix_features_search'::regclass)")
        await connection.execute("DROP INDEX ix_features_search")
        columns = ["workspace_id", "livemode", "id", "title", "description", "status", "bucket", "labels", "metadata"]
        columns.append("depends_on")
        for start in range(0, rows, COPY_ROWS):
            count = min(COPY_ROWS, rows - start)
            records = [
                (
                    workspaces[0 if number % 10 < OWN_SHARE * 10 else 1],
                    True,
                    uuid7(),
                    language.text(TITLE_WORDS),
                    language.text(BODY_WORDS),
                    "candidate",
                    "product",
                    [],
                    "{}",
                    [],
                )
                for number in range(start, start + count)
            ]
            await connection.copy_records_to_table("features", records=records, columns=columns)
        await connection.execute("SET maintenance_work_mem = '512MB'")
        await connection.execute(index)
        await connection.execute("VACUUM ANALYZE features")
        await connection.execute("VACUUM ANALYZE search_words")
    finally:
        await connection.close()


async def ask(url: str, secret: str, language: Language, count: int) -> dict[str, list[float]]:
    """Seconds of each query, after a first round that warms the caches."""
    times: dict[str, list[float]] = {kind: [] for kind in KINDS}
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {secret}"}) as session:
        for kind in KINDS:
            for q in [*language.queries(kind, 5), *language.queries(kind, count)]:
                started = time.monotonic()
                async with session.get(f"{url}/v1/features", params={"q": q}) as answer:
                    if answer.status != 200:
                        raise RuntimeError(await answer.text())
                    await answer.read()
                times[kind].append(time.monotonic() - started)
            del times[kind][:5]
    return times
