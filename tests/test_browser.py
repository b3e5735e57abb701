"""The built pages in a real browser, with every other host out of reach; needs Debian's chromium (or any Chrome)."""

from __future__ import annotations

import functools
import http.server
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from importlib.resources import files
from pathlib import Path

import nbformat
import pytest
from building import toc_entries

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no browser: apt-get install chromium")

# Of the theme and of Sphinx, not of the book: the logo stands outside of all landmarks, and the bibliography is a list
# by a role that is out of fashion.
NOT_OURS = {"region", "aria-allowed-role", "aria-deprecated-role", "aria-required-children"}


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture(scope="module")
def address(built_book):
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(QuietHandler, directory=str(built_book))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as program:
        browser = program.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class Visit:
    """One page in one tab; what it complained of, and what it asked other hosts for."""

    def __init__(self, browser, address: str, page: str, **screen: object) -> None:
        self.context = browser.new_context(**screen)
        self.tab = self.context.new_page()
        self.complaints: list[str] = []
        self.elsewhere: list[str] = []
        self.tab.on("console", self.note_errors)
        self.tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.address = address
        self.tab.route("**/*", self.only_ours)
        self.tab.goto(address + page)
        self.tab.wait_for_load_state("networkidle")

    def note_errors(self, message) -> None:
        if message.type == "error":
            self.complaints.append(f"{message.text} ({message.location['url']})")

    def only_ours(self, route) -> None:
        if route.request.url.startswith((self.address, "data:")):
            route.continue_()
        else:
            self.elsewhere.append(route.request.url)
            route.abort()

    def __enter__(self) -> Visit:
        return self

    def __exit__(self, *error: object) -> None:
        self.context.close()


@pytest.mark.parametrize("entry", toc_entries())
def test_page_needs_no_other_host_and_has_no_barrier(browser, address, entry):
    with Visit(browser, address, f"{entry}.html") as visit:
        for details in visit.tab.locator("details").all():
            details.evaluate("details => details.open = true")
        visit.tab.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8"))
        rules = "{runOnly: ['wcag2a', 'wcag2aa', 'best-practice'], preload: false}"
        found = visit.tab.evaluate(f"axe.run(document, {rules})")["violations"]
        barriers = [
            f"{rule['id']}: {node['html'][:150]}"
            for rule in found
            if rule["id"] not in NOT_OURS
            for node in rule["nodes"]
        ]
        assert visit.complaints == []
        assert visit.elsewhere == []
        assert barriers == []


@pytest.mark.parametrize("entry", toc_entries())
def test_page_fits_a_phone_in_the_dark(browser, address, entry):
    with Visit(browser, address, f"{entry}.html", viewport={"width": 390, "height": 844}, color_scheme="dark") as visit:
        assert visit.tab.evaluate("document.documentElement.dataset.theme") == "dark"
        assert visit.tab.evaluate("document.documentElement.scrollWidth") == 390
        broken = "[...document.images].filter(image => image.complete && !image.naturalWidth).map(image => image.src)"
        assert visit.tab.evaluate(broken) == []


def test_reader_without_a_mouse_skips_the_menu_and_opens_an_answer(browser, address):
    with Visit(browser, address, "01_dataset.html") as visit:
        visit.tab.keyboard.press("Tab")
        assert "Skip to main content" in visit.tab.evaluate("document.activeElement.textContent")
        answer = visit.tab.locator("details").first
        answer.locator("summary").focus()
        visit.tab.keyboard.press("Enter")
        assert answer.evaluate("details => details.open")


@pytest.mark.parametrize(("button", "menu"), [("primary", "Fine-tuning"), ("secondary", "Questions")])
def test_menus_open_on_a_phone(browser, address, button, menu):
    with Visit(browser, address, "06_fine_tuning.html", viewport={"width": 390, "height": 844}) as visit:
        entry = visit.tab.locator(f"dialog a:has-text('{menu}')").first
        assert not entry.is_visible()
        visit.tab.locator(f"button.{button}-toggle").click()
        entry.wait_for(state="visible")


