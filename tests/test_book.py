"""The book: every page is built, every notebook has run, and what the two forms of a notebook say is the same."""

from __future__ import annotations

import importlib
import re
import statistics
import subprocess
import sys
import warnings
import zipfile
from functools import cache
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote
from xml.etree import ElementTree

import jupytext
import nbformat
import pytest
from building import BOOK, build_book, toc_entries
from fontTools.ttLib import TTFont

from llmclf import data
from llmclf.teaching import plots
from llmclf.teaching.exercises import EXERCISES
from llmclf.teaching.provenance import library_fingerprint

NOTEBOOKS = sorted(BOOK.glob("*.ipynb"))


class Page(HTMLParser):
    """Collects what the tests ask about: images, captions, headings, and the classes in use."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.images: list[dict] = []
        self.headings: list[str] = []
        self.classes: set[str] = set()
        self.ids: set[str] = set()
        self.loaded: list[str] = []  # scripts, styles, images: what a browser fetches by itself
        self.links: list[list[str]] = []  # address and words
        self.tables: list[set[str]] = []  # the tags in each
        self.captions = 0
        self.in_article = False  # around it the theme repeats the title for print
        self.text = path.read_text(encoding="utf-8")
        self.feed(self.text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        named = dict(attributes)
        self.classes.update((named.get("class") or "").split())
        self.ids.update({named.get("id"), named.get("name")} - {None})
        if tag in ("script", "img", "iframe", "source", "video", "audio") and named.get("src"):
            self.loaded.append(named["src"])
        if tag == "link" and named.get("rel") in ("stylesheet", "preload", "icon", "shortcut icon"):
            self.loaded.append(named["href"])
        if tag == "img":
            self.images.append(named)
        if tag == "a" and named.get("href"):
            self.links.append([named["href"], named.get("aria-label") or named.get("title") or ""])
        if tag == "table":
            self.tables.append(set())
        if self.tables:
            self.tables[-1].add(tag)
        self.in_article = self.in_article or tag == "article"
        if re.fullmatch("h[1-6]", tag) and self.in_article:
            self.headings.append(tag)
        self.captions += tag == "figcaption"

    def handle_endtag(self, tag: str) -> None:
        self.in_article = self.in_article and tag != "article"

    def handle_data(self, data: str) -> None:
        if self.links:
            self.links[-1][1] += data


@cache
def page_at(path: Path) -> Page:
    return Page(path)


@pytest.mark.parametrize("entry", toc_entries())
def test_entry_of_the_table_of_contents_became_a_page_without_a_traceback(built_book, entry):
    page = page_at(built_book / f"{entry}.html")
    assert "h1" in page.headings
    assert "Traceback (most recent call last)" not in page.text
    assert not page.classes & {"traceback", "stderr", "system-message"}


@pytest.mark.parametrize("entry", toc_entries())
def test_image_says_in_words_what_it_shows(built_book, entry):
    for image in page_at(built_book / f"{entry}.html").images:
        assert len(image.get("alt", "")) > 30, image
        assert not re.search(r"\.(svg|png)|^(image|figure)", image["alt"]), image


@pytest.mark.parametrize("entry", toc_entries())
def test_page_loads_nothing_from_another_host(built_book, entry):
    page = page_at(built_book / f"{entry}.html")
    assert page.loaded
    assert not [address for address in page.loaded if re.match(r"(https?:)?//", address)]


@pytest.mark.parametrize("entry", toc_entries())
def test_internal_links_lead_somewhere(built_book, entry):
    for address, _ in page_at(built_book / f"{entry}.html").links:
        if re.match(r"[a-z]+:", address):
            continue
        file, _, place = address.partition("#")
        target = built_book / (unquote(file.partition("?")[0]) or f"{entry}.html")
        assert target.is_file(), address
        if place and target.suffix == ".html":
            assert unquote(place) in page_at(target).ids, address


def test_every_term_of_the_glossary_is_linked_from_a_page(built_book):
    terms = {place for place in page_at(built_book / "glossary.html").ids if place.startswith("term-")}
    others = [entry for entry in toc_entries() if entry != "glossary"]
    linked = {address for entry in others for address, _ in page_at(built_book / f"{entry}.html").links}
    assert len(terms) > 70
    assert {f"glossary.html#{term}" for term in terms} <= linked


@pytest.mark.parametrize("entry", toc_entries())
def test_page_can_be_found_through_by_ear(built_book, entry):
    page = page_at(built_book / f"{entry}.html")
    levels = [int(heading[1]) for heading in page.headings]
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels[levels.index(1) :]))
    assert all("th" in tags for tags in page.tables)
    vague = {"", "here", "click here", "link", "this", "more", "read more"}
    assert not [address for address, words in page.links if words.strip().lower() in vague]


def luminance(color: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    shares = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted([luminance(one), luminance(other)], reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_words_in_figures_stand_out_from_their_ground(monkeypatch):
    monkeypatch.syspath_prepend(BOOK / "figures")
    drawing = importlib.import_module("_svg")
    assert min(contrast(drawing.INK, drawing.CARD), contrast(drawing.QUIET, drawing.CARD)) >= 4.5
    assert contrast(plots.INK, "#ffffff") >= 4.5


@pytest.mark.parametrize("ground", ["#ffffff", "#1a1a1a"], ids=["light", "dark"])
def test_every_colour_of_the_plots_stands_out_from_the_page(ground):
    for color in plots.COLORS:
        assert contrast(color, ground) >= 3, color


def test_book_to_take_away_has_what_a_reader_runs(built_book):
    with zipfile.ZipFile(built_book / "from-gpt-to-classifier.zip") as archive:
        names = {name.removeprefix("from-gpt-to-classifier/") for name in archive.namelist()}
        makefile = archive.read("from-gpt-to-classifier/Makefile").decode()
    needed = {
        "Makefile",
        "README.md",
        "requirements.txt",
        "pyproject.toml",
        "llmclf/__init__.py",
        "book/predictions.parquet",
    }
    assert needed | {f"book/{path.name}" for path in NOTEBOOKS} <= names
    assert not [name for name in names if "/output/" in name or "__pycache__" in name or name.startswith(".")]
    assert "lab: .venv/installed" in makefile


def test_glossary_has_its_letters_and_each_term_leads_back_to_chapters(built_book):
    page = page_at(built_book / "glossary.html")
    letters = re.search(r'<p class="letters">.*?</p>', page.text, re.DOTALL)[0]
    targets = re.findall(r'href="#([^"]+)"[^>]*>(\w)</a>', letters)
    assert len(targets) > 15
    assert all(target in page.ids and target.removeprefix("term-")[0].upper() == letter for target, letter in targets)
    entry = page.text.partition('id="term-overfitting"')[2].partition("</dd>")[0]
    assert '<a class="reference internal" href="06_fine_tuning.html">6</a>' in entry
    assert page.text.count('class="used-in"') > 70


def test_icons_that_a_style_names_are_in_the_font(built_book):
    static = built_book / "_static"
    styles = "".join(path.read_text(encoding="utf-8") for path in static.rglob("*.css"))
    signs = {ord(sign) for sign in styles if "\ue000" <= sign <= "\uf8ff"}
    with TTFont(static / "vendor" / "fontawesome" / "webfonts" / "fa-solid-900.ttf") as font:
        there = set(font.getBestCmap())
    named = {0xF0EB, 0xF071}  # of "What it shows" and of warnings
    assert named <= signs
    assert named <= there


def test_first_cell_says_what_to_do_without_the_library(notebook):
    line = code_cells(notebook)[0].source.splitlines()[0]
    assert line.startswith("# No module named llmclf? ")
    assert "make lab" in line


@pytest.mark.parametrize(("address", "shown"), [("https://code.example/us/book", True), ("", False)])
def test_buttons_of_the_repository_appear_with_its_address(monkeypatch, address, shown):
    monkeypatch.syspath_prepend(BOOK / "_ext")
    config = SimpleNamespace(html_theme_options={"repository_url": address})
    importlib.import_module("ways_in").show_repository(None, config)
    options = config.html_theme_options
    assert options["use_repository_button"] is options["use_issues_button"] is shown
    assert bool(options.get("launch_buttons")) is shown


def test_printed_book_is_offered_where_it_has_been_made(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(BOOK / "_ext")
    offer = importlib.import_module("ways_in").offer
    (tmp_path / "output").mkdir()
    app = SimpleNamespace(srcdir=tmp_path / "book", builder=SimpleNamespace(name="html"))

    def offered() -> tuple[list[str], str]:
        menu = {"label": "download-buttons", "buttons": [{"url": "print", "text": ".pdf"}]}
        context = {"header_buttons": [menu], "pathto": lambda name, _: name, "body": "Get it. <!-- printed -->"}
        offer(app, "index", "page.html", context, None)
        return [button["url"] for button in menu["buttons"][1:]], context["body"]

    assert offered() == (["from-gpt-to-classifier.zip"], "Get it. <!-- printed -->")
    (tmp_path / "output" / "from-gpt-to-classifier.pdf").touch()
    files, body = offered()
    assert files == ["from-gpt-to-classifier.zip", "from-gpt-to-classifier.pdf"]
    assert 'take the <a href="from-gpt-to-classifier.pdf" download>PDF</a> (<!-- size of .pdf -->).' in body


def test_opening_page_promises_in_numbers_that_pages_print(built_book):
    text = page_at(built_book / "index.html").text
    promises = [
        text.partition(f"<strong>{words}</strong>")[2].partition("</li>")[0]
        for words in ("It runs on a laptop.", "It tells the truth.", "It is worth it.")
    ]
    assert all(re.search(r"\d", promise) for promise in promises), promises
    assert "{{" not in text
    assert text.count("<title>From GPT to classifier</title>") == 1
    assert 'property="og:image"' in text


def test_numbers_in_tables_are_aligned_and_heads_have_one_row(built_book):
    page = (built_book / "08_how_good.html").read_text(encoding="utf-8")
    assert page.count('<td class="number">') > 100
    for entry in toc_entries():
        for table in re.findall(r"<thead>.*?</thead>", page_at(built_book / f"{entry}.html").text, re.DOTALL):
            rows = re.findall(r"<tr.*?</tr>", table, re.DOTALL)
            assert len(rows) == 1 or "colspan" in rows[0], (entry, table)


def test_every_page_in_the_book_folder_is_in_the_table_of_contents():
    pages = {path.stem for path in [*BOOK.glob("*.ipynb"), *BOOK.glob("*.md")]}
    assert pages == set(toc_entries())


@pytest.mark.slow
def test_e_book_holds_every_page_and_figure_and_is_well_formed(built_book):
    """Built where the HTML book was, so that what the two share is read once."""
    folder = build_book(built_book.parents[1], "--builder", "custom", "--custom-builder", "epub") / "epub"
    with zipfile.ZipFile(folder / "from-gpt-to-classifier.epub") as archive:
        names = set(archive.namelist())
        listing = archive.read("content.opf").decode()
        for entry in toc_entries():
            text = archive.read(f"{entry}.xhtml").decode()
            page = ElementTree.fromstring(text.replace("&nbsp;", " "))
            images = [image.get("src") for image in page.iter("{http://www.w3.org/1999/xhtml}img")]
            online = page_at(built_book / f"{entry}.html")
            assert len(images) == len([image for image in online.images if image["src"].startswith("_images")])
            assert set(images) <= names
            assert len(list(page.iter("{http://www.w3.org/1999/xhtml}table"))) == len(online.tables)
            held = re.search(rf'href="{entry}.xhtml"[^>]*?(?: properties="([^"]*)")? />', listing)[1]
            assert (held or "").split() == [word for word, tag in [("mathml", "<math"), ("svg", "<svg")] if tag in text]
        for plot in (name for name in names if name.endswith(".svg")):
            assert b"<!DOCTYPE" not in archive.read(plot)


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


def drawn_figures() -> list[str]:
    """All but the one that needs a trained classifier, and the one of the library (see test_rooms.py)."""
    scripts = {path.stem for path in (BOOK / "figures").glob("[!_]*.py")}
    return sorted(scripts - {"finished_classifier", "rooms"})


@pytest.mark.parametrize("name", drawn_figures())
def test_drawn_figure_is_what_its_script_draws(name, sms_path, smollm2_path, monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(BOOK / "figures")
    monkeypatch.setenv("LLMCLF_BACKBONE", "smollm2-135M")
    importlib.import_module(name).draw().save(tmp_path / "drawn.svg")
    drawn, kept = (
        (folder / f"{stem}.svg").read_text() for folder, stem in ((tmp_path, "drawn"), (BOOK / "figures", name))
    )
    if "load_pretrained" not in (BOOK / "figures" / f"{name}.py").read_text():
        assert drawn == kept
        return
    number = r"-?\d+(?:\.\d+)?"  # a model's last digit differs from processor to processor
    assert re.sub(number, "0", drawn) == re.sub(number, "0", kept)
    ours, theirs = (list(map(float, re.findall(number, text))) for text in (drawn, kept))
    assert ours == pytest.approx(theirs, abs=1.01)


def test_every_drawing_stands_on_a_page():
    pages = "".join(path.read_text() for path in [*BOOK.glob("*.md"), *(BOOK / "text").glob("*.py")])
    for path in (BOOK / "figures").glob("*.svg"):
        assert f"figures/{path.name}" in pages, path.name


# Prose ----------------------------------------------------------------------------------------------------------------


@cache
def pages_in_words() -> dict[str, list[str]]:
    """The paragraphs of every page, headings and figures included, code left out."""
    pages = {path.stem: path.read_text() for path in BOOK.glob("*.md")}
    for path in NOTEBOOKS:
        cells = nbformat.read(path, as_version=4).cells
        pages[path.stem] = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return {name: re.split(r"\n\s*\n", text) for name, text in pages.items()}


@pytest.mark.parametrize("page", pages_in_words())
def test_no_percentage_is_typed_into_prose_but_marked_references(page):
    for paragraph in pages_in_words()[page]:
        words = re.sub(r"`[^`]*`", "", paragraph)
        words = re.sub(r"95 %\s+(Wilson |confidence )?(intervals?|confidence)", "", words)
        if re.search(r"\d\s?(%|percent)", words):
            assert "raschka2024" in paragraph or "facts of the collection" in paragraph, paragraph


def test_data_card_states_what_the_data_have(sms_path):
    card = " ".join((BOOK / "data_card.md").read_text().split())
    table, complete = data.read_sms(sms_path), data.read_sms(sms_path, every_row=True)
    splits = data.split(data.encode_labels(data.undersample(table), data.SMS_LABELS))
    counts = table["label"].value_counts()
    exact, near = (data.find_leakage(splits.train, splits.test, ignore_details=details) for details in (False, True))
    for words in (
        f"{sms_path.stat().st_size:,} bytes, {len(complete):,} messages",
        f"{counts['ham']:,} {{term}}`ham` and {counts['spam']} {{term}}`spam`",
        f"{len(splits.train):,} to train, {len(splits.validation)} to validate, {len(splits.test)} to test",
        f"{table['text'].duplicated().sum()} messages that repeat an earlier one",
        f"{len(exact)} stand in the training set as well, {(exact['label'] == 1).sum()} of them spam",
        f"{len(near)}, of which {(near['label'] == 1).sum()} are spam",
    ):
        assert words in card


@pytest.mark.parametrize("page", [path.stem for path in NOTEBOOKS])
def test_text_and_code_come_in_small_portions(page):
    cells = nbformat.read(BOOK / f"{page}.ipynb", as_version=4).cells
    words = [len(cell.source.split()) for cell in cells if cell.cell_type == "markdown"]
    lines = [
        len([line for line in cell.source.splitlines() if line.strip()]) for cell in cells if cell.cell_type == "code"
    ]
    assert 40 <= statistics.median(words) <= 90
    assert 2 <= statistics.median(lines) <= 8


# Exercises ------------------------------------------------------------------------------------------------------------


def marked(notebook, tag: str) -> list:
    return [cell for cell in code_cells(notebook) if tag in cell.metadata.get("tags", [])]


def checked(cell) -> str:
    """The name of the function that an exercise's cell asks for."""
    return re.search(r"^check\((\w+)\)", cell.source, re.MULTILINE)[1]


