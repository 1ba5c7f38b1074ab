"""Standard Webhooks 1.0.0: its vectors, two independent libraries in both directions, and hostile headers."""

import base64
import json
from datetime import UTC, datetime

import pytest
import standardwebhooks
import svix.webhooks
from hypothesis import given
from hypothesis import strategies as st

from api.webhooks import signing

ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
TIME_S = 1614265330
BODY = b'{"test": 2432232314}'
SHARED = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PRIVATE = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
PUBLIC = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
V1 = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
V1A = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="


def headers(signature: str = V1, timestamp: str = str(TIME_S), message_id: str = ID) -> dict[str, str]:
    return {"webhook-id": message_id, "webhook-timestamp": timestamp, "webhook-signature": signature}


def keys(*texts: str) -> list[signing.SigningKey]:
    return [signing.parse_signing_key(text) for text in texts]


# -- vectors ---------------------------------------------------------------------------------------------------------


def test_the_vector_of_the_shared_secret() -> None:
    assert signing.sign(keys(SHARED), ID, TIME_S, BODY) == V1


def test_the_vector_of_the_private_key() -> None:
    assert signing.sign(keys(PRIVATE), ID, TIME_S, BODY) == V1A
    assert signing.public_key_of(PRIVATE) == PUBLIC


def test_every_live_key_signs_in_order() -> None:
    assert signing.sign(keys(SHARED, PRIVATE, SHARED), ID, TIME_S, BODY) == f"{V1} {V1A} {V1}"


def test_the_three_headers_of_an_attempt() -> None:
    assert signing.headers(keys(SHARED), ID, TIME_S, BODY) == headers()


@pytest.mark.parametrize(("secret", "version"), [(SHARED, "v1"), (PRIVATE, "v1a"), (PUBLIC, "v1a")])
def test_each_kind_of_key_verifies_what_its_kind_signed(secret: str, version: str) -> None:
    assert signing.verify(headers(f"{V1} {V1A}"), BODY, [secret], now_s=TIME_S) == signing.Match(version, 0)


def test_verifying_tells_which_of_the_rotated_secrets_matched() -> None:
    given_secrets = [signing.new_secret(), SHARED]
    assert signing.verify(headers(), BODY, given_secrets, now_s=TIME_S).secret_index == 1


# -- other libraries -------------------------------------------------------------------------------------------------


def test_standardwebhooks_verifies_what_we_sign() -> None:
    now = datetime.now(UTC)
    secret, older = signing.new_secret(), signing.new_secret()
    sent = signing.headers(keys(older, PRIVATE, secret), "msg_1", int(now.timestamp()), BODY)
    assert standardwebhooks.Webhook(secret).verify(BODY, sent) == json.loads(BODY)


def test_svix_verifies_what_we_sign() -> None:
    now = datetime.now(UTC)
    secret = signing.new_secret()
    sent = signing.headers(keys(PRIVATE, secret), "msg_1", int(now.timestamp()), BODY)
    svix.webhooks.Webhook(secret).verify(BODY, sent)
    with pytest.raises(svix.webhooks.WebhookVerificationError):
        svix.webhooks.Webhook(secret).verify(BODY + b" ", sent)


@pytest.mark.parametrize("library", [standardwebhooks.Webhook, svix.webhooks.Webhook])
def test_we_verify_what_other_libraries_sign(library: type) -> None:
    secret = signing.new_secret()
    signature = library(secret).sign("msg_1", datetime.fromtimestamp(TIME_S, UTC), BODY.decode())
    match = signing.verify(headers(signature, message_id="msg_1"), BODY, [secret], now_s=TIME_S)
    assert match == signing.Match("v1", 0)


@given(st.binary(min_size=24, max_size=64), st.binary(max_size=300), st.integers(0, 10**11))
def test_what_is_signed_verifies_and_nothing_else_does(secret: bytes, body: bytes, timestamp_s: int) -> None:
    text = "whsec_" + base64.b64encode(secret).decode()
    sent = signing.headers(keys(text), "msg_1", timestamp_s, body)
    assert signing.verify(sent, body, [text], now_s=timestamp_s).version == "v1"
    with pytest.raises(signing.SignatureError):
        signing.verify(sent, body + b"x", [text], now_s=timestamp_s)


