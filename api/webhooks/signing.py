"""Standard Webhooks 1.0.0: signing what we send, and explaining why a signature does not verify.

Specification: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
This file is pure. It knows no row; the clock and the randomness are passed in.
"""

import base64
import binascii
import hashlib
import hmac
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ID_HEADER = "webhook-id"
TIMESTAMP_HEADER = "webhook-timestamp"
SIGNATURE_HEADER = "webhook-signature"

TOLERANCE_S = 300
MIN_SECRET_BYTES = 24
MAX_SECRET_BYTES = 64
# Five secrets may be live at once; no honest header comes near this many, and each costs a comparison.
MAX_SIGNATURES = 64
# Above this size we do not look whether the body was only written differently.
MAX_EXPLAINED_BYTES = 256 * 1024

# A full stop separates the signed parts, so an id that holds one could be read two ways.
_MESSAGE_ID = re.compile(r"[A-Za-z0-9_\-]{1,128}")
_TIMESTAMP = re.compile(r"[0-9]{1,12}", re.ASCII)


class SignatureError(Exception):
    """A signature cannot be made or does not verify: `code` is stable, the message says which clause failed."""

    code = "signature_invalid"


class SecretMalformed(SignatureError):
    code = "secret_malformed"


class HeaderMissing(SignatureError):
    code = "header_missing"


class HeaderMalformed(SignatureError):
    code = "header_malformed"


class TimestampMalformed(SignatureError):
    code = "timestamp_malformed"


class TimestampTooOld(SignatureError):
    code = "timestamp_too_old"


class TimestampInFuture(SignatureError):
    code = "timestamp_in_future"


class SignatureMalformed(SignatureError):
    code = "signature_malformed"


class TooManySignatures(SignatureError):
    code = "too_many_signatures"


class NoKnownVersion(SignatureError):
    code = "no_known_version"


class NoMatchingSignature(SignatureError):
    code = "no_matching_signature"


class BodyRewritten(SignatureError):
    code = "body_rewritten"


@dataclass(frozen=True, slots=True)
class SharedKey:
    """The decoded bytes of a `whsec_` secret. Signs and verifies `v1`, HMAC-SHA256."""

    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A `whsk_` key. Signs and verifies `v1a`, ed25519."""

    key: Ed25519PrivateKey = field(repr=False)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A `whpk_` key. Verifies `v1a`."""

    key: Ed25519PublicKey


SigningKey = SharedKey | PrivateKey
Key = SharedKey | PrivateKey | PublicKey


@dataclass(frozen=True, slots=True)
class Match:
    """What verified: the signature's version, and which of the given secrets it was (0 is the first)."""

    version: str
    secret_index: int


# -- secrets ---------------------------------------------------------------------------------------------------------


def new_secret(random_bytes: Callable[[int], bytes] = os.urandom) -> str:
    """A symmetric secret, `whsec_` and 32 random bytes in base64."""
    return "whsec_" + _b64(random_bytes(32))


def new_private_key(random_bytes: Callable[[int], bytes] = os.urandom) -> str:
    """An ed25519 key, `whsk_` and 64 bytes in base64: the seed, then the public key."""
    seed = random_bytes(32)
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    return "whsk_" + _b64(seed + public)


def public_key_of(private_key: str) -> str:
    """The `whpk_` text that a receiver verifies with. Raises SecretMalformed when given anything but `whsk_`."""
    key = parse_key(private_key)
    if not isinstance(key, PrivateKey):
        raise SecretMalformed("Only a whsk_ key has a public half.")
    return "whpk_" + _b64(key.key.public_key().public_bytes_raw())


def parse_key(text: str) -> Key:
    """Read `whsec_` (24 to 64 bytes), `whsk_` (64 bytes, whose halves must belong together) or `whpk_` (32 bytes).

    Raises SecretMalformed. The message never repeats the secret.
    """
    prefix, _, encoded = text.partition("_")
    if prefix == "whsec":
        return SharedKey(_secret_bytes(encoded))
    if prefix == "whsk":
        return _private_key(encoded)
    if prefix == "whpk":
        return PublicKey(Ed25519PublicKey.from_public_bytes(_sized(encoded, "whpk_", 32)))
    raise SecretMalformed("A secret starts with whsec_, whsk_ or whpk_. Pass it whole, with its prefix.")


def parse_signing_key(text: str) -> SigningKey:
    """As `parse_key`, for a key that we sign with: a public key is refused with SecretMalformed."""
    key = parse_key(text)
    if isinstance(key, PublicKey):
        raise SecretMalformed("A whpk_ key can only verify. Sign with its whsk_ key.")
    return key


