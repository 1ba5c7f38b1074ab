"""Deliveries, measured beside two controls in the same run.

    ./run bench webhooks             the whole of it, about five minutes
    ./run bench webhooks --short     about a minute, fewer and smaller rounds

The controls are the naive worker (one arq job a delivery, stock httpx, a transaction an attempt) and the limit (a bare
aiohttp loop with no database). Rounds are interleaved and medians taken. Machines are shared: where a figure can be
CPU seconds it is. The last line on stdout is one JSON object; its `ratios` have bars (docs: performance).
"""

import argparse
import asyncio
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import redis

from bench.machine import cpu_s, described, family_cpu_s, median, spread_ms
from bench.stage import ENDPOINTS, Sender, Stage, loop_sender, naive_sender, our_sender, set_up
from tests.support.caller import call, every
from tests.support.processes import ROOT, Program

BARS = {"delivery_vs_loop": 0.25, "delivery_vs_naive": 20.0, "isolation": 0.9}
NAIVE_AT_ONCE = 100  # as many as the other two; arq's own default of 10 is told beside it
NAIVE_DEFAULT = 10


@dataclass(frozen=True)
class Plan:
    """How much of each. Counts are deliveries, times seconds, rates events a second."""

    rounds: int
    ours: int
    loop: int
    naive: int
    steady_s: float
    rates: tuple[int, ...]
    idle: int
    isolation_s: float
    isolation_rate: int
    late_each: int


WHOLE = Plan(3, 20_000, 20_000, 1_000, 10, (100, 500), 40, 8, 150, 4)
SHORT = Plan(1, 5_000, 5_000, 300, 3, (100,), 12, 5, 100, 1)


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="./run bench webhooks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="no table, only the last line")
    parser.add_argument("--short", action="store_true", help="fewer and smaller rounds")
    parser.add_argument("--only", choices=list(PHASES), action="append", help="only this part; may be repeated")
    options = parser.parse_args(words)
    plan = SHORT if options.short else WHOLE
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="roadbed-bench-") as folder, set_up(Path(folder)) as stage:
        say(f"Postgres, Valkey, API and receiver are up; {plan.rounds} rounds.")
        figures: dict[str, Any] = {}
        for name in options.only or PHASES:
            figures[name] = PHASES[name](stage, plan)
    told = {"bench": "webhooks", "short": options.short, **_judged(figures), "figures": figures}
    told |= {"machine": described(), "seconds": round(time.monotonic() - began, 1)}
    if not options.json:
        _print_table(told)
    print(json.dumps(told), flush=True)
    return 0


def _judged(figures: dict[str, Any]) -> dict[str, Any]:
    ratios: dict[str, float | None] = {}
    throughput = figures.get("throughput")
    if throughput:
        ours = throughput["ours"]["cpu_ms"]
        ratios["delivery_vs_loop"] = round(throughput["loop"]["cpu_ms"] / ours, 3)
        ratios["delivery_vs_naive"] = round(throughput["naive"]["cpu_ms"] / ours, 1)
    if "isolation" in figures:
        ratios["isolation"] = figures["isolation"]["ours"]["ratio"]
    met = {name: value is not None and value >= BARS[name] for name, value in ratios.items()}
    return {"ratios": ratios, "bars": BARS, "met": met}


# -- throughput and CPU ------------------------------------------------------------------------------------------------


def throughput(stage: Stage, plan: Plan) -> dict[str, Any]:
    """A queue that is full, one worker process. `cpu_ms` is CPU of client or worker and Postgres for one delivery."""
    rounds: dict[str, list[dict[str, float | None]]] = {"loop": [], "ours": [], "naive": [], "naive_default": []}
    for number in range(plan.rounds):
        rounds["loop"].append(_loop_round(stage, plan.loop))
        rounds["ours"].append(_ours_round(stage, plan.ours))
        rounds["naive"].append(_naive_round(stage, plan.naive, NAIVE_AT_ONCE))
        rounds["naive_default"].append(_naive_round(stage, plan.naive, NAIVE_DEFAULT))
        for name, done in rounds.items():
            say(f"throughput {number + 1}: {name:14} {done[-1]}")
    return {name: {figure: median(one[figure] for one in done) for figure in done[0]} for name, done in rounds.items()}


def _loop_round(stage: Stage, count: int) -> dict[str, float | None]:
    command = [sys.executable, "-m", "bench.controls.loop", f"{stage.receiver.hook}/hook", str(count)]
    done = subprocess.run(command, cwd=ROOT, input=stage.body, capture_output=True, check=True)
    stage.receiver.take()
    told = json.loads(done.stdout)
    cpu_ms = told["cpu_s"] / count * 1000
    return _round(count / told["seconds"], worker_ms=cpu_ms, postgres_ms=0.0)


