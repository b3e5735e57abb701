"""Chapter 7: the classifier to play with. It reads a message while it is typed and shows how its opinion moves."""

from __future__ import annotations

import asyncio
import base64
import csv
import io
from html import escape

import anywidget
import ipywidgets as widgets
import traitlets

from llmclf.classify import TextClassifier
from llmclf.console import LlmclfError
from llmclf.interactive.token_probabilities import (
    EXAMPLES,
    TokenProbabilities,
    describe,
    printable,
    render,
    token_probabilities,
    token_table,
)

WHY_WRONG = """<details><summary>Why might this be wrong?</summary><ul>
<li>It has learnt from a few thousand messages of before 2011. Today's advertising, other languages and other kinds of
text are new to it.</li>
<li>It does not know how rare spam is where your messages come from. The rarer, the more of what it calls spam is
ham.</li>
<li>Its probabilities are often too near to 0 and 100 %: they say how sure it is, not how often it is right.</li>
<li>In the middle of a message it answers for a text that breaks off there. The shading shows how its answer moved, not
how suspicious a word is.</li></ul></details>"""
NOTHING_TO_READ = "Type something: an empty message says nothing."
QUIET_TIME = 0.15  # seconds without a key before a text is read
SPEAKING_TIME = 1.0  # seconds without a new result before the last one is spoken
LONG_TEXT = 2000  # characters: from here on reading takes long enough to say so


class Announcement(anywidget.AnyWidget):
    """Words that a screen reader speaks when they change, once it has finished what it says; invisible.

    Such a region must stay in the page while its words change. An `ipywidgets.HTML` exchanges its whole content.
    """

    _esm = """
    export default { render({ model, el }) {
      el.setAttribute("role", "status");
      el.style.cssText = "position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)";
      model.on("change:words", () => { el.textContent = model.get("words"); });
    } };
    """
    words = traitlets.Unicode("").tag(sync=True)


