"""The student in the page: JavaScript says what PyTorch says, on any text, without network, from a server or a disk."""

from __future__ import annotations

import pytest
from browsing import Visit, needs_browser, take_screenshot
from building import BOOK, toc_entries

from llmclf.classify import TextClassifier
from llmclf.data import read_sms
from llmclf.interactive.demo import WHY_WRONG
from llmclf.interactive.student import load_student, truncate_vocabulary
from llmclf.interactive.token_probabilities import EXAMPLES, describe, percent, token_probabilities
from llmclf.tokenizer import GPT2_PATTERN

pytestmark = needs_browser

MAKE = "window.classifier ??= new StudentClassifier(await unpack())"
STRANGE = [
    "",
    " ",
    "\n\n \t x  \r\n",
    "<script>alert(1)</script> & \"quotes\" 'n' <|endoftext|>",
    "مرحبا بالعالم! שלום",
    "👩‍👩‍👧 party 🎉🎉 Zoë naïve 日本語 ½ ٣ Ⅷ",
    "\x00\x04\x06\x1d\x7f\x85\xa0\u2003\ufeff\u200b",
    "\U00050000 \U000e0001 \U0010ffff",
    "don't I'll WE'VE it's 'twas 12345 $9.99 !!!???",
    "x" * 3000,
    "free money " * 1000,
    "🎉" * 300,
]


@pytest.fixture(scope="module")
def student() -> TextClassifier:
    return load_student(BOOK / "play" / "student.safetensors")


@pytest.fixture(scope="module")
def visit(browser, address):
    with Visit(browser, address, "play.html") as visit:
        visit.tab.locator(".play-verdict strong").wait_for()
        yield visit


def in_browser(visit: Visit, texts: list[str]) -> list[dict]:
    script = f"async texts => {{ {MAKE}; const found = []; for (const text of texts) "
    return visit.tab.evaluate(script + "found.push(await classifier.read(text)); return found; }", texts)


def check_same(student: TextClassifier, text: str, found: dict) -> None:
    expected = token_probabilities(student, text)
    assert found["pieces"] == expected.pieces
    assert found["leftOut"] == expected.left_out
    assert abs(expected.probabilities - found["probabilities"]).max() < 1e-3


def test_browser_and_pytorch_agree_on_a_hundred_messages(visit, student, any_sms_path):
    messages = read_sms(any_sms_path)["text"].sample(100, random_state=5).tolist()
    for text, found in zip(messages, in_browser(visit, messages), strict=True):
        check_same(student, text, found)


@pytest.mark.parametrize("text", STRANGE, ids=range(len(STRANGE)))
def test_browser_and_pytorch_agree_on_any_text(visit, student, text):
    check_same(student, text, in_browser(visit, [text])[0])


def test_half_a_character_is_read_as_the_replacement_character(visit, student):
    found = visit.tab.evaluate(f"async () => {{ {MAKE}; return classifier.read('half \\ud83d of it \\ude00'); }}")
    check_same(student, "half \N{REPLACEMENT CHARACTER} of it \N{REPLACEMENT CHARACTER}", found)


def test_what_was_read_before_does_not_matter(visit, student):
    texts = ["Win a prize", "Win a prize now", "Win", "Call me", "Win a prize"]
    for text, found in zip(texts, in_browser(visit, texts), strict=True):
        check_same(student, text, found)


def test_text_that_is_exchanged_while_it_is_read_leaves_nothing_behind(visit, student):
    """The first reading is given up half-way, the second one is right."""
    first, second = "word " * 250, "word " * 20 + "Call 08000 to win"
    script = f"""async ([first, second]) => {{ {MAKE}; classifier.model.ids.length = 0;
      const one = classifier.read(first), two = classifier.read(second); return [await one, await two]; }}"""
    given_up, found = visit.tab.evaluate(script, [first, second])
    assert given_up is None
    check_same(student, second, found)


