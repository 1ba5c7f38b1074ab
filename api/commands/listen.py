"""`roadbed listen`: forward each event to a local URL, signed as an endpoint's would be."""

import base64
import hashlib
import hmac
import sys
import time
from typing import Any

import httpx

from api import json
from api.commands.connect import CannotGoOn, Received, Remote, WrongAddress, follow, http_url
from api.webhooks import signing

FORWARD_TIMEOUT_S = 30.0


def listen(remote: Remote, forward_to: str, types: list[str], after: str, secret: str | None, as_json: bool) -> None:
    """For ever. The secret is the same each time for the same key, unless one is given. Raises CannotGoOn."""
    if http_url(forward_to) is None:
        raise WrongAddress(f"{forward_to} is no address to forward to: write it like http://localhost:3000/hook.")
    secret = secret or secret_of(remote.key)
    try:
        key = signing.parse_signing_key(secret)
    except signing.SignatureError as error:
        raise CannotGoOn(str(error)) from None
    print(f"Forwarding events of {remote.url} to {forward_to}", file=sys.stderr)
    print(f"Verify them with {secret}", file=sys.stderr, flush=True)
    with httpx.Client(timeout=FORWARD_TIMEOUT_S, trust_env=False) as client:
        for received in follow(remote, types, after):
            told = _forward(client, forward_to, key, received)
            print(json.dump(told) if as_json else _line(told), flush=True)


def secret_of(api_key: str) -> str:
    """The signing secret of whoever listens with this key: nobody else can make it, and it need not be kept."""
    derived = hmac.digest(api_key.encode(), b"roadbed listen v1", hashlib.sha256)
    return "whsec_" + base64.b64encode(derived).decode()


def _forward(client: httpx.Client, url: str, key: signing.SigningKey, received: Received) -> dict[str, Any]:
    """One attempt. What fails is told and left: the event stays in the feed."""
    headers = signing.headers([key], received.id, int(time.time()), received.body)
    began = time.monotonic()
    told: dict[str, Any] = {"event_id": received.id, "type": received.type, "status": None, "error": None}
    try:
        answer = client.post(url, content=received.body, headers={"Content-Type": "application/json", **headers})
        told["status"] = answer.status_code
    except httpx.HTTPError as error:
        told["error"] = type(error).__name__
    return told | {"ms": round((time.monotonic() - began) * 1000, 1)}


def _line(told: dict[str, Any]) -> str:
    result = told["status"] if told["error"] is None else told["error"]
    return f"{time.strftime('%H:%M:%S')}  {told['type']:<28} {told['event_id']}  {result}  {told['ms']} ms"
