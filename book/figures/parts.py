"""Draw how files are scored part by part, by several workers: writes parts.svg."""

from pathlib import Path

from _svg import BLUE, GREEN, QUIET, VERMILION, Drawing

LEFT, MIDDLE, RIGHT = 24, 186, 346  # of files read, workers, files written
ROWS = [(58, "a.csv", 3), (190, "b.parquet", 2)]  # top, name, parts
COLORS = {"1": (BLUE, "#e5f1f8"), "2": (VERMILION, "#fbe8dc")}
TAKEN_BY = {("a.csv", 0): "1", ("a.csv", 1): "2", ("a.csv", 2): "1", ("b.parquet", 0): "2"}  # the last: still to do


def draw() -> Drawing:
    drawing = Drawing(
        480,
        320,
        "Files are scored part by part",
        "Two files are cut into parts. Two workers, each with a whole classifier, take one part after the other and "
        "write a file for each. The last part is still to do.",
    )
    for x, words in ((LEFT + 52, "files, in parts"), (MIDDLE + 53, "workers"), (RIGHT + 55, "files written")):
        drawing.text(x, 34, words, color=QUIET, middle=True)
    for top, name, parts in ROWS:
        drawing.text(LEFT, top + 6, name, bold=True)
        for number in range(parts):
            place = top + 16 + 28 * number
            worker = TAKEN_BY.get((name, number))
            edge, fill = COLORS.get(worker, (QUIET, "#ffffff"))
            drawing.box(LEFT, place, 104, 22, fill=fill, edge=edge, dashed=worker is None)
            drawing.text(LEFT + 52, place + 16, f"part {number}", middle=True)
            drawing.box(RIGHT, place, 110, 22, fill=fill, edge=edge, dashed=worker is None)
            written = f"{number:05}" if worker else "to do"
            drawing.text(RIGHT + 55, place + 16, written, middle=True)
        drawing.text(RIGHT, top + 6, f"{name}/", bold=True)
    for top, worker in ((92, "1"), (182, "2")):
        edge, fill = COLORS[worker]
        drawing.box(MIDDLE, top, 106, 58, fill=fill, edge=edge)
        drawing.text(MIDDLE + 53, top + 24, f"worker {worker}", bold=True, middle=True)
        drawing.text(MIDDLE + 53, top + 45, "classifier", middle=True)
        drawing.path(f"M142 {top + 29} H174 M166 {top + 24} L174 {top + 29} L166 {top + 34}")
        drawing.path(f"M302 {top + 29} H334 M326 {top + 24} L334 {top + 29} L326 {top + 34}")
    drawing.text(240, 300, "a part is written whole or not at all", color=GREEN, middle=True)
    return drawing


if __name__ == "__main__":
    draw().save(Path(__file__).with_name("parts.svg"))