def test_gpt2_pattern_cuts_as_tiktoken_does(visit, gpt2_encoding):
    """The student of a GPT-2 would have this pattern; its \\S and \\s mean the same in both."""
    texts = ["a   \x85b", "\x85x  \x85x", "don't 12345  \n\n x\ufeff y", "a \u2003 b   "]
    small = truncate_vocabulary(gpt2_encoding, 5000)
    tokens = {token.decode("latin-1"): rank for token, rank in small.__getstate__()["mergeable_ranks"].items()}
    record = {"pattern": GPT2_PATTERN, "tokens": tokens, "end_of_text": small.eot_token}
    script = "([record, texts]) => { const one = new Tokenizer(record); return texts.map(text => one.encode(text)); }"
    assert visit.tab.evaluate(script, [record, texts]) == [small.encode_ordinary(text) for text in texts]


# The page -------------------------------------------------------------------------------------------------------------


def wait_for_result(visit: Visit, words: str) -> None:
    visit.tab.wait_for_function(
        "words => document.querySelector('#play-result').innerText.replace(/[▲▼]/g, '').includes(words)", arg=words
    )


def wait_for_verdict(visit: Visit, words: str) -> None:
    visit.tab.wait_for_function("words => document.querySelector('.play-verdict').innerText.includes(words)", arg=words)


def test_reader_types_and_reads_the_result(visit, student):
    text = '<b>Win</b> a prize, call "now"'
    visit.tab.locator("#play-message").fill(text)
    wait_for_result(visit, text)
    assert visit.tab.locator("#play-result b").count() == 0
    assert visit.tab.locator(".play-verdict").inner_text() == describe(token_probabilities(student, text), "spam")
    titles = visit.tab.locator(".play-text span").evaluate_all("spans => spans.map(span => span.textContent)")
    assert titles == token_probabilities(student, text).pieces
    take_screenshot(visit.tab, "play")


def test_what_cannot_be_seen_or_turns_the_text_round_becomes_a_sign(visit):
    visit.tab.locator("#play-message").fill("one\x7ftwo\nthree\u202efour")
    wait_for_result(visit, "one␡two↵\nthree[U+202E]four")


def test_table_has_the_numbers(visit, student):
    visit.tab.locator("#play-message").fill("Win a prize")
    wait_for_result(visit, "Win a prize")
    reading = token_probabilities(student, "Win a prize")
    table = visit.tab.locator("#play table")
    assert table.locator("tbody th").all_text_contents() == reading.pieces
    shown = table.locator("tbody td:nth-child(2)").all_text_contents()
    assert shown == [percent(float(share)) for share in reading.probability_of("spam")]


def press(visit: Visit, name: str) -> None:
    visit.tab.get_by_role("button", name=name, exact=True).click()


def test_example_is_a_button_and_undo_brings_the_text_back(visit):
    message = visit.tab.locator("#play-message")
    message.fill("something else")
    press(visit, "a reminder")
    assert message.input_value() == EXAMPLES["a reminder"]
    press(visit, "undo")
    assert message.input_value() == "something else"
    press(visit, "clear")
    assert message.input_value() == ""
    wait_for_verdict(visit, "Type something: an empty message says nothing.")
    assert visit.tab.locator(".play-text").count() == 0
    press(visit, "undo")
    wait_for_result(visit, "something else")


def test_student_is_wrong_about_the_examples_that_the_page_names(student):
    answers = zip(EXAMPLES, student.predict(list(EXAMPLES.values())), strict=True)
    assert {name for name, answer in answers if answer == "spam"} == {
        "an advertisement",
        "a short code",
        "a parcel",
        "a bank's alert",
        "a dentist",
    }


def test_there_are_eight_examples_and_more(visit):
    assert 8 <= visit.tab.locator(".play-chips button").count() <= 10


def test_reader_moves_the_threshold_by_keyboard(visit, student):
    press(visit, "an advertisement")
    wait_for_result(visit, EXAMPLES["an advertisement"])
    share = token_probabilities(student, EXAMPLES["an advertisement"]).probability_of("spam")[-1]
    assert 0.5 < share < 0.99
    visit.tab.locator("#play-threshold").focus()
    visit.tab.keyboard.press("End")
    wait_for_verdict(visit, "ham: ")
    wait_for_verdict(visit, "threshold 99 %")
    visit.tab.keyboard.press("Home")
    wait_for_verdict(visit, "threshold 1 %")


