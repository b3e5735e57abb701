"""Draw where the pretrained weights enter the three stages of the project; writes pretrained.svg beside itself."""

from pathlib import Path

from _svg import BLUE, CARD, GREEN, PURPLE, QUIET, VERMILION, Drawing

LEFT, RIGHT = 123, 357  # the middles of the two columns


def draw() -> Drawing:
    drawing = Drawing(
        480,
        466,
        "Where the pretrained model comes in",
        "Two things enter stage 1, prepare: labelled messages, which become batches, and pretrained weights, learnt "
        "by others from a great deal of text, which become the model. Both go to stage 2, fine-tune, and on to stage "
        "3, use.",
    )
    drawing.box(20, 16, 206, 84, fill="#fafafa", edge=QUIET)
    drawing.text(LEFT, 42, "Labelled messages", size=17, bold=True, middle=True)
    drawing.text(LEFT, 65, "few, for this task", color=QUIET, middle=True)
    drawing.text(LEFT, 86, "chapter 1", color=QUIET, middle=True)
    drawing.box(254, 16, 206, 84, fill="#f6eaf2", edge=PURPLE)
    drawing.text(RIGHT, 42, "Pretrained weights", size=17, bold=True, middle=True)
    drawing.text(RIGHT, 65, "learnt by others from a", middle=True)
    drawing.text(RIGHT, 86, "great deal of text", middle=True)

    drawing.box(20, 142, 440, 116, fill="#e5f1f8", edge=BLUE)
    stage_title(drawing, 171, "1", "Prepare")
    for middle, name, where in ((LEFT, "batches", "chapter 2"), (RIGHT, "model", "chapters 3 and 4")):
        drawing.box(middle - 95, 188, 190, 56, fill=CARD, edge=BLUE)
        drawing.text(middle, 211, name, size=16, bold=True, middle=True)
        drawing.text(middle, 232, where, color=QUIET, middle=True)
        drawing.arrow_down(middle, 102, 186)
    drawing.text(RIGHT + 12, 128, "enter here", bold=True)

    drawing.box(20, 290, 440, 66, fill="#fbe8dc", edge=VERMILION)
    stage_title(drawing, 318, "2", "Fine-tune")
    drawing.text(240, 342, "the messages adjust some of the weights", middle=True)
    drawing.box(20, 384, 440, 66, fill="#e2f4ee", edge=GREEN)
    stage_title(drawing, 412, "3", "Use")
    drawing.text(240, 436, "a new message in, ham or spam out", middle=True)
    for middle in (LEFT, RIGHT):
        drawing.arrow_down(middle, 246, 288)
    drawing.arrow_down(240, 358, 382)
    return drawing


def stage_title(drawing: Drawing, y: float, number: str, title: str) -> None:
    drawing.text(224, y, f"Stage {number}", color=QUIET, end=True)
    drawing.text(234, y, title, size=19, bold=True)


if __name__ == "__main__":
    draw().save(Path(__file__).with_name("pretrained.svg"))
