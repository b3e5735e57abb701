"""Pages in a real browser, with every other host out of reach; needs Debian's chromium (or any Chrome)."""

from __future__ import annotations

import functools
import http.server
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no browser: apt-get install chromium")
PLAY = Path(__file__).parents[1] / "book" / "play"
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


@contextmanager
def running(command: list[str], port: int) -> Iterator[subprocess.Popen]:
    """A Jupyter program that serves at this port, stopped in the end."""
    program = [sys.executable, "-m", *command, "--no-browser", f"--port={port}"]
    server = subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(120):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60)
                break
            except OSError:
                time.sleep(0.5)
        yield server
    finally:
        server.terminate()
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()


def take_screenshot(tab, name: str, **options: object) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    tab.screenshot(path=str(SCREENSHOTS / f"{name}.png"), **options)


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