# -- keys ------------------------------------------------------------------------------------------------------------


def test_a_new_secret_is_32_random_bytes() -> None:
    assert signing.new_secret(lambda size: b"\x01" * size) == "whsec_" + base64.b64encode(b"\x01" * 32).decode()
    assert signing.new_secret() != signing.new_secret()


def test_a_new_private_key_is_its_seed_and_its_public_key() -> None:
    text = signing.new_private_key()
    raw = base64.b64decode(text.removeprefix("whsk_"))
    assert len(raw) == 64
    assert signing.public_key_of(text) == "whpk_" + base64.b64encode(raw[32:]).decode()


@pytest.mark.parametrize("size", [24, 64])
def test_an_imported_secret_of_24_to_64_bytes_is_accepted(size: int) -> None:
    assert signing.parse_key("whsec_" + base64.b64encode(bytes(size)).decode()) == signing.SharedKey(bytes(size))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "whsec_",
        "whsec",
        "secret",
        "whsec_" + base64.b64encode(bytes(23)).decode(),
        "whsec_" + base64.b64encode(bytes(65)).decode(),
        SHARED[:-1],
        SHARED + "\n",
        SHARED.replace("MfKQ", "MfK "),
        SHARED.replace("9", "\uff19"),
        "whsec_" + base64.urlsafe_b64encode(b"\xff" * 32).decode(),
        "whpk_AAAA",
        "whsk_" + base64.b64encode(bytes(64)).decode(),
        "whsk_" + base64.b64encode(bytes(63)).decode(),
        "WHSEC_" + SHARED.removeprefix("whsec_"),
    ],
)
def test_a_malformed_secret_is_refused(text: str) -> None:
    with pytest.raises(signing.SecretMalformed):
        signing.parse_key(text)


def test_neither_a_key_nor_its_error_shows_the_secret() -> None:
    assert "MfKQ" not in repr(signing.parse_key(SHARED))
    assert "q0\\x0c" not in repr(signing.parse_key(SHARED))
    with pytest.raises(signing.SecretMalformed) as refused:
        signing.parse_key(SHARED + "!")
    assert "MfKQ" not in str(refused.value)


def test_a_public_key_signs_nothing() -> None:
    with pytest.raises(signing.SecretMalformed):
        signing.parse_signing_key(PUBLIC)
    with pytest.raises(signing.SecretMalformed):
        signing.public_key_of(SHARED)


@pytest.mark.parametrize("message_id", ["", "a.b", "é", "a b", "a\n", "x" * 129])
def test_an_id_that_could_be_read_two_ways_is_never_signed(message_id: str) -> None:
    with pytest.raises(ValueError, match="message id"):
        signing.sign(keys(SHARED), message_id, TIME_S, BODY)


def test_a_message_without_a_key_is_never_signed() -> None:
    with pytest.raises(ValueError, match="key"):
        signing.sign([], ID, TIME_S, BODY)


# -- which clause fails ----------------------------------------------------------------------------------------------


def fails_with(sent: dict[str, str], body: bytes = BODY, now_s: float = TIME_S) -> str:
    with pytest.raises(signing.SignatureError) as failure:
        signing.verify(sent, body, [SHARED], now_s=now_s)
    assert str(failure.value)
    return failure.value.code


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_missing_header_is_named(name: str) -> None:
    sent = headers()
    del sent[name]
    with pytest.raises(signing.HeaderMissing, match=name):
        signing.verify(sent, BODY, [SHARED], now_s=TIME_S)


def test_header_names_are_compared_without_case() -> None:
    shouted = {name.upper(): value for name, value in headers().items()}
    assert signing.verify(shouted, BODY, [SHARED], now_s=TIME_S)


def test_a_header_given_twice_is_refused() -> None:
    assert fails_with(headers() | {"Webhook-Id": ID}) == "header_malformed"