def _secret_bytes(encoded: str) -> bytes:
    secret = _decoded(encoded, "whsec_")
    if not MIN_SECRET_BYTES <= len(secret) <= MAX_SECRET_BYTES:
        raise SecretMalformed(
            f"A whsec_ secret holds {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} bytes; this one holds {len(secret)}."
        )
    return secret


def _private_key(encoded: str) -> PrivateKey:
    both = _sized(encoded, "whsk_", 64)
    key = Ed25519PrivateKey.from_private_bytes(both[:32])
    if key.public_key().public_bytes_raw() != both[32:]:
        raise SecretMalformed(
            "The two halves of this whsk_ key do not belong together: it must be the seed, then its public key."
        )
    return PrivateKey(key)


def _sized(encoded: str, prefix: str, size: int) -> bytes:
    raw = _decoded(encoded, prefix)
    if len(raw) != size:
        raise SecretMalformed(f"A {prefix} key holds {size} bytes; this one holds {len(raw)}.")
    return raw


def _decoded(encoded: str, prefix: str) -> bytes:
    try:
        return base64.b64decode(encoded, validate=True)
    except ValueError:  # binascii.Error is one, and so is the refusal of text beyond ASCII
        raise SecretMalformed(f"What follows {prefix} is not standard base64.") from None


# -- signing ---------------------------------------------------------------------------------------------------------


def headers(keys: Iterable[SigningKey], message_id: str, timestamp_s: int, body: bytes) -> dict[str, str]:
    """The three headers of one attempt. `timestamp_s` is the attempt's own unix time in seconds."""
    return {
        ID_HEADER: message_id,
        TIMESTAMP_HEADER: str(timestamp_s),
        SIGNATURE_HEADER: sign(keys, message_id, timestamp_s, body),
    }


def sign(keys: Iterable[SigningKey], message_id: str, timestamp_s: int, body: bytes) -> str:
    """One signature for each live key, separated by spaces, in the order of `keys`.

    `body` is the bytes that are sent. Raises ValueError for no key, an id that is not `[A-Za-z0-9_-]{1,128}`,
    or a time before 1970: those are faults of ours, never of a receiver.

    >>> key = parse_signing_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    >>> sign([key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
    """
    if not _MESSAGE_ID.fullmatch(message_id) or timestamp_s < 0:
        raise ValueError("A message id is 1 to 128 of A-Z a-z 0-9 _ -, and its time is unix seconds.")
    content = _signed_content(message_id, str(timestamp_s), body)
    signatures = [_signature(key, content) for key in keys]
    if not signatures:
        raise ValueError("A message needs at least one live key to be signed with.")
    return " ".join(signatures)


def _signature(key: SigningKey, content: bytes) -> str:
    if isinstance(key, SharedKey):
        return "v1," + _b64(hmac.digest(key.secret, content, hashlib.sha256))
    return "v1a," + _b64(key.key.sign(content))


def _signed_content(message_id: str, timestamp: str, body: bytes) -> bytes:
    return b"%b.%b.%b" % (message_id.encode(), timestamp.encode(), body)


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


# -- verifying -------------------------------------------------------------------------------------------------------


def verify(
    headers: Mapping[str, str],
    body: bytes,
    secrets: Iterable[str | Key],
    *,
    now_s: float,
    tolerance_s: float = TOLERANCE_S,
) -> Match:
    """Check a delivery as a receiver would, and name the clause that fails.

    Header names are compared without regard to case. Whatever the input holds, only a SignatureError is raised:
    HeaderMissing, HeaderMalformed, TimestampMalformed, TimestampTooOld, TimestampInFuture, TooManySignatures,
    NoKnownVersion, SignatureMalformed, BodyRewritten, NoMatchingSignature, or SecretMalformed.
    """
    message_id = _header(headers, ID_HEADER)
    timestamp = _header(headers, TIMESTAMP_HEADER)
    given = _header(headers, SIGNATURE_HEADER)
    _check_clock(timestamp, now_s, tolerance_s)
    signatures, malformed = _parse_signatures(given)
    keys = [parse_key(secret) if isinstance(secret, str) else secret for secret in secrets]

    match = _find(keys, signatures, _signed_content(message_id, timestamp, body))
    if match is not None:
        return match
    if malformed:
        raise SignatureMalformed(malformed)
    if _matches_rewritten(keys, signatures, message_id, timestamp, body):
        raise BodyRewritten(
            "The signature belongs to the same JSON written differently. "
            "Verify the raw bytes of the request, before any parser or framework rewrites them."
        )
    raise NoMatchingSignature(
        "No signature matches. Either the secret is another endpoint's or was rotated away, "
        "or the body, webhook-id or webhook-timestamp is not what was sent."
    )


