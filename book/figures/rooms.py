"""Draw the rooms of the library and who imports whom, read from its code; writes rooms.svg beside itself.

It stops with the two modules' names where an import goes against the direction.
"""

import ast
import re
from pathlib import Path

from _svg import BLUE, CARD, EDGE, GREEN, QUIET, VERMILION, Drawing

LIBRARY = Path(__file__).parents[2] / "llmclf"
LEVELS = {"console": 0, "files": 1, "core": 2, "cli": 4}
LEVELS |= dict.fromkeys(("evaluation", "interactive", "exchange", "scale", "teaching"), 3)
BESIDE = "interactive", "evaluation"  # the one import between neighbours: distillation leaves near copies out
# Names, left edges and widths.
UPPER = (
    *(("evaluation", 10, 92), ("interactive", 124, 98), ("exchange", 230, 82)),
    *(("scale", 316, 68), ("teaching", 390, 80)),
)
CLI, ROOMS, CORE, GROUND = 14, 112, 244, 488  # upper edges of the four rows


def room_of(parts: tuple[str, ...]) -> str:
    """The room of a module, by its path below `llmclf`, such as ("files", "tables")."""
    if parts[0] == "__main__":
        return "cli"
    return parts[0] if parts[0] in LEVELS else "core"


def modules(library: Path) -> dict[tuple[str, ...], Path]:
    """Every module, by its path below `llmclf`."""
    found = {path.relative_to(library).with_suffix("").parts: path for path in sorted(library.rglob("*.py"))}
    for parts in found:
        if len(parts) > 1 and parts[0] not in LEVELS and parts[0] != "models":
            raise SystemExit(f"llmclf/{parts[0]} is no room that rooms.py knows")
    return found


def imported(path: Path) -> list[tuple[str, ...]]:
    """What a module imports from the library, wherever in it that is written; not the version."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise SystemExit(f"{path}: a relative import, which rooms.py does not follow")
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return [tuple(name.split(".")[1:]) for name in sorted(names) if re.match(r"llmclf\.(?!__)", name)]


def arrows(library: Path) -> set[tuple[str, str]]:
    """Pairs of rooms of which the first imports from the second."""
    found = set()
    for parts, path in modules(library).items():
        for target in imported(path):
            pair = room_of(parts), room_of(target)
            if pair[0] != pair[1] and pair != BESIDE and LEVELS[pair[0]] <= LEVELS[pair[1]]:
                raise SystemExit(
                    f"{'.'.join(parts)} imports {'.'.join(target)}: not allowed from {pair[0]} to {pair[1]}"
                )
            found.add(pair)
    return {(one, other) for one, other in found if one != other}


def lines(library: Path, room: str) -> str:
    """The length of a room."""
    inside = [path for parts, path in modules(library).items() if room_of(parts) == room]
    return f"{sum(len(path.read_text(encoding='utf-8').splitlines()) for path in inside):,} lines"


def inside(library: Path, room: str) -> list[str]:
    """The modules of a room; of the core in the order in which to read them, which its docstring gives."""
    own = [parts for parts in modules(library) if room_of(parts) == room and not parts[-1].startswith("__")]
    if room != "core":
        return [parts[-1] for parts in own]
    names = {parts[0] for parts in own} | {"models"}
    docstring = ast.get_docstring(ast.parse((library / "__init__.py").read_text(encoding="utf-8")))
    order = [name for line in re.findall(r"^- (.+)", docstring, re.MULTILINE) for name in re.findall(r"`(\w+)`", line)]
    if set(order) != names:
        raise SystemExit(f"the order of reading in llmclf/__init__.py is wrong about {sorted(set(order) ^ names)}")
    return order


def subject(library: Path, room: str) -> str:
    """The words before the colon of a room's docstring, such as "Ch. 10"."""
    docstring = ast.get_docstring(ast.parse((library / room / "__init__.py").read_text(encoding="utf-8")))
    return re.sub("Chapters?", "Ch.", docstring.partition(":")[0])


