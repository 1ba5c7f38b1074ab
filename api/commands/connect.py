"""Which service and which key: from the options, the environment, or the `run.json` of `./run`."""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

READ_TIMEOUT_S = 60.0
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0


class CannotGoOn(Exception):
    """A sentence for the person at the terminal: what is wrong, and what to do."""


@dataclass(frozen=True)
class Remote:
    """A service, and a key of it."""

    url: str
    key: str

    def client(self) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.key}", "User-Agent": "roadbed-cli"}
        timeout = httpx.Timeout(10, read=READ_TIMEOUT_S)
        return httpx.Client(base_url=f"{self.url}/v1", headers=headers, timeout=timeout, trust_env=False)

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """One request and its JSON. Raises CannotGoOn with what the service said."""
        with self.client() as client:
            try:
                answer = client.request(method, path, json=body)
            except httpx.HTTPError as error:
                raise CannotGoOn(f"{self.url} does not answer ({type(error).__name__}). Is it running?") from None
        if not answer.is_success:
            raise CannotGoOn(_said(answer))
        shown: dict[str, Any] = answer.json() if answer.content else {}
        return shown


@dataclass(frozen=True)
class Received:
    """An event of the stream: the body that endpoints are sent, byte for byte, and the cursor after it."""

    id: str
    type: str
    body: bytes
    cursor: str


def find_remote(url: str | None, key: str | None) -> Remote:
    """Options first, then ROADBED_URL and ROADBED_KEY, then run.json in ROADBED_DATA_DIR. Raises CannotGoOn."""
    url, key = url or os.environ.get("ROADBED_URL"), key or os.environ.get("ROADBED_KEY")
    if not url or not key:
        run = _run_file()
        url, key = url or run.get("url"), key or run.get("live_key")
    if not url or not key:
        missing = "an address" if not url else "a key"
        raise CannotGoOn(
            f"There is {missing} missing. Start Roadbed with ./run, or give --url and --key (ROADBED_URL, ROADBED_KEY)."
        )
    return Remote(url.rstrip("/"), key)


def follow(remote: Remote, types: list[str], after: str) -> Iterator[Received]:
    """Events as they come, for ever. When the service goes away it is asked again, from the event after the last.

    Raises CannotGoOn when the key or the types are refused: that does not mend itself.
    """
    params = {"after": after} | ({"type": ",".join(types)} if types else {})
    last: str | None = None
    pause_s = FIRST_PAUSE_S
    if after == "now":
        # Fixed before the first connection, so that what happens while it is lost is not passed over.
        params["after"] = remote.ask("GET", "/events?after=now&limit=1")["next_cursor"]
    while True:
        try:
            for received in _stream(remote, params, last):
                last, pause_s = received.cursor, FIRST_PAUSE_S
                yield received
        except httpx.HTTPError:
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
                    raise CannotGoOn(json.loads(fields["data"])["message"])
                fields = {}


def _received(fields: dict[str, str]) -> Received:
    text = fields["data"].replace('{"object":"event",', "{", 1)
    return Received(json.loads(text)["id"], fields["event"], text.encode(), fields["id"])


def _run_file() -> dict[str, str]:
    path = Path(os.environ.get("ROADBED_DATA_DIR", ".roadbed")) / "run.json"
    try:
        found: dict[str, str] = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found


def _said(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"The service answered {answer.status_code}."
