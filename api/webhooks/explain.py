"""Explain a request that a receiver could not verify: which clause fails, and what to do about it.

What was sent is known: the event is found by its webhook-id. So a body that was parsed and written again is told from
one whose content changed, whoever wrote it how, and the signature is judged over the bytes that were sent.
"""

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text

from api import json
from api.accounts.tenancy import one
from api.db import parse_id
from api.problems import Invalid
from api.stores import Prepared, Transaction
from api.webhooks import signing
from api.webhooks.difference import first_difference
from api.webhooks.outbox import thin
from api.webhooks.sealing import Sealer, SealingError

MOST_SECRETS = 50
# Longer than any time that a clock could tell: leaves the clock out of the question.
ANY_TIME_S = 10.0**13

_ENDPOINT = Prepared(
    text("SELECT id, payload FROM endpoints WHERE workspace_id = :workspace_id AND livemode = :livemode AND id = :id")
)
_EVENT = Prepared(
    text(
        "SELECT body, expunged_at IS NOT NULL AS expunged FROM events "
        "WHERE workspace_id = :workspace_id AND livemode = :livemode AND id = :event_id"
    )
)
_SECRETS = Prepared(
    text(
        """
SELECT endpoint_id, sealed, expires_at IS NULL OR expires_at > now() AS live, endpoint_id = :id AS own
FROM endpoint_secrets
WHERE workspace_id = :workspace_id AND livemode = :livemode
ORDER BY endpoint_id = :id DESC, id DESC
LIMIT :most"""
    )
)
_HEADER_CODES = ("header_missing", "header_malformed", "timestamp_malformed")
_FORMAT_CODES = ("too_many_signatures", "no_known_version", "signature_malformed")


async def explain(
    tx: Transaction,
    sealer: Sealer,
    endpoint_id: UUID,
    headers: Mapping[str, str],
    body: bytes,
    received_at: datetime | None,
    tolerance_s: int,
) -> dict[str, Any]:
    """The verdict, clause by clause, in the order in which a receiver checks them. Raises NotFound."""
    endpoint = await one(tx, _ENDPOINT, endpoint_id, "endpoint", "ep")
    rows = await tx.all(_SECRETS, id=endpoint_id, most=MOST_SECRETS)
    secrets = Secrets(
        own=_opened(sealer, rows, own=True, live=True),
        retired=_opened(sealer, rows, own=True, live=False),
        others=_opened(sealer, rows, own=False, live=None),
    )
    now_s = time.time() if received_at is None else received_at.timestamp()
    clock = _clock(headers, body, secrets.own, now_s, tolerance_s)
    failure, match = _signature(headers, body, secrets.own)
    seen = Body(True, "These are the bytes that were signed.")
    if isinstance(failure, signing.NoMatchingSignature | signing.BodyRewritten):
        seen = _compared(await _sent(tx, headers, body, secrets, endpoint["payload"]), body, failure)
        failure, match = _over(headers, seen.sent or body, secrets)
    return _verdict(clock, failure, match, seen, _hints(headers, now_s, seen))


class Secrets(NamedTuple):
    """The endpoint's live secrets, those that were rotated away, and those of the workspace's other endpoints."""

    own: list[str]
    retired: list[str]
    others: list[str]


class Body(NamedTuple):
    """Whether the body is as it was sent: None when nobody knows. `sent` is what was, where it differs."""

    passed: bool | None
    message: str
    error: signing.SignatureError | None = None
    sent: bytes | None = None
    differs_at: str | None = None


class BodyChanged(signing.SignatureError):
    code = "body_changed"


class SecretRetired(signing.SignatureError):
    code = "secret_retired"


class SecretOfAnother(signing.SignatureError):
    code = "secret_of_another_endpoint"


def _signature(
    headers: Mapping[str, str], body: bytes, secrets: list[str]
) -> tuple[signing.SignatureError | None, signing.Match | None]:
    """What is wrong besides the clock."""
    try:
        return None, signing.verify(headers, body, secrets, now_s=0, tolerance_s=ANY_TIME_S)
    except signing.SignatureError as error:
        return error, None


def _clock(
    headers: Mapping[str, str], body: bytes, secrets: list[str], now_s: float, tolerance_s: float
) -> signing.SignatureError | None:
    try:
        signing.verify(headers, body, secrets, now_s=now_s, tolerance_s=tolerance_s)
    except (signing.TimestampTooOld, signing.TimestampInFuture) as error:
        return error
    except signing.SignatureError:
        return None
    return None


async def _sent(
    tx: Transaction, headers: Mapping[str, str], body: bytes, secrets: Secrets, payload: str
) -> bytes | None:
    """What the event's request had as its body, full or thin: what the signature fits, else what the body is like."""
    event_id = parse_id("evt", _header(headers, signing.ID_HEADER))
    row = None if event_id is None else await tx.first(_EVENT, event_id=event_id)
    if row is None or row["expunged"]:
        return None
    full, cut = row["body"].encode(), thin(row["body"]).encode()
    likely = (cut, full) if payload == "thin" else (full, cut)
    known = [*secrets.own, *secrets.retired, *secrets.others]
    fits = (one for one in likely if one == body or _signature(headers, one, known)[1] is not None)
    alike = (one for one in likely if _difference(one, body) is None)
    return next(fits, None) or next(alike, None) or likely[0]


