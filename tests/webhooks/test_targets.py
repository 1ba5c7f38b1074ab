"""Where webhooks may go: the corpus of forbidden targets, the allow-list, and the lookup of names."""

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.webhooks.targets import (
    Address,
    NameUnresolved,
    TargetError,
    TargetForbidden,
    TargetPolicy,
    ThreadedLookup,
    UrlRefused,
)
from tests.webhooks import target_corpus

PUBLIC = TargetPolicy()
OPEN = TargetPolicy(allow=(ip_network("0.0.0.0/0"), ip_network("::/0")), allow_http=True)
LOOPBACK = TargetPolicy(allow=(ip_network("127.0.0.0/8"), ip_network("::1/128")), allow_http=True)


def answering(*addresses: str) -> Any:
    async def lookup(host: str, port: int, timeout_s: float) -> tuple[Address, ...]:
        return tuple(ip_address(address) for address in addresses)

    return lookup


# -- the corpus ------------------------------------------------------------------------------------------------------


def test_the_corpus_holds_at_least_300_targets() -> None:
    assert len(set(target_corpus.urls())) >= 300


@pytest.mark.parametrize("url", target_corpus.urls(), ids=ascii)
def test_no_url_of_the_corpus_is_accepted(url: str) -> None:
    with pytest.raises(TargetError) as refusal:
        PUBLIC.check_url(url)
    assert refusal.value.code
    assert str(refusal.value).endswith((".", "!"))


@pytest.mark.parametrize("address", [*target_corpus.ADDRESSES_V4, *target_corpus.ADDRESSES_V6])
async def test_no_name_leads_to_an_address_of_the_corpus(address: str) -> None:
    with pytest.raises(TargetForbidden):
        await PUBLIC.resolve("rebound.example.com", 443, timeout_s=1, lookup=answering("8.8.8.8", address))


@pytest.mark.parametrize("address", target_corpus.NEVER_ALLOWED)
def test_link_local_and_metadata_addresses_stay_closed_when_everything_is_opened(address: str) -> None:
    with pytest.raises(TargetForbidden) as refusal:
        OPEN.check_address(ip_address(address))
    assert refusal.value.code == "address_never_allowed"


@pytest.mark.parametrize("name", ["metadata.google.internal", "metadata", "instance-data", "metadata.goog"])
def test_names_of_metadata_services_stay_closed_when_everything_is_opened(name: str) -> None:
    with pytest.raises(TargetForbidden) as refusal:
        OPEN.check_url(f"http://{name}/")
    assert refusal.value.code == "name_never_allowed"


@given(st.ip_addresses(v=4))
def test_what_python_calls_private_is_never_public(address: Any) -> None:
    if not address.is_global or address.is_multicast:
        with pytest.raises(TargetForbidden):
            PUBLIC.check_address(address)


@given(st.ip_addresses(v=6))
def test_what_python_calls_private_is_never_public_in_ipv6(address: Any) -> None:
    if not address.is_global or address.is_multicast:
        with pytest.raises(TargetForbidden):
            PUBLIC.check_address(address)


@given(st.text(max_size=60) | st.text("htps:/@[]#?%\\.0123456789abcdefx-", max_size=60).map("https://".__add__))
def test_any_text_is_either_a_target_or_a_typed_refusal(text: str) -> None:
    try:
        target = PUBLIC.check_url(text)
    except TargetError:
        return
    assert PUBLIC.check_url(target.url) == target
    assert target.scheme == "https"


# -- what is accepted ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "host", "port", "normal"),
    [
        ("https://example.com", "example.com", 443, "https://example.com/"),
        ("HTTPS://Example.COM/Hook", "example.com", 443, "https://example.com/Hook"),
        ("https://example.com:443/x", "example.com", 443, "https://example.com/x"),
        ("https://example.com:8443/x?a=b&c=d;e", "example.com", 8443, "https://example.com:8443/x?a=b&c=d;e"),
        ("https://example.com?x=1", "example.com", 443, "https://example.com/?x=1"),
        ("https://example.com/a@b/%7Bid%7D/~x", "example.com", 443, "https://example.com/a@b/%7Bid%7D/~x"),
        ("https://xn--exmple-cua.com/", "xn--exmple-cua.com", 443, "https://xn--exmple-cua.com/"),
        ("https://my_hook.example.com/", "my_hook.example.com", 443, "https://my_hook.example.com/"),
        ("https://8.8.8.8/", "8.8.8.8", 443, "https://8.8.8.8/"),
        ("https://[2606:4700:0:0::1111]:8443/", "2606:4700::1111", 8443, "https://[2606:4700::1111]:8443/"),
        ("https://127.example.com/", "127.example.com", 443, "https://127.example.com/"),
        ("https://1e100.net/", "1e100.net", 443, "https://1e100.net/"),
    ],
)
def test_a_public_url_is_accepted_and_written_in_one_way(url: str, host: str, port: int, normal: str) -> None:
    target = PUBLIC.check_url(url)
    assert (target.host, target.port, target.url) == (host, port, normal)


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "128.0.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2001:200::1",
        "2001:4860:4860::8888",
        "2606:4700::1111",
        "2a00:1450::1",
        "3ffd::1",
        "64:ff9b::8.8.8.8",
    ],
)
async def test_a_public_address_is_accepted(address: str) -> None:
    found = await PUBLIC.resolve("example.com", 443, timeout_s=1, lookup=answering(address))
    assert found == (ip_address(address),)


