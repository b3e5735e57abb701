"""A Sphinx extension: pages without foreign scripts, and as valid as an e-book and a screen reader want them."""

from __future__ import annotations

import re
from pathlib import Path

from docutils import nodes
from fontTools import subset
from fontTools.ttLib import TTFont
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


NUMBER = r"[-+−]?[\d,.]+(?:e[-+]?\d+)?( ?%)?"  # also an interval of two, a ratio, and a count of several


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
            html = merge_heads(html)
            html = re.sub(rf"<td\s*>({NUMBER}(( to |:| : | of ){NUMBER})?)</td>", r'<td class="number">\1</td>', html)
            html = re.sub(rf"<th\s*>({NUMBER})</th>", r'<th class="number">\1</th>', html)
            raw[:] = [nodes.Text(re.sub(r"<th\s*>\s*</th>", "<td></td>", html))]


def merge_heads(html: str) -> str:
    """The second row of a head that only names the index gives that name to the first, and goes."""
    rows = re.findall(r"<tr.*?</tr>", html.partition("</thead>")[0], re.DOTALL)
    if len(rows) != 2 or "colspan" in rows[0]:
        return html
    cells = re.findall(r"<th[^>]*>(.*?)</th>", rows[1], re.DOTALL)
    if not cells or any(cell.strip() for cell in cells[1:]):
        return html
    first = re.search(r"<th[^>]*>", rows[0])
    named = rows[0].replace(f"{first[0]}</th>", f"{first[0]}{cells[0]}</th>", 1) if first else rows[0]
    return html.replace(rows[1], "").replace(rows[0], named)


def keep_together(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """A number and its percent sign stay on one line."""
    for text in list(doctree.findall(nodes.Text)):
        if re.search(r"\d %", text) and not isinstance(text.parent, nodes.literal_block | nodes.literal | nodes.raw):
            text.parent.replace(text, nodes.Text(re.sub(r"(\d) %", "\\1\N{NO-BREAK SPACE}%", text)))


def set_theme(app: Sphinx, config: Config) -> None:
    """Without a search box the theme's top bar is empty: its buttons would take the clicks of those in the article."""
    config.html_search_scorer = str(Path(__file__).with_name("scorer.js"))
    config.html_theme_options = {**config.html_theme_options, "navbar_persistent": []}


UNUSED = r'\s*<(?:script|link)[^>]*"[^"]*/(?:fontawesome|design-tabs|sphinx-design)[^"]*"[^>]*>(?:</script>)?'
SEARCH = r'\s*<script src="[^"]*(?:searchtools|language_data|searchindex)\.js[^"]*"></script>'
ICON = r"(?:\.fa-[\w-]+:before,?)+\{content:[^}]*\}"


def lighten(app: Sphinx, error: Exception | None) -> None:
    """Take out what every page loads and none needs: on a slow line that took most of the time.

    The theme's style sheet can draw its icons from a font, so the script that does the same (1.5 MB) goes, with the
    names of two thousand icons that no page shows. The index of the search is for the page that searches.
    """
    if error is not None or app.builder.name != "html":
        return
    out, used = Path(app.outdir), set()
    for page in out.glob("**/*.html"):
        text = re.sub(UNUSED, "", page.read_text(encoding="utf-8"))
        text = re.sub(r"<title>(.*?) &#8212; \1</title>", r"<title>\1</title>", text)
        text = text.replace('role="doc-biblioentry"', 'role="listitem"')  # the old one is out of fashion
        if page.name != "search.html":
            text = re.sub(SEARCH, "", text)
        page.write_text(text, encoding="utf-8")
        used.update(re.findall(r"fa-[\w-]+", text))
    for script in (out / "_static" / "scripts").glob("*theme.js"):
        used.update(re.findall(r"fa-[\w-]+", script.read_text(encoding="utf-8")))
    (out / "_static" / "scripts" / "fontawesome.js").unlink(missing_ok=True)
    sheet = out / "_static" / "styles" / "pydata-sphinx-theme.css"
    rules = sheet.read_text(encoding="utf-8")
    kept = re.sub(ICON, lambda rule: rule[0] if used & set(re.findall(r"fa-[\w-]+", rule[0])) else "", rules)
    sheet.write_text(re.sub(r"url\([^)]*fa-solid-900\.woff2\)[^,]*,", "", kept), encoding="utf-8")
    styles = "".join(path.read_text(encoding="utf-8") for path in out.glob("_static/**/*.css"))
    keep_icons(out / "_static" / "vendor" / "fontawesome" / "webfonts" / "fa-solid-900.ttf", styles)


def keep_icons(font: Path, styles: str) -> None:
    """Leave in a font the icons that the style sheets name."""
    options = subset.Options(notdef_outline=True)
    icons = subset.Subsetter(options)
    escaped = {int(number, 16) for number in re.findall(r"\\(f[0-9a-f]{3})\b", styles)}
    icons.populate(unicodes=escaped | {ord(sign) for sign in styles if "\ue000" <= sign <= "\uf8ff"})
    with TTFont(font) as whole:
        icons.subset(whole)
        whole.save(font)


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
    app.connect("config-inited", set_theme)
    app.connect("doctree-resolved", clean_tables)
    app.connect("doctree-resolved", keep_together)
    app.connect("build-finished", lighten)
    app.add_node(HideCodeCellNode, override=True, html=(open_hidden_cell, depart_HideCellInput))
    app.add_html_math_renderer("mathml", (open_formula, None), (open_formula_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
