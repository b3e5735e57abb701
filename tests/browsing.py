"""Pages in a real browser, with every other host out of reach; needs Debian's chromium (or any Chrome)."""

from __future__ import annotations

import functools
import http.server
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no browser: apt-get install chromium")
SCREENSHOTS = Path(__file__).parents[1] / "output" / "screenshots"  # to be looked at


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address under which any static server would give a folder's files."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(QuietHandler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def take_screenshot(tab, name: str) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    tab.screenshot(path=str(SCREENSHOTS / f"{name}.png"))


class Visit:
    """One page in one tab; what it complained of, and what it asked other hosts for."""

    def __init__(self, browser, address: str, page: str, **screen: object) -> None:
        self.context = browser.new_context(**screen)
        self.tab = self.context.new_page()
        self.complaints: list[str] = []
        self.elsewhere: list[str] = []
        self.loaded: list[str] = []
        self.tab.on("console", self.note_errors)
        self.tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.tab.on("request", self.note_request)
        self.address = address
        self.go(page)

    def go(self, page: str) -> None:
        """Forget what was noted of the page before, and load this one, as a click on a link does."""
        for noted in (self.complaints, self.elsewhere, self.loaded):
            noted.clear()
        self.tab.goto(self.address + page)

    def note_errors(self, message) -> None:
        if message.type == "error":
            self.complaints.append(f"{message.text} ({message.location['url']})")

    def note_request(self, request) -> None:
        ours = request.url.startswith((self.address, "data:"))
        (self.loaded if ours else self.elsewhere).append(request.url)

    def __enter__(self) -> Visit:
        return self

    def __exit__(self, *error: object) -> None:
        self.context.close()
