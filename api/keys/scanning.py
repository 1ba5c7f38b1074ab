"""Posts of GitHub's secret scanning: who really sent them, and what becomes of the keys that they name.

GitHub signs the raw body with ECDSA P-256 (its secret scanning partner program). Its public keys come from a setting,
since no request handler of ours calls out.
"""

import base64
import binascii
import hashlib
from functools import lru_cache
from typing import Annotated, Any, Literal
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from pydantic import BaseModel, Field, StringConstraints, TypeAdapter
from pydantic import ValidationError as Refused
from sqlalchemy import bindparam, select

from api import json
from api.accounts import secrets
from api.accounts.models import Key
from api.keys.write import end
from api.problems import Invalid, Unauthenticated
from api.stores import Prepared, Scope, Transaction

MOST_FOUND = 500
LONGEST_URL = 2000
_BY_DIGEST = Prepared(select(Key.id, Key.workspace_id, Key.livemode).where(Key.digest == bindparam("digest")))
_Short = Annotated[str, StringConstraints(max_length=200)]


class Found(BaseModel):
    """One match. GitHub may add fields, so others are let through."""

    token: _Short
    type: _Short
    url: Annotated[str, StringConstraints(max_length=10_000)] | None = None
    source: _Short | None = None


_POST = TypeAdapter(Annotated[list[Found], Field(max_length=MOST_FOUND)])


def check_signature(public_keys: str, identifier: str, signature: str, body: bytes) -> None:
    """Raises Unauthenticated unless the key of this identifier signed the body, byte for byte."""
    key = read_public_keys(public_keys).get(identifier)
    if key is None:
        raise _refused("Github-Public-Key-Identifier names no key of ROADBED_GITHUB_SCANNING_KEYS.")
    try:
        key.verify(base64.b64decode(signature, validate=True), body, ec.ECDSA(SHA256()))
    except (InvalidSignature, binascii.Error, ValueError):
        raise _refused("Github-Public-Key-Signature does not fit the body.") from None


@lru_cache(maxsize=4)
def read_public_keys(text: str) -> dict[str, ec.EllipticCurvePublicKey]:
    """By identifier, from the JSON that GitHub serves them as. Raises ValueError for what is no such JSON."""
    if not text.strip():
        return {}
    found = {}
    for entry in json.load(text)["public_keys"]:
        key = load_pem_public_key(entry["key"].encode())
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise ValueError(f"{entry['key_identifier']} is no elliptic curve key")
        found[entry["key_identifier"]] = key
    return found


async def revoke_leaked(tx: Transaction, pepper: bytes, parsed: Any, request_id: str) -> list[dict[str, str]]:
    """Revoke every key of ours among what was found, tell each workspace where, and give GitHub's feedback form.

    What has a wrong checksum was never a key of ours and costs no query. Raises Invalid for another form of body.
    """
    try:
        matches = _POST.validate_python(parsed)
    except Refused:
        message = f"The body is a list of at most {MOST_FOUND} objects with token, type and url."
        raise Invalid(message) from None
    urls = {match.token: match.url for match in reversed(matches) if secrets.is_well_formed(match.token)}
    digests = {token: secrets.digest(token, pepper) for token in urls}
    ours: set[str] = set()
    # In one order for everyone, so that two posts that name the same keys do not wait for each other for ever.
    for token in sorted(urls, key=digests.__getitem__):
        await tx.speak_for(Scope(key_digest=digests[token]))
        row = await tx.first(_BY_DIGEST, digest=digests[token])
        if row is not None:
            ours.add(token)
            await _revoke(tx, row["workspace_id"], row["livemode"], row["id"], urls[token], request_id)
    return [_feedback(match, "true_positive" if match.token in ours else "false_positive") for match in matches]


async def _revoke(
    tx: Transaction, workspace_id: UUID, livemode: bool, key_id: UUID, url: str | None, request_id: str
) -> None:
    await tx.speak_for(Scope(workspace_id, livemode, request_id=request_id))
    await end(tx, key_id, "leaked", url[:LONGEST_URL] if url else None)


def _feedback(match: Found, label: Literal["true_positive", "false_positive"]) -> dict[str, str]:
    """The token as its SHA-256: no answer of ours holds a secret."""
    hashed = hashlib.sha256(match.token.encode()).hexdigest()
    return {"token_hash": hashed, "token_type": match.type, "label": label}


def _refused(reason: str) -> Unauthenticated:
    return Unauthenticated(reason, headers={"WWW-Authenticate": 'Signature realm="roadbed"'})
