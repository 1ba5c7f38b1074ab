"""Explain a request that a receiver could not verify: which clause fails, and what to do about it."""

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from api.accounts.tenancy import one
from api.stores import Prepared, Transaction
from api.webhooks import signing
from api.webhooks.sealing import Sealer, SealingError

MOST_SECRETS = 50
# Longer than any time that a clock could tell: leaves the clock out of the question.
ANY_TIME_S = 10.0**13

_ENDPOINT = Prepared(
    text("SELECT id FROM endpoints WHERE workspace_id = :workspace_id AND livemode = :livemode AND id = :id")
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
    await one(tx, _ENDPOINT, endpoint_id, "endpoint", "ep")
    rows = await tx.all(_SECRETS, id=endpoint_id, most=MOST_SECRETS)
    own, retired, others = (
        _opened(sealer, rows, own=True, live=True),
        _opened(sealer, rows, own=True, live=False),
        _opened(sealer, rows, own=False, live=None),
    )
    now_s = time.time() if received_at is None else received_at.timestamp()
    clock = _clock(headers, body, own, now_s, tolerance_s)
    failure, match = _signature(headers, body, own)
    if failure is not None and failure.code == "no_matching_signature":
        failure = _whose(headers, body, retired, others) or failure
    return _verdict(clock, failure, match, _hints(headers, now_s))


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
    hints: dict[str, Any],
) -> dict[str, Any]:
    code = None if failure is None else failure.code
    headers_fail = code in _HEADER_CODES
    format_fails = code in _FORMAT_CODES
    clauses = [
        _clause("headers", failure if headers_fail else None, "The three headers are there."),
        _clause("clock", clock, "The time is within the tolerance.", open_=headers_fail),
        _clause("format", failure if format_fails else None, "The signatures can be read.", open_=headers_fail),
        _clause(
            "signature",
            None if headers_fail or format_fails else failure,
            "A live secret of the endpoint signed these bytes.",
            open_=headers_fail or format_fails,
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
        return {"name": name, "passed": None, "code": None, "message": "Not checked: an earlier clause fails."}
    if error is None:
        return {"name": name, "passed": True, "code": None, "message": good}
    return {"name": name, "passed": False, "code": error.code, "message": str(error)}


def _hints(headers: Mapping[str, str], now_s: float) -> dict[str, Any]:
    stamp = next((value for name, value in headers.items() if name.lower() == signing.TIMESTAMP_HEADER), "").strip()
    return {"age_s": round(now_s - int(stamp))} if stamp.isascii() and stamp.isdigit() and len(stamp) <= 12 else {}


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