class Rooms(Drawing):
    """The picture, from top to bottom."""

    def __init__(self, library: Path) -> None:
        self.library, self.found = library, arrows(library)
        self.core = inside(library, "core")
        self.rows = -(-len(self.core) // 3)
        self.ground = CORE + 52 + 34 * self.rows + 48  # upper edge of the lowest row
        imports = {room: sorted(other for one, other in self.found if one == room) for room in reversed(LEVELS)}
        sentences = [f"{room} imports {', '.join(others)}." for room, others in imports.items() if others]
        super().__init__(480, self.ground + 124, "The rooms of the library, and who imports whom", " ".join(sentences))

    def arrow(self, one: str, others: set[str], x: float, top: float, bottom: float) -> None:
        """An arrow down, where there is such an import."""
        if any((one, other) in self.found for other in others):
            self.arrow_down(x, top, bottom)

    def draw_arrows(self) -> None:
        """Before the boxes: an arrow to the lowest row passes behind the core."""
        below = {"files", "console"}
        self.arrow("cli", {"core"}, 226, CLI + 54, CORE - 4)
        self.arrow("cli", below, 387, CLI + 54, self.ground - 4)
        for room, left, width in UPPER:
            self.arrow("cli", {room}, left + width / 2, CLI + 54, ROOMS - 4)
            self.arrow(room, {"core"}, left + width / 2 - 16, ROOMS + 84, CORE - 4)
            self.arrow(room, below, left + width / 2 + 16, ROOMS + 84, self.ground - 4)
        self.arrow("core", below, 248, CORE, self.ground - 4)
        if BESIDE in self.found:
            self.path(f"M122 {ROOMS + 40} H106 M112 {ROOMS + 35} L105 {ROOMS + 40} L112 {ROOMS + 45}")

    def draw_cli_and_rooms(self) -> None:
        self.box(14, CLI, 452, 52, fill="#fbe8dc", edge=VERMILION)
        self.text(28, CLI + 23, "cli: the command line", bold=True)
        self.text(28, CLI + 42, ", ".join(inside(self.library, "cli")))
        self.text(452, CLI + 23, lines(self.library, "cli"), color=QUIET, end=True)
        for room, left, width in UPPER:
            middle = left + width / 2
            self.box(left, ROOMS, width, 80, fill="#e5f1f8", edge=BLUE)
            self.text(middle, ROOMS + 24, room, size=14, bold=True, middle=True)
            self.text(middle, ROOMS + 46, subject(self.library, room), size=14, middle=True)
            self.text(middle, ROOMS + 67, lines(self.library, room), size=14, color=QUIET, middle=True)

    def draw_core(self) -> None:
        self.box(14, CORE, 452, 52 + 34 * self.rows, fill="#e2f4ee", edge=GREEN)
        self.text(28, CORE + 26, "the core: chapters 1 to 7", bold=True)
        self.text(452, CORE + 26, lines(self.library, "core"), color=QUIET, end=True)
        for number, name in enumerate(self.core):
            left, top = 24 + 146 * (number // self.rows), CORE + 42 + 34 * (number % self.rows)
            self.box(left, top, 140, 28, fill=CARD, edge=EDGE)
            self.text(left + 70, top + 19, name, middle=True)

    def draw_ground(self) -> None:
        top = self.ground
        self.box(14, top, 452, 110, fill="#f4f4f4", edge=QUIET)
        files = inside(self.library, "files")
        half = (len(files) + 1) // 2
        rows = [", ".join(files[:half]) + ",", ", ".join(files[half:])]
        for room, words, left, width in (("files", rows, 24, 286), ("console", ["errors, notices"], 338, 118)):
            middle = left + width / 2
            self.box(left, top + 10, width, 90, fill=CARD, edge=EDGE)
            self.text(middle, top + 31, room, bold=True, middle=True)
            for number, row in enumerate(words):
                self.text(middle, top + 52 + 18 * number, row, middle=True)
            self.text(middle, top + 90, lines(self.library, room), color=QUIET, middle=True)
        if ("files", "console") in self.found:
            self.path(f"M314 {top + 55} H331 M325 {top + 50} L332 {top + 55} L325 {top + 60}")


def draw(library: Path = LIBRARY) -> Rooms:
    drawing = Rooms(library)
    drawing.draw_arrows()
    drawing.draw_cli_and_rooms()
    drawing.draw_core()
    drawing.draw_ground()
    return drawing


if __name__ == "__main__":
    draw().save(Path(__file__).with_name("rooms.svg"))
