"""`roadbed conformance`: the clauses of Standard Webhooks 1.0.0, each checked against the code that signs and sends.

What is sent goes over a real socket to a receiver on loopback, and is checked there with the standard library alone.
Specification: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import asyncio
import base64
import hashlib
import hmac
import inspect
import json
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_network
from types import SimpleNamespace, TracebackType
from typing import Any, Literal, Self, cast

import api.main  # noqa: F401 - each slice declares its own event types
from api import json as exact
from api.db import uuid7, wire_id
from api.settings import Settings
from api.stores import Scope, Transaction
from api.webhooks import backoff, signing
from api.webhooks.catalogue import TEST, every_type
from api.webhooks.outbox import event_body
from api.webhooks.subscribe import target_policy
from api.webhooks.targets import TargetError, TargetPolicy
from workers.sender import Outcome, Outgoing, Sender

Level = Literal["MUST", "SHOULD"]
VECTOR_ID, VECTOR_S, VECTOR_BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
SHARED = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PRIVATE = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
PUBLIC = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
V1 = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
V1A = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="
BODY = '{"type":"webhook.test","timestamp":"2026-11-23T09:30:00Z", "data":{"title":"Größe ✓","n":1.50}}'.encode()
SCHEDULE_S = 75 * 3600 + 35 * 60 + 5


def report(as_json: bool) -> int:
    """Print pass or fail for each clause. Gives 1 when one fails, else 0."""
    results = asyncio.run(run())
    failed = [result for result in results if not result["passed"]]
    if as_json:
        told = {"specification": "Standard Webhooks 1.0.0", "passed": len(results) - len(failed), "failed": len(failed)}
        print(json.dumps({**told, "clauses": results}))
    else:
        for result in results:
            mark = "pass" if result["passed"] else "FAIL"
            print(f"{mark}  {result['level']:<6}  {result['clause']}{_reason(result)}")
        print(f"{len(results) - len(failed)} of {len(results)} clauses pass.")
    return 1 if failed else 0


async def run() -> list[dict[str, Any]]:
    """Every clause with its level, whether it passed, and why not."""
    policy = TargetPolicy((ip_network("127.0.0.0/8"),), allow_http=True)
    async with _Receiver() as receiver, Sender(policy) as sender:
        bench = _Bench(receiver, sender)
        return [await _checked(clause, bench) for clause in _CLAUSES]


@dataclass(frozen=True)
class _Clause:
    level: Level
    text: str
    check: "Callable[[_Bench], Awaitable[None]]"


_CLAUSES: list[_Clause] = []


def _clause(level: Level, text: str) -> Callable[["Callable[[_Bench], Awaitable[None]]"], None]:
    def add(check: "Callable[[_Bench], Awaitable[None]]") -> None:
        _CLAUSES.append(_Clause(level, text, check))

    return add


async def _checked(clause: _Clause, bench: "_Bench") -> dict[str, Any]:
    result: dict[str, Any] = {"level": clause.level, "clause": clause.text, "passed": True, "reason": None}
    try:
        await clause.check(bench)
    except Exception as error:
        result |= {"passed": False, "reason": str(error) or type(error).__name__}
    return result


def _reason(result: dict[str, Any]) -> str:
    return f" ({result['reason']})" if result["reason"] else ""


def _expect(holds: bool, reason: str) -> None:
    if not holds:
        raise ValueError(reason)


# -- what is sent ----------------------------------------------------------------------------------------------------


@_clause("MUST", "Each request carries webhook-id, webhook-timestamp and webhook-signature")
async def _three_headers(bench: "_Bench") -> None:
    _, got = await bench.send([SHARED])
    for name in ("webhook-id", "webhook-timestamp", "webhook-signature"):
        _expect(bool(got.headers.get(name)), f"{name} did not arrive")


@_clause("MUST", "webhook-timestamp is integer unix seconds of the attempt, new with each one")
async def _timestamp(bench: "_Bench") -> None:
    now_s = int(time.time())
    stamps = [(await bench.send([SHARED], at=at))[1].headers["webhook-timestamp"] for at in (now_s, now_s + 61)]
    _expect(stamps == [str(now_s), str(now_s + 61)], f"it was {stamps}")


@_clause("MUST", "webhook-id stays the same when a message is sent again")
async def _same_id(bench: "_Bench") -> None:
    first, second = [(await bench.send([SHARED], at=at))[1].headers for at in (1000, 2000)]
    _expect(first["webhook-id"] == second["webhook-id"], "it changed")
    _expect(first["webhook-signature"] != second["webhook-signature"], "the timestamp is not signed")


@_clause("MUST", "webhook-id is unique for each message, and holds no full stop")
async def _unique(bench: "_Bench") -> None:
    ids = [wire_id("evt", uuid7()) for _ in range(10_000)]
    _expect(len(set(ids)) == len(ids), "two messages have one id")
    _expect(not any("." in one for one in ids), "an id holds a full stop")


@_clause("MUST", "What is signed is id, full stop, timestamp, full stop, and the raw body")
async def _signed_content(bench: "_Bench") -> None:
    _, got = await bench.send([SHARED])
    content = f"{got.headers['webhook-id']}.{got.headers['webhook-timestamp']}.".encode() + got.body
    key = base64.b64decode(SHARED.removeprefix("whsec_"))
    expected = "v1," + base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
    _expect(got.headers["webhook-signature"] == expected, "an independent HMAC differs")


@_clause("MUST", "The bytes that are sent are the bytes that were signed")
async def _same_bytes(bench: "_Bench") -> None:
    _, got = await bench.send([SHARED])
    _expect(got.body == BODY, "the body changed on its way")


@_clause("MUST", "The signature header is a list of version, comma, base64, separated by spaces")
async def _form(bench: "_Bench") -> None:
    _, got = await bench.send([SHARED, PRIVATE])
    entry = r"(v1,[A-Za-z0-9+/]{43}=|v1a,[A-Za-z0-9+/]{86}==)"
    _expect(bool(re.fullmatch(f"{entry}( {entry})*", got.headers["webhook-signature"])), "it has another form")


# -- signatures ------------------------------------------------------------------------------------------------------


@_clause("MUST", "Symmetric signatures are HMAC-SHA256, version v1 (the specification's vector)")
async def _vector_v1(bench: "_Bench") -> None:
    _expect(_sign(SHARED) == V1, "the vector differs")


@_clause("MUST", "Asymmetric signatures are ed25519, version v1a (the specification's vector)")
async def _vector_v1a(bench: "_Bench") -> None:
    _expect(_sign(PRIVATE) == V1A, "the vector differs")
    _expect(signing.public_key_of(PRIVATE) == PUBLIC, "the public key differs")


@_clause("MUST", "Secrets are whsec_ and base64 of 24 to 64 bytes; the key is the decoded bytes")
async def _secret_form(bench: "_Bench") -> None:
    for size, fits in ((23, False), (24, True), (64, True), (65, False)):
        text = "whsec_" + base64.b64encode(bytes(size)).decode()
        _expect(_is_secret(text) == fits, f"{size} bytes are {'refused' if fits else 'taken'}")


@_clause("MUST", "New secrets are random: 24 to 64 bytes of them, no two alike")
async def _new_secrets(bench: "_Bench") -> None:
    secrets = [signing.new_secret() for _ in range(1000)]
    _expect(len(set(secrets)) == 1000, "two are alike")
    _expect(all(24 <= len(base64.b64decode(one.removeprefix("whsec_"))) <= 64 for one in secrets), "a size is wrong")


@_clause("MUST", "Keys of ed25519 are whsk_ and whpk_ with base64, and a public key cannot sign")
async def _key_form(bench: "_Bench") -> None:
    private = signing.new_private_key()
    _expect(private.startswith("whsk_") and signing.public_key_of(private).startswith("whpk_"), "a prefix is wrong")
    try:
        signing.parse_signing_key(PUBLIC)
    except signing.SecretMalformed:
        return
    raise ValueError("a public key is taken to sign with")


@_clause("MUST", "During a rotation every live secret signs, and each alone verifies")
async def _rotation(bench: "_Bench") -> None:
    old, new = signing.new_secret(), signing.new_secret()
    await _each_verifies(bench, [old, new], [old, new])


@_clause("MUST", "v1 and v1a stand together in one header, and each alone verifies")
async def _together(bench: "_Bench") -> None:
    await _each_verifies(bench, [SHARED, PRIVATE], [SHARED, PUBLIC])


# -- verifying -------------------------------------------------------------------------------------------------------


@_clause("MUST", "A changed id, timestamp, body or secret does not verify")
async def _tampered(bench: "_Bench") -> None:
    good = signing.headers([signing.parse_signing_key(SHARED)], "evt_1", VECTOR_S, BODY)
    later = good | {"webhook-timestamp": str(VECTOR_S + 1)}
    for headers, body, secret in (
        (good | {"webhook-id": "evt_2"}, BODY, SHARED),
        (later, BODY, SHARED),
        (good, BODY + b" ", SHARED),
        (good, BODY, signing.new_secret()),
    ):
        _expect(not _verifies(headers, body, secret, VECTOR_S), "a changed request verifies")


@_clause("MUST", "A timestamp more than 5 minutes off, either way, is refused; one within is taken")
async def _tolerance(bench: "_Bench") -> None:
    good = signing.headers([signing.parse_signing_key(SHARED)], "evt_1", VECTOR_S, BODY)
    for offset, fits in ((299, True), (-299, True), (301, False), (-301, False)):
        _expect(_verifies(good, BODY, SHARED, VECTOR_S + offset) == fits, f"{offset} s off: not {fits}")


@_clause("SHOULD", "Signatures are compared in constant time")
async def _constant_time(bench: "_Bench") -> None:
    _expect("compare_digest" in inspect.getsource(signing._fits), "they are compared as text")


# -- answers ---------------------------------------------------------------------------------------------------------


@_clause("MUST", "Any 2xx says that it arrived")
async def _success(bench: "_Bench") -> None:
    for status in (200, 201, 202, 204, 299):
        await bench.expect_answer(status, backoff.Result.DELIVERED)


@_clause("MUST", "A redirect is a failure, and is not followed")
async def _redirects(bench: "_Bench") -> None:
    for status in (301, 302, 303, 307, 308):
        before = len(bench.receiver.arrived)
        await bench.expect_answer(status, backoff.Result.FAILED)
        _expect(len(bench.receiver.arrived) == before + 1, "it was followed")


@_clause("MUST", "Any other status is a failure")
async def _failures(bench: "_Bench") -> None:
    for status in (400, 401, 404, 409, 422, 500, 503):
        await bench.expect_answer(status, backoff.Result.FAILED)


@_clause("SHOULD", "410 disables the endpoint")
async def _gone(bench: "_Bench") -> None:
    await bench.expect_answer(410, backoff.Result.GONE)


@_clause("SHOULD", "429, 502 and 504 slow the sending down")
async def _throttled(bench: "_Bench") -> None:
    for status in (429, 502, 504):
        await bench.expect_answer(status, backoff.Result.THROTTLED)


@_clause("SHOULD", "Retry-After is honoured, as seconds and as a date")
async def _retry_after(bench: "_Bench") -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    for text in ("3600", format_datetime(now + timedelta(hours=1), usegmt=True)):
        delay = backoff.next_delay(backoff.DEFAULT_SCHEDULE, 1, random=lambda: 0.5, now=now, retry_after=text)
        _expect(delay is not None and delay >= 3600, f"{text} gives {delay} s")


@_clause("SHOULD", "An attempt ends within 15 to 30 seconds, whatever the receiver does")
async def _timeout(bench: "_Bench") -> None:
    default = Settings.model_fields["delivery_timeout_s"].default
    _expect(15 <= default <= 30, f"the default is {default} s")
    bench.receiver.status = 0
    began = time.monotonic()
    outcome, _ = await bench.send([SHARED], timeout_s=0.5)
    _expect(outcome.error == "timeout", f"a silent receiver gives {outcome.error}")
    _expect(time.monotonic() - began < 2, "the timeout did not hold")


@_clause("SHOULD", "Failures are tried again: 10 attempts over 75 h 35 min 5 s")
async def _schedule(bench: "_Bench") -> None:
    delays = _delays(0.5)
    _expect(len(delays) + 1 == 10, f"there are {len(delays) + 1} attempts")
    _expect(sum(delays) == SCHEDULE_S, f"they last {sum(delays)} s")


@_clause("SHOULD", "Retries have jitter")
async def _jitter(bench: "_Bench") -> None:
    _expect(sum(_delays(0.0)) < SCHEDULE_S < sum(_delays(0.999)), "each receiver is tried at the same time")


# -- payloads --------------------------------------------------------------------------------------------------------


@_clause("SHOULD", "The body is JSON with type, timestamp and data")
async def _payload(bench: "_Bench") -> None:
    for event_type in every_type():
        body = json.loads(_body(event_type.example, event_type.name))
        _expect({"type", "timestamp", "data"} <= body.keys(), f"{event_type.name} lacks one")
        _expect(body["type"] == event_type.name, f"{event_type.name} says {body['type']}")


@_clause("SHOULD", "type is names of letters, digits and _, with full stops between")
async def _types(bench: "_Bench") -> None:
    for event_type in every_type():
        _expect(bool(re.fullmatch(r"[a-zA-Z0-9_]+(\.[a-zA-Z0-9_]+)+", event_type.name)), event_type.name)


@_clause("SHOULD", "timestamp is ISO 8601, with its zone")
async def _iso_8601(bench: "_Bench") -> None:
    moment = datetime.fromisoformat(json.loads(_body({}))["timestamp"])
    _expect(moment.tzinfo is not None, "it has no zone")


@_clause("SHOULD", "The body is below 20 kB")
async def _small(bench: "_Bench") -> None:
    body = _body({"id": "feat_1", "object": "feature", "version": 1, "description": "✓" * 30_000})
    _expect(len(body.encode()) <= 20_000, f"it has {len(body.encode())} bytes")
    _expect(json.loads(body)["data"].get("thin") is True, "a cut body does not say so")


@_clause("SHOULD", "Each type has a schema and an example")
async def _schemas(bench: "_Bench") -> None:
    for event_type in every_type():
        _expect(bool(event_type.data.model_json_schema(mode="serialization")["properties"]), event_type.name)
        _expect(bool(event_type.example), f"{event_type.name} has no example")


# -- targets ---------------------------------------------------------------------------------------------------------


@_clause("SHOULD", "Internal addresses are refused, whatever their spelling")
async def _internal(bench: "_Bench") -> None:
    policy = TargetPolicy()
    for host in ("127.0.0.1", "10.0.0.1", "169.254.169.254", "[::1]", "0x7f.1", "2130706433", "[::ffff:127.0.0.1]"):
        _expect(not await _is_allowed(policy, f"https://{host}/"), f"{host} is taken")


@_clause("SHOULD", "Endpoints are https unless the operator opens http")
async def _https(bench: "_Bench") -> None:
    closed = target_policy(Settings(target_http=False, target_allow=()))
    _expect(not await _is_allowed(closed, "http://93.184.216.34/"), "http is taken")


# -- the bench -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Arrived:
    headers: dict[str, str]
    body: bytes


class _Receiver:
    """Records what it gets and answers `status`; nothing at all for 0."""

    def __init__(self) -> None:
        self.arrived: list[_Arrived] = []
        self.status = 204
        self._open: dict[asyncio.StreamWriter, asyncio.Task[Any] | None] = {}

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/hook"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        tasks = [task for task in self._open.values() if task is not None]
        for writer in list(self._open):
            writer.close()
        if tasks:
            await asyncio.wait(tasks, timeout=5)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open[writer] = asyncio.current_task()
        try:
            while True:
                lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[1:-2]
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                self.arrived.append(_Arrived(headers, body))
                if self.status == 0:
                    await reader.read()
                    return
                moved = f"Location: {self.url}/moved\r\n" if 300 <= self.status < 400 else ""
                writer.write(f"HTTP/1.1 {self.status} -\r\n{moved}Content-Length: 0\r\n\r\n".encode())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._open.pop(writer)
            writer.close()


class _Bench:
    """The real signing and sending, in front of the receiver."""

    def __init__(self, receiver: _Receiver, sender: Sender) -> None:
        self.receiver = receiver
        self._sender = sender

    async def send(
        self, secrets: list[str], *, at: int | None = None, timeout_s: float = 5
    ) -> tuple[Outcome, _Arrived]:
        """One attempt as the worker makes it. Gives what came of it, and what arrived."""
        keys = [signing.parse_signing_key(secret) for secret in secrets]
        headers = signing.headers(keys, "evt_1", int(time.time()) if at is None else at, BODY)
        headers["content-type"] = "application/json"
        outcome = await self._sender.send(Outgoing(self.receiver.url, BODY, headers, timeout_s))
        self.receiver.status = 204
        return outcome, self.receiver.arrived[-1]

    async def expect_answer(self, status: int, wanted: backoff.Result) -> None:
        self.receiver.status = status
        outcome, _ = await self.send([SHARED])
        result = backoff.judge(outcome).result
        _expect(result is wanted, f"{status} is {result.name.lower()}")


def _sign(secret: str) -> str:
    return signing.sign([signing.parse_signing_key(secret)], VECTOR_ID, VECTOR_S, VECTOR_BODY)


def _is_secret(text: str) -> bool:
    try:
        signing.parse_signing_key(text)
    except signing.SecretMalformed:
        return False
    return True


async def _each_verifies(bench: _Bench, signing_secrets: list[str], verifying: list[str]) -> None:
    _, got = await bench.send(signing_secrets)
    _expect(len(got.headers["webhook-signature"].split()) == len(signing_secrets), "not every secret signed")
    for secret in verifying:
        _expect(_verifies(got.headers, got.body, secret, time.time()), "one alone does not verify")


def _verifies(headers: dict[str, str], body: bytes, secret: str, now_s: float) -> bool:
    try:
        signing.verify(headers, body, [secret], now_s=now_s)
    except signing.SignatureError:
        return False
    return True


def _delays(random: float) -> list[float]:
    delays: list[float] = []
    while True:
        delay = backoff.next_delay(
            backoff.DEFAULT_SCHEDULE, len(delays) + 1, random=lambda: random, now=datetime.now(UTC), retry_after=None
        )
        if delay is None:
            return delays
        delays.append(delay)


def _body(data: dict[str, Any], name: str = TEST.name) -> str:
    """A body as the outbox writes it; of the transaction it asks only for whom it speaks."""
    tx = cast("Transaction", SimpleNamespace(scope=Scope(uuid7(), livemode=True)))
    event_type = next(event_type for event_type in every_type() if event_type.name == name)
    return event_body(tx, uuid7(), event_type, exact.dump(data))


async def _is_allowed(policy: TargetPolicy, url: str) -> bool:
    try:
        target = policy.check_url(url)
        await policy.resolve(target.host, target.port, timeout_s=2)
    except TargetError:
        return False
    return True