def test_three_arrows_at_most_and_none_inside_a_word(visit):
    visit.tab.locator("#play-message").fill("Congratulations! You won 1000 cash, call 09061701461 now, or text STOPIT")
    wait_for_result(visit, "STOPIT")
    after = """[...document.querySelectorAll('.play-text sup')].map(
      arrow => arrow.nextSibling ? arrow.nextSibling.textContent : '')"""
    following = visit.tab.evaluate(after)
    assert 1 <= len(following) <= 3
    assert not [piece for piece in following if piece[:1].isalnum()]


def test_curve_and_text_mark_the_same_token(visit, student):
    visit.tab.locator("#play-message").fill("Win a prize now")
    wait_for_result(visit, "Win a prize now")
    reading = token_probabilities(student, "Win a prize now")
    curve = visit.tab.locator(".play-curve")
    curve.focus()
    visit.tab.keyboard.press("Home")
    now = visit.tab.locator(".play-now")
    first = percent(float(reading.probability_of("spam")[0]))
    assert now.inner_text() == f"Token 1 of {len(reading.pieces)}, after “{reading.pieces[0]}”: {first}"
    visit.tab.keyboard.press("ArrowRight")
    assert visit.tab.locator(".play-current").get_attribute("data-place") == "1"
    box = curve.locator("svg").bounding_box()
    visit.tab.mouse.move(box["x"] + box["width"] - 1, box["y"] + 5)
    assert now.inner_text().startswith(f"Token {len(reading.pieces)} of")
    visit.tab.locator(".play-text span").first.hover()
    assert now.inner_text().startswith("Token 1 of")


def test_link_carries_the_text_and_the_visit_is_remembered(browser, address):
    with Visit(browser, address, "play.html#text=Win%20a%20prize%20%26%20more") as visit:
        visit.tab.locator(".play-verdict strong").wait_for()
        assert visit.tab.locator("#play-message").input_value() == "Win a prize & more"
        visit.tab.locator("#play-message").fill("see you at eight")
        visit.tab.locator("#play details", has_text="Your visit").locator("summary").click()
        visit.tab.locator(".play-visit li", has_text="see you at eight").wait_for(timeout=10_000)
        visit.tab.locator("#play-threshold").fill("20")
        press(visit, "copy link")
        visit.tab.get_by_role("button", name="The link is in the").wait_for()  # for eyes, too
        link = visit.tab.url
        assert link.endswith("#text=see%20you%20at%20eight&threshold=20")
        assert visit.elsewhere == []
    with Visit(browser, "", link) as visit:
        visit.tab.locator(".play-verdict", has_text="threshold 20 %").wait_for()


def test_text_from_elsewhere_and_undo_bring_the_verdict_into_a_small_window(browser, address):
    with Visit(browser, address, "play.html#text=Win%20a%20prize", viewport={"width": 390, "height": 440}) as visit:
        verdict = visit.tab.locator(".play-verdict strong")
        in_sight = "box => box.getBoundingClientRect().top >= 0 && box.getBoundingClientRect().bottom <= innerHeight"
        verdict.wait_for()
        visit.tab.wait_for_function(f"({in_sight})(document.querySelector('.play-verdict strong'))")
        press(visit, "clear")
        press(visit, "undo")
        assert visit.tab.locator("#play-message").input_value() == "Win a prize"
        visit.tab.wait_for_function(f"({in_sight})(document.querySelector('.play-verdict strong'))")


def test_verdict_is_visible_above_a_phones_keyboard(browser, address):
    with Visit(browser, address, "play.html", viewport={"width": 390, "height": 440}) as visit:
        visit.tab.locator(".play-verdict strong").wait_for()
        visit.tab.locator("#play-message").focus()
        box = visit.tab.locator(".play-bar").bounding_box()
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= 440


