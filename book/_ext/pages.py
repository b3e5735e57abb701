"""A Sphinx extension: pages without foreign scripts, and as valid as an e-book and a screen reader want them."""

from __future__ import annotations

import re

from docutils import nodes
from latex2mathml.converter import convert
from myst_nb.sphinx_ import HideCodeCellNode, depart_HideCellInput
from sphinx.application import Sphinx
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
        if "dataframe" in raw.astext():
            html = re.sub(r"<style scoped>.*?</style>", "", raw.astext(), flags=re.DOTALL)
            html = re.sub(r' border="1"| style="text-align: right;"', "", html)
            raw[:] = [nodes.Text(re.sub(r"<th>\s*</th>", "<td></td>", html))]


def open_hidden_cell(self: HTML5Translator, node: HideCodeCellNode) -> None:
    self.body.append(f'<details class="admonition hide {" ".join(node["classes"])}">\n')
    self.body.append(f"<summary>{node['prompt_show']}</summary>\n")


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
    app.connect("doctree-resolved", clean_tables)
    app.add_node(HideCodeCellNode, override=True, html=(open_hidden_cell, depart_HideCellInput))
    app.add_html_math_renderer("mathml", (open_formula, None), (open_formula_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
