"""Kill everything at random under load, and see that nothing was lost.

    ./run faults --json                      about a minute
    ./run faults --json --kills 200          the long one

An API and two workers, a Postgres and a Valkey of its own, a receiver and a steady load of writes that no fault
touches. What was acknowledged stands in a log of the harness's own. Progress goes to stderr; the last line on stdout
is one JSON object. The exit code is 1 when a promise was broken.
"""

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
import urllib.parse
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from api.local import LocalServers
from tests.faults.chaos import Chaos, Toll, say
from tests.faults.invariants import MOST_TOLD, Evidence, Findings, accepted, judge, read_log
from tests.faults.world import Tenant, World, wait_for
from tests.support.caller import call, every
from tests.support.processes import Service, wait_until_ready

DELIVERY_TIMEOUT_S = 2
LEASE_S = 4
WRITES_FOR_EACH_TENANT = 3000  # so that no workspace leaves its free plan
ENDPOINTS = ("feature.*", "*")
ANSWERED_WITHIN_S = 60
# Ten attempts as by default, but the third is not 5 minutes away: a delivery that was cut off twice ends the run.
SCHEDULE_S = [0, 2, 3, 5, 5, 10, 10, 20, 30, 60]
DRAINED_WITHIN_S = 240


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="./run faults", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="nothing but the last line on stdout (always so)")
    parser.add_argument("--kills", type=int, default=0, help="at least so many kills")
    parser.add_argument("--seconds", type=float, default=45, help="at least so long under load")
    parser.add_argument("--seed", type=int, default=None, help="for the same faults again")
    parser.add_argument("--rate", type=float, default=40, help="writes a second")
    parser.add_argument("--workers", type=int, default=2, help="worker processes")
    parser.add_argument("--keep", action="store_true", help="keep the folder with logs and records")
    options = parser.parse_args(words)
    options.seed = int(time.time()) if options.seed is None else options.seed
    folder = Path(tempfile.mkdtemp(prefix="roadbed-faults-"))
    folder.chmod(0o755)
    try:
        told = run(folder, options)
    finally:
        if options.keep:
            say(f"The records are in {folder}.")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(told), flush=True)
    return 0 if told["ok"] else 1


