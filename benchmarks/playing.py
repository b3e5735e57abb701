"""How long the demo takes to read a message: SmolLM2 and the student in a kernel, the student in a browser."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

from llmclf import data
from llmclf.classify import TextClassifier
from llmclf.console import LlmclfError
from llmclf.head import Classifier
from llmclf.interactive.student import load_student
from llmclf.interactive.token_probabilities import render, token_probabilities
from llmclf.tokenizer import load_tokenizer
from llmclf.weights import load_pretrained

BACKBONE = "smollm2-135M"
ROOT = Path(__file__).parents[1]
PAGE = ROOT / "output" / "book" / "_build" / "html" / "play.html"
READ = """async messages => {
  const classifier = new StudentClassifier(STUDENT.file);
  const whole = [], word = [];
  for (const message of messages) {
    const beginning = message.slice(0, message.lastIndexOf(" "));
    classifier.model.ids.length = 0;
    let start = performance.now();
    await classifier.read(message);
    whole.push(performance.now() - start);
    await classifier.read(beginning);
    start = performance.now();
    await classifier.read(message);
    word.push(performance.now() - start);
  }
  return [whole, word];
}"""


def run(backbone: None, *, quick: bool, runs: int) -> dict:
    """Median milliseconds a test message by way, and seconds from opening the page to the first answer."""
    messages = data.prepare_sms().test["text"].tolist()[: 20 if quick else 100]
    names = list(data.SMS_LABELS)
    teacher = TextClassifier(Classifier(load_pretrained(BACKBONE)), load_tokenizer(BACKBONE), names, BACKBONE)
    student = load_student(ROOT / "book" / "play" / "student.safetensors")
    medians = {
        f"{name}, in a kernel": in_kernel(one, messages) for name, one in (("SmolLM2", teacher), ("student", student))
    }
    (whole, word), first = in_browser(messages, runs)
    medians |= {"student, in a browser": statistics.median(whole), "the same, one word more": statistics.median(word)}
    return {"quick": quick, "runs": runs, "messages": len(messages), "medians": medians, "first answer": first}


def in_kernel(classifier: TextClassifier, messages: list[str]) -> float:
    """Median milliseconds from a text to the HTML that shows it."""
    render(token_probabilities(classifier, messages[0]), "spam")
    times = []
    for message in messages:
        start = time.perf_counter()
        render(token_probabilities(classifier, message), "spam")
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


def in_browser(messages: list[str], runs: int) -> tuple[list[list[float]], list[float]]:
    """Milliseconds for each message, whole and for its last word; and for each run, seconds to the first answer."""
    from playwright.sync_api import sync_playwright

    from tests.browsing import CHROMIUM

    if CHROMIUM is None or not PAGE.is_file():
        raise LlmclfError("this needs a browser (apt-get install chromium) and the built book (make book)")
    first = []
    with sync_playwright() as program:
        browser = program.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for _ in range(runs):
            tab = browser.new_context().new_page()  # nothing is kept from the run before
            start = time.perf_counter()
            tab.goto(PAGE.as_uri())
            tab.locator("#play-result strong").wait_for()
            first.append(time.perf_counter() - start)
        times = tab.evaluate(READ, messages)
        browser.close()
    return times, first
