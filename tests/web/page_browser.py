"""A real browser, and `reaper demo` as a real process for it to look at."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
CHROMIUM_ARGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")


def chromium() -> str | None:
    """The browser that the system has; none is ever downloaded."""
    return CHROMIUM if os.access(CHROMIUM, os.X_OK) else shutil.which("chromium")


@dataclass
class Demo:
    """`reaper demo` as a process, and the address of its page."""

    popen: subprocess.Popen[str]
    out: Path
    address: str = ""

    @classmethod
    def start(cls, folder: Path) -> Demo:
        out = folder / "demo.out"
        command = [str(Path(sys.executable).with_name("reaper")), "demo", "--listen", "127.0.0.1:0"]
        with out.open("w") as stdout:
            environ = {**os.environ, "PYTHONUNBUFFERED": "1", "NO_PROXY": "127.0.0.1"}
            popen = subprocess.Popen(
                command, stdout=stdout, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environ, cwd=folder
            )
        made = cls(popen, out)
        made.address = made._wait_for_address(90)
        return made

    def _wait_for_address(self, seconds: float) -> str:
        deadline = time.monotonic() + seconds
        while not (found := re.search(r"status page: (http://127\.0\.0\.1:\d+)/", self.out.read_text())):
            assert self.popen.poll() is None, self.out.read_text()
            assert time.monotonic() < deadline, "the demo did not print its page's address"
            time.sleep(0.1)
        return found[1]

    def end(self) -> None:
        self.popen.send_signal(signal.SIGTERM)
        self.popen.wait(25)


@dataclass
class Visit:
    """A browser's look at a page, with all that it asked for and complained of."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


@contextmanager
def visit(**context: Any) -> Iterator[Visit]:
    """A fresh headless Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_ARGS)
        made = Visit(browser.new_context(**context).new_page())
        made.page.on("request", lambda request: made.requests.append(request.url))
        made.page.on("pageerror", lambda error: made.complaints.append(str(error)))
        made.page.on(
            "console",
            lambda message: made.complaints.append(message.text) if message.type in {"error", "warning"} else None,
        )
        yield made
        browser.close()
