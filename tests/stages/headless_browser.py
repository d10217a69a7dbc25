"""Headless Chromium over its DevTools pipe: what a page draws, logs and asks of the network."""

from __future__ import annotations

import base64
import itertools
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

__all__ = ["Browser", "find_chromium"]

# Nothing that the browser does on its own account: what is seen on the network is the page's doing.
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--remote-debugging-pipe",
)
# DevTools reads from descriptor 3 and writes to 4. A program between us and the browser puts them there: what Popen
# could do itself, after a fork, is not safe where there are threads.
_LAUNCHER = """
import fcntl, os, sys
reading, writing = (fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3])
os.dup2(reading, 3)
os.dup2(writing, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
_PATIENCE_S = 60
_LOADED = """new Promise((done) => {
  const look = () => (document.readyState === "complete" ? done() : setTimeout(look, 20));
  setTimeout(look, 20);
})"""


def find_chromium() -> str | None:
    """Where the browser is; None if there is none."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Browser:
    """One tab. `events` are those that it sent since the page was opened: logs, errors, requests.

    Parameters
    ----------
    to, of : descriptors of the pipe; a message is JSON, ended by a zero byte
    """

    def __init__(self, to: int, of: int) -> None:
        self._to, self._of, self._read, self._session = to, of, b"", ""
        self._numbers = itertools.count(1)
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    @classmethod
    @contextmanager
    def started(cls, program: str, profile: Path) -> Iterator[Self]:
        """The browser, with a profile of its own, until the block ends."""
        reading, to = os.pipe()
        of, writing = os.pipe()
        arguments = [str(reading), str(writing), program, *_FLAGS, f"--user-data-dir={profile}"]
        process = subprocess.Popen(
            [sys.executable, "-c", _LAUNCHER, *arguments],
            pass_fds=(reading, writing),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(reading)
        os.close(writing)
        try:
            yield cls(to, of)
        finally:
            os.close(to)  # it ends when its pipe is closed
            os.close(of)
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """The result of a DevTools method; AssertionError if it fails, or takes a minute."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params}
        session = {"sessionId": self._session} if self._session else {}
        os.write(self._to, json.dumps(message | session).encode() + b"\0")
        until = time.monotonic() + _PATIENCE_S
        while (answer := self._next(method, until)).get("id") != number:
            self.events.append(answer)
        assert "error" not in answer, f"{method}: {answer['error']}"
        return dict(answer["result"])

    def _next(self, method: str, until: float) -> dict[str, Any]:
        while b"\0" not in self._read:
            ready, _, _ = select.select([self._of], [], [], max(0.0, until - time.monotonic()))
            chunk = os.read(self._of, 1 << 20) if ready else b""
            assert chunk, f"{method}: the browser ended, or sent nothing for {_PATIENCE_S} s"
            self._read += chunk
        text, _, self._read = self._read.partition(b"\0")
        return dict(json.loads(text))

    def run(self, script: str) -> Any:
        """The JSON value of a JavaScript expression; a promise is waited for."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def open(self, page: Path | str, width: int = 1280, *, dark: bool = False) -> None:
        """Load a file, or an address, into a window so many pixels wide, and wait until its scripts have run."""
        screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **screen)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.events.clear()
        url = page if isinstance(page, str) else page.resolve().as_uri()
        answer = self.call("Page.navigate", url=url)
        assert "errorText" not in answer, f"{page}: {answer['errorText']}"
        self.run(_LOADED)

    def print_pdf(self) -> bytes:
        """The page as Chromium prints it, on paper of its usual size."""
        return base64.b64decode(self.call("Page.printToPDF", printBackground=True)["data"])

    def events_of(self, *methods: str) -> list[dict[str, Any]]:
        """What the events of these kinds hold, in order."""
        return [event["params"] for event in self.events if event["method"] in methods]
