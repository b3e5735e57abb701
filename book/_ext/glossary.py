"""A Sphinx extension: the glossary has its letters on top, and each term leads back to the chapters that use it."""

from __future__ import annotations

from itertools import groupby

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

PAGE = "glossary"


def note_terms(app: Sphinx, doctree: nodes.document) -> None:
    """Which pages link to which term: read before the links are resolved."""
    uses = app.env.__dict__.setdefault("term_uses", {})
    links = doctree.findall(lambda node: isinstance(node, addnodes.pending_xref) and node.get("reftype") == "term")
    uses[app.env.docname] = {link["reftarget"].lower() for link in links}


def forget_page(app: Sphinx, environment: BuildEnvironment, page: str) -> None:
    environment.__dict__.get("term_uses", {}).pop(page, None)


def link_back(app: Sphinx, doctree: nodes.document, page: str) -> None:
    if page != PAGE:
        return
    uses = app.env.term_uses
    chapters = [name for name in app.env.toctree_includes["index"] if name != PAGE and uses.get(name)]
    for entry in doctree.findall(nodes.definition_list_item):
        words = {term.astext().lower() for term in entry.findall(nodes.term)}
        found = [name for name in chapters if words & uses[name]]
        if found:
            back = nodes.paragraph("", "Used in ", classes=["used-in"])
            for number, name in enumerate(found):
                title = app.env.titles[name].astext().partition(" · ")[0].partition(":")[0]
                address = app.builder.get_relative_uri(page, name)
                back += [nodes.Text(", " if number else ""), nodes.reference("", title, refuri=address, internal=True)]
            entry.children[-1] += back
    add_letters(doctree)


def add_letters(doctree: nodes.document) -> None:
    """A line of letters above the terms; each leads to the first term that begins so."""
    terms = [term for term in doctree.findall(nodes.term) if term["ids"]]
    row = nodes.paragraph(classes=["letters"])
    for letter, group in groupby(terms, key=lambda term: term.astext()[0].upper()):
        row += [nodes.reference("", letter, refid=next(group)["ids"][0], internal=True), nodes.Text(" ")]
    listing = next(doctree.findall(addnodes.glossary))
    listing.parent.insert(listing.parent.index(listing), row)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("doctree-read", note_terms)
    app.connect("env-purge-doc", forget_page)
    app.connect("doctree-resolved", link_back)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