def test_result_is_spoken_by_an_element_that_stays_once_typing_has_paused(visit, student):
    visit.tab.locator("#play-threshold").fill("50")
    visit.tab.wait_for_timeout(3000)
    visit.tab.evaluate("""() => { window.kept = document.querySelector('#play [role=status]'); window.times = 0;
      new MutationObserver(() => { window.times += 1; }).observe(window.kept, { childList: true }); }""")
    visit.tab.locator("#play-message").press_sequentially(" typed", delay=100)
    text = visit.tab.locator("#play-message").input_value()
    sentence = describe(token_probabilities(student, text), "spam")
    visit.tab.wait_for_function("words => window.kept.isConnected && window.kept.textContent === words", arg=sentence)
    assert visit.tab.evaluate("window.times") == 1


def test_what_was_measured_stands_beside_it(visit):
    words = visit.tab.locator(".play-measured").text_content()
    assert "student: accuracy" in words
    assert "they agree on" in words
    assert words.count("95 % interval") == 3
    why = visit.tab.locator("#play details", has_text="Why might this be wrong?")
    assert why.locator("li").count() == WHY_WRONG.count("<li>")


def test_very_long_text_is_read_as_far_as_the_student_can(visit):
    visit.tab.locator("#play-message").fill("free money " * 900)
    wait_for_verdict(visit, "tokens were not read: the text is too long.")


def test_page_complains_of_nothing_and_asks_nobody(visit):
    assert visit.complaints == []
    assert visit.elsewhere == []


def test_student_is_loaded_by_no_other_page_and_is_small(browser, address, built_book):
    for entry in set(toc_entries()) - {"play"}:
        assert "_static/play.js" not in (built_book / f"{entry}.html").read_text(encoding="utf-8")
    with Visit(browser, address, "07_classifying.html") as visit:
        assert not [url for url in visit.loaded if "student" in url or "gpt2.js" in url]
    scripts = [
        *(built_book / "_static").glob("student*.js"),
        *(built_book / "_static" / n for n in ("play.js", "gpt2.js")),
    ]
    assert sum(script.stat().st_size for script in scripts) < 1_400_000


def test_page_opened_from_a_disk_can_do_the_same(browser, built_book, student):
    with Visit(browser, built_book.as_uri() + "/", "play.html") as visit:
        visit.tab.locator("#play-message").fill("see you at eight")
        wait_for_result(visit, "see you at eight")
        assert visit.tab.locator(".play-verdict").inner_text() == describe(
            token_probabilities(student, "see you at eight"), "spam"
        )
        assert visit.elsewhere == []


def test_damaged_student_is_told(browser, address):
    with Visit(browser, address, "index.html") as visit:
        visit.tab.route(
            "**/student.js*", lambda route: route.fulfill(body="const STUDENT = {parts: 0, file: ['AAAA']};")
        )
        visit.tab.goto(f"{address}play.html")
        visit.tab.locator("#play [role=alert]").wait_for()


def test_page_without_its_scripts_keeps_the_examples_and_says_what_to_do(browser, address):
    with Visit(browser, address, "index.html") as visit:
        visit.tab.route("**/student.js*", lambda route: route.abort())
        visit.tab.goto(f"{address}play.html")
        alert = visit.tab.locator("#play [role=alert]")
        alert.wait_for()
        assert "student.js could not be loaded" in alert.inner_text()
        assert "make book" in alert.inner_text()
        for text in list(EXAMPLES.values())[:4]:
            assert text in visit.tab.locator("article").inner_text().translate(dict.fromkeys(map(ord, "▲▼")))


def test_page_on_a_phone(browser, address):
    with Visit(browser, address, "play.html", viewport={"width": 390, "height": 844}) as visit:
        visit.tab.locator(".play-verdict strong").wait_for()
        for scheme in ("light", "dark"):
            visit.tab.emulate_media(color_scheme=scheme)
            visit.tab.wait_for_function("scheme => document.documentElement.dataset.theme === scheme", arg=scheme)
            assert visit.tab.evaluate("document.documentElement.scrollWidth") == 390
            take_screenshot(visit.tab, f"play-phone-{scheme}")
