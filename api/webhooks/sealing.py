"""Secrets at rest: AES-256-GCM under a named key, so that keys can be rotated without reading every row at once.

What is stored: one version byte, one byte for the length of the key id, the key id, a nonce of 12 bytes, then the
ciphertext with its tag of 16. Version, key id and the caller's context are authenticated: a sealed secret that is
copied to another endpoint's row does not open there. Nonces are random, which NIST SP 800-38D allows for 2^32
messages under one key.
"""

import base64
import os
import re
from collections.abc import Callable, Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VERSION = 1
KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16

_KEY_ID = re.compile(r"[A-Za-z0-9_\-]{1,32}")


class SealingError(Exception):
    """Something sealed cannot be opened, or nothing can be sealed. No message repeats a key or a secret."""


class SettingMalformed(SealingError):
    """The setting is not `id:base64`, with commas between, each key 32 bytes."""


class SealMalformed(SealingError):
    """These bytes were not sealed by us, or were cut short."""


class KeyUnknown(SealingError):
    """Sealed under a key that is no longer in the setting. Put the key back, before the others."""


class SealBroken(SealingError):
    """The bytes were changed, or belong to another row, or another key has this id."""


class Sealer:
    """Seals with the last key, opens with any of them.

    >>> sealer = Sealer({"k1": bytes(32)})
    >>> sealer.open(sealer.seal(b"whsec_...", context=b"endpoint 1"), context=b"endpoint 1")
    b'whsec_...'
    """

    def __init__(self, keys: Mapping[str, bytes], *, random_bytes: Callable[[int], bytes] = os.urandom) -> None:
        if not keys:
            raise SettingMalformed("At least one sealing key is needed.")
        self._ciphers = {_checked_id(key_id): AESGCM(_checked_key(key_id, key)) for key_id, key in keys.items()}
        self.key_id = list(keys)[-1]
        self._random_bytes = random_bytes

    @classmethod
    def from_setting(cls, setting: str) -> "Sealer":
        """Read `k1:<base64>,k2:<base64>`; the last one seals. Raises SettingMalformed."""
        keys: dict[str, bytes] = {}
        for entry in setting.split(","):
            key_id, _, encoded = entry.strip().partition(":")
            if key_id in keys:
                raise SettingMalformed(f"The sealing key id {key_id} is given twice.")
            keys[_checked_id(key_id)] = _decoded_key(key_id, encoded)
        return cls(keys)

    def seal(self, plaintext: bytes, *, context: bytes) -> bytes:
        """`context` names the owner, an endpoint's id for instance; the same bytes are needed to open."""
        header = bytes([VERSION, len(self.key_id)]) + self.key_id.encode("ascii")
        nonce = self._random_bytes(NONCE_BYTES)
        return header + nonce + self._ciphers[self.key_id].encrypt(nonce, plaintext, header + context)

    def open(self, sealed: bytes, *, context: bytes) -> bytes:
        """Raises SealMalformed, KeyUnknown or SealBroken."""
        header, nonce, ciphertext = _split(sealed)
        key_id = header[2:].decode("ascii")
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise KeyUnknown(f"No sealing key has the id {key_id}. Put it back into the setting, before the others.")
        try:
            return cipher.decrypt(nonce, ciphertext, header + context)
        except InvalidTag:
            raise SealBroken(f"This was not sealed under {key_id} for this row, or it was changed since.") from None

    def is_stale(self, sealed: bytes) -> bool:
        """True when it was sealed under an older key and should be sealed again. Raises SealMalformed."""
        return _split(sealed)[0][2:].decode("ascii") != self.key_id


def _split(sealed: bytes) -> tuple[bytes, bytes, bytes]:
    if len(sealed) < 2 or sealed[0] != VERSION:
        raise SealMalformed("This does not start with a version that we seal.")
    header_end = 2 + sealed[1]
    nonce_end = header_end + NONCE_BYTES
    header = sealed[:header_end]
    if len(sealed) < nonce_end + TAG_BYTES or not _KEY_ID.fullmatch(header[2:].decode("latin-1")):
        raise SealMalformed("This was cut short, or was not sealed by us.")
    return header, sealed[header_end:nonce_end], sealed[nonce_end:]


def _checked_id(key_id: str) -> str:
    if not _KEY_ID.fullmatch(key_id):
        raise SettingMalformed("A sealing key is written id:base64, and its id is 1 to 32 of A-Z a-z 0-9 _ -.")
    return key_id


def _checked_key(key_id: str, key: bytes) -> bytes:
    if len(key) != KEY_BYTES:
        raise SettingMalformed(f"The sealing key {key_id} holds {len(key)} bytes; AES-256 needs {KEY_BYTES}.")
    return key


def _decoded_key(key_id: str, encoded: str) -> bytes:
    try:
        return _checked_key(key_id, base64.b64decode(encoded, validate=True))
    except ValueError:
        raise SettingMalformed(f"The sealing key {key_id} is not standard base64.") from None
