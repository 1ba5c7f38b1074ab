"""Writes openapi/kit/vectors.json: `python -m tests.kit.make_vectors`. The expectations are written by hand, below."""

import base64
import json
from pathlib import Path
from typing import Any

from api.webhooks import signing

PATH = Path(__file__).resolve().parents[2] / "openapi" / "kit" / "vectors.json"
ID, TIME_S = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330
SHARED = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PRIVATE = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
PUBLIC = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
OTHER = "whsec_" + base64.b64encode(bytes(range(32))).decode()
BODY = '{"type":"decision.recorded","timestamp":"2026-11-23T09:30:00Z","data":{"title":"Größe ✓"}}'


def signed(*secrets: str, body: str = BODY, at: int = TIME_S) -> dict[str, str]:
    return signing.headers([signing.parse_signing_key(secret) for secret in secrets], ID, at, body.encode())


def case(
    name: str, expected: str, headers: Any, body: str = BODY, secrets: Any = None, now: float = TIME_S
) -> dict[str, Any]:
    return {
        "name": name,
        "headers": headers,
        "body": base64.b64encode(body.encode()).decode(),
        "secrets": [SHARED] if secrets is None else secrets,
        "now": now,
        "expected": expected,
    }


def cases() -> list[dict[str, Any]]:
    """`expected` is `ok` or the code of the error."""
    good = signed(SHARED)
    signature = good["webhook-signature"]
    return [
        case("a shared secret", "ok", good),
        case("a public key", "ok", signed(PRIVATE), secrets=[PUBLIC]),
        case("both versions, the secret alone", "ok", signed(SHARED, PRIVATE)),
        case("both versions, the public key alone", "ok", signed(SHARED, PRIVATE), secrets=[PUBLIC]),
        case("rotated: the new secret of two", "ok", good, secrets=[OTHER, SHARED]),
        case("rotated: signed with two", "ok", signed(OTHER, SHARED)),
        case("names in capitals", "ok", {name.upper(): value for name, value in good.items()}),
        case("spaces around", "ok", {name: f" {value}\t" for name, value in good.items()}),
        case("one unknown version beside", "ok", good | {"webhook-signature": f"v7,AAAA {signature}"}),
        case("one unreadable signature beside", "ok", good | {"webhook-signature": f"v1,%% {signature}"}),
        case("as old as may be", "ok", good, now=TIME_S + 300),
        case("as early as may be", "ok", good, now=TIME_S - 300),
        case("too old", "timestamp_too_old", good, now=TIME_S + 301),
        case("too early", "timestamp_in_future", good, now=TIME_S - 301),
        case("no id", "header_missing", {k: v for k, v in good.items() if k != "webhook-id"}),
        case("no timestamp", "header_missing", {k: v for k, v in good.items() if k != "webhook-timestamp"}),
        case("no signature", "header_missing", {k: v for k, v in good.items() if k != "webhook-signature"}),
        case("no headers", "header_missing", {}),
        case("an empty id", "header_malformed", good | {"webhook-id": " "}),
        case("a full stop in the id", "header_malformed", good | {"webhook-id": "a.1"}),
        case("an id twice", "header_malformed", good | {"Webhook-Id": ID}),
        case("a name beyond ASCII", "header_malformed", good | {"webhook-id": "é"}),
        case("a time with a sign", "timestamp_malformed", good | {"webhook-timestamp": f"+{TIME_S}"}),
        case("a time with a fraction", "timestamp_malformed", good | {"webhook-timestamp": f"{TIME_S}.0"}),
        case("a time of 13 digits", "timestamp_malformed", good | {"webhook-timestamp": f"{TIME_S}000"}),
        case("another body", "no_matching_signature", good, body=BODY + " "),
        case("another id", "no_matching_signature", good | {"webhook-id": "msg_2"}),
        case("another time", "no_matching_signature", good | {"webhook-timestamp": str(TIME_S + 1)}),
        case("another secret", "no_matching_signature", good, secrets=[OTHER]),
        case("a shared signature for a public key", "no_matching_signature", good, secrets=[PUBLIC]),
        case("a public key's signature for a secret", "no_matching_signature", signed(PRIVATE)),
        case("only an unknown version", "no_known_version", good | {"webhook-signature": "v2,AAAA"}),
        case("no comma", "signature_malformed", good | {"webhook-signature": "v1"}),
        case("not base64", "signature_malformed", good | {"webhook-signature": "v1,&&&&"}),
        case("url-safe base64", "signature_malformed", good | {"webhook-signature": "v1,--__"}),
        case("cut short", "signature_malformed", good | {"webhook-signature": signature[:-8]}),
        case("hex", "signature_malformed", good | {"webhook-signature": "v1," + "ab" * 32}),
        case("65 signatures", "too_many_signatures", good | {"webhook-signature": " ".join([signature] * 65)}),
        case("64 signatures", "ok", good | {"webhook-signature": " ".join([signature] * 64)}),
        case("a secret without its prefix", "secret_malformed", good, secrets=[SHARED[6:]]),
        case("a short secret", "secret_malformed", good, secrets=["whsec_AAAA"]),
        case("a private key", "secret_malformed", good, secrets=[PRIVATE]),
        case("one bad secret beside", "secret_malformed", good, secrets=[SHARED, "x"]),
        case("no secret", "secret_malformed", good, secrets=[]),
        case("signed, but not JSON", "body_malformed", signed(SHARED, body="{"), body="{"),
        case("signed, but empty", "body_malformed", signed(SHARED, body=""), body=""),
        case("signed, but a list", "body_malformed", signed(SHARED, body="[]"), body="[]"),
        case("signed, but no type", "body_malformed", signed(SHARED, body="{}"), body="{}"),
        case("signed, but NaN", "body_malformed", signed(SHARED, body='{"type":NaN}'), body='{"type":NaN}'),
        case("signed, with a mark in front", "body_malformed", signed(SHARED, body="\ufeff{}"), body="\ufeff{}"),
    ]


if __name__ == "__main__":
    PATH.write_text(json.dumps(cases(), indent=1, ensure_ascii=False) + "\n")
