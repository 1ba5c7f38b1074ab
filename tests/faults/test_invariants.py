"""The judge can say no: each broken promise is found in otherwise clean evidence."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.faults.invariants import Evidence, judge
from tests.faults.world import Arrival, Tenant, Write

SECRET = "whsec_" + base64.b64encode(bytes(24)).decode()
ADA = Tenant("ws_ada", "rb_live_ada", {"/ada/0": SECRET, "/ada/1": SECRET})
BOB = Tenant("ws_bob", "rb_live_bob", {"/bob/0": SECRET})
NOW = 1_800_000_000.0


def arrival(path: str = "/ada/0", event_id: str = "evt_1", **changes: Any) -> Arrival:
    """A well signed request that tells of feat_1."""
    event = {
        "id": event_id, "type": "feature.created", "workspace_id": changes.pop("workspace_id", ADA.id),
        "data": {"id": changes.pop("feature_id", "feat_1"), "title": "write 1"},
    }  # fmt: skip
    body = json.dumps(event).encode()
    mac = hmac.digest(bytes(24), f"{event_id}.{int(NOW)}.".encode() + body, hashlib.sha256)
    whole = Arrival(path, event_id, str(int(NOW)), f"v1,{base64.b64encode(mac).decode()}", body, 1.0, NOW, True)
    return replace(whole, **changes)


def clean() -> Evidence:
    """One write, told once to both endpoints of its workspace."""
    return Evidence(
        tenants=[ADA, BOB],
        acknowledged=[{"workspace": ADA.id, "title": "write 1", "id": "feat_1"}],
        writes={"write 1": Write("write 1", ADA, 0.0, 0.5, {"feat_1"})},
        features=[{"id": "feat_1", "title": "write 1"}],
        arrivals=[arrival(), arrival("/ada/1")],
    )


def with_arrivals(*more: Arrival) -> Callable[[Evidence], Evidence]:
    return lambda evidence: replace(evidence, arrivals=[*evidence.arrivals, *more])


BREAKS: dict[str, tuple[str, Callable[[Evidence], Evidence]]] = {
    "an acknowledged write is gone": ("I1", lambda evidence: replace(evidence, features=[])),
    "an endpoint was not told": ("I2", lambda evidence: replace(evidence, arrivals=evidence.arrivals[:1])),
    "an endpoint only ever refused": (
        "I2",
        lambda evidence: replace(evidence, arrivals=[arrival(), arrival("/ada/1", accepted=False)]),
    ),
    "a delivery was repeated for no reason": ("I3", with_arrivals(arrival())),
    "a repeat has another id": ("I3", with_arrivals(arrival(event_id="evt_2"))),
    "the id is not the event's": ("I3", with_arrivals(arrival(webhook_id="evt_9"))),
    "a write is there twice": (
        "I4",
        lambda evidence: replace(evidence, features=[*evidence.features, {"id": "feat_2", "title": "write 1"}]),
    ),
    "one key was answered with two resources": (
        "I4",
        lambda evidence: replace(evidence, writes={"write 1": Write("write 1", ADA, 0, 1, {"feat_1", "feat_2"})}),
    ),
    "an event tells of nothing": ("I5", with_arrivals(arrival(feature_id="feat_7", event_id="evt_7"))),
    "an event strayed": ("I9", with_arrivals(arrival("/bob/0"))),
    "a write was never answered": (
        "I10",
        lambda evidence: replace(evidence, writes={"write 1": Write("write 1", ADA, 0)}),
    ),
    "a signature is wrong": ("signature", with_arrivals(arrival("/ada/1", signature="v1,AAAA"))),
    "a timestamp is stale": ("timestamp", with_arrivals(arrival("/ada/1", unix=NOW + 301))),
}


def test_clean_evidence_breaks_nothing() -> None:
    findings = judge(clean())

    assert (findings.broken, findings.events, findings.deliveries) == ([], 1, 2)
    assert (findings.lost, findings.duplicates) == (0, 0)


@pytest.mark.parametrize("name", list(BREAKS))
def test_the_judge_finds_that(name: str) -> None:
    promise, break_it = BREAKS[name]

    findings = judge(break_it(clean()))

    assert any(promise in line for line in findings.broken), findings.broken


def attempt(number: int, began: int, ended: int | None, status: int | None = 204) -> dict[str, Any]:
    """An attempt between two seconds of one minute."""
    ended_at = None if ended is None else f"2026-11-23T00:00:{ended:02}.000000Z"
    return {
        "number": number, "started_at": f"2026-11-23T00:00:{began:02}.000000Z", "finished_at": ended_at,
        "status_code": status if ended is not None else None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("first", "excused"),
    [(attempt(1, 0, None), True), (attempt(1, 0, 9), True), (attempt(1, 0, 2, None), True), (attempt(1, 0, 2), False)],
    ids=["cut off", "its answer was written after the next had begun", "no answer", "answered in time"],
)
def test_a_repeat_needs_an_attempt_whose_answer_was_not_heard_in_time(first: dict[str, Any], excused: bool) -> None:
    listed = {("evt_1", "/ada/0"): [attempt(2, 5, 6), first]}  # newest first, as the API lists them

    findings = judge(replace(with_arrivals(arrival())(clean()), attempts=listed))

    assert findings.duplicates == 1
    assert (findings.broken == []) == excused


def test_a_dead_letter_counts_as_told() -> None:
    evidence = replace(clean(), arrivals=clean().arrivals[:1], dead=frozenset({("evt_1", "/ada/1")}))

    assert judge(evidence).broken == []
