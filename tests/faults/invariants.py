"""What must hold after any faults, checked on what was seen from outside. Pure: records in, broken promises out.

The numbers are those of the delivery system's promises: I1 no acknowledged write is lost, I2 each event reaches every
live endpoint or stands in the dead letters, I3 duplicates keep their webhook-id and are explained by attempts that
were cut off, I4 one idempotency key makes one resource, I5 nothing is told of a write that is not there, I9 tenants
stay apart, I10 it recovers by itself.
"""

import base64
import hashlib
import hmac
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.faults.world import Arrival, Tenant, Write

TOLERATED_CLOCK_S = 300
MOST_TOLD = 20


@dataclass(frozen=True)
class Evidence:
    """All that is judged. `features` are the rows that the API lists, `dead` the (event, endpoint path) of its dead
    letters, `attempts` those of each delivery that arrived more than once, by (webhook-id, path)."""

    tenants: Sequence[Tenant]
    acknowledged: Sequence[Mapping[str, Any]]
    writes: Mapping[str, Write]
    features: Sequence[Mapping[str, Any]]
    arrivals: Sequence[Arrival]
    dead: frozenset[tuple[str, str]] = frozenset()
    attempts: Mapping[tuple[str, str], Sequence[Mapping[str, Any]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Findings:
    broken: list[str]
    events: int
    deliveries: int
    lost: int
    duplicates: int


def judge(evidence: Evidence) -> Findings:
    """Every promise in turn."""
    lost_writes = list(_lost_writes(evidence))
    lost_events = list(_lost_events(evidence))
    broken = [
        *lost_writes,
        *lost_events,
        *_doubled(evidence),
        *_unexplained(evidence),
        *_invented(evidence),
        *_strayed(evidence),
        *_forged(evidence),
    ]
    repeated = {pair: count - 1 for pair, count in accepted(evidence.arrivals).items() if count > 1}
    return Findings(
        broken=broken,
        events=len(evidence.acknowledged),
        deliveries=len({(one.webhook_id, one.path) for one in evidence.arrivals}),
        lost=len(lost_writes) + len(lost_events),
        duplicates=sum(repeated.values()),
    )


def accepted(arrivals: Iterable[Arrival]) -> Counter[tuple[str, str]]:
    """How often each (webhook-id, path) was answered with a 2xx: once is right, more is a duplicate."""
    return Counter((one.webhook_id, one.path) for one in arrivals if one.accepted)


def _lost_writes(evidence: Evidence) -> Iterable[str]:
    """I1, from the log that was flushed to the disk before anything else knew of the answer."""
    there = {feature["id"]: feature["title"] for feature in evidence.features}
    for line in evidence.acknowledged:
        if there.get(line["id"]) != line["title"]:
            yield f"I1 {line['title']!r} was acknowledged as {line['id']} and is not there"


def _lost_events(evidence: Evidence) -> Iterable[str]:
    """I2, for each endpoint of the writer's workspace."""
    paths = {tenant.id: list(tenant.secrets) for tenant in evidence.tenants}
    told: dict[tuple[str, str], str] = {}
    for arrival in evidence.arrivals:
        event = arrival.event
        if arrival.accepted and event["type"] == "feature.created":
            told[event["data"]["id"], arrival.path] = arrival.webhook_id
    dead_paths = Counter(path for _, path in evidence.dead)
    for line in evidence.acknowledged:
        for path in paths[line["workspace"]]:
            if (line["id"], path) in told:
                continue
            if dead_paths[path] > 0:
                dead_paths[path] -= 1
                continue
            yield f"I2 the event of {line['title']!r} ({line['id']}) never reached {path}"


def _doubled(evidence: Evidence) -> Iterable[str]:
    """I4, from the answers and from the rows; I3, one write has one webhook-id."""
    for write in evidence.writes.values():
        if write.refused is not None:
            yield f"I1 {write.title!r} was refused: {write.refused}"
        elif write.acknowledged_at is None:
            yield f"I10 {write.title!r} was never answered"
        if len(write.answers) > 1:
            yield f"I4 {write.title!r} was answered with {sorted(write.answers)}"
    for title, count in Counter(feature["title"] for feature in evidence.features).items():
        if count > 1:
            yield f"I4 {title!r} is there {count} times"
    names: dict[str, set[str]] = defaultdict(set)
    for arrival in evidence.arrivals:
        event = arrival.event
        if event["type"] == "feature.created":
            names[event["data"]["id"]].add(arrival.webhook_id)
        if event["id"] != arrival.webhook_id:
            yield f"I3 the webhook-id {arrival.webhook_id} is not that of its event {event['id']}"
    for feature_id, ids in names.items():
        if len(ids) > 1:
            yield f"I3 the making of {feature_id} was told under {sorted(ids)}"


def _unexplained(evidence: Evidence) -> Iterable[str]:
    """I3: each arrival has an attempt, and each beyond the first an attempt whose answer was not heard in time."""
    arrived = Counter((one.webhook_id, one.path) for one in evidence.arrivals)
    for pair, count in accepted(evidence.arrivals).items():
        if count == 1:
            continue
        attempts = evidence.attempts.get(pair, ())
        unheard = _unheard(attempts)
        if count - 1 > unheard:
            yield f"I3 {pair[0]} was accepted {count} times at {pair[1]}, and {unheard} attempts were cut off"
        if len(attempts) < min(arrived[pair], 100):
            yield f"I3 {pair[0]} arrived {arrived[pair]} times at {pair[1]}, and {len(attempts)} attempts are logged"


def _unheard(attempts: Sequence[Mapping[str, Any]]) -> int:
    """Attempts that ended without an answer, or whose answer was written only after the next had begun.

    The second is what a lease is for: Postgres or the worker was away for longer. A repeat that began after an answer
    had been written has no excuse. All moments are Postgres's, in one form, so that their text compares as they do.
    """
    in_order = sorted(attempts, key=lambda attempt: attempt["number"])
    following = [*(attempt["started_at"] for attempt in in_order[1:]), None]
    return sum(
        1
        for attempt, next_began in zip(in_order, following, strict=False)
        if attempt["finished_at"] is None
        or attempt["status_code"] is None
        or (next_began is not None and next_began < attempt["finished_at"])
    )


def _invented(evidence: Evidence) -> Iterable[str]:
    """I5: what is told is there."""
    there = {feature["id"] for feature in evidence.features}
    for arrival in evidence.arrivals:
        event = arrival.event
        if event["type"] == "feature.created" and event["data"]["id"] not in there:
            yield f"I5 {arrival.path} was told of {event['data']['id']}, which is not there"


def _strayed(evidence: Evidence) -> Iterable[str]:
    """I9: an endpoint hears of its own workspace alone."""
    owners = {path: tenant.id for tenant in evidence.tenants for path in tenant.secrets}
    for arrival in evidence.arrivals:
        if owners.get(arrival.path) != arrival.event["workspace_id"]:
            yield f"I9 {arrival.path} was told of {arrival.event['workspace_id']}"


def _forged(evidence: Evidence) -> Iterable[str]:
    """Every request is signed by its endpoint's secret, with a clock that a receiver accepts.

    Computed here from the specification, so that it owes nothing to the code that signs.
    """
    secrets = {path: secret for tenant in evidence.tenants for path, secret in tenant.secrets.items()}
    keys = {path: base64.b64decode(secret.removeprefix("whsec_")) for path, secret in secrets.items()}
    for arrival in evidence.arrivals:
        signed = f"{arrival.webhook_id}.{arrival.timestamp}.".encode() + arrival.body
        wanted = base64.b64encode(hmac.digest(keys.get(arrival.path, b""), signed, hashlib.sha256)).decode()
        if f"v1,{wanted}" not in arrival.signature.split(" "):
            yield f"the signature of {arrival.webhook_id} at {arrival.path} is wrong"
        elif abs(int(arrival.timestamp) - arrival.unix) > TOLERATED_CLOCK_S:
            yield f"the timestamp of {arrival.webhook_id} at {arrival.path} is too far from now"


def read_log(text: str) -> list[dict[str, Any]]:
    """The harness's own log of acknowledged writes."""
    return [json.loads(line) for line in text.splitlines()]
