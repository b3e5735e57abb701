"""A Sphinx extension: pages without sphinx-thebe, which Jupyter Book always loads; its scripts clash in every page."""

from __future__ import annotations

from sphinx.application import Sphinx


def remove_thebe(app: Sphinx, page: str, template: str, context: dict, doctree: object) -> None:
    context["script_files"] = [
        script
        for script in context["script_files"]
        if "thebe" not in f"{script.filename} {script.attributes.get('body')}".lower()
    ]


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("html-page-context", remove_thebe, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
