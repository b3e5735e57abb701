"""A Sphinx extension: pages without foreign scripts, and as valid as an e-book and a screen reader want them."""

from __future__ import annotations

import re

from docutils import nodes
from latex2mathml.converter import convert
from myst_nb.sphinx_ import HideCodeCellNode, depart_HideCellInput
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.writers.html5 import HTML5Translator


def drop_thebe(app: Sphinx) -> None:
    """Jupyter Book always loads sphinx-thebe, whose scripts clash in every page."""
    app.registry.css_files[:] = [(name, how) for name, how in app.registry.css_files if "thebe" not in name]
    for event, listeners in app.events.listeners.items():
        app.events.listeners[event] = [
            listener for listener in listeners if not listener.handler.__module__.startswith("sphinx_thebe")
        ]


def clean_tables(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Pandas writes attributes that are no longer HTML, and heads of nothing, which a screen reader announces."""
    for raw in doctree.findall(nodes.raw):
        html = raw.astext()
        if '<table id="T_' in html:  # formatted by a Styler: other attributes, the same table
            html = re.sub(r' (id="T_\w+"|class="[\w ]*")', "", html).replace("&nbsp;", "")
            html = html.replace("<table>", '<table class="dataframe">')
        if "dataframe" in html:
            html = re.sub(r"<style.*?</style>", "", html, flags=re.DOTALL)
            html = re.sub(r' border="1"| style="text-align: right;"', "", html)
            raw[:] = [nodes.Text(re.sub(r"<th\s*>\s*</th>", "<td></td>", html))]


def keep_together(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """A number and its percent sign stay on one line."""
    for text in list(doctree.findall(nodes.Text)):
        if re.search(r"\d %", text) and not isinstance(text.parent, nodes.literal_block | nodes.literal | nodes.raw):
            text.parent.replace(text, nodes.Text(re.sub(r"(\d) %", "\\1\N{NO-BREAK SPACE}%", text)))


def one_menu(app: Sphinx, config: Config) -> None:
    """Without a search box the theme's top bar is empty: its buttons would take the clicks of those in the article."""
    config.html_theme_options = {**config.html_theme_options, "navbar_persistent": []}


def open_hidden_cell(self: HTML5Translator, node: HideCodeCellNode) -> None:
    self.body.append(f'<details class="admonition hide {" ".join(node["classes"])}">\n')
    words = node["prompt_show"].removeprefix("Show ")
    self.body.append(f"<summary>{words[0].upper()}{words[1:]}</summary>\n")


def open_formula(self: HTML5Translator, node: nodes.math) -> None:
    self.body.append(convert(node.astext(), display="inline"))
    raise nodes.SkipNode


def open_formula_block(self: HTML5Translator, node: nodes.math_block) -> None:
    self.body.append(f'<div class="math">{convert(node.astext(), display="block")}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    app.setup_extension("sphinx_thebe")
    app.setup_extension("myst_nb")
    drop_thebe(app)
    app.connect("config-inited", one_menu)
    app.connect("doctree-resolved", clean_tables)
    app.connect("doctree-resolved", keep_together)
    app.add_node(HideCodeCellNode, override=True, html=(open_hidden_cell, depart_HideCellInput))
    app.add_html_math_renderer("mathml", (open_formula, None), (open_formula_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