def _header(headers: Mapping[str, str], name: str) -> str:
    values = [value for key, value in headers.items() if isinstance(key, str) and key.lower() == name]
    if not values:
        raise HeaderMissing(f"The header {name} is missing.")
    if len(values) > 1:
        raise HeaderMalformed(f"The header {name} is given more than once.")
    value = values[0]
    if not isinstance(value, str) or not value.isascii() or not value.isprintable() or not value.strip():
        raise HeaderMalformed(f"The header {name} must be printable ASCII and not empty.")
    return value.strip()


def _check_clock(timestamp: str, now_s: float, tolerance_s: float) -> None:
    if not _TIMESTAMP.fullmatch(timestamp):
        raise TimestampMalformed("webhook-timestamp must be whole unix seconds, digits only.")
    age_s = now_s - int(timestamp)
    if age_s > tolerance_s:
        raise TimestampTooOld(
            f"webhook-timestamp is {age_s:.0f} s old; {tolerance_s:.0f} s are tolerated. Check the clock, or a replay."
        )
    if -age_s > tolerance_s:
        raise TimestampInFuture(
            f"webhook-timestamp is {-age_s:.0f} s in the future; {tolerance_s:.0f} s are tolerated. Check the clock."
        )


def _parse_signatures(given: str) -> tuple[list[tuple[str, bytes]], str]:
    """The decoded signatures of the versions we know, and a sentence about the first one that cannot be read.

    One unreadable entry must not hide a good one beside it, so it is told only when nothing matches.
    """
    entries = given.split(None, MAX_SIGNATURES)
    if len(entries) > MAX_SIGNATURES:
        raise TooManySignatures(f"webhook-signature holds more than {MAX_SIGNATURES} signatures.")
    signatures: list[tuple[str, bytes]] = []
    malformed = ""
    for entry in entries:
        version, _, encoded = entry.partition(",")
        if version not in _SIGNATURE_BYTES:
            continue
        try:
            signatures.append((version, _signature_bytes(version, encoded)))
        except SignatureMalformed as error:
            malformed = malformed or str(error)
    if not signatures and not malformed:
        raise NoKnownVersion("webhook-signature holds no v1 or v1a entry. Each entry is a version, a comma and base64.")
    return signatures, malformed


_SIGNATURE_BYTES = {"v1": 32, "v1a": 64}


def _signature_bytes(version: str, encoded: str) -> bytes:
    try:
        raw = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise SignatureMalformed(f"A {version} signature is not standard base64.") from None
    if len(raw) != _SIGNATURE_BYTES[version]:
        raise SignatureMalformed(f"A {version} signature holds {len(raw)} bytes, not {_SIGNATURE_BYTES[version]}.")
    return raw


def _find(keys: Sequence[Key], signatures: Sequence[tuple[str, bytes]], content: bytes) -> Match | None:
    # Every pair is compared, so that the time taken does not tell which one matched.
    found: Match | None = None
    for index, key in enumerate(keys):
        for version, signature in signatures:
            if _fits(key, version, signature, content) and found is None:
                found = Match(version, index)
    return found


def _fits(key: Key, version: str, signature: bytes, content: bytes) -> bool:
    if isinstance(key, SharedKey):
        return version == "v1" and hmac.compare_digest(hmac.digest(key.secret, content, hashlib.sha256), signature)
    public = key.key.public_key() if isinstance(key, PrivateKey) else key.key
    if version != "v1a":
        return False
    try:
        public.verify(signature, content)
    except InvalidSignature:
        return False
    return True


def _matches_rewritten(
    keys: Sequence[Key], signatures: Sequence[tuple[str, bytes]], message_id: str, timestamp: str, body: bytes
) -> bool:
    return any(
        _find(keys, signatures, _signed_content(message_id, timestamp, writing)) for writing in _other_writings(body)
    )


def _other_writings(body: bytes) -> list[bytes]:
    """The same JSON as the usual serialisers write it: what a framework turns a body into before it is verified."""
    if len(body) > MAX_EXPLAINED_BYTES:
        return []
    try:
        value = json.loads(body)
        texts = [
            json.dumps(value, separators=separators, ensure_ascii=ascii_only)
            for separators in ((",", ":"), (", ", ": "))
            for ascii_only in (False, True)
        ]
        return [body.strip(), *(text.encode() for text in texts)]
    except (ValueError, RecursionError):  # not JSON, not UTF-8, too deep, or a number too long to read
        return [body.strip()]