class ClassifierDemo(widgets.VBox):
    """A text to type, and what one or two classifiers make of it; display it as the last line of a cell.

    Parameters
    ----------
    classifier
        Reads what is typed.
    other
        A second one, shown beside it.
    name
        The class whose probability is shown; by default the last label.

    Raises
    ------
    LlmclfError
        A classifier that cannot be read along, or that does not know `name`.
    """

    def __init__(
        self, classifier: TextClassifier, other: TextClassifier | None = None, *, name: str | None = None
    ) -> None:
        self.classifiers = [classifier] if other is None else [classifier, other]
        self.name = name or classifier.label_names[-1]
        for one in self.classifiers:
            if self.name not in one.label_names:
                raise LlmclfError(f"no label {self.name!r}; this classifier knows {one.label_names}")
        self.history: list[dict[str, object]] = []
        self.readings: list[TokenProbabilities] = []
        self._past: list[str] = []
        self._following: asyncio.Task | None = None
        self._speaking: asyncio.TimerHandle | None = None
        wide = widgets.Layout(width="auto")
        self.text = widgets.Textarea(
            next(iter(EXAMPLES.values())), description="message", rows=3, layout=wide, continuous_update=True
        )
        self.examples = [widgets.Button(description=words, tooltip=text) for words, text in EXAMPLES.items()]
        for button in self.examples:
            button.on_click(lambda clicked: self._put(clicked.tooltip))
        self.clear = widgets.Button(description="clear", tooltip="Empty the field")
        self.undo = widgets.Button(description="undo", tooltip="The text before this one")
        chosen = classifier.decision.threshold_of(classifier.label_names.index(self.name))
        self.threshold = widgets.FloatSlider(
            min(max(chosen, 0.01), 0.99),
            min=0.01,
            max=0.99,
            step=0.01,
            description="threshold",
            readout_format=".0%",
            layout=wide,
        )
        self.keep = widgets.Button(
            description="keep in history", tooltip="Add this message and its result to the table"
        )
        self.numbers = widgets.ToggleButton(
            description="token by token", tooltip="Show each token and the probability after it as a table"
        )
        self.results = [widgets.HTML(layout=widgets.Layout(flex="1 1 20em")) for _ in self.classifiers]
        self.table = widgets.HTML()
        self.announcement = Announcement()
        why = widgets.HTML(WHY_WRONG)  # not an Accordion, which no key opens
        side_by_side = widgets.Box(self.results, layout=widgets.Layout(flex_flow="row wrap"))
        wrapped = widgets.Layout(flex_flow="row wrap")
        chips = widgets.Box(self.examples, layout=wrapped)
        buttons = widgets.Box([self.numbers, self.keep, self.clear, self.undo], layout=wrapped)
        parts = [chips, self.text, self.threshold, side_by_side, buttons, self.table, why, self.announcement]
        super().__init__(parts)
        self.clear.on_click(lambda clicked: self._put(""))
        self.undo.on_click(lambda clicked: self._take_back())
        self.text.observe(self._follow_typing, "value")
        self.threshold.observe(lambda change: self._show(), "value")
        self.numbers.observe(lambda change: self._show(), "value")
        self.keep.on_click(self._keep)
        self._read(self.text.value)

    def _put(self, text: str) -> None:
        """Another text, from a button."""
        if self.text.value != text:
            self._past.append(self.text.value)
        self.text.value = text

    def _take_back(self) -> None:
        if self._past:
            self.text.value = self._past.pop()

    def _follow_typing(self, change: dict) -> None:
        """Read when the typing pauses; without a running kernel at once."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._read(self.text.value)
            return
        if self._following is None or self._following.done():
            self._following = loop.create_task(self._follow())

    async def _follow(self) -> None:
        """Until what stands in the field has been read: wait for a pause, read in a thread of its own."""
        while (text := self.text.value) != self.readings[0].text:
            await asyncio.sleep(QUIET_TIME)
            if text != self.text.value:
                continue
            if len(text) > LONG_TEXT:
                for result in self.results:
                    result.value = "<p>Reading a long text …</p>"
            self.readings = await asyncio.to_thread(self._readings_of, text)
            self._show()

    def _readings_of(self, text: str) -> list[TokenProbabilities]:
        return [token_probabilities(classifier, text) for classifier in self.classifiers]

    def _read(self, text: str) -> None:
        self.readings = self._readings_of(text)
        self._show()

    def _show(self) -> None:
        for classifier, result, reading in zip(self.classifiers, self.results, self.readings, strict=True):
            title = f"<h4>{escape(str(classifier.backbone))}</h4>" if len(self.classifiers) > 1 else ""
            numbers = token_table(reading, self.name) if self.numbers.value else ""
            shown = render(reading, self.name, self.threshold.value) + numbers
            result.value = title + (shown if reading.text.strip() else f"<p>{NOTHING_TO_READ}</p>")
        if self._speaking:
            self._speaking.cancel()
        try:
            self._speaking = asyncio.get_running_loop().call_later(SPEAKING_TIME, self._speak)
        except RuntimeError:
            self._speak()

    def _speak(self) -> None:
        words = " ".join(describe(one, self.name, self.threshold.value) for one in self.readings)
        self.announcement.words = words if self.readings[0].text.strip() else NOTHING_TO_READ

    def _keep(self, button: widgets.Button) -> None:
        if self.readings[0].text != self.text.value:  # the pause is not over
            self._read(self.text.value)
        for classifier, reading in zip(self.classifiers, self.readings, strict=True):
            probability = float(reading.probability_of(self.name)[-1])
            self.history.append(
                {
                    "message": reading.text,
                    "classifier": str(classifier.backbone),
                    f"probability of {self.name}": round(probability, 4),
                    "threshold": self.threshold.value,
                    "tokens not read": reading.left_out,
                }
            )
        self.table.value = history_table(self.history)


def history_table(history: list[dict[str, object]]) -> str:
    """The history as a table of HTML, with a link that downloads it as CSV."""
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in history[0])
    rows = "".join(
        f"<tr>{''.join(f'<td>{printable(str(value))}</td>' for value in row.values())}</tr>" for row in history[::-1]
    )
    file = io.StringIO()
    writer = csv.DictWriter(file, history[0].keys())
    writer.writeheader()
    writer.writerows(history)
    data = base64.b64encode(file.getvalue().encode("utf-8", "replace")).decode("ascii")
    address = f'href="data:text/csv;charset=utf-8;base64,{data}"'
    link = f'<a style="text-decoration:underline" download="history.csv" {address}>Download as CSV</a>'
    head = f"<caption>History, the latest first</caption><thead><tr>{head}</tr></thead>"
    return f"<table>{head}<tbody>{rows}</tbody></table><p>{link}</p>"
