"""Teaching in a browser, with a live kernel: labels survive its death, and what is saved classifies."""

from __future__ import annotations

import subprocess
import sys

import nbformat
import pandas as pd
import psutil
import pytest
from axe_playwright_python.sync_playwright import Axe
from browsing import PLAY, free_port, needs_browser, running, take_screenshot

pytestmark = [needs_browser, pytest.mark.slow]

CELL = """
from llmclf.interactive.teach_demo import TeachDemo
TeachDemo("mail.csv", path="labels.csv", folder="taught", backbone={backbone!r})
"""
FRUIT, CARS = ["apple", "pear", "plum"], ["bus", "train", "tram"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tiny_files):
    """A table of sixty labelled texts, and a notebook that teaches with it."""
    folder = tmp_path_factory.mktemp("teach")
    kinds = [("fruit", FRUIT), ("traffic", CARS)]
    rows = [(kinds[n % 2][0], f"{kinds[n % 2][1][n % 3]} w{n} v{n * 7}") for n in range(60)]
    pd.DataFrame(rows, columns=["label", "text"]).to_csv(folder / "mail.csv", index=False)
    cell = nbformat.v4.new_code_cell(CELL.format(backbone=str(tiny_files[0])))
    notebook = nbformat.v4.new_notebook(cells=[cell])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, folder / "teach.ipynb")
    return folder


def shown(tab) -> str:
    """The text that waits for a label."""
    tab.locator(".llmclf-teach [dir=auto]").first.wait_for(timeout=60_000)
    return tab.locator(".llmclf-teach [dir=auto]").first.inner_text()


def label(tab, how: str) -> None:
    """Give the text that is shown its class, and wait for the next one."""
    text = shown(tab)
    number = 1 if text.split()[0] in FRUIT else 2
    if how == "click":
        tab.locator(".llmclf-class").nth(number - 1).click()
    else:
        tab.keyboard.press(str(number))
    before = "text => document.querySelector('.llmclf-teach [dir=auto]').innerText !== text"
    tab.wait_for_function(before, arg=text, timeout=20_000)


def test_ten_labels_survive_a_dead_kernel_and_become_a_classifier(folder, browser):
    port = free_port()
    address = f"http://127.0.0.1:{port}/"
    with running(["voila", str(folder / "teach.ipynb"), f"--Voila.config_file_paths={PLAY}"], port) as server:
        tab = browser.new_page(viewport={"width": 390, "height": 844})
        tab.goto(address)
        shown(tab)
        lengths = []
        for number in range(10):
            label(tab, "click" if number < 5 else "key")
            line = tab.locator(".llmclf-teach svg polyline[stroke-width='3']")
            lengths.append(len(line.get_attribute("points").split()) if line.count() else 0)
        assert lengths == sorted(lengths)
        assert lengths[-1] >= 5
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390
        spoken = tab.locator("[role=status]").filter(has_text="Next text").first.inner_text()
        assert spoken.startswith("10 labels")
        take_screenshot(tab, "teach-phone")
        barriers = Axe().run(tab, context=".llmclf-teach").response["violations"]
        assert not barriers, [(found["id"], found["nodes"][0]["html"]) for found in barriers]
        given = pd.read_csv(folder / "labels.csv")
        assert len(given) == 10

        for child in psutil.Process(server.pid).children(recursive=True):
            if any("ipykernel" in word for word in child.cmdline()):
                child.kill()
        tab.close()

        tab = browser.new_page(viewport={"width": 1200, "height": 1000})
        tab.goto(address)
        tab.get_by_text("10 labels of").first.wait_for(timeout=60_000)
        assert shown(tab) not in set(given["text"])
        label(tab, "click")
        tab.keyboard.press("u")
        tab.get_by_text("10 labels of").first.wait_for(timeout=20_000)
        tab.keyboard.press("s")
        take_screenshot(tab, "teach-wide")
        tab.get_by_role("button", name="save classifier").click()
        tab.get_by_text("Saved.").first.wait_for(timeout=60_000)
        tab.close()
    assert pd.read_csv(folder / "labels.csv").equals(given)
    command = [sys.executable, "-m", "llmclf", "classify", str(folder / "taught"), "apple w100 v700"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "fruit" in result.stdout or "traffic" in result.stdout
