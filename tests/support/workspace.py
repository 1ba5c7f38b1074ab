"""A workspace as a caller has it: two clients, and short ways to what most tests begin with."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

GUIDE = {
    "Real-time collab": {"reach": 10000, "impact": 3, "confidence": 0.8, "effort": 2},
    "Dark mode": {"reach": 5000, "impact": 1, "confidence": 1, "effort": 0.5},
    "API v2": {"reach": 500, "impact": 3, "confidence": 0.6, "effort": 6},
    "Performance": {"reach": 15000, "impact": 2, "confidence": 0.7, "effort": 4},
}


@dataclass
class Workspace:
    """`live` and `test` are clients for `/v1/…` with the first keys."""

    id: str
    live: httpx.AsyncClient
    test: httpx.AsyncClient
    live_secret: str
    test_secret: str

    async def feature(self, title: str = "Dark mode", **fields: Any) -> dict[str, Any]:
        return await made(self.live, "/v1/features", {"title": title, **fields})

    async def scored(self, title: str, **inputs: Any) -> dict[str, Any]:
        """A feature with a RICE score; the guide's inputs of that title unless others are given."""
        feature = await self.feature(title)
        body = {"framework": "rice", "inputs": inputs or GUIDE[title]}
        await made(self.live, f"/v1/features/{feature['id']}/scores", body)
        return feature

    async def endpoint(self, url: str, *event_types: str, **fields: Any) -> dict[str, Any]:
        return await made(self.live, "/v1/endpoints", {"url": url, "event_types": list(event_types or ["*"]), **fields})


@asynccontextmanager
async def sign_up(client: httpx.AsyncClient, name: str = "Acme") -> AsyncIterator[Workspace]:
    """Signs up through the API."""
    told = await made(client, "/v1/signup", {"email": "ada@example.com", "workspace": name})
    live, test = told["live_key"]["secret"], told["test_key"]["secret"]
    async with with_key(client, live) as live_client, with_key(client, test) as test_client:
        yield Workspace(told["workspace"]["id"], live_client, test_client, live, test)


@asynccontextmanager
async def with_key(client: httpx.AsyncClient, secret: str) -> AsyncIterator[httpx.AsyncClient]:
    """The same server, called with a key."""
    headers = {"Authorization": f"Bearer {secret}"}
    # Not entered as a context manager: the transport is shared, and is not ours to close.
    yield httpx.AsyncClient(transport=client._transport, base_url=client.base_url, headers=headers)


async def made(client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """POST, and the body of a success."""
    answer = await client.post(path, json=body)
    assert answer.is_success, answer.text
    shown: dict[str, Any] = answer.json()
    return shown
