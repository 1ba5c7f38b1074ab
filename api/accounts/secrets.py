"""The form of an API key: `rb_live_` or `rb_test_`, 30 random base62 characters, and 6 of a CRC32 of all before them.

The checksum lets us refuse a mistyped or made-up key with no query, and lets secret scanners know a real one.
"""

import hashlib
import hmac
import secrets
import string
import zlib

_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM_LENGTH, _CHECK_LENGTH = 30, 6
_PREFIXES = {"rb_live_": True, "rb_test_": False}


def new_secret(livemode: bool) -> str:
    """A new key's secret: 178 bits of the system's randomness."""
    head = ("rb_live_" if livemode else "rb_test_") + "".join(secrets.choice(_BASE62) for _ in range(_RANDOM_LENGTH))
    return head + _checksum(head)


def is_well_formed(secret: str) -> bool:
    """Whether the prefix, the length and the checksum are right. Nothing is asked of the database."""
    if secret[:8] not in _PREFIXES or len(secret) != 8 + _RANDOM_LENGTH + _CHECK_LENGTH or not secret.isascii():
        return False
    return hmac.compare_digest(secret[-_CHECK_LENGTH:], _checksum(secret[:-_CHECK_LENGTH]))


def digest(secret: str, pepper: bytes) -> bytes:
    """What we keep of it: HMAC-SHA256 under a pepper that the database never holds. 32 bytes."""
    return hmac.digest(pepper, secret.encode(), hashlib.sha256)


def _checksum(head: str) -> str:
    number, out = zlib.crc32(head.encode()), ""
    for _ in range(_CHECK_LENGTH):
        number, remainder = divmod(number, 62)
        out = _BASE62[remainder] + out
    return out
