# Written by `./run sdk` from openapi/v1.json. Do not edit. The source is openapi/kit/python/roadbed_webhooks.py.

"""Verify webhooks signed as Standard Webhooks 1.0.0 says. One file, the standard library alone: copy it.

    from roadbed_webhooks import WebhookVerificationError, verify_webhook

    try:
        event = verify_webhook(request.headers, request.body, ["whsec_…"])
    except WebhookVerificationError as error:
        return 400, error.code

Give the raw bytes of the body, before any framework has parsed them. Answer 2xx within 15 seconds and do the work
afterwards; the same event may come twice, under the same `event.id`. `v1a` signatures (`whpk_…` keys) are verified when
`cryptography` is installed. Nothing but WebhookVerificationError is ever raised, whatever arrives.
"""

import base64
import hashlib
import hmac
import json
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Union

__all__ = ["Event", "WebhookVerificationError", "verify_webhook"]

Headers = Union[Mapping[Any, Any], Iterable[tuple[Any, Any]]]

_NAMES = ("webhook-id", "webhook-timestamp", "webhook-signature")
_ID = re.compile(r"[A-Za-z0-9_\-]{1,128}", re.ASCII)
_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)
_MOST_HEADERS = 1000
_MOST_SIGNATURES = 64
_MOST_SECRETS = 64
_SIGNATURE_BYTES = {"v1": 32, "v1a": 64}


