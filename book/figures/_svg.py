"""A dozen lines of SVG: the one visual language of the drawn figures.

Every drawing is a white card, so that it reads the same on a light and on a dark page, and at most 480 units wide, so
that its words stay legible on a phone.
"""

from __future__ import annotations

from html import escape
from pathlib import Path

# After Okabe and Ito, as in `llmclf.teaching.plots`: safe for colour-blind readers; spam is vermilion, ham blue.
BLUE, VERMILION, GREEN, PURPLE = "#0072b2", "#d55e00", "#009e73", "#a3568a"
INK, QUIET, CARD, EDGE = "#222222", "#6b6b6b", "#ffffff", "#d0d0d0"


class Drawing:
    """Collects shapes; `save` writes them with a title and a description for screen readers."""

    def __init__(self, width: int, height: int, title: str, description: str) -> None:
        self.width, self.height = width, height
        self.parts = [f"<title>{escape(title)}</title>", f"<desc>{escape(description)}</desc>"]
        self.box(1, 1, width - 2, height - 2, fill=CARD, edge=EDGE, radius=10)

    def box(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        *,
        fill: str,
        edge: str,
        radius: float = 6,
        dashed: bool = False,
    ) -> None:
        dashes = ' stroke-dasharray="5 4"' if dashed else ""
        self.parts.append(
            f'<rect x="{x:.4g}" y="{y:.4g}" width="{width:.4g}" height="{height:.4g}" rx="{radius}" fill="{fill}" '
            f'stroke="{edge}" stroke-width="1.5"{dashes}/>'
        )

    def hatch(self, x: float, y: float, width: float, height: float, *, color: str, gap: int = 8) -> None:
        """Slanted lines that fill a rectangle: a sign that needs no colour."""
        lines = []
        for start in range(gap, round(width + height), gap):  # where a line would meet the left or the lower edge
            left, right = max(0, start - height), min(width, start)
            lines.append(f"M{x + left:.4g} {y + start - left:.4g} L{x + right:.4g} {y + start - right:.4g}")
        self.parts.append(f'<path d="{" ".join(lines)}" fill="none" stroke="{color}" stroke-width="1.5"/>')

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        size: int = 15,
        color: str = INK,
        bold: bool = False,
        middle: bool = False,
        end: bool = False,
    ) -> None:
        weight, anchor = ("600" if bold else "400"), ("middle" if middle else "end" if end else "start")
        self.parts.append(
            f'<text x="{x}" y="{y}" font-size="{size}" fill="{color}" font-weight="{weight}" '
            f'text-anchor="{anchor}">{escape(words)}</text>'
        )

    def monospace(self, x: float, y: float, words: str, width: float) -> None:
        """Text stretched to a known width, so that what is drawn below it fits on every screen."""
        self.parts.append(
            f'<text x="{x:.1f}" y="{y}" font-family="ui-monospace, monospace" font-size="15" fill="{INK}" '
            f'xml:space="preserve" textLength="{width:.1f}" lengthAdjust="spacingAndGlyphs">{escape(words)}</text>'
        )

    def arrow_down(self, x: float, top: float, bottom: float) -> None:
        self.parts.append(
            f'<path d="M{x} {top} V{bottom - 6} M{x - 5} {bottom - 8} L{x} {bottom} L{x + 5} {bottom - 8}" '
            f'fill="none" stroke="{QUIET}" stroke-width="2"/>'
        )

    def path(self, commands: str, color: str = QUIET, *, width: float = 2) -> None:
        """A line without filling, by SVG path commands."""
        self.parts.append(f'<path d="{commands}" fill="none" stroke="{color}" stroke-width="{width}"/>')

    def save(self, path: Path) -> None:
        body = "\n".join(self.parts)
        path.write_text(
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" width="{self.width}" '
            f'height="{self.height}" role="img" font-family="system-ui, sans-serif">\n{body}\n</svg>\n',
            encoding="utf-8",
        )
