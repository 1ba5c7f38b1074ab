"""`./run bench batch`: rows per CPU second, batches of 1,000 against one at a time, events and deliveries included.

CPU is that of the API process and of Postgres with all its backends. The workspace has one endpoint that wants every
event, so that each row writes its event and its delivery; no worker runs, so that none of its CPU is counted.
"""

import argparse
import asyncio
import json
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import aiohttp

from api.local import LocalServers
from bench.machine import described, family_cpu_s, median
from tests.support.caller import call
from tests.support.processes import Service

AT_ONCE = 8
BATCH_ROWS = 1_000


@dataclass(frozen=True)
class Taken:
    """One run: rows written, seconds, and CPU seconds of the API and of Postgres."""

    rows: int
    elapsed_s: float
    api_cpu_s: float
    postgres_cpu_s: float

    @property
    def rows_per_cpu_s(self) -> float:
        return self.rows / (self.api_cpu_s + self.postgres_cpu_s)


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser("./run bench batch")
    parser.add_argument("--json", action="store_true", help="print only the last line")
    parser.add_argument("--single", type=int, default=2_000, metavar="ROWS", help="rows written one at a time, a round")
    parser.add_argument("--batched", type=int, default=20_000, metavar="ROWS", help="rows written in batches, a round")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(words)
    with tempfile.TemporaryDirectory(prefix="roadbed-bench-") as folder:
        told = measure(Path(folder), options.single, options.batched, options.rounds)
    if not options.json:
        print(json.dumps(told, indent=2))
    print(json.dumps(told))
    return 0


def measure(folder: Path, single: int, batched: int, rounds: int) -> dict[str, Any]:
    """Both ways in turn, so that the machine's mood falls on both; medians of the rounds."""
    folder.chmod(0o755)
    with LocalServers.start(folder / "data") as local, Service(local.servers, folder) as service:
        service.migrate()
        url = service.add_api()
        key = call(url, None, "POST", "/v1/signup", {"email": "ada@example.com", "workspace": "Bench"})
        secret = key["live_key"]["secret"]
        wanted = {"url": "http://127.0.0.1:8098/", "event_types": ["feature.*"]}
        call(url, secret, "POST", "/v1/endpoints", wanted)
        stage = _Stage(url, secret, service.apis[0].pid, local.postgres_pid)
        asyncio.run(stage.write_single(200))
        runs = [
            (stage.take(stage.write_single, single), stage.take(stage.write_batches, batched)) for _ in range(rounds)
        ]
    ones, batches = [one for one, _ in runs], [batch for _, batch in runs]
    single_rate = median(one.rows_per_cpu_s for one in ones)
    batch_rate = median(one.rows_per_cpu_s for one in batches)
    return {
        "bench": "batch",
        "batch_vs_single": round((batch_rate or 0) / (single_rate or 1), 2),
        "rows_per_cpu_s": {"single": round(single_rate or 0, 1), "batch": round(batch_rate or 0, 1)},
        "runs": {"single": [asdict(one) for one in ones], "batch": [asdict(one) for one in batches]},
        "machine": described(),
    }


class _Stage:
    """The API as a client has it, and the processes whose CPU is counted."""

    def __init__(self, url: str, secret: str, api_pid: int, postgres_pid: int) -> None:
        self._url, self._pids = url, (api_pid, postgres_pid)
        self._headers = {"Authorization": f"Bearer {secret}"}
        self._made = 0

    def take(self, write: Any, rows: int) -> Taken:
        api, postgres = (family_cpu_s(pid) for pid in self._pids)
        started = time.monotonic()
        asyncio.run(write(rows))
        elapsed = time.monotonic() - started
        api_after, postgres_after = (family_cpu_s(pid) for pid in self._pids)
        return Taken(rows, round(elapsed, 3), round(api_after - api, 3), round(postgres_after - postgres, 3))

    async def write_single(self, rows: int) -> None:
        await self._post_all("/v1/features", self._features(rows))

    async def write_batches(self, rows: int) -> None:
        features = self._features(rows)
        bodies = [{"items": features[start : start + BATCH_ROWS]} for start in range(0, rows, BATCH_ROWS)]
        await self._post_all("/v1/features/batch", bodies)

    def _features(self, count: int) -> list[dict[str, Any]]:
        """About 400 bytes each, every one with a name of its own in another tool."""
        start = self._made
        self._made += count
        return [
            {
                "title": f"Feature {number} of the editor",
                "description": "People see each other's cursors and edits as they happen, and nothing is lost. " * 2,
                "labels": ["collaboration", "editor"],
                "source": "bench",
                "external_id": f"B-{number}",
            }
            for number in range(start, start + count)
        ]

    async def _post_all(self, path: str, bodies: list[dict[str, Any]]) -> None:
        pending = iter(bodies)
        async with aiohttp.ClientSession(headers=self._headers) as session:

            async def post() -> None:
                for body in pending:
                    async with session.post(self._url + path, json=body) as answer:
                        if answer.status == 429:
                            raise RuntimeError("the rate limit is in the way: set ROADBED_ limits higher for the bench")
                        if answer.status not in (200, 201):
                            raise RuntimeError(await answer.text())
                        await answer.read()

            await asyncio.gather(*(post() for _ in range(AT_ONCE)))
