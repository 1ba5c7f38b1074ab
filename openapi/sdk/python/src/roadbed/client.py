"""`Roadbed` and `AsyncRoadbed`: the generated clients with their defaults set and their connections closed."""

from __future__ import annotations

import os
from types import TracebackType
from typing import Any, Dict, Optional, Type

import httpx

from ._generated import AsyncClient, Client
from ._send import RETRIES

TIMEOUT_S = 30.0


class Roadbed(Client):
    """The sync client. Use it as a context manager, or call close().

    `api_key` is ROADBED_API_KEY's value unless given, `base_url` ROADBED_BASE_URL's. `timeout` is in seconds, for each
    attempt; `max_retries` more attempts are made (0 for none). An `http_client` of your own stays yours to close.
    """

    def __init__(
        self,
        api_key: Optional[str] = None,
        *,
        base_url: Optional[str] = None,
        max_retries: int = RETRIES,
        timeout: float = TIMEOUT_S,
        headers: Optional[Dict[str, str]] = None,
        http_client: Optional[httpx.Client] = None,
    ) -> None:
        self._owned = http_client is None
        super().__init__(
            **_settings(api_key, base_url, max_retries, timeout, headers),
            http_client=http_client or httpx.Client(timeout=timeout),
        )

    def close(self) -> None:
        """Close the connections; calls after this raise."""
        if self._owned:
            self._http.close()

    def __enter__(self) -> Roadbed:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()


class AsyncRoadbed(AsyncClient):
    """The async client: `async with`, or `await close()`. Its arguments are those of Roadbed."""

    def __init__(
        self,
        api_key: Optional[str] = None,
        *,
        base_url: Optional[str] = None,
        max_retries: int = RETRIES,
        timeout: float = TIMEOUT_S,
        headers: Optional[Dict[str, str]] = None,
        http_client: Optional[httpx.AsyncClient] = None,
    ) -> None:
        self._owned = http_client is None
        super().__init__(
            **_settings(api_key, base_url, max_retries, timeout, headers),
            http_client=http_client or httpx.AsyncClient(timeout=timeout),
        )

    async def close(self) -> None:
        """Close the connections; calls after this raise."""
        if self._owned:
            await self._http.aclose()

    async def __aenter__(self) -> AsyncRoadbed:
        return self

    async def __aexit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        await self.close()


def _settings(
    api_key: Optional[str], base_url: Optional[str], max_retries: int, timeout: float, headers: Optional[Dict[str, str]]
) -> Dict[str, Any]:
    key = (api_key or os.environ.get("ROADBED_API_KEY") or "").strip()  # one read from a file ends with its line
    if not (key.isascii() and key.isprintable()):
        raise ValueError("The API key has a character that no key has: it is rb_live_ or rb_test_, letters and digits.")
    origin = base_url or os.environ.get("ROADBED_BASE_URL") or "http://127.0.0.1:8000"
    return {
        "server_url": origin.rstrip("/") + "/v1",
        "auth": {"bearer": key} if key else {},
        "headers": {"User-Agent": "roadbed-python/0.1.0", **(headers or {})},
        "timeout": timeout,
        "retry": {"retries": max_retries},
        "idempotency_key": True,
    }
