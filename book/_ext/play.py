"""A Sphinx extension: the page "Play" gets its scripts, and the student as one of them.

As a script it can be loaded by a page that was opened from a disk, too; a browser fetches no data from there.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import zlib
from pathlib import Path

from docutils import nodes
from first_screen import outputs_of
from sphinx.application import Sphinx

from llmclf.interactive.demo import WHY_WRONG
from llmclf.interactive.token_probabilities import EXAMPLES

PAGE = "play"
PARTS = 8  # scripts that the student comes in, so that a reader on a slow line sees it coming


def write_scripts(app: Sphinx) -> None:
    if app.builder.name != "html":
        return
    source, target = Path(app.srcdir, PAGE), Path(app.outdir, "_static")
    target.mkdir(parents=True, exist_ok=True)
    for script in source.glob("*.js"):
        shutil.copy(script, target)
    packed = base64.b64encode(zlib.compress((source / "student.safetensors").read_bytes(), 9)).decode("ascii")
    size = -(-len(packed) // PARTS)
    for number in range(PARTS):
        part = packed[number * size : (number + 1) * size]
        (target / f"student-{number}.js").write_text(f'STUDENT.file[{number}] = "{part}";\n', encoding="ascii")
    student = {"parts": PARTS, "file": [], "examples": EXAMPLES, "why": WHY_WRONG}
    student["measured"] = measured(Path(app.srcdir, f"{PAGE}.ipynb"))
    (target / "student.js").write_text(f"const STUDENT = {json.dumps(student)};\n", encoding="ascii")


def measured(notebook: Path) -> list[str]:
    """The lines that the page's own cells printed about the student."""
    return [line for text in outputs_of(notebook, "measured") for line in text.splitlines()]


def load_script(app: Sphinx, page: str, template: str, context: dict, doctree: nodes.document | None) -> None:
    """To this page only, and with a version that changes whenever one of the scripts does."""
    if page == PAGE and app.builder.name == "html":
        names = ["play.js", "gpt2.js", "student.js", *(f"student-{number}.js" for number in range(PARTS))]
        scripts = [Path(app.outdir, "_static", name).read_bytes() for name in names]
        version = hashlib.sha256(b"".join(scripts)).hexdigest()[:8]
        app.add_js_file("play.js", loading_method="defer", **{"data-version": version})


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("builder-inited", write_scripts)
    app.connect("html-page-context", load_script)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