def _ours_round(stage: Stage, count: int) -> dict[str, float | None]:
    loaded = stage.preload(count)
    stage.receiver.take()
    with stage.worker() as worker:
        return _measured(stage, worker, loaded)


def _naive_round(stage: Stage, count: int, at_once: int) -> dict[str, float | None]:
    stage.preload_naive(count)
    stage.receiver.take()
    with stage.naive_worker(at_once) as worker:
        return _measured(stage, worker, count)


def _measured(stage: Stage, worker: Program, count: int) -> dict[str, float | None]:
    """From a twentieth of the deliveries on, so that the start of the process is not counted."""
    if not stage.receiver.wait_for(count // 20, 60):
        raise SystemExit(f"The worker delivers nothing: {worker.said()}")
    began = stage.receiver.count()[0], time.monotonic(), cpu_s(worker.pid), family_cpu_s(stage.local.postgres_pid)
    if not stage.receiver.wait_for(count, 300):
        raise SystemExit(f"Only {stage.receiver.count()[0]} of {count} deliveries came: {worker.said()}")
    last_at = stage.receiver.count()[2]
    time.sleep(0.5)  # the last results are written
    done = count - began[0]
    told = _round(
        done / (last_at - began[1]),
        worker_ms=(cpu_s(worker.pid) - began[2]) / done * 1000,
        postgres_ms=(family_cpu_s(stage.local.postgres_pid) - began[3]) / done * 1000,
    )
    stage.receiver.take()
    return told


def _round(per_s: float, *, worker_ms: float, postgres_ms: float) -> dict[str, float | None]:
    """CPU milliseconds for one delivery are CPU seconds for 1,000."""
    return {
        "per_s": round(per_s, 1),
        "worker_ms": round(worker_ms, 4),
        "postgres_ms": round(postgres_ms, 4),
        "cpu_ms": round(worker_ms + postgres_ms, 4),
    }


# -- latency -----------------------------------------------------------------------------------------------------------


def latency(stage: Stage, plan: Plan) -> dict[str, Any]:
    """Commit to the receiver's first byte: idle (one event at a time), and under a steady rate."""
    told: dict[str, Any] = {}
    with stage.worker() as worker:
        _warm_up(stage)
        told["ours"] = _idle_and_steady(stage, plan, lambda: our_sender(stage), plan.rates)
        began = cpu_s(worker.pid)
        time.sleep(5)
        told["ours"]["idle_cpu_percent"] = round((cpu_s(worker.pid) - began) / 5 * 100, 2)
    told["loop"] = _idle_and_steady(stage, plan, lambda: loop_sender(stage), plan.rates)
    with stage.naive_worker(NAIVE_AT_ONCE):
        asyncio.run(_events(lambda: naive_sender(stage), [0.1 * number for number in range(20)], lambda _: 0))
        # 500 a second is more than it can do at all.
        told["naive"] = _idle_and_steady(stage, plan, lambda: naive_sender(stage), (min(plan.rates),))
    return told


Opening = Callable[[], contextlib.AbstractAsyncContextManager[Sender]]


def _idle_and_steady(stage: Stage, plan: Plan, opening: Opening, rates: tuple[int, ...]) -> dict[str, Any]:
    stage.receiver.take()
    told: dict[str, Any] = {"idle": spread_ms(_latencies(stage, opening, plan.idle / 4, 4))}
    say(f"latency idle: {told['idle']}")
    for rate in rates:
        told[f"at_{rate}"] = spread_ms(_latencies(stage, opening, plan.steady_s, rate))
        say(f"latency at {rate}/s: {told[f'at_{rate}']}")
    return told


def _latencies(stage: Stage, opening: Opening, seconds: float, rate: int) -> list[float]:
    due = [number / rate for number in range(round(seconds * rate))]
    sent = asyncio.run(_events(opening, due, lambda number: number % ENDPOINTS))
    stage.receiver.wait_for(len(sent), 10)
    first = stage.receiver.take().first()
    return [max(0.0, first[webhook_id] - at) for webhook_id, at in sent if webhook_id in first]


async def _events(opening: Opening, due_s: list[float], target: Callable[[int], int]) -> list[tuple[str, float]]:
    """Send an event at each of these moments, whether or not the one before has ended."""
    async with opening() as sender:
        await sender.send(target(0))  # connections are made, statements prepared
        began = time.monotonic()
        tasks = []
        for number, moment in enumerate(due_s):
            await asyncio.sleep(max(0.0, began + moment - time.monotonic()))
            tasks.append(asyncio.create_task(sender.send(target(number))))
        return await asyncio.gather(*tasks)


def _warm_up(stage: Stage) -> None:
    """The worker is up, and its connections too."""
    asyncio.run(_events(lambda: our_sender(stage), [0.02 * number for number in range(50)], lambda number: number))
    stage.receiver.wait_for(51, 60)
    stage.receiver.take()


# -- isolation ---------------------------------------------------------------------------------------------------------


def isolation(stage: Stage, plan: Plan) -> dict[str, Any]:
    """50 endpoints; one of them takes a fifth of the traffic and, in half of the runs, never answers."""
    rounds = [_isolation_round(stage, plan) for _ in range(plan.rounds)]
    for number, done in enumerate(rounds):
        say(f"isolation {number + 1}: {done}")
    ours = {figure: median(one[figure] for one in rounds) for figure in rounds[0]}
    return {"ours": ours, "naive": _isolation_naive(stage, plan)}


def _isolation_round(stage: Stage, plan: Plan) -> dict[str, float | None]:
    """Without, with, with, without: both have half of what the machine and the tables become in the meantime."""
    well, hole = f"{stage.receiver.hook}/hook/fifth", f"{stage.receiver.hole}/hole"
    seconds: dict[str, list[float]] = {well: [], hole: []}
    for url in (well, hole, hole, well):
        seconds[url] += _healthy(stage, plan, url)
    without, with_hole = spread_ms(seconds[well]), spread_ms(seconds[hole])
    ratio = None
    if without["p95_ms"] and with_hole["p95_ms"]:
        ratio = round(without["p95_ms"] / with_hole["p95_ms"], 3)
    return {
        "p95_without_ms": without["p95_ms"],
        "p95_with_ms": with_hole["p95_ms"],
        "p99_with_ms": with_hole["p99_ms"],
        "ratio": ratio,
    }


def _healthy(stage: Stage, plan: Plan, fifth_url: str) -> list[float]:
    """Latencies of the 49 others, in a worker of its own; what the black hole holds is given up afterwards."""
    fifth = stage.subscriber(fifth_url)
    subscribers = [*stage.single[: ENDPOINTS - 1], fifth]
    with stage.worker():
        _warm_up(stage)
        due = [number / plan.isolation_rate for number in range(round(plan.isolation_s * plan.isolation_rate))]
        sent = asyncio.run(_events(lambda: our_sender(stage, subscribers), due, _every_fifth))
        time.sleep(1)
        first = stage.receiver.take().first()
        call(stage.api_url, fifth.key, "DELETE", f"/v1/endpoints/{fifth.endpoint_ids[0]}")
    return _healthy_latencies(sent, first)


def _isolation_naive(stage: Stage, plan: Plan) -> dict[str, float | None]:
    """At a third of the rate, which it can do. An event that never came counts with the time that it was waited for."""
    rate = plan.isolation_rate / 3
    due = [number / rate for number in range(round(plan.isolation_s * rate))]
    told: dict[str, float | None] = {}
    for name, fifth in (("without", ENDPOINTS - 1), ("with", ENDPOINTS)):
        with stage.naive_worker(NAIVE_DEFAULT):
            sent = asyncio.run(
                _events(
                    lambda: naive_sender(stage),
                    due,
                    lambda number, to=fifth: to if number % 5 == 4 else number % (ENDPOINTS - 1),  # type: ignore[misc]
                )
            )
            time.sleep(2)
            first = stage.receiver.take().first()
            told[f"p95_{name}_ms"] = spread_ms(_healthy_latencies(sent, first))["p95_ms"]
    _forget_jobs(stage)
    before, after = told["p95_without_ms"], told["p95_with_ms"]
    told["ratio"] = round(before / after, 4) if before and after else None
    return told


def _every_fifth(number: int) -> int:
    return ENDPOINTS - 1 if number % 5 == 4 else number % (ENDPOINTS - 1)


def _healthy_latencies(sent: list[tuple[str, float]], first: dict[str, float]) -> list[float]:
    now = time.monotonic()
    healthy = [pair for number, pair in enumerate(sent) if number % 5 != 4]
    return [max(0.0, first.get(webhook_id, now) - at) for webhook_id, at in healthy]


def _forget_jobs(stage: Stage) -> None:
    """What the naive worker still has queued. The product keeps nothing in Redis that it could miss."""
    with contextlib.closing(redis.Redis.from_url(stage.local.redis_url)) as client:
        client.flushall()


# -- backlog and retries -----------------------------------------------------------------------------------------------


def backlog(stage: Stage, plan: Plan) -> dict[str, Any]:
    """A backlog, and a trickle of new events for other endpoints while it drains."""
    loaded = stage.preload(plan.ours)
    stage.receiver.take()
    with stage.worker():
        stage.receiver.wait_for(1, 60)
        began = time.monotonic()
        sent = asyncio.run(_events(lambda: our_sender(stage), [0.02 * n for n in range(100)], lambda n: n % ENDPOINTS))
        stage.receiver.wait_for(loaded + len(sent) + 1, 120)
        ended = stage.receiver.count()[2]
        first = stage.receiver.take().first()
    fresh = [max(0.0, first[webhook_id] - at) for webhook_id, at in sent if webhook_id in first]
    told = {"deliveries": loaded, "drain_s": round(ended - began, 2), "fresh": spread_ms(fresh)}
    say(f"backlog: {told}")
    return told


def retries(stage: Stage, plan: Plan) -> dict[str, Any]:
    """How late the second attempt comes, against its due time; every first attempt fails."""
    with stage.worker():
        _warm_up(stage)
        asyncio.run(_late(stage, plan))
        stage.receiver.wait_for(ENDPOINTS * plan.late_each, 30)
        # 5 s later, a fifth more or less, is the second: there is time to read when each is due.
        time.sleep(1)
        due = {
            row["event_id"] + row["endpoint_id"]: row for row in every(stage.api_url, stage.late.key, "/v1/deliveries")
        }
        stage.receiver.wait_for(2 * ENDPOINTS * plan.late_each, 30)
        offset = time.time() - time.monotonic()
        hits = stage.receiver.take()
    paths = {endpoint_id: f"/late/{number}" for number, endpoint_id in enumerate(stage.late.endpoint_ids)}
    second: dict[tuple[str, str], float] = {}
    for webhook_id, path, at in hits.rows:
        second[webhook_id, path] = at + offset
    lateness = [
        second[row["event_id"], paths[row["endpoint_id"]]] - datetime.fromisoformat(row["due_at"]).timestamp()
        for row in due.values()
        if row["status"] == "pending" and row["due_at"] and row["last_status_code"]
    ]
    told = {"ours": {**spread_ms(lateness), "earliest_ms": round(min(lateness, default=0.0) * 1000, 3)}}
    say(f"retries: {told}")
    return {**told, "naive": _late_naive(stage, plan)}


async def _late(stage: Stage, plan: Plan) -> None:
    async with our_sender(stage, [stage.late]) as sender:
        for _ in range(plan.late_each):
            await sender.send(0)


def _late_naive(stage: Stage, plan: Plan) -> dict[str, float | None]:
    """Against 5 s after the first request, which is what arq was asked for."""
    count = ENDPOINTS * plan.late_each // 2
    with stage.naive_worker(NAIVE_AT_ONCE):
        asyncio.run(_events(lambda: naive_sender(stage), [0.01 * n for n in range(count)], lambda _: ENDPOINTS + 1))
        stage.receiver.wait_for(2 * count, 30)
        times: dict[str, list[float]] = {}
        for webhook_id, _, at in stage.receiver.take().rows:
            times.setdefault(webhook_id, []).append(at)
    _forget_jobs(stage)
    return spread_ms([max(0.0, at[1] - at[0] - 5) for at in times.values() if len(at) > 1])


PHASES: dict[str, Callable[[Stage, Plan], dict[str, Any]]] = {
    "throughput": throughput,
    "latency": latency,
    "isolation": isolation,
    "backlog": backlog,
    "retries": retries,
}


# -- for people --------------------------------------------------------------------------------------------------------


def _print_table(told: dict[str, Any]) -> None:
    for name, figures in told["figures"].items():
        print(f"\n{name}")
        for subject, values in figures.items():
            print(f"  {subject:14} {_words(values)}")
    print("\nratio                 value      bar")
    for name, value in told["ratios"].items():
        print(f"{name:20} {value!s:>6} {told['bars'][name]:>8}   {'met' if told['met'][name] else 'NOT met'}")


def _words(values: Any) -> str:
    if not isinstance(values, dict):
        return str(values)
    return "  ".join(
        f"{name} {_words(value) if not isinstance(value, dict) else value}" for name, value in values.items()
    )


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
