"""Secrets at rest: what opens, and what does not."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.webhooks import sealing
from api.webhooks.sealing import Sealer

K1, K2 = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))


def test_what_is_sealed_opens_in_its_own_context_only() -> None:
    sealer = Sealer.from_setting(f"k1:{K1}")
    sealed = sealer.seal(b"whsec_x", context=b"endpoint-1")
    assert sealer.open(sealed, context=b"endpoint-1") == b"whsec_x"
    with pytest.raises(sealing.SealBroken):
        sealer.open(sealed, context=b"endpoint-2")


def test_the_plaintext_is_not_in_what_is_stored_and_no_two_seals_are_alike() -> None:
    sealer = Sealer.from_setting(f"k1:{K1}")
    sealed = [sealer.seal(b"whsec_x", context=b"") for _ in range(2)]
    assert sealed[0] != sealed[1]
    assert b"whsec_x" not in sealed[0]


def test_the_last_key_seals_and_all_keys_open() -> None:
    old = Sealer.from_setting(f"k1:{K1}")
    both = Sealer.from_setting(f"k1:{K1}, k2:{K2}")
    sealed = old.seal(b"x", context=b"c")
    assert both.open(sealed, context=b"c") == b"x"
    assert both.is_stale(sealed)
    assert not both.is_stale(both.seal(b"x", context=b"c"))
    with pytest.raises(sealing.KeyUnknown, match="k2"):
        old.open(both.seal(b"x", context=b"c"), context=b"c")


def test_the_layout_is_version_key_id_nonce_ciphertext() -> None:
    sealer = Sealer({"k1": bytes(32)}, random_bytes=lambda size: b"n" * size)
    sealed = sealer.seal(b"x", context=b"")
    assert sealed[:16] == b"\x01\x02k1" + b"n" * 12
    assert len(sealed) == 16 + 1 + 16


def test_another_key_under_the_same_id_does_not_open() -> None:
    sealed = Sealer.from_setting(f"k1:{K1}").seal(b"x", context=b"c")
    with pytest.raises(sealing.SealBroken):
        Sealer.from_setting(f"k1:{K2}").open(sealed, context=b"c")


@given(st.integers(0, 200), st.integers(1, 255))
def test_one_changed_byte_is_noticed(position: int, change: int) -> None:
    sealer = Sealer.from_setting(f"k1:{K1},k2:{K2}")
    sealed = bytearray(sealer.seal(b"secret", context=b"c"))
    sealed[position % len(sealed)] ^= change
    with pytest.raises(sealing.SealingError):
        sealer.open(bytes(sealed), context=b"c")


@given(st.binary(max_size=80))
def test_bytes_that_were_never_sealed_raise_a_sealing_error(junk: bytes) -> None:
    with pytest.raises(sealing.SealingError):
        Sealer.from_setting(f"k1:{K1}").open(junk, context=b"c")


def test_a_seal_cut_short_is_refused() -> None:
    sealer = Sealer.from_setting(f"k1:{K1}")
    sealed = sealer.seal(b"secret", context=b"c")
    for size in range(len(sealed)):
        with pytest.raises(sealing.SealingError):
            sealer.open(sealed[:size], context=b"c")


@pytest.mark.parametrize(
    "setting",
    [
        "",
        "k1",
        "k1:",
        ":" + K1,
        f"k1:{K1},",
        f"k1:{K1},k1:{K2}",
        f"k 1:{K1}",
        "k1:AAAA",
        f"k1:{K1}!",
        f"k\xe9:{K1}",
        "k1:" + base64.b64encode(bytes(31)).decode(),
        "x" * 33 + ":" + K1,
    ],
)
def test_a_malformed_setting_is_refused_without_repeating_the_key(setting: str) -> None:
    with pytest.raises(sealing.SettingMalformed) as refused:
        Sealer.from_setting(setting)
    assert K1 not in str(refused.value)


def test_a_sealer_without_keys_is_refused() -> None:
    with pytest.raises(sealing.SettingMalformed):
        Sealer({})
