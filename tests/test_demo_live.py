"""The demo in a browser, with a live kernel: in JupyterLab, and as the page of its own that `make demo` serves."""

from __future__ import annotations

import re
from pathlib import Path

import jupytext
import nbformat
import pytest
from browsing import PLAY, free_port, needs_browser, running, take_screenshot

from llmclf.interactive.token_probabilities import EXAMPLES

pytestmark = needs_browser

CELL = """
from llmclf.classify import TextClassifier
from llmclf.interactive.demo import ClassifierDemo
from llmclf.head import Classifier
from llmclf.models import GPT2Config
from llmclf.models.state import build, initialise
from llmclf.tokenizer import build_encoding, printable_bytes, GPT2_PATTERN

def classifier(seed):
    shape = GPT2Config(vocab_size=257, context_length=256, hidden_size=32, num_layers=2, num_heads=2)
    backbone = build(shape, device="cpu")
    initialise(backbone, seed)
    tokenizer = build_encoding("tiny", GPT2_PATTERN, printable_bytes(), {"<|endoftext|>": 256})
    return TextClassifier(Classifier(backbone, 2), tokenizer, ["ham", "spam"], f"random-{seed}")

ClassifierDemo(classifier(1), classifier(2))
"""


@pytest.fixture(scope="module")
def notebook(tmp_path_factory) -> Path:
    """A notebook with the demo, over models that have learnt nothing."""
    path = tmp_path_factory.mktemp("notebook") / "demo.ipynb"
    cells = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)])
    cells.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(cells, path)
    return path


@pytest.fixture(scope="module", params=[pytest.param("jupyterlab", marks=pytest.mark.slow), "voila"])
def page(request, notebook, browser):
    """The demo as a reader sees it, whichever server brings it; every other host is out of reach."""
    port = free_port()
    if request.param == "jupyterlab":
        command = ["jupyter", "lab", "--IdentityProvider.token=", "--allow-root"]
        command += [f"--ServerApp.root_dir={notebook.parent}"]
        address = f"http://127.0.0.1:{port}/lab/tree/demo.ipynb?reset"
    else:
        command = ["voila", str(notebook), f"--Voila.config_file_paths={PLAY}"]
        address = f"http://127.0.0.1:{port}/"
    with running(command, port):
        tab = browser.new_page(viewport={"width": 1200, "height": 1100})
        tab.elsewhere = []

        def only_ours(route) -> None:
            if route.request.url.startswith((f"http://127.0.0.1:{port}/", "data:", "blob:")):
                route.continue_()
            else:
                tab.elsewhere.append(route.request.url)
                route.abort()

        tab.route("**/*", only_ours)
        tab.goto(address)
        if request.param == "jupyterlab":
            tab.get_by_text("| Idle").wait_for(timeout=60_000)  # before that, JupyterLab runs no cell
            tab.locator(".jp-Notebook .jp-CodeCell .cm-content").first.click()
            tab.keyboard.press("Shift+Enter")
        tab.locator(".widget-textarea textarea").wait_for(timeout=60_000)
        yield tab
        take_screenshot(tab, f"demo-{request.param}")
        tab.close()


def wait_for_words(page, words: str) -> None:
    """In a result, whatever signs stand between its tokens."""
    parts = "[...document.querySelectorAll('.widget-html')].map(part => part.innerText.replace(/[▲▼]/g, ''))"
    page.wait_for_function(f"words => {parts}.some(part => part.includes(words))", arg=words)


def test_typed_text_is_read_and_stays_text(page):
    page.locator(".widget-textarea textarea").fill("<b>Win</b> a prize now")
    wait_for_words(page, "<b>Win</b>")
    assert page.locator(".widget-html b").count() == 0


def test_two_classifiers_stand_side_by_side(page):
    assert [page.locator(".widget-html h4").nth(place).inner_text() for place in (0, 1)] == ["random-1", "random-2"]


def test_example_is_a_button(page):
    page.get_by_role("button", name="a reminder").click()
    wait_for_words(page, "milk")
    assert page.locator(".widget-textarea textarea").input_value() == EXAMPLES["a reminder"]


def test_threshold_moves_by_keyboard(page):
    page.locator(".widget-slider .noUi-handle, .widget-slider [role=slider]").first.focus()
    page.keyboard.press("ArrowRight")
    wait_for_words(page, "threshold 51 %")


def test_result_is_spoken_by_an_element_that_stays(page):
    status = page.locator("[role=status]").filter(has_text="threshold")
    status.wait_for(state="attached")
    page.evaluate("() => { window.kept = [...document.querySelectorAll('[role=status]')]; }")
    page.locator(".widget-textarea textarea").fill("Something else")
    page.wait_for_timeout(1500)
    assert page.evaluate("() => window.kept.every(part => part.isConnected)")
    assert re.match("(ham|spam): probability of spam", status.inner_text())


def test_history_is_kept_and_downloaded(page):
    page.locator(".widget-textarea textarea").fill("Don't forget")
    wait_for_words(page, "forget")
    page.get_by_role("button", name="keep in history").click()
    page.locator(".widget-html caption").wait_for()
    with page.expect_download() as download:
        page.get_by_text("Download as CSV").click()
    assert "Don't forget" in Path(download.value.path()).read_text(encoding="utf-8")


def test_why_it_may_be_wrong_opens_by_keyboard(page):
    page.locator("summary").focus()
    page.keyboard.press("Enter")
    page.get_by_text("messages of before 2011").wait_for()


def test_nothing_is_asked_of_another_host(page):
    assert page.elsewhere == []


def test_page_of_its_own_shows_the_trained_classifier_beside_the_student():
    """What `make demo` turns into that page: it runs, apart from the two files that it loads."""
    text = jupytext.read(PLAY / "demo.py")
    (cell,) = [cell.source for cell in text.cells if cell.cell_type == "code"]
    assert 'TextClassifier.load("classifier")' in cell
    student = re.search(r'load_student\("(.+?)"\)', cell)[1]
    assert (PLAY.parent / student).resolve().is_file()  # output/, where it runs, lies beside book/
