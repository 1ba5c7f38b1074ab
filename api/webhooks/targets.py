"""Where webhooks may go. One verdict, used when an endpoint is created, when it is tested and when we send.

Three layers, since each alone can be walked around. `check_url` reads the text and is pure. `resolve` looks the name
up and refuses it when any of its addresses is forbidden. `check_address` is asked again by the sender for the very
address that a socket is about to connect to, so a name that answers differently the second time gains nothing.

Ranges: the IANA special-purpose address registries for IPv4 and IPv6 (RFC 6890 and what was added since). For IPv6 the
list is turned round: only the global unicast space that IANA has opened, 2000::/3, may be public at all.
"""

import asyncio
import ipaddress
import re
import socket
import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from time import monotonic
from typing import Any

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

MAX_URL_CHARACTERS = 2048


class TargetError(Exception):
    """Webhooks may not go there, or cannot. `code` is stable; the message says what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class UrlRefused(TargetError):
    """The URL is not one that every program reads in the same way."""


class TargetForbidden(TargetError):
    """The name or the address is not one that webhooks may reach."""


class NameUnresolved(TargetError):
    """The name has no address now. It may have one later."""


@dataclass(frozen=True, slots=True)
class Target:
    """A checked URL: scheme and host in lower case, IPv6 without brackets in `host`, never an empty path.

    `address` is set when the host is an address and not a name.
    """

    url: str
    scheme: str
    host: str
    port: int
    address: Address | None = None


Lookup = Callable[[str, int, float], Awaitable[tuple[Address, ...]]]


@dataclass(frozen=True, slots=True)
class TargetPolicy:
    """The rule of one installation.

    `allow` opens ranges that are otherwise forbidden, loopback or a company's own network for instance. Link-local
    addresses and the metadata services of clouds stay closed whatever it holds. `allow_http` lets plain http through.
    """

    allow: tuple[Network, ...] = ()
    allow_http: bool = False

    def check_url(self, url: str) -> Target:
        """Read a URL. Raises UrlRefused or TargetForbidden. Looks nothing up.

        >>> TargetPolicy().check_url("https://Example.com?x=1").url
        'https://example.com/?x=1'
        """
        _check_characters(url)
        scheme, authority, rest = _split(url)
        self._check_scheme(scheme)
        host, port = _host_and_port(authority, scheme)
        address = _address_of(host)
        if address is not None:
            self.check_address(address)
            host = str(address)
        else:
            self._check_name(host)
        return Target(_joined(scheme, host, port, rest), scheme, host, port, address)

    def check_address(self, address: Address) -> None:
        """Raises TargetForbidden unless webhooks may be sent to this address.

        An IPv6 address is judged together with every IPv4 address hidden in it.
        """
        address = _without_zone(address)
        hidden = _hidden_in(address)
        if any(_within(one, _NEVER) for one in (address, *hidden)):
            raise TargetForbidden(
                "address_never_allowed",
                f"{address} is link-local, a cloud's metadata service or not a host. "
                "No setting opens it; give the receiver's own address.",
            )
        stands_for = _translated(address)
        if _within(address, self.allow) or (stands_for is not None and _within(stands_for, self.allow)):
            return
        if any(not _is_public(one) for one in (address, *hidden)):
            raise TargetForbidden(
                "address_forbidden",
                f"{address} is not a public address. Use a public one, "
                "or have the operator open its range with the allow-list for webhook targets.",
            )

    async def resolve(
        self, host: str, port: int, *, timeout_s: float, lookup: Lookup | None = None
    ) -> tuple[Address, ...]:
        """Every address of the host, which is a name or an address, in lower case.

        Raises UrlRefused, NameUnresolved, or TargetForbidden when any one of the addresses is forbidden.
        """
        address = _address_of(host)
        if address is not None:
            addresses: tuple[Address, ...] = (address,)
        else:
            self._check_name(host)
            addresses = await (lookup or system_lookup)(host, port, timeout_s)
        for one in addresses:
            self.check_address(one)
        return addresses

    def _check_scheme(self, scheme: str) -> None:
        if scheme == "https" or (scheme == "http" and self.allow_http):
            return
        raise UrlRefused("url_scheme", "A webhook URL starts with https://.")

    def _check_name(self, host: str) -> None:
        if host in _METADATA_NAMES or host.endswith(_METADATA_ENDINGS):
            raise TargetForbidden("name_never_allowed", f"{host} is a cloud's metadata service. No setting opens it.")
        # An allow-list says that some of the network behind us is a place for webhooks; its names are short or local,
        # and what they resolve to is checked against the list.
        if self.allow:
            return
        if "." not in host or host.endswith(_LOCAL_ENDINGS):
            raise TargetForbidden("name_not_public", f"{host} is not a public name. Use one that anyone can resolve.")


def _joined(scheme: str, host: str, port: int, rest: str) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}{'' if port == _DEFAULT_PORTS[scheme] else f':{port}'}{rest}"


# -- reading a URL ---------------------------------------------------------------------------------------------------

_DEFAULT_PORTS = {"https": 443, "http": 80}

# RFC 3986 without the delimiters that programs disagree about. Everything else must be percent-encoded, so no two
# parsers between this line and the socket can read a different host from the same text.
_CHARACTERS = re.compile(r"[A-Za-z0-9\-._~:/?@!$&'()*+,;=%\[\]#]*")
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*)://([^/?#]*)([^#]*)(#.*)?")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})|%[01][0-9A-Fa-f]|%7[Ff]")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_\-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_CANONICAL_IPV4 = re.compile(r"(?:(?:0|[1-9][0-9]{0,2})\.){3}(?:0|[1-9][0-9]{0,2})")

# The ports that browsers refuse, since something that is not HTTP may act on our text (fetch.spec.whatwg.org, 2.9).
# fmt: off
_BAD_PORTS = frozenset({
    0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109,
    110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531,
    532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060,
    5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
})
# fmt: on

_LOCAL_ENDINGS = (".localhost", ".local", ".localdomain", ".internal", ".home.arpa", ".intranet", ".lan", ".onion")
_METADATA_NAMES = frozenset({"metadata", "metadata.goog", "instance-data", "metadata.tencentyun.com"})
_METADATA_ENDINGS = ("metadata.google.internal", "instance-data.ec2.internal", ".metadata.goog")


def _check_characters(url: str) -> None:
    if len(url) > MAX_URL_CHARACTERS:
        raise UrlRefused("url_too_long", f"A webhook URL has at most {MAX_URL_CHARACTERS} characters.")
    if not url.isascii():
        raise UrlRefused("url_characters", "Write the host in its xn-- form, and percent-encode what is not ASCII.")
    if not _CHARACTERS.fullmatch(url):
        raise UrlRefused(
            "url_characters",
            "A webhook URL holds no spaces, control characters, backslashes, quotes or brackets of other kinds. "
            "Percent-encode them.",
        )
    if _BAD_ESCAPE.search(url):
        raise UrlRefused("url_escape", "After % two hexadecimal digits follow, and they name no control character.")


def _split(url: str) -> tuple[str, str, str]:
    parts = _URL.fullmatch(url)
    if parts is None:
        raise UrlRefused("url_malformed", "A webhook URL is written https://host/path.")
    scheme, authority, rest, fragment = parts.groups()
    if fragment is not None:
        raise UrlRefused("url_fragment", "Leave out what follows #: it is never sent.")
    if "@" in authority:
        raise UrlRefused(
            "url_userinfo", "Leave out user and password before the host; use a header or the signature instead."
        )
    if "[" in rest or "]" in rest:
        raise UrlRefused("url_characters", "Write [ and ] as %5B and %5D in a path or query.")
    return scheme.lower(), authority, rest if rest.startswith("/") else "/" + rest


def _host_and_port(authority: str, scheme: str) -> tuple[str, int]:
    parts = re.fullmatch(r"(\[[^\[\]]*\]|[^:\[\]]*)(:.*)?", authority)
    if parts is None:
        raise UrlRefused("url_host", "The host is a name, an IPv4 address, or an IPv6 address in brackets.")
    host, port = parts.groups()
    if host in ("", "[]"):
        raise UrlRefused("url_host", "The URL has no host.")
    return host.lower(), _DEFAULT_PORTS[scheme] if port is None else _port(port[1:])


def _port(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,4}", text) or int(text) > 65535:
        raise UrlRefused("url_port", "A port is a number from 1 to 65535; leave the colon out when there is none.")
    if int(text) in _BAD_PORTS:
        raise UrlRefused("url_port", f"Port {text} belongs to another protocol. Receive webhooks on another one.")
    return int(text)


def _address_of(host: str) -> Address | None:
    """The address that a host spells, or None when it is a proper name. Raises UrlRefused for anything between.

    Resolvers read 127.1, 0x7f000001, 017700000001 and 2130706433 as 127.0.0.1. We read none of them: whoever means
    an address can write it in the one way that everything agrees on.
    """
    if ":" in host or host.startswith("["):
        return _ipv6(host.removeprefix("[").removesuffix("]"))
    if _CANONICAL_IPV4.fullmatch(host):
        return _ipv4(host)
    _check_labels(host)
    if _NUMBER.fullmatch(host.rpartition(".")[2]):
        raise UrlRefused("url_address_spelling", "Write an IPv4 address as four decimal numbers, like 203.0.113.7.")
    return None


def _ipv4(text: str) -> IPv4Address:
    try:
        return IPv4Address(text)
    except ValueError:
        raise UrlRefused("url_host", "Each part of an IPv4 address is 0 to 255.") from None


def _ipv6(text: str) -> IPv6Address:
    if "%" in text:
        raise UrlRefused("url_host", "An IPv6 address in a webhook URL has no zone.")
    try:
        return IPv6Address(text)
    except ValueError:
        raise UrlRefused("url_host", "What stands in brackets is not an IPv6 address.") from None


def _check_labels(host: str) -> None:
    if host.endswith("."):
        raise UrlRefused("url_host", "Leave out the dot after the host: certificates do not carry it.")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in host.split(".")):
        raise UrlRefused("url_host", "A host is made of letters, digits and hyphens, with dots between its parts.")


# -- judging an address ----------------------------------------------------------------------------------------------


def _networks(*texts: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


# Link-local, the metadata and wire services of clouds that live elsewhere, and what is not a host at all.
_NEVER = _networks(
    "0.0.0.0/8",  # "this network": Linux connects it to loopback
    "169.254.0.0/16",  # link-local; metadata of AWS, GCP, Azure, DigitalOcean, Oracle, Tencent, OpenStack
    "100.100.100.200/32",  # Alibaba metadata
    "168.63.129.16/32",  # Azure wire server
    "192.0.0.192/32",  # Oracle Cloud Classic metadata
    "224.0.0.0/4",
    "255.255.255.255/32",
    "::/128",
    "fe80::/10",
    "ff00::/8",
    "fd00:ec2::/32",  # AWS: metadata, DNS, time, pod identity
    "fd20:ce::254/128",  # GCP metadata
    "fd00:42::42/128",  # Scaleway metadata
    "fd00:a9fe:a9fe::/64",  # metadata of OpenStack-like clouds, 169.254.169.254 written in a local prefix
)

_SPECIAL_V4 = _networks(
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",  # shared by carriers, RFC 6598
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",  # IETF protocol assignments
    "192.0.2.0/24",  # documentation
    "192.31.196.0/24",  # AS112
    "192.52.193.0/24",  # AMT
    "192.88.99.0/24",  # relays of 6to4
    "192.168.0.0/16",
    "192.175.48.0/24",  # AS112
    "198.18.0.0/15",  # benchmarks
    "198.51.100.0/24",  # documentation
    "203.0.113.0/24",  # documentation
    "224.0.0.0/4",
    "240.0.0.0/4",
)

_GLOBAL_V6 = IPv6Network("2000::/3")
_SPECIAL_V6 = _networks(
    "2001::/23",  # IETF protocol assignments: Teredo, benchmarks, AMT, AS112, ORCHID
    "2001:db8::/32",  # documentation
    "2002::/16",  # 6to4
    "2620:4f:8000::/48",  # AS112
    "3ffe::/16",  # the old 6bone
    "3fff::/20",  # documentation
)

_LOOPBACK_V6 = IPv6Address("::1")
_MAPPED = IPv6Network("::ffff:0:0/96")
_NAT64 = IPv6Network("64:ff9b::/96")
_NAT64_LOCAL = IPv6Network("64:ff9b:1::/48")
_LOW_32_BITS = _networks("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96")
_6TO4 = IPv6Network("2002::/16")
_TEREDO = IPv6Network("2001::/32")


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return not _within(address, _SPECIAL_V4)
    # Hosts with IPv6 only reach the IPv4 internet through this prefix; what is hidden in it is judged beside it.
    if address in _NAT64:
        return True
    return address in _GLOBAL_V6 and not _within(address, _SPECIAL_V6)


def _translated(address: Address) -> IPv4Address | None:
    """The IPv4 host that this IPv6 address simply stands for."""
    if isinstance(address, IPv6Address) and (address in _MAPPED or address in _NAT64):
        return _bits(address, 96)
    return None


def _hidden_in(address: Address) -> tuple[IPv4Address, ...]:
    """Every IPv4 address that some mechanism would find in this IPv6 address."""
    if isinstance(address, IPv4Address):
        return ()
    if address == _LOOPBACK_V6:  # lies in ::/96, and hides nothing
        return ()
    if _within(address, _LOW_32_BITS):
        return (_bits(address, 96),)
    if address in _6TO4:
        return (_bits(address, 16),)
    if address in _TEREDO:
        return (_bits(address, 32), IPv4Address(int(_bits(address, 96)) ^ 0xFFFFFFFF))
    if address in _NAT64_LOCAL:
        return _rfc6052(address)
    if (int(address) >> 32) & 0xFCFFFFFF == 0x00005EFE:  # ISATAP, RFC 5214, in any prefix
        return (_bits(address, 96),)
    return ()


def _rfc6052(address: IPv6Address) -> tuple[IPv4Address, ...]:
    """A local NAT64 prefix has 48, 56, 64 or 96 bits, which nobody tells us. Byte 8 is skipped (RFC 6052, 2.2)."""
    packed = address.packed
    around = packed[6:8] + packed[9:16]
    candidates = [*(IPv4Address(around[start : start + 4]) for start in (0, 1, 2)), _bits(address, 96)]
    # A short prefix leaves zeros behind it, which read as 0.0.0.0/8 at the other lengths and mean nothing.
    return tuple(one for one in candidates if one.packed[0] != 0)


def _bits(address: IPv6Address, start: int) -> IPv4Address:
    return IPv4Address((int(address) >> (96 - start)) & 0xFFFFFFFF)


def _without_zone(address: Address) -> Address:
    return IPv6Address(int(address)) if isinstance(address, IPv6Address) else address


# -- looking a name up -----------------------------------------------------------------------------------------------


class ThreadedLookup:
    """The system's resolver, in threads of our own and bounded, so that it can hold up neither the loop nor others.

    A name that took long, or had no answer, is asked for in the slow lane for the next minutes: a hundred dead names
    then wait for each other and not in the way of the living.
    """

    SLOW_S = 1.0
    REMEMBER_S = 300.0
    MAX_REMEMBERED = 4096

    def __init__(
        self,
        *,
        threads: int = 24,
        slow_threads: int = 8,
        max_waiting: int = 512,
        getaddrinfo: Callable[..., Iterable[tuple[Any, ...]]] = socket.getaddrinfo,
    ) -> None:
        self._lanes = (ThreadPoolExecutor(threads, "lookup"), ThreadPoolExecutor(slow_threads, "slow-lookup"))
        self._places = (threading.Semaphore(max_waiting), threading.Semaphore(max_waiting))
        self._slow: OrderedDict[str, float] = OrderedDict()
        self._getaddrinfo = getaddrinfo

    async def __call__(self, host: str, port: int, timeout_s: float) -> tuple[Address, ...]:
        """Every address of a name, each once. Raises NameUnresolved."""
        lane = 1 if monotonic() - self._slow.get(host, float("-inf")) < self.REMEMBER_S else 0
        place = self._places[lane]
        if not place.acquire(blocking=False):
            raise NameUnresolved("dns_busy", "Too many names are being looked up. Try again later.")
        work = self._lanes[lane].submit(self._blocking, host, port)
        work.add_done_callback(lambda _: place.release())
        started = monotonic()
        try:
            async with asyncio.timeout(timeout_s):
                return await asyncio.wrap_future(work)
        except TimeoutError:
            self._remember(host)
            raise NameUnresolved("dns_timeout", f"{host} was not resolved within {timeout_s:g} s.") from None
        finally:
            if monotonic() - started > self.SLOW_S:
                self._remember(host)

    def _blocking(self, host: str, port: int) -> tuple[Address, ...]:
        try:
            # Bytes, since Python would pass text through its own IDNA and raise errors of another kind.
            found = self._getaddrinfo(host.encode("ascii"), port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise NameUnresolved("dns_not_found", f"{host} has no address. Check the name and its DNS.") from None
        addresses = tuple(dict.fromkeys(_without_zone(ipaddress.ip_address(entry[4][0])) for entry in found))
        if not addresses:
            raise NameUnresolved("dns_not_found", f"{host} has no address. Check the name and its DNS.")
        return addresses

    def _remember(self, host: str) -> None:
        self._slow[host] = monotonic()
        self._slow.move_to_end(host)
        if len(self._slow) > self.MAX_REMEMBERED:
            self._slow.popitem(last=False)


# One for the process, as the system has one resolver. Its threads start with the first lookup.
system_lookup = ThreadedLookup()
