"""Teach: a classifier that learns while you click. Draws what `llmclf.interactive.lesson` decides."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets as widgets
import pandas as pd
import traitlets

from llmclf.console import LlmclfError
from llmclf.files.tables import read_table
from llmclf.interactive.demo import Announcement
from llmclf.interactive.lesson import CHOOSE_AT, RULES, Lesson
from llmclf.interactive.lesson_view import LINE, confident_list, curve_svg, describe
from llmclf.interactive.pool import Pool
from llmclf.interactive.token_probabilities import percent, printable

KEYS = "Keys: 1, 2, … give the class, s skips, u takes the last label back."
FRAME = (
    "font-size:1.25em;line-height:1.5;overflow-wrap:anywhere;white-space:pre-wrap;min-height:4.5em;max-height:12em;"
    f"overflow-y:auto;border-left:4px solid {LINE};padding:0.3em 0.8em;margin:0.5em 0"
)


class KeyPresses(anywidget.AnyWidget):
    """Passes on single keys that are pressed inside the `TeachDemo` around it, and not in a field to type in."""

    _esm = """
    export default { render({ model, el }) {
      el.style.display = "none";
      const around = () => el.closest(".llmclf-teach");
      const listen = (event) => {
        const typing = event.target.matches("input:not([type=radio]), textarea, select");
        if (typing || event.ctrlKey || event.altKey || event.metaKey || !around()?.contains(event.target)) return;
        if (!/^[1-9su]$/.test(event.key)) return;
        event.preventDefault();
        event.stopPropagation();  // JupyterLab has plans of its own for these keys
        model.set("pressed", [event.key, model.get("pressed")[1] + 1]);
        model.save_changes();
      };
      document.addEventListener("keydown", listen, true);
      model.on("change:begun", () => setTimeout(() => around()?.querySelector(".llmclf-class")?.focus(), 100));
      return () => document.removeEventListener("keydown", listen, true);
    } };
    """
    pressed = traitlets.List(["", 0]).tag(sync=True)
    begun = traitlets.Bool(False).tag(sync=True)


class TeachDemo(widgets.VBox):
    """Texts to be labelled one by one, and a classifier that learns from every label; the last line of a cell.

    Parameters
    ----------
    table
        A DataFrame with a column `text`, or a file as `read_table` takes it. A column `label` is hidden from you, and
        used to measure, on a third of the texts.
    classes
        Two or more names; by default those of the labels, or what you type.
    path
        The CSV file in which each label is written at once, and from which an earlier session goes on.
    folder
        Where *save classifier* puts it.
    rule
        See `Lesson`.
    backbone, device, seed
        See `Pool`.
    """

    def __init__(
        self,
        table: pd.DataFrame | str | Path,
        classes: Sequence[str] = (),
        *,
        path: str | Path = "output/labels.csv",
        folder: str | Path = "output/taught",
        rule: str = "least sure",
        **options: Any,
    ) -> None:
        table = read_pool(table)
        labels = table["label"].tolist() if "label" in table else None
        self.pool, self.path = Pool(table["text"].tolist(), labels, **options), Path(path)
        self.lesson: Lesson | None = None
        self.thread = threading.Thread(target=self._compute, daemon=True)
        self.row: int | None = None
        classes = classes or sorted(set(labels or []))
        wide = widgets.Layout(width="auto")
        self.names = widgets.Text(", ".join(classes), description="classes", placeholder="ham, spam", layout=wide)
        self.start = widgets.Button(description="begin", tooltip="Begin to label")
        self.progress = widgets.FloatProgress(description="features", min=0, max=1, layout=wide)
        self.message, self.status, self.picture = widgets.HTML(), widgets.HTML(), widgets.HTML()
        self.buttons = in_a_row()
        self.skip = widgets.Button(description="skip (s)", tooltip="Show another text", disabled=True)
        self.back = widgets.Button(description="undo (u)", tooltip="Take the last label back", disabled=True)
        self.rule = widgets.ToggleButtons(options=RULES, value=rule, description="next text")
        self.confident, self.saved = widgets.HTML(), widgets.HTML()
        self.folder = widgets.Text(str(folder), description="folder", layout=wide)
        self.save = widgets.Button(description="save classifier")
        self.key_presses, self.announcement = KeyPresses(), Announcement()
        super().__init__(layout=widgets.Layout(max_width="46em"))
        self._arrange()
        if classes:
            self._guarded(self.begin)()

    def _arrange(self) -> None:
        """Put the parts in their order, and tell each whom to call."""
        begin, others = in_a_row(self.names, self.start), in_a_row(self.skip, self.back)
        labelling = [begin, self.progress, self.message, self.buttons, others, self.rule]
        result = [self.status, self.picture, self.confident, in_a_row(self.folder, self.save), self.saved]
        self.children = [*labelling, *result, self.key_presses, self.announcement]
        self.add_class("llmclf-teach")
        for button, work in (
            (self.start, self.begin),
            (self.skip, self._skip),
            (self.back, self._undo),
            (self.save, self._save),
        ):
            button.on_click(self._guarded(work))
        self.rule.observe(self._guarded(self._change_rule), "value")
        self.key_presses.observe(self._press, "pressed")

    def _guarded(self, work: Callable[[], None]) -> Callable[..., None]:
        """An error that the reader can put right is shown where it happens."""

        def run(_: Any = None) -> None:
            try:
                work()
            except LlmclfError as error:
                self.saved.value = f'<p role="alert"><strong>{escape(str(error))}</strong></p>'

        return run

    def begin(self) -> None:
        """Take up an earlier session, let a thread compute features, and show the first text."""
        self.lesson = Lesson(self.pool, self.names.value.split(","), self.path, rule=self.rule.value)
        self.saved.value = ""
        self.names.disabled = self.start.disabled = True
        self.skip.disabled = self.back.disabled = False
        self.buttons.children = [self._class_button(number) for number in range(len(self.lesson.classes))]
        self.key_presses.begun = True
        self.thread.start()
        self._ask()

    def _class_button(self, number: int) -> widgets.Button:
        name = self._taught().classes[number]
        button = widgets.Button(description=f"{number + 1} {name}", tooltip=f"This text is {name}")
        button.style.button_color, button.style.text_color, button.style.font_weight = LINE, "#ffffff", "bold"
        button.add_class("llmclf-class")
        button.on_click(self._guarded(lambda: self.give(number)))
        return button

    def _taught(self) -> Lesson:
        if self.lesson is None:
            raise LlmclfError("begin first: nothing has been labelled")
        return self.lesson

    # In a thread

    def _compute(self) -> None:
        self.pool.compute(self._tell)
        self._choose()

    def _choose(self) -> None:
        """Choose block and pooling where there are labels enough; where they change, compute all features anew."""
        lesson = self._taught()
        if len(lesson.given) >= CHOOSE_AT[0]:
            blocks, pooling = lesson.choose_features()
            if (blocks, pooling) != (self.pool.blocks, self.pool.pooling):
                self.pool.compute(self._tell, blocks=blocks, pooling=pooling)
        lesson.replay()
        self._show()

    def _tell(self, share: float) -> None:
        self.progress.value = share
        self.progress.layout.visibility = "visible" if share < 1 else "hidden"

    # What the reader does

    def _press(self, change: dict) -> None:
        key = change["new"][0]
        if key.isdigit() and self.lesson is not None and int(key) <= len(self.lesson.classes):
            self._guarded(lambda: self.give(int(key) - 1))()
        elif key in "su":
            self._guarded(self._skip if key == "s" else self._undo)()

    def give(self, number: int) -> None:
        """The text that is shown belongs to this class."""
        lesson = self._taught()
        if self.row is None:
            return
        lesson.label(self.row, lesson.classes[number])
        if len(lesson.given) in CHOOSE_AT and not self.thread.is_alive():
            self.thread = threading.Thread(target=self._choose, daemon=True)
            self.thread.start()
        self._ask()

    def _skip(self) -> None:
        if self.row is not None:
            self._taught().skipped.add(self.row)
        self._ask()

    def _undo(self) -> None:
        self._ask(self._taught().undo())

    def _change_rule(self) -> None:
        if self.lesson is not None:
            self.lesson.rule = self.rule.value
            self._ask()

    def _save(self) -> None:
        self._taught().classifier().save(self.folder.value)
        command = f'python -m llmclf classify {self.folder.value} "your text"'
        self.saved.value = f"<p>Saved. In a terminal: <code>{escape(command)}</code></p>"
        self.announcement.words = "Saved."

    # What is shown

    def _ask(self, row: int | None = None) -> None:
        """Show this text, or the next one."""
        lesson = self._taught()
        self.row = lesson.next_row() if row is None else row
        text = "All texts are labelled." if self.row is None else lesson.pool.texts[self.row]
        self.message.value = f'<div dir="auto" tabindex="0" style="{FRAME}">{printable(text)}</div>'
        self._show()
        self.announcement.words = f"{describe(lesson)} Next text: {text}"

    def _show(self) -> None:
        lesson = self._taught()
        sure = ""
        if self.row is not None and lesson.probabilities is not None and lesson.probabilities[self.row].any():
            pairs = zip(lesson.classes, lesson.probabilities[self.row], strict=True)
            sure = "So far it would say: " + ", ".join(f"{name} {percent(float(share))}" for name, share in pairs) + "."
        self.status.value = f"<p>{escape(describe(lesson))} {escape(sure)}</p><p><small>{KEYS}</small></p>"
        self.picture.value = curve_svg(lesson.curve)
        self.confident.value = "" if lesson.pool.known is not None else confident_list(lesson)


def in_a_row(*parts: widgets.Widget) -> widgets.HBox:
    """Side by side, and below each other where the screen is narrow."""
    return widgets.HBox(parts, layout=widgets.Layout(flex_flow="row wrap"))


def read_pool(table: pd.DataFrame | str | Path) -> pd.DataFrame:
    """A table with texts, and with their labels where it has such a column."""
    if isinstance(table, pd.DataFrame):
        return read_table(table, label_column="label" if "label" in table else None)
    try:
        return read_table(table)
    except LlmclfError as error:
        if "label" not in str(error):
            raise
        return read_table(table, label_column=None)
