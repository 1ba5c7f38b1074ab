"""Which service and which key: from the options, the environment, or the `run.json` of `./run`."""

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from api import json

READ_TIMEOUT_S = 60.0
MOST_KEY = 200
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0
ATTEMPTS = 6
# A service that asks for a longer wait (the month's calls are used up) has a sentence for the person instead.
LONGEST_WAIT_S = 60.0


class CannotGoOn(Exception):
    """A sentence for the person at the terminal: what is wrong, and what to do."""

    exit_code = 1


class WrongAddress(CannotGoOn):
    """An argument that can be no address, as is seen before anything is tried."""

    exit_code = 2


class Refused(CannotGoOn):
    """The service answered with a problem."""

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__(_said(answer))
        self.status = answer.status_code


@dataclass(frozen=True)
class Remote:
    """A service, and a key of it; none where one is only about to be made."""

    url: str
    key: str

    def client(self) -> httpx.Client:
        headers = {"User-Agent": "roadbed-cli"} | ({"Authorization": f"Bearer {self.key}"} if self.key else {})
        timeout = httpx.Timeout(10, read=READ_TIMEOUT_S)
        return httpx.Client(base_url=f"{self.url}/v1", headers=headers, timeout=timeout, trust_env=False)

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """One request and its JSON, numbers exact in both directions. Raises Refused or CannotGoOn."""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if method == "POST":
            headers["Idempotency-Key"] = str(uuid4())  # so that it may be sent again
        content = None if body is None else json.dump(body).encode()
        answer = self._answer(method, path, headers, content)
        return _object(answer.content) if answer.content else {}

    def contract(self) -> dict[str, Any]:
        """The service's own. Raises Refused or CannotGoOn."""
        return _object(self._answer("GET", f"{self.url}/openapi.json", {}).content)

    def download(self, path: str, media_type: str, to: Path) -> None:
        """One answer into a file, as it was sent. Raises Refused, CannotGoOn or OSError."""
        to.write_bytes(self._answer("GET", path, {"Accept": media_type}).content)

    @cached_property
    def _connections(self) -> httpx.Client:
        """For as long as the command runs: a connection for each of a thousand requests takes longer than they do."""
        return self.client()

    def _answer(self, method: str, path: str, headers: dict[str, str], content: bytes | None = None) -> httpx.Response:
        """Asked again after the time that a service names which is asked too fast (429) or not ready (503)."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                answer = self._connections.request(method, path, headers=headers, content=content)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise away(self.url, error) from None
            wait_s = _asked_to_wait_s(answer)
            if wait_s is None or attempt == ATTEMPTS:
                break
            time.sleep(wait_s)
        if not answer.is_success:
            raise Refused(answer)
        return answer


@dataclass(frozen=True)
class Received:
    """An event of the stream: the body that endpoints are sent, byte for byte, and the cursor after it."""

    id: str
    type: str
    body: bytes
    cursor: str


def away(url: str, error: Exception) -> CannotGoOn:
    """The sentence for a service that gave no answer."""
    way_out = "Is it running? ./run starts one; --url or ROADBED_URL names another."
    return CannotGoOn(f"{url} does not answer ({type(error).__name__}). {way_out}")


def find_remote(url: str | None, key: str | None) -> Remote:
    """Options first, then ROADBED_URL and ROADBED_KEY, then run.json in ROADBED_DATA_DIR. Raises CannotGoOn."""
    url, key = url or os.environ.get("ROADBED_URL"), key or os.environ.get("ROADBED_KEY")
    if not url or not key:
        run = run_file()
        url, key = url or run.get("url"), key or run.get("live_key")
    if not url or not key:
        missing = "an address" if not url else "a key"
        raise CannotGoOn(
            f"There is {missing} missing. Start Roadbed with ./run, or give --url and --key (ROADBED_URL, ROADBED_KEY)."
        )
    return Remote(_checked_url(url), _checked_key(key))


def http_url(text: str) -> httpx.URL | None:
    """The address of an HTTP server; None when it is none."""
    try:
        url = httpx.URL(text)
        return url if url.scheme in ("http", "https") and url.host and (url.port or 1) <= 65535 else None
    except (httpx.InvalidURL, ValueError):
        return None


def _checked_url(url: str) -> str:
    if http_url(url) is None:
        raise WrongAddress(f"{url} is no address of a service: write it like http://127.0.0.1:8000.")
    return url.rstrip("/")


def _checked_key(key: str) -> str:
    """Only what a header can carry; whether it is a key the service says."""
    if len(key) > MOST_KEY or not key.isascii() or not key.isprintable() or " " in key:
        raise CannotGoOn("The key is malformed: it starts with rb_live_ or rb_test_, and has letters and digits.")
    return key


def follow(remote: Remote, types: list[str], after: str) -> Iterator[Received]:
    """Events as they come, for ever. When the service goes away it is asked again, from the event after the last.

    Raises CannotGoOn when it was never there, and when the key or the types are refused: that does not mend itself.
    """
    params = {"after": after} | ({"type": ",".join(types)} if types else {})
    last: str | None = None
    pause_s = FIRST_PAUSE_S
    if after == "now":
        # Fixed before the first connection, so that what happens while it is lost is not passed over.
        params["after"] = remote.ask("GET", "/events?after=now&limit=1")["next_cursor"]
    else:
        remote.ask("GET", "/events?limit=1")
    while True:
        try:
            for received in _stream(remote, params, last):
                last, pause_s = received.cursor, FIRST_PAUSE_S
                yield received
        except httpx.InvalidURL as error:
            raise CannotGoOn(f"That cannot be asked for: {error}.") from None
        except httpx.HTTPError as error:
            if pause_s == FIRST_PAUSE_S:
                print(f"{remote.url} went away ({type(error).__name__}); asking again.", file=sys.stderr, flush=True)
            time.sleep(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)


def _stream(remote: Remote, params: dict[str, str], last: str | None) -> Iterator[Received]:
    headers = {"Last-Event-ID": last} if last else {}
    with remote.client() as client, client.stream("GET", "/events/stream", params=params, headers=headers) as answer:
        if answer.status_code >= 500 or answer.status_code == 429:
            raise httpx.HTTPError("the service is away")
        if not answer.is_success:
            answer.read()
            raise CannotGoOn(_said(answer))
        fields: dict[str, str] = {}
        for line in answer.iter_lines():
            name, _, value = line.partition(": ")
            if line and name:
                fields[name] = value
            elif not line:
                if "id" in fields and "data" in fields:
                    yield _received(fields)
                elif fields.get("event") == "error":
                    raise CannotGoOn(json.load(fields["data"])["message"])
                fields = {}


def _received(fields: dict[str, str]) -> Received:
    text = fields["data"].replace('{"object":"event",', "{", 1)
    return Received(json.load(text)["id"], fields["event"], text.encode(), fields["id"])


def run_file() -> dict[str, str]:
    """What `./run` tells of itself while it is up; nothing when it is not."""
    path = Path(os.environ.get("ROADBED_DATA_DIR", ".roadbed")) / "run.json"
    try:
        found = json.load(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _asked_to_wait_s(answer: httpx.Response) -> float | None:
    """Seconds; None where another attempt would not help."""
    given = answer.headers.get("retry-after", "")
    if answer.status_code not in (429, 503) or not given.isdecimal() or int(given) > LONGEST_WAIT_S:
        return None
    return float(given)


def _object(content: bytes) -> dict[str, Any]:
    """Raises CannotGoOn: some other program may answer at that address."""
    try:
        found = json.load(content)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise CannotGoOn("What answers there is not Roadbed: it sends no JSON object. Check --url.")
    return found


def _said(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"The service answered {answer.status_code}."
