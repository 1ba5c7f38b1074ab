"""Verify a webhook and get its event with the type that the contract gives it."""

from __future__ import annotations

from datetime import datetime
from typing import Iterable, Union

from ._generated import decode
from ._kit import Headers, WebhookVerificationError
from ._kit import verify_webhook as _verified
from .events import BY_TYPE, AnyEvent, UnknownEvent

__all__ = ["WebhookVerificationError", "verify_webhook"]


def verify_webhook(
    headers: Headers,
    body: Union[bytes, bytearray, memoryview, str],
    secrets: Union[str, Iterable[str]],
    *,
    tolerance_s: float = 300,
    now: Union[float, datetime, None] = None,
) -> AnyEvent:
    """The event that one of `secrets` (`whsec_…` or `whpk_…`) signed within `tolerance_s` seconds of `now`.

    Give the raw bytes of the body. `event.type` tells which class it is; a type that this version of the client does
    not know, or data of another shape, comes as UnknownEvent. Raises WebhookVerificationError alone; its `code` says
    why.
    """
    event = _verified(headers, body, secrets, tolerance_s=tolerance_s, now=now)
    known = BY_TYPE.get(event.type)
    if known is not None:
        try:
            typed: AnyEvent = decode(known, event.payload)
            return typed
        except (TypeError, ValueError, KeyError, AttributeError):
            pass  # signed by Roadbed all the same: a newer one
    return UnknownEvent(event.id, event.type, event.timestamp, event.data, event.payload)