def test_a_url_of_2048_characters_is_the_longest() -> None:
    url = "https://example.com/"
    assert PUBLIC.check_url(url + "a" * (2048 - len(url)))
    with pytest.raises(UrlRefused, match="2048"):
        PUBLIC.check_url(url + "a" * (2049 - len(url)))


# -- the allow-list --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080/", "https://[::1]/", "http://localhost:3000/hook", "http://hooks/"]
)
def test_an_allow_list_opens_its_range_and_local_names(url: str) -> None:
    assert LOOPBACK.check_url(url)
    with pytest.raises(TargetError):
        PUBLIC.check_url(url)


@pytest.mark.parametrize("address", ["::ffff:127.0.0.1", "64:ff9b::127.0.0.1", "127.9.9.9"])
def test_an_allowed_address_is_open_in_its_translated_forms(address: str) -> None:
    LOOPBACK.check_address(ip_address(address))


@pytest.mark.parametrize(
    "address", ["10.0.0.1", "::2", "fc00::1", "2002:7f00:1::1", "64:ff9b:1::127.0.0.1", "fc00::5efe:127.0.0.1"]
)
def test_an_allow_list_opens_nothing_else(address: str) -> None:
    with pytest.raises(TargetForbidden):
        LOOPBACK.check_address(ip_address(address))


def test_a_local_nat64_prefix_can_be_opened() -> None:
    policy = TargetPolicy(allow=(ip_network("64:ff9b:1::/48"),))
    policy.check_address(ip_address("64:ff9b:1::8.8.8.8"))


def test_http_is_refused_unless_the_setting_lets_it_through() -> None:
    with pytest.raises(UrlRefused, match="https://"):
        PUBLIC.check_url("http://example.com/")
    assert TargetPolicy(allow_http=True).check_url("http://example.com/").port == 80


# -- looking names up ------------------------------------------------------------------------------------------------


async def test_one_forbidden_address_forbids_the_name() -> None:
    with pytest.raises(TargetForbidden, match=r"10\.0\.0\.1"):
        await PUBLIC.resolve("example.com", 443, timeout_s=1, lookup=answering("8.8.8.8", "10.0.0.1"))


async def test_an_address_is_not_looked_up() -> None:
    assert await PUBLIC.resolve("8.8.8.8", 443, timeout_s=1) == (ip_address("8.8.8.8"),)
    with pytest.raises(TargetForbidden):
        await PUBLIC.resolve("::1", 443, timeout_s=1)


async def test_localhost_is_resolved_by_the_system() -> None:
    found = await LOOPBACK.resolve("localhost", 80, timeout_s=5)
    assert set(found) <= {ip_address("127.0.0.1"), ip_address("::1")}


@pytest.mark.parametrize("host", ["127.1", "0x7f000001", "2130706433", "localhost.", "a b", "\uff11.1.1.1", ""])
async def test_a_host_that_is_no_proper_name_never_reaches_the_resolver(host: str) -> None:
    with pytest.raises(UrlRefused):
        await LOOPBACK.resolve(host, 80, timeout_s=1, lookup=answering("127.0.0.1"))


class Resolver:
    """getaddrinfo as a test wants it: names with `dead` in them hang until released."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.asked: list[str] = []

    def __call__(self, host: bytes, port: int, **options: Any) -> Iterable[tuple[Any, ...]]:
        self.asked.append(host.decode())
        if b"dead" in host:
            self.released.wait(10)
        if b"missing" in host:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        if b"empty" in host:
            return []
        return [(socket.AF_INET, 1, 6, "", ("8.8.8.8", port)), (socket.AF_INET6, 1, 6, "", ("fe80::1%lo", port, 0, 1))]


@asynccontextmanager
async def lookup_with(resolver: Resolver, **limits: int) -> AsyncIterator[ThreadedLookup]:
    try:
        yield ThreadedLookup(getaddrinfo=resolver, **limits)
    finally:
        resolver.released.set()


async def test_zones_are_dropped_from_what_a_resolver_says() -> None:
    async with lookup_with(Resolver()) as lookup:
        assert await lookup("example.com", 443, 1) == (ip_address("8.8.8.8"), ip_address("fe80::1"))


@pytest.mark.parametrize("host", ["missing.example.com", "empty.example.com"])
async def test_a_name_without_an_address_is_told(host: str) -> None:
    async with lookup_with(Resolver()) as lookup:
        with pytest.raises(NameUnresolved) as failure:
            await lookup(host, 443, 1)
    assert failure.value.code == "dns_not_found"


async def test_a_resolver_that_hangs_ends_at_the_timeout_and_blocks_nobody() -> None:
    async with lookup_with(Resolver(), threads=2, slow_threads=1) as lookup:
        started = time.monotonic()
        for _ in range(4):
            with pytest.raises(NameUnresolved) as failure:
                await lookup("dead.example.com", 443, 0.1)
            assert failure.value.code == "dns_timeout"
        assert await lookup("example.com", 443, 1)
        assert time.monotonic() - started < 2


async def test_more_waiting_lookups_than_the_bound_are_refused_at_once() -> None:
    async with lookup_with(Resolver(), threads=1, max_waiting=2) as lookup:
        waiting = [asyncio.create_task(lookup(f"dead{number}.example.com", 443, 5)) for number in range(2)]
        await asyncio.sleep(0.05)
        with pytest.raises(NameUnresolved) as failure:
            await lookup("example.com", 443, 5)
        assert failure.value.code == "dns_busy"
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
