"""The book: every page is built, every notebook has run, and what the two forms of a notebook say is the same."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import jupytext
import nbformat
import pytest
import yaml

ROOT = Path(__file__).parents[1]
BOOK = ROOT / "book"
NOTEBOOKS = sorted(BOOK.glob("*.ipynb"))


def toc_entries() -> list[str]:
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    return [toc["root"], *(chapter["file"] for part in toc["parts"] for chapter in part["chapters"])]


@pytest.fixture(scope="session")
def built_book(tmp_path_factory) -> Path:
    """The HTML folder of a strict build, made without network: every request would go to a closed port."""
    output = tmp_path_factory.mktemp("book")
    jupyter_book = Path(sys.executable).with_name("jupyter-book")
    build = [jupyter_book, "build", str(BOOK), "--path-output", str(output)]
    build += ["--config", str(ROOT / "_config.yml"), "--toc", str(ROOT / "_toc.yml"), "-n", "-W", "--keep-going"]
    no_network = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    result = subprocess.run(build, capture_output=True, text=True, env=os.environ | no_network)
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-4000:]
    return output / "_build" / "html"


class Page(HTMLParser):
    """Collects what the tests ask about: images, captions, headings, and the classes in use."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.images: list[dict] = []
        self.headings: list[str] = []
        self.classes: set[str] = set()
        self.captions = 0
        self.text = path.read_text(encoding="utf-8")
        self.feed(self.text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        named = dict(attributes)
        self.classes.update((named.get("class") or "").split())
        if tag == "img":
            self.images.append(named)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(tag)
        self.captions += tag == "figcaption"


@pytest.mark.parametrize("entry", toc_entries())
def test_entry_of_the_table_of_contents_became_a_page_without_a_traceback(built_book, entry):
    page = Page(built_book / f"{entry}.html")
    assert "h1" in page.headings
    assert "Traceback (most recent call last)" not in page.text
    assert not page.classes & {"traceback", "stderr", "system-message"}


@pytest.mark.parametrize("entry", toc_entries())
def test_image_says_in_words_what_it_shows(built_book, entry):
    for image in Page(built_book / f"{entry}.html").images:
        assert len(image.get("alt", "")) > 30, image
        assert not re.search(r"\.(svg|png)|^(image|figure)", image["alt"]), image


def test_every_page_in_the_book_folder_is_in_the_table_of_contents():
    pages = {path.stem for path in [*BOOK.glob("*.ipynb"), *BOOK.glob("*.md")]}
    assert pages == set(toc_entries())


# Notebooks ------------------------------------------------------------------------------------------------------------


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    return nbformat.read(request.param, as_version=4)


def code_cells(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_both_forms_of_a_notebook_have_the_same_content(path):
    text = jupytext.read(BOOK / "text" / f"{path.stem}.py")
    notebook = nbformat.read(path, as_version=4)
    ours, theirs = (
        [(cell.cell_type, cell.source, dict(cell.metadata)) for cell in form.cells] for form in (notebook, text)
    )
    assert ours == theirs


def test_every_text_form_has_a_notebook():
    assert {path.stem for path in (BOOK / "text").glob("*.py")} == {path.stem for path in NOTEBOOKS}


def test_notebook_was_run_from_top_to_bottom_without_error(notebook):
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))
    kinds = {output.output_type for cell in code_cells(notebook) for output in cell.outputs}
    assert kinds <= {"stream", "execute_result", "display_data"}
    streams = {output.get("name") for cell in code_cells(notebook) for output in cell.outputs}
    assert "stderr" not in streams


def test_nbval_really_compares_cells_of_this_notebook(notebook):
    compared = [cell for cell in code_cells(notebook) if "nbval-check-output" in cell.metadata.get("tags", [])]
    assert len(compared) >= 3
    assert all(cell.outputs for cell in compared)


def test_nbval_fails_where_an_output_is_wrong(tmp_path):
    cell = nbformat.v4.new_code_cell("print(1)", execution_count=1, metadata={"tags": ["nbval-check-output"]})
    cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text="2\n")]
    notebook = nbformat.v4.new_notebook(cells=[cell])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, tmp_path / "wrong.ipynb")
    run = [sys.executable, "-m", "pytest", "--nbval-lax", "-p", "no:cacheprovider", str(tmp_path)]
    result = subprocess.run(run, capture_output=True, text=True, cwd=tmp_path)
    assert "1 failed" in result.stdout, result.stdout + result.stderr


def test_no_cell_is_too_long_to_read(notebook):
    for cell in code_cells(notebook):
        lines = [line for line in cell.source.splitlines() if line.strip()]
        assert len(lines) <= 20, cell.source
        assert all(len(line) <= 76 for line in lines), cell.source


def test_figure_of_a_cell_has_caption_name_and_alternative_text(notebook):
    for cell in code_cells(notebook):
        if any("image/svg+xml" in output.get("data", {}) for output in cell.outputs):
            described = cell.metadata["mystnb"]
            assert described["figure"]["caption"]
            assert described["figure"]["name"].startswith("fig-")
            assert described["image"]["alt"]


@pytest.mark.parametrize("name", ["stages", "raw_table"])
def test_drawn_figure_is_what_its_script_draws(name, sms_path, monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(BOOK / "figures")
    importlib.import_module(name).draw().save(tmp_path / "drawn.svg")
    assert (tmp_path / "drawn.svg").read_text() == (BOOK / "figures" / f"{name}.svg").read_text()
