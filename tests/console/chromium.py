"""A headless Chromium, driven over its own DevTools protocol: https://chromedevtools.github.io/devtools-protocol/."""

import asyncio
import base64
import contextlib
import json
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-port=0",
)  # fmt: skip
TIMEOUT_S = 20.0
_BUTTONS = "button, summary, a, input[type=checkbox]"


class Page:
    """One tab. `requests` are the addresses that it asked for and `once` the idempotency keys that it sent, in order;
    `complaints` is what its console and its policy said.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._number = 0
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.requests: list[str] = []
        self.once: list[str] = []
        self.complaints: list[str] = []
        self.dialogs: list[str] = []
        self._loaded = asyncio.Event()

    async def listen(self) -> None:
        async for message in self._socket:
            told = json.loads(message.data)
            if "id" in told:
                waiting = self._waiting.pop(told["id"])
                if not waiting.done():
                    waiting.set_result(told)
            else:
                self._note(told["method"], told["params"])

    def _note(self, method: str, told: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])
            self.once += [value for name, value in told["request"]["headers"].items() if name == "Idempotency-Key"]
        elif method == "Runtime.exceptionThrown":
            details = told["exceptionDetails"]
            self.complaints.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Log.entryAdded" and told["entry"]["source"] != "network":
            # Refusals of the API are logged as of the network, and are expected.
            self.complaints.append(told["entry"]["text"])
        elif method == "Page.loadEventFired":
            self._loaded.set()
        elif method == "Page.javascriptDialogOpening":
            self.dialogs.append(told["message"])

    async def send(self, method: str, **told: Any) -> dict[str, Any]:
        self._number += 1
        waiting: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[self._number] = waiting
        await self._socket.send_str(json.dumps({"id": self._number, "method": method, "params": told}))
        async with asyncio.timeout(TIMEOUT_S):
            answer = await waiting
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        result: dict[str, Any] = answer["result"]
        return result

    async def js(self, expression: str) -> Any:
        """The value of an expression in the page."""
        answer = await self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    async def until(self, expression: str, within_s: float = TIMEOUT_S) -> Any:
        """The value, once it is true. Fails with what the page shows when it does not become so."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while not (value := await self.js(expression)):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)  # the page tells nobody when it changes
                return value
        shown = await self.js("document.body.innerText")
        raise AssertionError(f"never true: {expression}\n{self.complaints}\n{shown[:3000]}")

    async def sees(self, text: str) -> None:
        await self.until(f"document.body.innerText.includes({json.dumps(text)})")

    async def goes(self, url: str) -> None:
        await self.send("Page.navigate", url=url)
        await self.until("document.readyState === 'complete'")

    async def reload(self) -> None:
        self._loaded.clear()
        await self.send("Page.reload")
        async with asyncio.timeout(TIMEOUT_S):
            await self._loaded.wait()

    async def click(self, label: str, within: str = "body") -> None:
        """What has this text, where a reader would point at it."""
        find = (
            f"[...document.querySelector({json.dumps(within)})?.querySelectorAll({json.dumps(_BUTTONS)}) ?? []]"
            f".find((one) => one.textContent.trim() === {json.dumps(label)} && one.checkVisibility() && !one.disabled)"
        )
        await self.until(f"Boolean({find})")
        place = await self.js(
            f"(() => {{ const one = {find}; one.scrollIntoView({{block: 'center'}}); "
            "const {x, y, width, height} = one.getClientRects()[0]; return [x + width / 2, y + height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            told = {"x": place[0], "y": place[1], "button": "left", "clickCount": 1}
            await self.send("Input.dispatchMouseEvent", type=kind, **told)

    async def write(self, label: str, text: str) -> None:
        """Into the control with this label, as typed."""
        control = (
            "[...document.querySelectorAll('label')].filter((one) => one.checkVisibility() && "
            f"one.textContent.trim() === {json.dumps(label)}).at(-1)?.control"
        )
        await self.until(f"Boolean({control})")
        await self.js(f"(() => {{ const one = {control}; one.focus(); one.select?.(); }})()")
        await self.send("Input.insertText", text=text)

    async def press(self, key: str) -> None:
        codes = {"Enter": 13, "Tab": 9}
        told = {"key": key, "code": key, "windowsVirtualKeyCode": codes[key]}
        await self.send("Input.dispatchKeyEvent", type="keyDown", **told, **({"text": "\r"} if key == "Enter" else {}))
        await self.send("Input.dispatchKeyEvent", type="keyUp", **told)

    async def looks(self, width: int, height: int, scheme: str) -> None:
        """How wide the window is, and whether the reader prefers `light` or `dark`."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        await self.send("Emulation.setDeviceMetricsOverride", **size)
        await self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    async def network(self, *, there: bool) -> None:
        """Whether anything can be reached."""
        told = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        await self.send("Network.emulateNetworkConditions", offline=not there, **told)

    async def picture(self, path: Path) -> None:
        shot = await self.send("Page.captureScreenshot", format="png")
        await asyncio.to_thread(path.write_bytes, base64.b64decode(shot["data"]))


def program() -> str:
    """The browser of this machine. Raises FileNotFoundError that says how to have one."""
    for name in NAMES:
        if found := shutil.which(name):
            return found
    raise FileNotFoundError("There is no Chromium on the path: apt-get install chromium, then run this again.")


@asynccontextmanager
async def opened() -> AsyncIterator[Page]:
    """A new browser with an empty profile and one tab."""
    with tempfile.TemporaryDirectory(prefix="roadbed-chromium-", ignore_cleanup_errors=True) as folder:
        command = [program(), *FLAGS, f"--user-data-dir={folder}", "about:blank"]
        browser = await asyncio.create_subprocess_exec(
            *command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            async with aiohttp.ClientSession(trust_env=False) as session:
                async with session.put(f"http://127.0.0.1:{await _port(Path(folder))}/json/new?about:blank") as answer:
                    address = (await answer.json())["webSocketDebuggerUrl"]
                async with session.ws_connect(address, max_msg_size=64 << 20) as socket:
                    page = Page(socket)
                    listening = asyncio.create_task(page.listen())
                    for domain in ("Page", "Runtime", "Log", "Network"):
                        await page.send(f"{domain}.enable")
                    yield page
                    listening.cancel()
        finally:
            with contextlib.suppress(ProcessLookupError):
                browser.terminate()
            await browser.wait()


async def _port(folder: Path) -> str:
    async with asyncio.timeout(TIMEOUT_S):
        while True:
            with contextlib.suppress(FileNotFoundError, IndexError):
                return (folder / "DevToolsActivePort").read_text().splitlines()[0]
            await asyncio.sleep(0.05)
