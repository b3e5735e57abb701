"""Draw one step of training by two workers, each with a share of the batch: writes data_parallel.svg."""

from pathlib import Path

from _svg import BLUE, GREEN, QUIET, VERMILION, Drawing

WORKERS = ((20, "worker 1", BLUE, "#e5f1f8"), (250, "worker 2", VERMILION, "#fbe8dc"))


def draw() -> Drawing:
    drawing = Drawing(
        480,
        396,
        "One training step by two workers",
        "A batch of eight messages is dealt in two shares. Each worker has a whole model and computes gradients from "
        "its share. The gradients are averaged, and both workers take the same step.",
    )
    drawing.text(240, 32, "one batch of eight messages", middle=True)
    for number in range(8):
        _, _, edge, fill = WORKERS[number % 2]
        drawing.box(88 + 39 * number, 44, 31, 24, fill=fill, edge=edge)
        drawing.text(88 + 39 * number + 15.5, 61, str(number + 1), middle=True)
    for left, name, edge, fill in WORKERS:
        middle = left + 105
        drawing.arrow_down(middle, 76, 100)
        drawing.box(left, 104, 210, 84, fill=fill, edge=edge)
        drawing.text(middle, 130, name, bold=True, middle=True)
        drawing.text(middle, 153, "the whole model", middle=True)
        drawing.text(middle, 174, "its own four messages", middle=True)
        drawing.arrow_down(middle, 192, 218)
        drawing.text(middle + 10, 210, "gradients", color=QUIET)
        drawing.arrow_down(middle, 268, 294)
        drawing.box(left, 298, 210, 46, fill=fill, edge=edge)
        drawing.text(middle, 327, "the same step", middle=True)
    drawing.box(20, 222, 440, 42, fill="#e2f4ee", edge=GREEN)
    drawing.text(240, 249, "the mean of the gradients, sent to all", middle=True)
    drawing.text(240, 374, "so both models stay the same, step after step", color=QUIET, middle=True)
    return drawing


if __name__ == "__main__":
    draw().save(Path(__file__).with_name("data_parallel.svg"))
