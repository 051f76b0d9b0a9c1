"""A real headless Chromium, spoken to by its own debugging protocol."""

from __future__ import annotations

import asyncio
import base64
import itertools
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

CHROMIUM = shutil.which("chromium")
ANSWER_SECONDS = 20.0


class BrowserError(RuntimeError):
    """There is no browser, or it or its page does not do what it was asked; the message says."""


class Tab:
    """One page in the browser. complaints: script errors and log entries, as they came."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self.complaints: list[str] = []
        self.answer_seconds = ANSWER_SECONDS

    async def call(self, method: str, **params: Any) -> Any:
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        while True:
            answer = await self._socket.receive_json(timeout=self.answer_seconds)
            if answer.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded"):
                self.complaints.append(str(answer["params"]))
            if answer.get("id") == number:
                if "error" in answer:
                    raise BrowserError(f"{method}: {answer['error']}")
                return answer["result"]

    async def js(self, expression: str) -> Any:
        """The value of a JavaScript expression, awaited when it is a promise."""
        answer = await self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if failed := answer.get("exceptionDetails"):
            said = failed.get("exception", {}).get("description") or failed["text"]
            raise BrowserError(str(said).splitlines()[0])
        return answer["result"].get("value")

    async def until(self, expression: str, seconds: float = 20.0) -> None:
        """Wait until the expression is true in the page."""
        try:
            async with asyncio.timeout(seconds):
                while not await self.js(expression):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        except TimeoutError:
            text = await self.js("document.body.innerText")
            raise BrowserError(f"never true: {expression}\n{text}") from None

    async def screenshot(self, path: Path) -> None:
        answer = await self.call("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(answer["data"]))  # noqa: ASYNC240


@asynccontextmanager
async def browsing(url: str, home: Path, *options: str) -> AsyncIterator[Tab]:
    """A tab that shows the page at that address; `home` is the browser's folder, empty before.

    `options` are more of Chromium's switches. Raises BrowserError.
    """
    if CHROMIUM is None:
        raise BrowserError("there is no `chromium` here; install it")
    process = await asyncio.create_subprocess_exec(
        CHROMIUM,
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--window-size=1000,900",
        "--remote-debugging-port=0",
        f"--user-data-dir={home}",
        *options,
        "about:blank",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        port_file = home / "DevToolsActivePort"
        async with asyncio.timeout(30):
            while not port_file.exists() or not port_file.read_text():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        port = port_file.read_text().split()[0]
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                (page,) = [tab for tab in await answer.json() if tab["type"] == "page"]
            async with session.ws_connect(page["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                tab = Tab(socket)
                for domain in ("Runtime", "Log", "Page"):
                    await tab.call(f"{domain}.enable")
                await tab.call("Page.navigate", url=url)
                # The answer comes with the first byte; what is asked next wants the whole page.
                await tab.until("location != 'about:blank' && document.readyState == 'complete'")
                yield tab
    finally:
        process.kill()
        await process.wait()
