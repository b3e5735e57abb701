"""The built pages in a real browser: no foreign host, no barrier, nothing wider than a phone; menus, search, print."""

from __future__ import annotations

from importlib.resources import files
from urllib.parse import quote

import pytest
from browsing import Visit, needs_browser, take_screenshot
from building import toc_entries

pytestmark = needs_browser

# One rule is the theme's: the logo stands outside of all landmarks. Of definitions side by side in the reference, all
# made alike, the first is looked at.
AXE = """() => axe.run({exclude: ['dl.py ~ dl.py']}, {
  runOnly: ['wcag2a', 'wcag2aa', 'best-practice'], resultTypes: ['violations'], preload: false,
  rules: {region: {enabled: false}}
}).then(found => found.violations.flatMap(rule => rule.nodes.map(node => `${rule.id}: ${node.html.slice(0, 150)}`)))"""
BROKEN = "[...document.images].filter(image => image.complete && !image.naturalWidth).map(image => image.src)"


@pytest.fixture(scope="module")
def axe() -> str:
    return files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def reader(browser, address):
    """Goes from page to page."""
    with Visit(browser, address, "index.html") as visit:
        yield visit


@pytest.mark.parametrize("entry", toc_entries())
def test_page_needs_no_other_host_has_no_barrier_and_fits_a_phone_in_the_dark(reader, entry, axe):
    tab = reader.tab
    tab.set_viewport_size({"width": 1280, "height": 720})
    tab.emulate_media(color_scheme="light")
    reader.go(f"{entry}.html")
    tab.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true; })")
    tab.evaluate(axe)
    assert tab.evaluate(AXE) == []

    tab.set_viewport_size({"width": 390, "height": 844})
    tab.emulate_media(color_scheme="dark")
    tab.wait_for_function("document.documentElement.dataset.theme === 'dark'")
    assert tab.evaluate("document.documentElement.scrollWidth") == 390
    assert tab.evaluate(BROKEN) == []
    assert reader.complaints == []
    assert reader.elsewhere == []


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


@pytest.mark.parametrize(
    ("words", "page"),
    [
        ("loaders", "2 · Loaders"),
        ("fine-tuning", "6 · Fine-tuning"),
        ("a threshold separates two classes", "Troubleshooting"),
        ("is not available. Tried", "Troubleshooting"),
    ],
)
def test_search_puts_first_the_page_of_that_name_and_for_a_message_what_helps(browser, address, words, page):
    with Visit(browser, address, f"search.html?q={quote(words)}") as visit:
        first = visit.tab.locator("#search-results li a").first
        first.wait_for()
        visit.tab.wait_for_function("!document.querySelector('#search-progress')?.textContent.includes('…')")
        assert first.inner_text() == page


@pytest.mark.parametrize("from_disk", [False, True])
def test_menu_saves_the_notebook_and_the_book(browser, address, built_book, from_disk):
    with Visit(browser, built_book.as_uri() + "/" if from_disk else address, "02_loaders.html") as visit:
        for button, name in (("source-button", "02_loaders.ipynb"), ("book-zip", "from-gpt-to-classifier.zip")):
            visit.tab.locator(".dropdown-download-buttons > button").click()
            with visit.tab.expect_download() as download:
                visit.tab.locator(f".btn-download-{button}").click()
            assert download.value.suggested_filename == name
            visit.tab.keyboard.press("Escape")


def test_wide_table_on_a_phone_scrolls_beside_its_first_column_and_fades_until_its_end(browser, address):
    with Visit(browser, address, "09_another_task.html", viewport={"width": 390, "height": 844}) as visit:
        box = visit.tab.locator(".text_html", has_text="draws ahead").first
        name = box.locator("tbody th").first
        fade = "box => getComputedStyle(box).getPropertyValue('--fade')"
        before = name.bounding_box()["x"]
        visit.tab.wait_for_function(f"box => ({fade})(box) === '32px'", arg=box.element_handle())
        box.evaluate("box => { box.scrollLeft = box.scrollWidth; }")
        visit.tab.wait_for_function(f"box => ({fade})(box) === '0px'", arg=box.element_handle())
        assert name.bounding_box()["x"] == pytest.approx(before, abs=2)
        numbers = box.locator("tbody td.number")
        assert numbers.count() > 50
        assert set(numbers.evaluate_all("cells => cells.map(cell => getComputedStyle(cell).textAlign)")) == {"right"}


@pytest.mark.slow
@pytest.mark.parametrize("entry", toc_entries())
def test_page_is_photographed_wide_and_on_a_phone_in_both_lights(browser, address, entry):
    """For eyes to judge: output/screenshots."""
    for width, light in ((1400, "light"), (1400, "dark"), (390, "light"), (390, "dark")):
        with Visit(browser, address, f"{entry}.html", viewport={"width": width, "height": 900}) as visit:
            visit.tab.emulate_media(color_scheme=light)
            visit.tab.wait_for_function(f"document.documentElement.dataset.theme === '{light}'")
            take_screenshot(visit.tab, f"{entry}-{width}-{light}", full_page=True)


def test_on_paper_the_folded_answers_are_open_and_the_menus_gone(browser, address):
    with Visit(browser, address, "01_dataset.html") as visit:
        answer = visit.tab.locator("details:not([class])").first.locator("p").first
        assert not answer.is_visible()
        visit.tab.emulate_media(media="print")
        assert answer.is_visible()
        assert not visit.tab.locator(".bd-sidebar-primary").is_visible()


def test_text_typed_on_the_opening_page_is_read_on_the_stage(browser, address):
    with Visit(browser, address, "index.html") as visit:
        visit.tab.locator("#try-message").focus()
        visit.tab.keyboard.type("see you at eight & more")  # takes the place of the sample
        visit.tab.get_by_role("button", name="Try it").click()
        visit.tab.wait_for_url("**/play.html#text=*")
        visit.tab.locator(".play-verdict strong").wait_for()
        assert visit.tab.locator("#play-message").input_value() == "see you at eight & more"
        assert visit.elsewhere == []