@pytest.mark.parametrize("value", ["", " ", "a\x00b", "a\nb", "é", "\udcff", "\u0661"])
def test_a_header_that_is_not_printable_ascii_is_refused(value: str) -> None:
    assert fails_with(headers() | {"webhook-id": value}) == "header_malformed"


@pytest.mark.parametrize("timestamp", ["soon", "1.5", "-1", "+1", "1e9", "9" * 400, "0x10", "1_000", "1 2"])
def test_a_timestamp_is_plain_digits(timestamp: str) -> None:
    assert fails_with(headers(timestamp=timestamp)) == "timestamp_malformed"


@pytest.mark.parametrize("timestamp", ["\u0661\u0666", "\uff11"])
def test_digits_of_other_scripts_are_not_digits(timestamp: str) -> None:
    assert fails_with(headers(timestamp=timestamp)) == "header_malformed"


def test_five_minutes_of_clock_difference_are_tolerated_either_way() -> None:
    for drift_s in (-300, 300):
        assert signing.verify(headers(), BODY, [SHARED], now_s=TIME_S + drift_s)
    assert fails_with(headers(), now_s=TIME_S + 301) == "timestamp_too_old"
    assert fails_with(headers(), now_s=TIME_S - 301) == "timestamp_in_future"


@pytest.mark.parametrize("signature", ["v2,AAAA", "nonsense", ",", "v1;AAAA", "V1,AAAA"])
def test_an_unknown_version_is_told(signature: str) -> None:
    assert fails_with(headers(signature)) == "no_known_version"


@pytest.mark.parametrize(
    "signature", ["v1,", "v1,AAA", "v1,AAAA", "v1,***", V1 + ",", V1.replace("+", "-"), "v1a,AAAA"]
)
def test_a_signature_that_cannot_be_read_is_told(signature: str) -> None:
    assert fails_with(headers(signature)) == "signature_malformed"


def test_an_unreadable_signature_does_not_hide_a_good_one() -> None:
    assert signing.verify(headers(f"v1,*** v9,x {V1}"), BODY, [SHARED], now_s=TIME_S)


def test_thousands_of_signatures_are_refused_before_any_is_compared() -> None:
    assert fails_with(headers(" ".join([V1] * 5000))) == "too_many_signatures"


def test_another_secret_or_body_or_id_does_not_match() -> None:
    assert fails_with(headers(), body=b'{"test": 1}') == "no_matching_signature"
    assert fails_with(headers(message_id="msg_other")) == "no_matching_signature"
    with pytest.raises(signing.NoMatchingSignature):
        signing.verify(headers(), BODY, [signing.new_secret()], now_s=TIME_S)
    with pytest.raises(signing.NoMatchingSignature):
        signing.verify(headers(), BODY, [], now_s=TIME_S)


@pytest.mark.parametrize("body", [b'{"test":2432232314}', b'{\n  "test": 2432232314\n}', BODY + b"\n"])
def test_a_body_that_a_framework_wrote_again_is_told(body: bytes) -> None:
    assert fails_with(headers(), body=body) == "body_rewritten"


@pytest.mark.parametrize(
    "body", [b"\xff\xfe", b"[" * 100_000, b'"\\ud800"', b"1" * 10_000, b"NaN", b"", b"{" + b" " * 300_000 + b"}"]
)
def test_a_hostile_body_only_fails_to_match(body: bytes) -> None:
    assert fails_with(headers(), body=body) == "no_matching_signature"


@given(
    st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
    st.text(max_size=40) | st.just(ID),
    st.text(max_size=40) | st.just(str(TIME_S)),
    st.text(max_size=200) | st.text("v1a,=+/ A\u0661", max_size=200),
    st.binary(max_size=100),
)
def test_no_input_raises_anything_else(
    others: dict[str, str], message_id: str, timestamp: str, signature: str, body: bytes
) -> None:
    with pytest.raises(signing.SignatureError):
        signing.verify(others | headers(signature, timestamp, message_id), body, [SHARED, PRIVATE], now_s=TIME_S)