def test_stub_of_an_exercise_fails_kindly_and_its_solution_passes(notebook):
    stubs, solutions = marked(notebook, "exercise"), marked(notebook, "solution")
    asked, solved = list(map(checked, stubs)), list(map(checked, solutions))
    assert asked == solved
    assert len(asked) >= 2
    assert set(asked) <= set(EXERCISES)
    for cells, beginning in ((stubs, "Not yet: "), (solutions, "Right: ")):
        for cell in cells:
            assert cell.outputs[0].text.startswith(beginning)
            assert "nbval-check-output" in cell.metadata.tags
    assert all("remove-output" in cell.metadata.tags for cell in stubs)  # the page does not say "Not yet" to its reader


@pytest.mark.parametrize("path", sorted((BOOK / "text").glob("*.py")), ids=lambda path: path.stem)
def test_exercise_has_a_heading(path):
    words = "\n\n".join(cell.source for cell in jupytext.read(path).cells if cell.cell_type == "markdown")
    numbers = re.findall(r"^### Exercise (\d+): \w", words, re.MULTILINE)
    assert numbers == [str(number) for number in range(1, len(numbers) + 1)]
    assert len(numbers) >= 2


def test_every_exercise_of_the_library_stands_in_a_chapter():
    asked = [checked(cell) for path in NOTEBOOKS for cell in marked(nbformat.read(path, as_version=4), "exercise")]
    assert sorted(asked) == sorted(EXERCISES)


def test_chapter_asks_five_questions_and_answers_each(notebook):
    text = "".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    answers = re.findall(r"<details><summary>\d\. .*?</summary>\n\n(.*?)\n\n</details>", text, re.DOTALL)
    assert len(answers) == 5
    assert text.count("Predict before you run") >= 2
    assert "**Next:**" in text


def test_page_tells_when_the_library_has_changed_since_its_run(notebook):
    (cell,) = marked(notebook, "provenance")
    (code,) = re.findall(r"code (\w{12})", "".join(output.text for output in cell.outputs))
    if code != library_fingerprint():
        warnings.warn(f"the library has changed since this page was run ({code}): make execute", stacklevel=1)