class WebhookVerificationError(Exception):
    """The request is not what the sender signed, or not now. `code` is stable; answer 400 and do nothing."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Event:
    """A verified event. `id` is the same each time it is sent: remember it to handle each event once."""

    id: str
    type: str
    timestamp: str
    data: dict[str, Any]
    payload: dict[str, Any]


def verify_webhook(
    headers: Headers,
    body: Union[bytes, bytearray, memoryview, str],
    secrets: Union[str, Iterable[str]],
    *,
    tolerance_s: float = 300,
    now: Union[float, datetime, None] = None,
) -> Event:
    """The event, if one of `secrets` (`whsec_…` or `whpk_…`) signed these bytes within `tolerance_s` seconds of `now`.

    Several secrets are for the time of a rotation. Raises WebhookVerificationError alone, with one of the codes
    header_missing, header_malformed, timestamp_malformed, timestamp_too_old, timestamp_in_future, no_known_version,
    signature_malformed, too_many_signatures, no_matching_signature, secret_malformed, ed25519_unavailable,
    body_malformed, input_malformed.
    """
    try:
        return _verify(headers, body, secrets, tolerance_s, now)
    except WebhookVerificationError:
        raise
    except Exception as error:  # arguments of a kind that nobody foresaw: still a request that does not verify
        raise WebhookVerificationError(
            "input_malformed", f"The input cannot be read ({type(error).__name__})."
        ) from None


def _verify(headers: Any, body: Any, secrets: Any, tolerance_s: Any, now: Any) -> Event:
    message_id, timestamp, given = _three(headers)
    if not _ID.fullmatch(message_id):
        raise WebhookVerificationError("header_malformed", "webhook-id is not 1 to 128 of A-Z a-z 0-9 _ -.")
    _check_clock(timestamp, float(tolerance_s), _unix(now))
    keys = _keys(secrets)
    raw = _raw(body)
    signatures, malformed = _signatures(given)
    content = b"%b.%b.%b" % (message_id.encode("ascii"), timestamp.encode("ascii"), raw)
    if not _any_fits(keys, signatures, content):
        if malformed:
            raise WebhookVerificationError("signature_malformed", "A signature is not base64 of the right length.")
        raise WebhookVerificationError(
            "no_matching_signature",
            "No secret given signed these bytes. Is the body raw, and the secret this endpoint's?",
        )
    return _event(message_id, raw)


def _three(headers: Any) -> tuple[str, str, str]:
    """The three headers, whatever the case of their names; bytes as ASGI gives them are read too."""
    found: dict[str, str] = {}
    pairs = headers.items() if hasattr(headers, "items") else headers
    for number, (name, value) in enumerate(pairs):
        if number >= _MOST_HEADERS:
            raise WebhookVerificationError("header_malformed", "There are too many headers.")
        key = _text(name).lower()
        if key not in _NAMES:
            continue
        if key in found:
            raise WebhookVerificationError("header_malformed", f"{key} is given more than once.")
        text = _text(value).strip(" \t")
        if not text or not text.isascii() or not text.isprintable():
            raise WebhookVerificationError("header_malformed", f"{key} is empty, or not printable ASCII.")
        found[key] = text
    for name in _NAMES:
        if name not in found:
            raise WebhookVerificationError("header_missing", f"{name} is missing.")
    return found["webhook-id"], found["webhook-timestamp"], found["webhook-signature"]


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode("latin-1")
    if isinstance(value, (list, tuple)) and len(value) == 1:
        return _text(value[0]) if isinstance(value[0], (str, bytes)) else ""
    return ""


def _unix(now: Any) -> float:
    if now is None:
        return time.time()
    return now.timestamp() if isinstance(now, datetime) else float(now)


def _check_clock(timestamp: str, tolerance_s: float, now_s: float) -> None:
    if not _SECONDS.fullmatch(timestamp):
        raise WebhookVerificationError("timestamp_malformed", "webhook-timestamp is not whole unix seconds.")
    age_s = now_s - int(timestamp)
    # Written so that a tolerance or a clock that is no number (NaN) lets nothing pass.
    if not age_s <= tolerance_s:
        raise WebhookVerificationError(
            "timestamp_too_old", "It was signed too long ago: a replay, or a clock is wrong."
        )
    if not -age_s <= tolerance_s:
        raise WebhookVerificationError("timestamp_in_future", "It was signed in the future: a clock is wrong.")


def _keys(secrets: Any) -> list[tuple[str, bytes]]:
    """The keys with the version that each verifies."""
    texts = [secrets] if isinstance(secrets, str) else list(secrets)
    if not 1 <= len(texts) <= _MOST_SECRETS:
        raise WebhookVerificationError("secret_malformed", "Give 1 to 64 secrets.")
    return [_key(text) for text in texts]


def _key(text: Any) -> tuple[str, bytes]:
    prefix, _, encoded = text.partition("_") if isinstance(text, str) else ("", "", "")
    raw = _decoded(encoded)
    if prefix == "whsec" and raw is not None and 24 <= len(raw) <= 64:
        return "v1", raw
    if prefix == "whpk" and raw is not None and len(raw) == 32:
        return "v1a", raw
    raise WebhookVerificationError(
        "secret_malformed", "A secret is whsec_ and base64 of 24 to 64 bytes, or whpk_ and base64 of 32."
    )


def _raw(body: Any) -> bytes:
    if isinstance(body, str):
        return body.encode("utf-8")
    if isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(body)
    raise WebhookVerificationError("body_malformed", "The body must be the raw bytes, or text.")


def _signatures(given: str) -> tuple[list[tuple[str, bytes]], bool]:
    """The signatures of versions that we know, and whether one of them could not be read."""
    entries = given.split(None, _MOST_SIGNATURES)
    if len(entries) > _MOST_SIGNATURES:
        raise WebhookVerificationError("too_many_signatures", "webhook-signature holds more than 64 signatures.")
    signatures, malformed = [], False
    for entry in entries:
        version, _, encoded = entry.partition(",")
        if version in _SIGNATURE_BYTES:
            raw = _decoded(encoded)
            if raw is None or len(raw) != _SIGNATURE_BYTES[version]:
                malformed = True
            else:
                signatures.append((version, raw))
    if not signatures and not malformed:
        raise WebhookVerificationError("no_known_version", "webhook-signature holds no v1 or v1a signature.")
    return signatures, malformed


def _decoded(encoded: str) -> Union[bytes, None]:
    try:
        return base64.b64decode(encoded.encode("ascii"), validate=True)
    except ValueError:
        return None


def _any_fits(keys: list[tuple[str, bytes]], signatures: list[tuple[str, bytes]], content: bytes) -> bool:
    # Every pair is compared, in constant time, so that the time taken tells nothing.
    fits = False
    for kind, key in keys:
        expected = hmac.new(key, content, hashlib.sha256).digest() if kind == "v1" else b""
        for version, signature in signatures:
            if version != kind:
                continue
            if kind == "v1":
                fits |= hmac.compare_digest(expected, signature)
            else:
                fits |= _ed25519_fits(key, signature, content)
    return fits


def _ed25519_fits(key: bytes, signature: bytes, content: bytes) -> bool:
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:
        raise WebhookVerificationError(
            "ed25519_unavailable", "Install `cryptography` to verify v1a signatures, or use the whsec_ secret."
        ) from None
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, content)
    except (InvalidSignature, ValueError):
        return False
    return True


def _event(message_id: str, raw: bytes) -> Event:
    try:
        payload = json.loads(raw.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise WebhookVerificationError("body_malformed", "It is signed, but not JSON.") from None
    if not isinstance(payload, dict) or not isinstance(payload.get("type"), str):
        raise WebhookVerificationError("body_malformed", "It is signed, but not an event: it has no type.")
    data, timestamp = payload.get("data"), payload.get("timestamp")
    return Event(
        message_id,
        payload["type"],
        timestamp if isinstance(timestamp, str) else "",
        data if isinstance(data, dict) else {},
        payload,
    )


def _no_constant(name: str) -> Any:
    raise ValueError(name)
