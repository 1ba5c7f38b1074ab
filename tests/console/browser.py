"""The console in a real browser, against a served API with a worker: `./run browser [--shots FOLDER]`.

A headless Chromium does what a person would: it pastes a key, makes and scores features, reprioritises, records a
decision, subscribes a receiver that answers with markup, and looks at everything in two widths and two colour schemes.
The last line printed is one JSON object; the exit is 1 at the first thing that is not as it should be.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx

from api.local import LocalServers, Servers
from tests.console.chromium import Page, opened
from tests.support.processes import Service
from tests.support.receiver import Answer, Arrived, Receiver

HOSTILE = (
    "<img src=x onerror=\"window.owned=1;document.title='owned'\"><script>window.owned=2</script>"
    '</code></pre><a href="javascript:window.owned=3">x</a><style>body{display:none}</style>'
)
WIDE, NARROW = (1280, 900), (360, 740)
# What stays of a page that was taken over by what it shows.
TAKEN = (
    "window.owned !== undefined || document.querySelector('main img, main script, main style, main iframe') !== null"
)
UNLABELLED = """[...document.querySelectorAll('main input, main select, main textarea')]
    .filter((one) => !one.labels?.length && !one.getAttribute('aria-label')).map((one) => one.outerHTML)"""
NAMELESS = """[...document.querySelectorAll('button, a')]
    .filter((one) => !one.textContent.trim() && !one.getAttribute('aria-label')).map((one) => one.outerHTML)"""


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="./run browser", description="The console in a headless Chromium.")
    parser.add_argument("--shots", type=Path, help="a folder for pictures of every view")
    told = parser.parse_args(words)
    if told.shots is not None:
        told.shots.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="roadbed-browser-") as folder:
        Path(folder).chmod(0o755)
        report = _served(Path(folder), told.shots)
    print(json.dumps(report | {"seconds": round(time.monotonic() - began, 1)}))
    return 0 if report["ok"] else 1


def _served(folder: Path, shots: Path | None) -> dict[str, Any]:
    with LocalServers.start(folder / "data", durable=False) as local, _service(local.servers, folder) as service:
        service.migrate()
        url = service.add_api()
        service.add_worker()
        return asyncio.run(_visit(url, shots))


def _service(servers: Servers, folder: Path) -> Service:
    # Streams end often, so that the page has to take them up again.
    return Service(servers, folder, {"stream_s": 2})


async def _visit(url: str, shots: Path | None) -> dict[str, Any]:
    done: list[str] = []
    answer = [Answer(500, {"content-type": "text/html", "x-hostile": "<script>1</script>"}, HOSTILE.encode())]

    def answered(_: Arrived) -> Answer:
        return answer[0]

    async with Receiver(answered) as receiver, opened() as page, httpx.AsyncClient(base_url=url, timeout=30) as api:
        visit = Visit(url, page, api, receiver, answer)
        steps: list[Callable[[], Awaitable[None]]] = [
            visit.what_is_no_key_is_told_at_the_field,
            visit.a_key_that_is_refused_is_told_with_its_page,
            visit.a_key_is_pasted_and_kept_in_this_tab_alone,
            visit.what_is_wrong_with_a_feature_is_told_at_its_field,
            visit.a_feature_is_made_and_scored,
            visit.what_was_not_answered_is_sent_again_under_its_key,
            visit.the_navigation_is_passed_by_keyboard,
            visit.reprioritising_shows_the_moves_before_anything_is_written,
            visit.a_list_is_paged_and_searched,
            visit.a_decision_is_recorded_with_a_rationale,
            visit.what_a_receiver_answers_is_text,
            visit.a_dead_letter_is_delivered_again,
            visit.events_appear_as_they_happen,
            visit.usage_tells_the_quota_and_the_limits,
            visit.a_call_is_copied_as_curl_and_runs,
            visit.every_view_fits_and_is_labelled,
            visit.a_sandbox_is_opened_without_signing_up,
            visit.nothing_was_asked_of_anybody_else,
        ]
        visit.shots = shots
        for step in steps:
            name = step.__name__.replace("_", " ")
            try:
                await step()
            except Exception as error:
                print(f"✗ {name}\n{error}", flush=True)
                return {"ok": False, "failed": name, "steps": done}
            print(f"✓ {name}", flush=True)
            done.append(name)
    return {"ok": True, "steps": done}


class Visit:
    """One reader's way through the console, in order."""

    shots: Path | None = None

    def __init__(self, url: str, page: Page, api: httpx.AsyncClient, receiver: Receiver, answer: list[Answer]) -> None:
        self.url, self.page, self.api, self.receiver, self.answer = url, page, api, receiver, answer
        self.key = ""
        self.ids: dict[str, str] = {}

    async def what_is_no_key_is_told_at_the_field(self) -> None:
        await self.page.looks(*WIDE, "light")
        await self.page.goes(f"{self.url}/console")
        await self.page.sees("Use a key")
        await self.page.write("API key", "rb_live_short")
        await self.page.press("Enter")
        await self.page.sees("This is no key of Roadbed")
        assert await self.page.js("document.activeElement.getAttribute('aria-invalid')") == "true"
        await self._picture("gate")

    async def a_key_that_is_refused_is_told_with_its_page(self) -> None:
        await self.page.write("API key", f"rb_live_{'0' * 36}")
        await self.page.press("Enter")
        await self.page.until(
            "document.querySelector('.problem a')?.getAttribute('href') === '/docs/errors/unauthenticated'"
        )
        await self.page.sees("req_")
        assert await self.page.js("sessionStorage.getItem('roadbed.key')") is None

    async def a_key_is_pasted_and_kept_in_this_tab_alone(self) -> None:
        signed = await self.api.post("/v1/signup", json={"email": "ada@example.com", "workspace": "Ada's"})
        assert signed.status_code == 201, signed.text
        self.key = signed.json()["live_key"]["secret"]
        self.api.headers["Authorization"] = f"Bearer {self.key}"
        await self.page.write("API key", f" {self.key} ")
        await self.page.press("Enter")
        await self.page.sees("Nothing is ranked yet")
        assert await self.page.js("document.documentElement.dataset.mode") == "live"
        assert await self.page.js("sessionStorage.getItem('roadbed.key')") == self.key
        assert await self.page.js("localStorage.length + document.cookie.length") == 0
        assert self.key not in await self.page.js("document.documentElement.outerHTML + location.href")
        await self.page.reload()
        await self.page.sees("Nothing is ranked yet")

    async def what_is_wrong_with_a_feature_is_told_at_its_field(self) -> None:
        await self.page.click("Features", "#views")
        await self.page.click("New feature")
        await self.page.click("Make the feature")
        await self.page.sees("must have at least 1 character")
        assert await self.page.js("document.activeElement.dataset.pointer") == "/title"
        assert await self.page.js("document.querySelector('.problem code').textContent") == "invalid_request"

    async def a_feature_is_made_and_scored(self) -> None:
        await self.page.write("Title", "Bulk <b onclick=alert(1)>export</b>")
        await self.page.click("Make the feature")
        await self.page.until("document.querySelector('h1')?.textContent === 'Bulk <b onclick=alert(1)>export</b>'")
        self.ids["feature"] = await self.page.js("location.hash.split('/')[2]")
        for label, text in (("Reach", "10000"), ("Impact", "three"), ("Confidence", "4"), ("Effort", "2")):
            await self.page.write(label, text)
        await self.page.click("Score")
        await self.page.sees("must be a number")
        await self.page.write("Impact", "3")
        await self.page.click("Score")
        await self.page.until("[...document.querySelectorAll('.wrong')].filter((one) => one.textContent).length === 1")
        await self.page.write("Confidence", "0.8")
        await self.page.click("Score")
        await self.page.sees("Scored 12,000 by rice@1")
        await self.page.until("document.querySelectorAll('tbody tr').length === 1")
        await self.page.write("Reach", "123456789012.345678")  # more digits than a float holds
        await self.page.click("Score")
        await self.page.until("document.querySelectorAll('tbody tr').length === 2")
        assert "123456789012.345678" in (await self.api.get("/v1/scores?limit=1")).text
        await self.page.write("Reach", "10000")
        await self.page.write("Confidence", "0.5")
        await self.page.click("Score")
        await self.page.until("document.querySelector('.spark polyline') !== null")
        await self._picture("feature")

    async def what_was_not_answered_is_sent_again_under_its_key(self) -> None:
        await self.page.click("Features", "#views")
        await self.page.click("New feature")
        await self.page.write("Title", "Once")
        await self.page.network(there=False)
        await self.page.click("Make the feature")
        await self.page.sees("The API did not answer")
        await self.page.network(there=True)
        await self.page.click("Make the feature")
        await self.page.until("document.querySelector('h1')?.textContent === 'Once'")
        assert self.page.once[-1] == self.page.once[-2] != self.page.once[-3]
        dropped = await self.api.delete(f"/v1/features/{await self.page.js('location.hash.slice(11)')}")
        assert dropped.is_success

    async def the_navigation_is_passed_by_keyboard(self) -> None:
        await self.page.goes(f"{self.url}/console/#/features")
        await self.page.reload()
        await self.page.until("document.querySelector('tbody tr') !== null")
        await self.page.press("Tab")
        assert await self.page.js("document.activeElement.className") == "skip"
        await self.page.press("Enter")
        await self.page.until("document.activeElement.id === 'content'")
        await self.page.press("Tab")
        assert await self.page.js("document.activeElement.textContent") == "New feature"
        assert await self.page.js("location.hash") == "#/features"

    async def reprioritising_shows_the_moves_before_anything_is_written(self) -> None:
        for title, impact, bucket in (("Dark mode", 1, "technical"), ("Offline", 3, "innovation")):
            made = await self._made("/v1/features", {"title": title, "bucket": bucket})
            inputs = {"reach": 9000, "impact": impact, "confidence": 0.9, "effort": 3}
            await self._made(f"/v1/features/{made['id']}/scores", {"framework": "rice", "inputs": inputs})
        await self.page.click("Roadmap", "#views")
        await self.page.click("Reprioritise")
        await self.page.write("Reason", "<i>The first</i>")
        await self.page.click("Preview the moves")
        await self.page.sees("3 would move")
        await self._picture("reprioritise")
        assert (await self.api.get("/v1/roadmap/revisions")).json()["data"] == []
        await self.page.click("Confirm in live mode")
        await self.page.sees("“<i>The first</i>”")
        revisions = (await self.api.get("/v1/roadmap/revisions")).json()["data"]
        assert [one["reason"] for one in revisions] == ["<i>The first</i>"]
        await self._capacity()
        await self._score(self.ids["feature"], 0.1)
        await self._made("/v1/roadmap/reprioritize", {})
        await self.page.goes(f"{self.url}/console/#/usage")
        await self.page.click("Roadmap", "#views")
        await self.page.sees("its score changed")
        await self.page.sees("Cut line: ")
        await self._picture("roadmap")

    async def a_list_is_paged_and_searched(self) -> None:
        items = [{"title": f"Wish {number:02}", "source": "wishes", "external_id": str(number)} for number in range(40)]
        await self._made("/v1/features/batch", {"atomic": True, "items": items})
        await self.page.click("Features", "#views")
        await self.page.until("document.querySelectorAll('tbody tr').length === 25")
        first = await self.page.js("document.querySelector('tbody a').textContent")
        await self.page.click("Next →")
        await self.page.sees("Page 2")
        assert await self.page.js("document.querySelectorAll('tbody tr').length") == 18
        # By keyboard one stays at the list: there is no page more, so at its rows.
        await self.page.until("document.activeElement.className === 'scroll'")
        await self.page.click("← Previous")
        await self.page.until(f"document.querySelector('tbody a')?.textContent === {json.dumps(first)}")
        await self.page.write("Search", "offline")
        await self.page.press("Enter")
        await self.page.until("document.querySelectorAll('tbody tr').length === 1")
        await self.page.sees("Offline")

    async def a_decision_is_recorded_with_a_rationale(self) -> None:
        keys = ("build", "buy")
        made = await self._made(
            "/v1/decisions",
            {
                "title": "Build or buy search",
                "kind": "build_vs_buy",
                "options": [{"key": key, "title": key.title()} for key in keys],
                "criteria": [
                    {"key": "cost", "title": "Cost", "weight": 3},
                    {"key": "fit", "title": "Fit", "weight": 2},
                ],
                "ratings": {"build": {"cost": 4, "fit": 9}, "buy": {"cost": 7, "fit": 8}},
            },
        )
        self.ids["decision"] = made["id"]
        await self.page.click("Decisions", "#views")
        await self.page.click("Build or buy search")
        await self.page.sees("Buy leads Build by 1.4")
        await self._picture("decision")
        await self.page.click("Record the decision")
        await self.page.until("document.activeElement.dataset.pointer === '/rationale'")
        await self.page.write("Rationale", "It is cheaper, and fits.\n<script>window.owned=4</script>")
        await self.page.click("Record the decision")
        await self.page.until("document.querySelector('blockquote')?.textContent.includes('<script>window.owned=4')")
        recorded = (await self.api.get(f"/v1/decisions/{made['id']}")).json()
        assert (recorded["status"], recorded["chosen"]) == ("recorded", "buy")

    async def what_a_receiver_answers_is_text(self) -> None:
        await self.page.click("Webhooks", "#views")
        await self.page.click("New endpoint")
        await self.page.write("URL", "no address")
        await self.page.click("Subscribe")
        await self.page.until("document.activeElement.dataset.pointer === '/url'")
        await self.page.write("URL", self.receiver.url)
        await self.page.write("Event types", "decision.*, webhook.*")
        await self.page.click("Subscribe")
        await self.page.sees("whsec_")
        await self.page.click("Open the endpoint")
        await self.page.click("Send")
        await self.page.until("document.querySelector('pre.answer') !== null")
        assert await self.page.js("document.querySelector('pre.answer').textContent") == HOSTILE
        await self.page.sees("x-hostile: <script>1</script>")
        await self.page.sees("http 500")
        await asyncio.sleep(0.5)  # what would run has run by then
        assert not await self.page.js(TAKEN)
        assert self.page.dialogs == []
        self.ids["endpoint"] = await self.page.js("location.hash.split('/')[2]")
        self.ids["delivery"] = (await self.api.get("/v1/deliveries?limit=1")).json()["data"][0]["id"]
        await self.page.js(f"location.hash = '#/webhooks/{self.ids['delivery']}'")
        await self.page.until("document.querySelector('h2 code')?.textContent === 'webhook.test'")
        await self._picture("delivery")

    async def a_dead_letter_is_delivered_again(self) -> None:
        once = {"url": f"{self.receiver.url}/once", "event_types": ["prd.*"], "schedule": [0], "description": "One try"}
        await self._made("/v1/endpoints", once)
        await self._made("/v1/events/trigger", {"type": "prd.approved"})
        await self._until_dead()
        await self.page.click("Webhooks", "#views")
        await self.page.sees("failed in a row")
        await self._picture("endpoints")
        await self.page.click("Dead letters")
        await self.page.until("document.querySelectorAll('tbody tr').length === 1")
        await self.page.js("document.querySelector('tbody a').click()")
        self.answer[0] = Answer(200, body=b"ok")
        await self.page.click("Redeliver")
        await self.page.until("document.querySelector('h2 .badge')?.textContent === 'delivered'")
        await self.page.sees("Attempts (2)")

    async def events_appear_as_they_happen(self) -> None:
        await self.page.click("Live events")
        await self.page.sees("Connected")
        made = await self._made("/v1/features", {"title": HOSTILE[:200]})
        await self.page.sees("feature.created")
        await self.page.js("document.querySelector('.happened details').open = true")
        await self.page.sees(made["id"])
        await self._picture("live")
        made_ids = []
        for number in range(8):  # through the end of some streams
            made_ids.append((await self._made("/v1/features", {"title": f"Live {number}"}))["id"])
            await asyncio.sleep(0.7)
        await self.page.until("document.querySelectorAll('.happened > li').length >= 9")
        told = await self.page.js(
            "[...document.querySelectorAll('.happened pre')].map((one) => JSON.parse(one.textContent).data.id)"
        )
        assert told == [*reversed(made_ids), made["id"]], "each once, in order, whatever broke off"
        opened_times = [one for one in self.page.requests if "/v1/events/stream" in one]
        assert len(opened_times) > 2
        await self.page.click("Pause")
        await self.page.sees("Resume")
        assert not await self.page.js(TAKEN)

    async def usage_tells_the_quota_and_the_limits(self) -> None:
        await self.page.click("Usage", "#views")
        await self.page.sees("of 1,000,000,000 calls")
        await self.page.until(
            "[...document.querySelectorAll('td')].some((one) => one.textContent === '1,000,000 in 1 s')"
        )
        await self.page.sees("create_feature")
        await self.page.sees("p95 latency")
        await self._picture("usage")

    async def a_call_is_copied_as_curl_and_runs(self) -> None:
        await self.page.send("Browser.grantPermissions", permissions=["clipboardReadWrite"])
        await self.page.click(await self.page.js("document.querySelector('.log-head button').textContent"))
        await self.page.until("document.querySelectorAll('.log-body tbody tr').length > 20")
        row = (
            "[...document.querySelectorAll('.log-body tbody tr')]"
            ".find((one) => one.textContent.includes('/reprioritize'))"
        )
        shown = await self.page.js(f"{row}.textContent")
        assert "POST" in shown
        assert "req_" in shown
        await self.page.js("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
        await self.page.js(f"{row}.querySelector('button').click()")
        text: str = await self.page.until("window.copied")
        assert '"Authorization: Bearer $KEY"' in text
        assert self.key not in text
        environment = os.environ | {"KEY": self.key, "no_proxy": "*"}
        command = ["sh", "-c", f"{text} -sS"]
        ran = await asyncio.to_thread(
            subprocess.run, command, env=environment, capture_output=True, text=True, check=True, timeout=30
        )
        assert json.loads(ran.stdout)["object"] == "roadmap_revision", ran.stdout
        await self._picture("log")
        await self.page.click(await self.page.js("document.querySelector('.log-head button').textContent"))

    async def every_view_fits_and_is_labelled(self) -> None:
        views = (
            "roadmap",
            "features",
            "decisions",
            "webhooks",
            "webhooks/deliveries",
            "webhooks/dead",
            "webhooks/live",
            "usage",
        )
        ids = (f"features/{self.ids['feature']}", f"decisions/{self.ids['decision']}")
        ids += (f"webhooks/{self.ids['endpoint']}", f"webhooks/{self.ids['delivery']}")
        for view in (*views, *ids):
            for (width, height), scheme in ((WIDE, "light"), (WIDE, "dark"), (NARROW, "light"), (NARROW, "dark")):
                await self.page.looks(width, height, scheme)
                await self.page.js(f"location.hash = '#/{view}'")
                await self.page.until(
                    "!document.querySelector('[aria-busy]') && document.querySelector('main h1') !== null"
                )
                wide = await self.page.js("document.documentElement.scrollWidth")
                assert wide <= width, f"{view} is {wide} wide in a window of {width}"
                await self._picture(f"{view.split('_')[0].replace('/', '-')}-{width}-{scheme}")
            for wrong in (UNLABELLED, NAMELESS):
                assert await self.page.js(wrong) == [], view
        await self.page.looks(*WIDE, "light")

    async def a_sandbox_is_opened_without_signing_up(self) -> None:
        await self.page.click("Forget key")
        await self.page.sees("No key yet?")
        assert await self.page.js("sessionStorage.length") == 0
        await self.page.goes(f"{self.url}/console/")
        await self.page.click("Open a sandbox")
        await self.page.sees("Real-time collab")
        assert await self.page.js("document.documentElement.dataset.mode") == "test"
        assert (await self.page.js("sessionStorage.getItem('roadbed.key')")).startswith("rb_test_")
        await self._picture("sandbox")

    async def nothing_was_asked_of_anybody_else(self) -> None:
        assert self.page.complaints == []
        assert [one for one in self.page.requests if not one.startswith(f"{self.url}/")] == []
        assert [one for one in self.page.requests if "rb_" in one] == []

    async def _made(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = await self.api.post(path, json=body)
        assert answer.is_success, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def _until_dead(self) -> None:
        async with asyncio.timeout(20):
            while not (await self.api.get("/v1/deliveries?status=dead")).json()["data"]:  # noqa: ASYNC110
                await asyncio.sleep(0.1)

    async def _score(self, feature_id: str, confidence: float) -> None:
        inputs = {"reach": 10000, "impact": 3, "confidence": confidence, "effort": 2}
        await self._made(f"/v1/features/{feature_id}/scores", {"framework": "rice", "inputs": inputs})

    async def _capacity(self) -> None:
        answer = await self.api.put("/v1/roadmap/policy", json={"capacity_months": 6})
        assert answer.is_success, answer.text

    async def _picture(self, name: str) -> None:
        if self.shots is not None:
            await self.page.picture(self.shots / f"{name}.png")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