def run(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Start everything, do harm, wait for the drain, judge."""
    began = time.monotonic()
    settings = {"delivery_timeout_s": DELIVERY_TIMEOUT_S, "delivery_lease_s": LEASE_S, "sweep_s": 1}
    world = World(folder / "acknowledged.log", writes_per_s=options.rate, failing=0.01, seed=options.seed)
    with LocalServers.start(folder / "data") as local, Service(local.servers, folder, settings) as service:
        service.migrate()
        url = service.add_api()
        tenants = list(_tenants(url, world.open(), _tenant_count(options)))
        for _ in range(options.workers):
            service.add_worker()
        say(f"seed {options.seed}: {len(tenants)} workspaces, {options.rate:g} writes a second")
        world.start(url, tenants)
        wait_for(lambda: world.recovered_at(0) is not None, 30)
        toll = Chaos(local, service, world, options.seed, LEASE_S).run(options.kills, options.seconds)
        world.finish(ANSWERED_WITHIN_S)
        wait_until_ready(url)
        drained_s = _drain(url, tenants)
        evidence = _evidence(url, tenants, world)
        findings = judge(evidence)
        told = _told(options, toll, world, evidence, findings, drained_s, time.monotonic() - began)
        world.close()
    for line in told["broken"]:
        say(line)
    return told


def _tenant_count(options: argparse.Namespace) -> int:
    expected = options.rate * max(options.seconds, options.kills * 4)
    return max(3, round(expected / WRITES_FOR_EACH_TENANT) + 1)


def _tenants(url: str, port: int, count: int) -> Iterator[Tenant]:
    for number in range(count):
        told = call(url, None, "POST", "/v1/signup", {"email": "ada@example.com", "workspace": f"Workspace {number}"})
        key = told["live_key"]["secret"]
        secrets = {}
        for position, pattern in enumerate(ENDPOINTS):
            path = f"/{told['workspace']['id']}/{position}"
            wanted = {"url": f"http://127.0.0.1:{port}{path}", "event_types": [pattern], "schedule": SCHEDULE_S}
            secrets[path] = call(url, key, "POST", "/v1/endpoints", wanted)["secret"]
        yield Tenant(told["workspace"]["id"], key, secrets)


def _drain(url: str, tenants: list[Tenant]) -> float | None:
    """Seconds until no delivery is pending any more, or None when that takes too long."""
    began = time.monotonic()

    def drained() -> bool:
        return not any(call(url, one.key, "GET", "/v1/deliveries?status=pending&limit=1")["data"] for one in tenants)

    return time.monotonic() - began if wait_for(drained, DRAINED_WITHIN_S, every_s=0.5) else None


def _evidence(url: str, tenants: list[Tenant], world: World) -> Evidence:
    """What the API says now, beside what the world recorded."""
    doubled = [pair for pair, count in accepted(world.arrivals).items() if count > 1]
    owners = {path: tenant for tenant in tenants for path in tenant.secrets}
    return Evidence(
        tenants=tenants,
        acknowledged=read_log(world.log_path.read_text()),
        writes=world.writes,
        features=[feature for tenant in tenants for feature in every(url, tenant.key, "/v1/features")],
        arrivals=world.arrivals,
        dead=frozenset(pair for tenant in tenants for pair in _dead(url, tenant)),
        attempts={pair: _attempts(url, owners[pair[1]], *pair) for pair in doubled},
    )


def _dead(url: str, tenant: Tenant) -> Iterator[tuple[str, str]]:
    paths = _paths(url, tenant)
    for delivery in every(url, tenant.key, "/v1/deliveries", status="dead"):
        yield delivery["event_id"], paths[delivery["endpoint_id"]]


def _attempts(url: str, tenant: Tenant, event_id: str, path: str) -> list[dict[str, Any]]:
    paths = _paths(url, tenant)
    for delivery in every(url, tenant.key, "/v1/deliveries", event_id=event_id):
        if paths[delivery["endpoint_id"]] == path:
            attempts: list[dict[str, Any]] = call(url, tenant.key, "GET", f"/v1/deliveries/{delivery['id']}")[
                "attempts"
            ]
            return attempts
    return []


_known_paths: dict[str, dict[str, str]] = defaultdict(dict)


def _paths(url: str, tenant: Tenant) -> dict[str, str]:
    """Each endpoint's path at the receiver, by its id."""
    if not _known_paths[tenant.id]:
        for endpoint in every(url, tenant.key, "/v1/endpoints"):
            _known_paths[tenant.id][endpoint["id"]] = urllib.parse.urlsplit(endpoint["url"]).path
    return _known_paths[tenant.id]


def _told(
    options: argparse.Namespace,
    toll: Toll,
    world: World,
    evidence: Evidence,
    findings: Findings,
    drained_s: float | None,
    seconds: float,
) -> dict[str, Any]:
    """The one line. Its first words are those that a reader looks for."""
    broken = [*toll.broken, *findings.broken]
    if drained_s is None:
        broken.append(f"I2 deliveries were still pending {DRAINED_WITHIN_S} s after the last fault")
    recovery = [taken for _, taken in toll.recovery_s]
    delays = _delays(world)
    return {
        "ok": not broken,
        "events": findings.events,
        "deliveries": findings.deliveries,
        "lost": findings.lost,
        "duplicates": findings.duplicates,
        "kills": {"total": toll.kills, **toll.faults},
        "recovery_s": {**_spread(recovery), "by_kind": _by_kind(toll, max)},
        "delay_s": _spread(delays),
        "drained_s": None if drained_s is None else round(drained_s, 2),
        "arrivals": len(evidence.arrivals),
        "dead": len(evidence.dead),
        "answers": dict(world.statuses),
        "seconds": round(seconds, 1),
        "seed": options.seed,
        "broken": broken[:MOST_TOLD],
        "broken_count": len(broken),
    }


def _delays(world: World) -> list[float]:
    """Seconds from the acknowledgement of each write to its first arrival anywhere."""
    first: dict[str, float] = {}
    for arrival in world.arrivals:
        event = arrival.event
        if event["type"] == "feature.created":
            first.setdefault(event["data"]["title"], arrival.at)
    known = [(one.acknowledged_at, first.get(one.title)) for one in world.writes.values()]
    return [max(0.0, at - since) for since, at in known if since is not None and at is not None]


def _spread(values: list[float]) -> dict[str, float | None]:
    if len(values) < 2:
        only = round(values[0], 3) if values else None
        return {"p50": only, "p99": only, "max": only}
    centiles = statistics.quantiles(values, n=100, method="inclusive")
    return {"p50": round(centiles[49], 3), "p99": round(centiles[98], 3), "max": round(max(values), 3)}


def _by_kind(toll: Toll, of: Callable[[list[float]], float]) -> dict[str, float]:
    kinds: dict[str, list[float]] = defaultdict(list)
    for kind, taken in toll.recovery_s:
        kinds[kind].append(taken)
    return {kind: round(of(taken), 2) for kind, taken in kinds.items()}


if __name__ == "__main__":
    sys.exit(main())