def _compared(sent: bytes | None, body: bytes, failure: signing.SignatureError) -> Body:
    if sent is None and isinstance(failure, signing.BodyRewritten):
        return Body(False, str(failure), failure)
    if sent is None:
        return Body(None, "Not checked: the log has no payload of an event with this webhook-id.")
    if sent == body:
        return Body(True, "These are the bytes that were sent.")
    if (difference := _difference(sent, body)) is None:
        rewritten = signing.BodyRewritten(
            "The body was parsed and written again: it is the same JSON as was sent, in other bytes. "
            "Verify the raw bytes of the request, before any parser or framework rewrites them."
        )
        return Body(False, str(rewritten), rewritten, sent)
    pointer, what = difference
    changed = BodyChanged(f"The body is not what was sent{f': at {pointer} ' if pointer else ': '}{what}.")
    return Body(False, str(changed), changed, sent, pointer)


def _difference(sent: bytes, body: bytes) -> tuple[str, str] | None:
    try:
        given = json.load_hostile(body.removeprefix(b"\xef\xbb\xbf"))
    except Invalid:
        return "", "it is not JSON, so it was cut short or put into another form"
    return first_difference(json.load(sent), given)


def _over(
    headers: Mapping[str, str], body: bytes, secrets: Secrets
) -> tuple[signing.SignatureError | None, signing.Match | None]:
    """What is wrong with the signature, told apart by whose it is. Nothing, if it fits another writing of the body."""
    failure, match = _signature(headers, body, secrets.own)
    if isinstance(failure, signing.BodyRewritten):
        return None, None
    if isinstance(failure, signing.NoMatchingSignature):
        failure = _whose(headers, body, secrets.retired, secrets.others) or failure
    return failure, match


def _whose(
    headers: Mapping[str, str], body: bytes, retired: list[str], others: list[str]
) -> signing.SignatureError | None:
    """Whether another secret of the workspace signed it."""
    if _signature(headers, body, retired)[1] is not None:
        return SecretRetired(
            "It was signed with a secret of this endpoint that was rotated away. Take the endpoint's new secret."
        )
    if _signature(headers, body, others)[1] is not None:
        return SecretOfAnother(
            "It was signed with the secret of another endpoint of this workspace. Each endpoint has its own."
        )
    return None


def _verdict(
    clock: signing.SignatureError | None,
    failure: signing.SignatureError | None,
    match: signing.Match | None,
    seen: Body,
    hints: dict[str, Any],
) -> dict[str, Any]:
    code = None if failure is None else failure.code
    headers_fail = code in _HEADER_CODES
    format_fails = code in _FORMAT_CODES
    unread = headers_fail or format_fails
    clauses = [
        _clause("headers", failure if headers_fail else None, "The three headers are there."),
        _clause("clock", clock, "The time is within the tolerance.", open_=headers_fail),
        _clause("format", failure if format_fails else None, "The signatures can be read.", open_=headers_fail),
        {"name": "body", **_NOT_CHECKED} if unread else _body_clause(seen),
        _clause(
            "signature",
            failure,
            f"A live secret of the endpoint signed {'what was sent' if seen.passed is False else 'these bytes'}.",
            open_=unread,
        ),
    ]
    first = next((clause for clause in clauses if clause["passed"] is False), None)
    return {
        "object": "verification",
        "verified": first is None,
        "code": None if first is None else first["code"],
        "message": "It verifies." if first is None else first["message"],
        "version": None if match is None else match.version,
        "clauses": clauses,
        "hints": hints,
    }


def _clause(name: str, error: signing.SignatureError | None, good: str, *, open_: bool = False) -> dict[str, Any]:
    if open_:
        return {"name": name, **_NOT_CHECKED}
    if error is None:
        return {"name": name, "passed": True, "code": None, "message": good}
    return {"name": name, "passed": False, "code": error.code, "message": str(error)}


def _body_clause(seen: Body) -> dict[str, Any]:
    code = None if seen.error is None else seen.error.code
    return {"name": "body", "passed": seen.passed, "code": code, "message": seen.message}


_NOT_CHECKED = {"passed": None, "code": None, "message": "Not checked: an earlier clause fails."}


def _hints(headers: Mapping[str, str], now_s: float, seen: Body) -> dict[str, Any]:
    stamp = _header(headers, signing.TIMESTAMP_HEADER)
    hints: dict[str, Any] = {} if seen.differs_at is None else {"differs_at": seen.differs_at}
    if stamp.isascii() and stamp.isdigit() and len(stamp) <= 12:
        hints["age_s"] = round(now_s - int(stamp))
    return hints


def _header(headers: Mapping[str, str], name: str) -> str:
    return next((value for key, value in headers.items() if key.lower() == name), "").strip()


def _opened(sealer: Sealer, rows: list[Any], *, own: bool, live: bool | None) -> list[str]:
    """The secrets of these rows. One that cannot be opened any more could not have signed either."""
    found = []
    for row in rows:
        if row["own"] == own and (live is None or row["live"] == live):
            try:
                found.append(sealer.open(row["sealed"], context=row["endpoint_id"].bytes).decode())
            except SealingError:
                continue
    return found
