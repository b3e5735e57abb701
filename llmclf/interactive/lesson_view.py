"""Teach: what a lesson shows, as words, HTML and SVG that need no style sheet and no script."""

from __future__ import annotations

from html import escape

from llmclf.interactive.lesson import Lesson
from llmclf.interactive.token_probabilities import percent, printable

LINE, RIVAL = "#0072b2", "#009e73"


def describe(lesson: Lesson) -> str:
    """What there is to know, in words."""
    pool, given = lesson.pool, len(lesson.given)
    words = [f"{given} label{'' if given == 1 else 's'} of {len(pool.order):,} texts"]
    if pool.left_out:
        words.append(f"{pool.left_out:,} empty or repeated texts left out")
    if pool.cut:
        words.append(f"{len(pool.cut):,} longer than {pool.max_length:,} tokens, and cut")
    if lesson.missing:
        words.append(f"no example yet of {', '.join(lesson.missing)}")
    if lesson.curve and "accuracy" in (last := lesson.curve[-1]):
        ends = f"95 % interval {percent(last['low'])} to {percent(last['high'])}"
        words.append(f"{percent(last['accuracy'])} of the texts to judge by are right ({ends})")
        if "TF-IDF" in last:
            words.append(f"TF-IDF has {percent(last['TF-IDF'])}")
    elif lesson.curve and "changed" in (last := lesson.curve[-1]):
        words.append(f"{percent(last['changed'])} of the answers changed with the last label")
    words.append(f"features: {pool.pooling.replace('_', ' ')}, block {pool.blocks}")
    return "; ".join(words) + "."


def confident_list(lesson: Lesson) -> str:
    """The most confident answers of each class, to look through."""
    parts = []
    for name in lesson.classes:
        texts = [printable(lesson.pool.texts[row][:120]) for row in lesson.most_confident(name)]
        items = "".join(f'<li dir="auto">{text}</li>' for text in texts)
        parts.append(f"<p>Most surely {escape(name)}:</p><ul>{items}</ul>" if items else "")
    return "".join(parts)


def curve_svg(curve: list[dict[str, float]]) -> str:
    """A line over the numbers of labels: accuracy in the band of its interval, and TF-IDF; or what share changed."""
    measure = "accuracy" if curve and "accuracy" in curve[-1] else "changed"
    points = [point for point in curve if measure in point]
    if not points:
        return ""
    most = max(10.0, points[-1]["labels"])

    def line(name: str) -> str:
        return " ".join(
            f"{54 + 256 * point['labels'] / most:.1f},{130 - 120 * point[name]:.1f}"
            for point in points
            if name in point
        )

    marks = "".join(
        f'<text x="50" y="{135 - 120 * share:.0f}" text-anchor="end">{100 * share:.0f} %</text>'
        f'<path d="M54 {130 - 120 * share:.0f}H310" stroke="currentColor" stroke-opacity="0.25"/>'
        for share in (0, 0.5, 1)
    )
    band = rival = ""
    if measure == "accuracy":
        around = f"{line('high')} {' '.join(reversed(line('low').split()))}"
        band = f'<polygon points="{around}" fill="{LINE}" fill-opacity="0.25"/>'
    if "TF-IDF" in points[-1]:
        low = 134 - 120 * points[-1]["TF-IDF"]
        dashes = 'fill="none" stroke-width="2" stroke-dasharray="5 3"'
        rival = f'<polyline points="{line("TF-IDF")}" stroke="{RIVAL}" {dashes}/>'
        rival += f'<text x="316" y="{max(low, 152 - 120 * points[-1][measure]):.0f}">TF-IDF</text>'
    name = "classifier" if measure == "accuracy" else "changed"
    words = f"{name} after {points[-1]['labels']:.0f} labels: {percent(points[-1][measure])}"
    return (
        '<svg viewBox="0 0 440 152" width="100%" style="max-width:34em" font-size="15" fill="currentColor" role="img" '
        f'aria-label="{escape(words)}">{marks}{band}{rival}'
        f'<polyline points="{line(measure)}" fill="none" stroke="{LINE}" stroke-width="3"/>'
        f'<text x="316" y="{134 - 120 * points[-1][measure]:.0f}" font-weight="bold">{name}</text>'
        f'<text x="310" y="149" text-anchor="end">{most:.0f} labels</text></svg>'
    )