def test_search_finds_a_word_without_a_server_of_its_own(browser, address):
    with Visit(browser, address, "search.html?q=padding") as visit:
        visit.tab.locator("#search-results li a").first.wait_for()
        assert "Loaders" in visit.tab.locator("#search-results").inner_text()
        assert visit.elsewhere == []


def test_on_paper_the_folded_answers_are_open_and_the_menus_gone(browser, address):
    with Visit(browser, address, "01_dataset.html") as visit:
        answer = visit.tab.locator("details:not([class])").first.locator("p").first
        assert not answer.is_visible()
        visit.tab.emulate_media(media="print")
        assert answer.is_visible()
        assert not visit.tab.locator(".bd-sidebar-primary").is_visible()


# The demo, with a live kernel -----------------------------------------------------------------------------------------

CELL = """
from llmclf.classify import TextClassifier
from llmclf.demo import ClassifierDemo
from llmclf.head import Classifier
from llmclf.models import GPT2Config
from llmclf.models.state import build, initialise
from llmclf.tokenizer import gpt2_tokenizer

backbone = build(GPT2Config(context_length=256, hidden_size=32, num_layers=2, num_heads=2), device="cpu")
initialise(backbone, seed=1)
ClassifierDemo(TextClassifier(Classifier(backbone, 2), gpt2_tokenizer(), ["ham", "spam"], "random-tiny"))
"""


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory):
    """The address of a JupyterLab, on this machine only, that serves a notebook with the demo."""
    folder = tmp_path_factory.mktemp("jupyter")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, folder / "demo.ipynb")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "jupyter", "lab", "--no-browser", f"--port={port}", "--IdentityProvider.token="]
    command += ["--allow-root", f"--ServerApp.root_dir={folder}"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    for _ in range(120):
        try:
            urllib.request.urlopen(f"{address}/api/status")
            break
        except OSError:
            time.sleep(0.5)
    yield address
    server.terminate()
    server.wait(30)


def test_reader_types_picks_and_moves_the_slider(jupyter, browser, tmp_path):
    tab = browser.new_page(viewport={"width": 1200, "height": 1100})
    tab.goto(f"{jupyter}/lab/tree/demo.ipynb?reset")
    tab.get_by_text("| Idle").wait_for(timeout=60_000)  # before that, JupyterLab runs no cell
    tab.locator(".jp-Notebook .jp-CodeCell .cm-content").first.click()
    tab.keyboard.press("Shift+Enter")
    text = tab.locator(".widget-textarea textarea")
    text.wait_for(timeout=60_000)
    status = tab.locator(".widget-html [role=status]").first
    first = status.inner_text()
    text.fill("<b>Win</b> a prize now")
    tab.wait_for_function("old => document.querySelector('.widget-html [role=status]').innerText !== old", arg=first)
    shown = tab.locator(".widget-html").first.inner_text()
    assert "<b>Win</b>" in re.sub("[▲▼]", "", shown)
    tab.locator(".widget-dropdown select").select_option("a reminder")
    tab.wait_for_function("() => document.querySelector('.widget-textarea textarea').value.startsWith('Don')")
    handle = tab.locator(".widget-slider .noUi-handle, .widget-slider [role=slider]").first
    handle.focus()
    tab.keyboard.press("ArrowRight")
    tab.wait_for_function("() => document.querySelector('.widget-html [role=status]').innerText.includes('51%')")
    tab.get_by_role("button", name="keep in history").click()
    tab.locator(".widget-html caption").wait_for()
    with tab.expect_download() as download:
        tab.get_by_text("Download as CSV").click()
    assert "Don't forget" in Path(download.value.path()).read_text(encoding="utf-8")
    tab.screenshot(path=str(tmp_path / "demo.png"))
    tab.close()
