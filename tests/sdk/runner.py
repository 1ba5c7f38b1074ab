"""Runs the cases with the Python client: `python runner.py sync|async`, the work on stdin, a line for each case.

It knows the client and nothing of what is expected: test_conformance.py judges.
"""

import asyncio
import base64
import inspect
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import roadbed
from filling import filled
from roadbed._generated import encode

AT_ONCE = 6


def main(kind: str) -> None:
    work = json.load(sys.stdin)
    if kind == "async":
        asyncio.run(_all(work))
        return
    with ThreadPoolExecutor(AT_ONCE) as pool:
        # The steps are written once, as coroutines; over the sync client they never wait.
        for line in pool.map(lambda case: asyncio.run(run(case, work, roadbed.Roadbed)), work["cases"]):
            print(line)


async def _all(work: dict[str, Any]) -> None:
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(case: dict[str, Any]) -> str:
        async with slots:
            return await run(case, work, roadbed.AsyncRoadbed)

    for line in await asyncio.gather(*(one(case) for case in work["cases"])):
        print(line)


async def run(case: dict[str, Any], work: dict[str, Any], kind: Any) -> str:
    saved: dict[str, Any] = {}
    outcomes = []
    for step in case["steps"]:
        begun = time.monotonic()
        outcome = await outcome_of(filled(step, saved), case, work, kind)
        outcome["took_s"] = time.monotonic() - begun
        if "save" in step:
            saved[step["save"]] = outcome.get("data")
        outcomes.append(outcome)
    return json.dumps({"name": case["name"], "outcomes": outcomes})


async def outcome_of(step: dict[str, Any], case: dict[str, Any], work: dict[str, Any], kind: Any) -> dict[str, Any]:
    try:
        if "verify" in step:
            return verified(work["webhooks"][step["verify"]])
        settings = case.get("client", {})
        client = kind(
            step.get("api_key") or settings.get("api_key") or case["key"],
            base_url=case["url"],
            max_retries=settings.get("max_retries", 2),
            timeout=settings.get("timeout_s", 30),
        )
        try:
            return await called(client, step)
        finally:
            await _given(client.close())
    except (roadbed.RoadbedError, roadbed.WebhookVerificationError) as error:
        return {"error": told(error)}


async def called(client: Any, step: dict[str, Any]) -> dict[str, Any]:
    given = {**step.get("path", {}), **step.get("query", {})}
    options = step.get("options", {})
    if "body" in step:
        given["body"] = step["body"]
    for name in ("headers", "idempotency_key"):
        if name in options:
            given[name] = options[name]
    if "retries" in options:
        given["retry"] = {"retries": options["retries"]}
    if "items" in step or "pages" in step:
        found = getattr(client, step["call"] + ("_items" if "items" in step else "_pages"))(**given)
        count = len([each async for each in found]) if hasattr(found, "__aiter__") else len(list(found))
        return {"count": count}
    if "first" in step:
        stream = getattr(client, step["call"])(**given)
        event = await anext(stream) if hasattr(stream, "__anext__") else next(stream)
        await _given(stream.aclose() if hasattr(stream, "aclose") else stream.close())
        return {"data": {"event": event.event, "data": event.data}}
    if "raw" in step:
        envelope = await _given(getattr(client, step["call"] + "_with_headers")(**given))
        return {"status": envelope.response.status_code, "headers": dict(envelope.response.headers)}
    answer = await _given(getattr(client, step["call"])(**given))
    return {"data": sent(answer)}


def verified(webhook: dict[str, Any]) -> dict[str, Any]:
    body = base64.b64decode(webhook["body"])
    event = roadbed.verify_webhook(webhook["headers"], body, webhook["secrets"], now=webhook.get("now"))
    return {"data": sent(event), "class": type(event).__name__}


def told(error: Exception) -> dict[str, Any]:
    kinds = [cls.__name__ for cls in type(error).__mro__]
    names = ("status", "code", "request_id", "doc_url", "detail", "retry_after_s", "etag")
    fields = {name: getattr(error, name) for name in names if hasattr(error, name)}
    targets = [each.name for each in getattr(error, "errors", [])]
    return {"kinds": kinds, "class": kinds[0], "message": str(error), "fields": targets, **fields}


def sent(value: Any) -> Any:
    """As it stood on the wire, but for the nulls that a model's encoder leaves out."""
    return encode(value)


async def _given(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


if __name__ == "__main__":
    main(sys.argv[1])
