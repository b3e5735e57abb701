"""A Sphinx extension: the e-book says what it is, and which of its pages hold formulas or drawings (EPUB 3 asks)."""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.builders.epub3 import Epub3Builder
from sphinx.config import Config

import llmclf


class EbookBuilder(Epub3Builder):
    def add_css_file(self, filename: str, **attributes: object) -> None:
        if not filename.startswith(("mystnb.", "print.")):  # not valid in an e-book
            super().add_css_file(filename, **attributes)

    def build_epub(self) -> None:
        listing = Path(self.outdir, "content.opf")

        def declare(item: re.Match) -> str:
            page = Path(self.outdir, item[1]).read_text(encoding="utf-8")
            holds = " ".join(word for word, tag in (("mathml", "<math"), ("svg", "<svg")) if tag in page)
            return item[0].replace("/>", f'properties="{holds}" />') if holds else item[0]

        items = re.sub(r'<item [^>]*href="([^"]+\.xhtml)"[^>]*/>', declare, listing.read_text(encoding="utf-8"))
        listing.write_text(items, encoding="utf-8")
        for plot in Path(self.outdir).glob("_images/*.svg"):
            # Matplotlib names a document type, and draws a space as a path without data: both are forbidden.
            drawing = re.sub(r"<!DOCTYPE[^>]*>", "", plot.read_text(encoding="utf-8"))
            plot.write_text(re.sub(r"<path(?![^>]*\bd=)", '<path d=""', drawing), encoding="utf-8")
        super().build_epub()


def name_the_book(app: Sphinx, config: Config) -> None:
    config.project = config.epub_title = config.html_title
    config.version = config.release = llmclf.__version__
    config.epub_basename = "from-gpt-to-classifier"


def setup(app: Sphinx) -> dict[str, bool]:
    app.setup_extension("sphinx.builders.epub3")
    app.add_builder(EbookBuilder, override=True)
    app.connect("config-inited", name_the_book, priority=10)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
