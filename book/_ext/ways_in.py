"""A Sphinx extension: ways from a page to a copy that runs, to paper, and to the people who wrote it."""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config

ARCHIVE = "from-gpt-to-classifier"
PARTS = ["book", "llmclf", "tests", "benchmarks", "Makefile", "README.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE"]
PARTS += ["LICENSE-TEXT", "pyproject.toml", "requirements.txt", "requirements.lock", "_config.yml", "_toc.yml"]
SKIPPED = {"output", "__pycache__", ".ipynb_checkpoints", "_build", ".pytest_cache"}
PRINTED = {"PDF": ".pdf", "EPUB": ".epub"}  # which `make book` makes before, where it can
ICONS = {".zip": "fas fa-file-zipper", ".pdf": "fas fa-file-pdf", ".epub": "fas fa-book"}


def show_repository(app: Sphinx, config: Config) -> None:
    """Buttons for the source, for questions and for running a page elsewhere, once `_config.yml` has an address."""
    options = config.html_theme_options
    address = options.get("repository_url", "")
    options["use_repository_button"] = options["use_issues_button"] = bool(address)
    if address:
        options["launch_buttons"] = {"binderhub_url": "https://mybinder.org", "notebook_interface": "jupyterlab"}


def whole_book(app: Sphinx) -> dict[str, Path]:
    """The whole book as one file, in the forms that have been made."""
    output = Path(app.srcdir).parent / "output"
    files = {name: output / f"{ARCHIVE}{suffix}" for name, suffix in PRINTED.items()}
    return {name: path for name, path in files.items() if path.exists()}


def offer(app: Sphinx, page: str, template: str, context: dict, doctree: nodes.document | None) -> None:
    """The whole book in the menu of downloads, and on the opening page."""
    if app.builder.name != "html":
        return
    made = whole_book(app)
    for group in context.get("header_buttons", []):
        if group.get("label") == "download-buttons":
            group["buttons"][-1]["text"] = "print this page"  # the theme calls it ".pdf"
            for name, suffix in {"code": ".zip", **{name: PRINTED[name] for name in made}}.items():
                link = {"type": "link", "url": context["pathto"](f"{ARCHIVE}{suffix}", 1), "icon": ICONS[suffix]}
                words = {"text": f"book ({suffix})", "tooltip": f"Download the whole book ({name})"}
                group["buttons"].append(link | words | {"label": f"download-book-{suffix[1:]}"})
    if page == "index" and made:
        links = " or ".join(
            f'<a href="{path.name}" download>{name}</a> (<!-- size of {path.suffix} -->)' for name, path in made.items()
        )
        words = f"To read it on paper or on an e-book reader, take the {links}."
        context["body"] = context["body"].replace("<!-- printed -->", words)


def pack(app: Sphinx, error: Exception | None) -> None:
    """Everything that a reader needs to run the book, beside the pages that offer it."""
    if error is not None or app.builder.name != "html":
        return
    root = Path(app.srcdir).parent
    files = [path for part in PARTS for path in [root / part, *(root / part).rglob("*")] if path.is_file()]
    with zipfile.ZipFile(Path(app.outdir, f"{ARCHIVE}.zip"), "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(files):
            inside = path.relative_to(root)
            if not SKIPPED & set(inside.parts):
                entry = zipfile.ZipInfo(f"{ARCHIVE}/{inside.as_posix()}", (2026, 1, 1, 0, 0, 0))
                entry.external_attr, entry.compress_type = 0o644 << 16, zipfile.ZIP_DEFLATED
                archive.writestr(entry, path.read_bytes())
    for path in whole_book(app).values():
        shutil.copy(path, app.outdir)

    def size_of(found: re.Match) -> str:
        return f"{Path(app.outdir, ARCHIVE + found[1]).stat().st_size / 1e6:.1f} MB"

    for notebook in Path(app.outdir, "_sources").glob("*.ipynb"):
        text = json.dumps(notebook.read_text(encoding="utf-8"))
        notebook.with_name(f"{notebook.name}.js").write_text(f"saveNotebook({text});\n", encoding="ascii")
    for page in Path(app.outdir).glob("*.html"):  # files are to be saved, not shown
        text = re.sub("<!-- size of ([.a-z]+) -->", size_of, page.read_text(encoding="utf-8"))
        link = rf'<a href="([^"]*(?:_sources/[^"]*|{ARCHIVE}[.][a-z]+))" target="_blank"'
        page.write_text(re.sub(link, r'<a href="\1" download', text), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_js_file("from_disk.js", loading_method="defer")
    app.connect("config-inited", show_repository)
    app.connect("html-page-context", offer, priority=900)  # after the theme has made its menu
    app.connect("build-finished", pack)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
