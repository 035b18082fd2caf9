"""A program drawn as a graph: inputs on the left, the output on the right.

A box is a step, an arrow carries a value from a step to one that uses it, and each arrow has a
Jacobian. Boxes come from a tape or a trace (`boxes_of`) or are written down by hand. As text, and
as SVG without any dependency.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from xml.sax.saxutils import escape

from calculus.foundations.forward_mode import Dual, table
from calculus.foundations.reverse_mode import Adjoints
from calculus.foundations.tracked import Tracked, shown

CHARACTER, LINE, PADDING = 7.3, 16, 9  # of a monospaced font of 12 pixels
COLOURS = {"value": "#2a5d9f", "tangent": "#c8553d", "adjoint": "#c8553d"}
"""Of lines that begin with these words."""
Slot = tuple[str, int]
"""A place in a layer: a box, or the point where the arrow of that number passes through."""


@dataclass(frozen=True)
class Box:
    """A step: its name, what is written below it, and where its arrows come from.

    `arrows` are labels, one for each parent, or none at all.
    """

    name: str
    lines: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()
    arrows: tuple[str, ...] = ()


def boxes_of(steps: Iterable[Tracked], adjoints: Adjoints | None = None) -> list[Box]:
    """A box for each step: how it was made, its value, and its tangent or its adjoint.

    Arrows that carry more than a number are labelled with the shape.
    """
    boxes = []
    for step in steps:
        lines = [step.step, f"value   {shown(step.value)}"]
        if isinstance(step, Dual):
            lines.append(f"tangent {shown(step.tangent)}")
        elif adjoints is not None:
            lines.append(f"adjoint {shown(adjoints[step])}")  # type: ignore[index]
        parents = [a for a in step.arguments if isinstance(a, Tracked)]
        arrows = tuple("x".join(map(str, p.shape)) for p in parents)
        boxes.append(Box(step.name, tuple(lines), tuple(p.name for p in parents), arrows))
    return boxes


def layers(boxes: Sequence[Box]) -> dict[str, int]:
    """The layer of each box: right of all its parents; an input just left of its first use.

    The boxes are in an order in which parents come first, and have different names.
    """
    if len({box.name for box in boxes}) < len(boxes):
        raise ValueError("two boxes have one name")
    layer: dict[str, int] = {}
    for box in boxes:
        layer[box.name] = max((layer[parent] + 1 for parent in box.parents), default=0)
    for box in boxes:
        uses = [layer[child.name] for child in boxes if box.name in child.parents]
        if not box.parents and uses:
            layer[box.name] = min(uses) - 1
    return layer


def as_text(boxes: Sequence[Box]) -> str:
    """One line for each box, by layers: its lines, and after the arrow who uses it."""
    layer = layers(boxes)
    depth = max((len(box.lines) for box in boxes), default=0)
    rows = [("layer", "box", *[""] * depth, "")]
    for box in sorted(boxes, key=lambda box: layer[box.name]):
        uses = [child.name for child in boxes for parent in child.parents if parent == box.name]
        lines = [*box.lines, *[""] * (depth - len(box.lines))]
        rows.append((str(layer[box.name]), box.name, *lines, "--> " * bool(uses) + ", ".join(uses)))
    return table(rows)


def as_svg(boxes: Sequence[Box]) -> str:
    """The graph as an SVG document."""
    layer = layers(boxes)
    edges = [
        (box, parent, box.arrows[k] if box.arrows else "")
        for box in boxes
        for k, parent in enumerate(box.parents)
    ]
    slots = _slots(boxes, edges, layer)
    size = {box.name: _size(box) for box in boxes}
    left, width = [], []
    x = 20.0
    for number, column in enumerate(slots):
        width.append(max(size[name][0] for name, edge in column if edge < 0))
        left.append(x)
        labels = [len(label) for _, parent, label in edges if layer[parent] == number]
        x += width[-1] + max(36.0, CHARACTER * max(labels, default=0) + 22)
    tall = [sum(_height(slot, size) + LINE for slot in column) - LINE for column in slots]
    middle: dict[tuple[Slot, int], float] = {}
    for number, column in enumerate(slots):
        y = 20 + (max(tall) - tall[number]) / 2
        for slot in column:
            middle[slot, number] = y + _height(slot, size) / 2
            y += _height(slot, size) + LINE
    across, down = left[-1] + width[-1] + 20, max(tall) + 40
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {across:.0f} {down:.0f}" '
        f'width="{across:.0f}" style="max-width:100%" font-family="monospace" font-size="12">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="#888"/></marker></defs>',
        f'<rect width="{across:.0f}" height="{down:.0f}" rx="6" fill="white"/>',
    ]
    for number, (box, parent, label) in enumerate(edges):
        arriving = [k for k, (child, *_) in enumerate(edges) if child.name == box.name]
        arriving.sort(key=lambda k: middle[_last_slot(k, edges[k], layer)])  # from the top
        spread = (arriving.index(number) + 1) / (len(arriving) + 1) - 0.5
        start = layer[parent]
        height = middle[(parent, -1), start]
        points = [(left[start] + across, height) for across in (size[parent][0], width[start])]
        for between in range(layer[parent] + 1, layer[box.name]):
            height = middle[("", number), between]
            points += [(left[between], height), (left[between] + width[between], height)]
        height = middle[(box.name, -1), layer[box.name]] + spread * size[box.name][1] * 0.6
        points.append((left[layer[box.name]], height))
        drawn += _arrow(points, label)
    for box in boxes:
        drawn += _box(box, left[layer[box.name]], middle[(box.name, -1), layer[box.name]])
    return "\n".join([*drawn, "</svg>"])


def _slots(boxes, edges, layer) -> list[list[Slot]]:
    """The layers from top to bottom, arranged so that few arrows cross."""
    slots: list[list[Slot]] = [[] for _ in range(max(layer.values()) + 1)]
    links: list[list[tuple[Slot, Slot]]] = [[] for _ in slots]  # from layer k - 1 to layer k
    for box in boxes:
        slots[layer[box.name]].append((box.name, -1))
    for number, (box, parent, _) in enumerate(edges):
        path: list[Slot] = [(parent, -1)]
        for between in range(layer[parent] + 1, layer[box.name]):
            path.append(("", number))
            slots[between].append(path[-1])
        path.append((box.name, -1))
        for step, (a, b) in enumerate(pairwise(path)):
            links[layer[parent] + step + 1].append((a, b))
    for _ in range(4):  # each slot to the mean place of its neighbours, rightwards, then back
        for k in range(1, len(slots)):
            _arrange(slots[k], slots[k - 1], [(b, a) for a, b in links[k]])
        for k in range(len(slots) - 2, -1, -1):
            _arrange(slots[k], slots[k + 1], links[k + 1])
    return slots


def _arrange(column, neighbours, links):
    def mean_place(slot):
        places = [neighbours.index(other) for mine, other in links if mine == slot]
        return sum(places) / len(places) if places else column.index(slot)

    column.sort(key={slot: mean_place(slot) for slot in column}.__getitem__)


def _last_slot(number, edge, layer):
    box, parent, _ = edge
    through = layer[box.name] - layer[parent] > 1
    return ("", number) if through else (parent, -1), layer[box.name] - 1


def _size(box):
    longest = max(map(len, (box.name, *box.lines)))
    return CHARACTER * longest + 2 * PADDING, LINE * (1 + len(box.lines)) + PADDING


def _height(slot, size):
    return size[slot[0]][1] if slot[1] < 0 else LINE / 2


def _box(box, x, middle):
    across, down = _size(box)
    top = middle - down / 2
    yield (
        f'<rect x="{x:.1f}" y="{top:.1f}" width="{across:.1f}" height="{down:.1f}" rx="5" '
        'fill="#f6f7f9" stroke="#888"/>'
    )
    for number, line in enumerate((box.name, *box.lines)):
        look = 'fill="black" font-weight="bold"'
        if number > 0:
            look = f'fill="{COLOURS.get(line.split(" ")[0], "#555")}"'
        yield (
            f'<text x="{x + PADDING:.1f}" y="{top + LINE * (number + 1) - 1:.1f}" '
            f'xml:space="preserve" {look}>{escape(line)}</text>'
        )


def _arrow(points, label):
    (x0, y0), *rest = points
    path = f"M{x0:.1f} {y0:.1f}"
    before = (x0, y0)
    for number, (x, y) in enumerate(rest):
        if number % 2 == 1:  # between two layers; the even ones pass straight through one
            bend = (before[0] + x) / 2
            path += f"C{bend:.1f} {before[1]:.1f} {bend:.1f} {y:.1f} {x:.1f} {y:.1f}"
        else:
            path += f"L{x:.1f} {y:.1f}"
        before = (x, y)
    yield f'<path d="{path}" fill="none" stroke="#888" marker-end="url(#tip)"/>'
    if label:
        x, y = (rest[0][0] + rest[1][0]) / 2, (y0 + rest[1][1]) / 2
        yield (
            f'<text x="{x:.1f}" y="{y - 4:.1f}" text-anchor="middle" fill="#555" stroke="white" '
            f'stroke-width="4" paint-order="stroke">{escape(label)}</text>'
        )
