"""A program as a drawing: what is in it, and that nothing lies on top of anything else."""

import xml.etree.ElementTree as ElementTree
from itertools import combinations

import jax.numpy as jnp
import pytest

from calculus.foundations import numpy_like
from calculus.foundations.forward_mode import Trace
from calculus.foundations.graph_drawing import Box, as_svg, as_text, boxes_of, layers
from calculus.foundations.reverse_mode import Tape

pytestmark = pytest.mark.usefixtures("strict_float64")
SVG = "{http://www.w3.org/2000/svg}"


def _sine_example():
    tape = Tape()
    x, y = tape.input("x", 0.4), tape.input("y", 1.1)
    f = (y * numpy_like.sin((x + y).named("u")).named("v")).named("f")
    return boxes_of(tape.steps, tape.pull_back(f))


def _layer_of_a_network():
    tape = Tape()
    W, b, x = (tape.input(n, jnp.ones(s)) for n, s in (("W", (3, 2)), ("b", 3), ("x", 2)))
    numpy_like.maximum((W @ x + b).named("z"), 0).named("h")
    return boxes_of(tape.steps)


def _rectangles(svg):
    drawn = ElementTree.fromstring(svg).findall(f"{SVG}rect")[1:]  # the first is the paper
    return [tuple(float(r.get(k)) for k in ("x", "y", "width", "height")) for r in drawn]


def _texts(svg):
    return [text.text for text in ElementTree.fromstring(svg).findall(f"{SVG}text")]


def test_a_box_says_how_a_step_was_made_its_value_and_its_adjoint():
    boxes = _sine_example()
    assert [box.name for box in boxes] == ["x", "y", "u", "v", "f"]
    assert boxes[-1].lines == ("y * v", "value   1.09724", "adjoint 1")
    assert boxes[-1].parents == ("y", "v")
    assert boxes[1].lines == ("input", "value   1.1", "adjoint 1.07531")


def test_a_trace_is_drawn_with_its_tangents():
    trace = Trace()
    numpy_like.log((trace.input("x", 2.0, 1.0) ** 2 + 1).named("u")).named("f")
    boxes = boxes_of(trace.steps)
    assert boxes[-1].lines == ("log(u)", "value   1.60944", "tangent 0.8")


def test_parents_stand_left_of_children_and_inputs_beside_their_first_use():
    assert layers(_sine_example()) == {"x": 0, "y": 0, "u": 1, "v": 2, "f": 3}
    assert layers(_layer_of_a_network()) == {"W": 0, "x": 0, "b": 1, "w1": 1, "z": 2, "h": 3}


@pytest.mark.parametrize("boxes", [_sine_example, _layer_of_a_network])
def test_the_svg_has_every_box_every_line_and_every_arrow(boxes):
    boxes = boxes()
    svg = as_svg(boxes)
    texts = _texts(svg)
    assert len(_rectangles(svg)) == len(boxes)
    for box in boxes:
        assert box.name in texts
        assert set(box.lines) <= set(texts)
    arrows = ElementTree.fromstring(svg).findall(f"{SVG}path")
    assert len(arrows) == sum(len(box.parents) for box in boxes)


@pytest.mark.parametrize("boxes", [_sine_example, _layer_of_a_network])
def test_no_box_covers_another_and_all_are_on_the_paper(boxes):
    svg = as_svg(boxes())
    paper = ElementTree.fromstring(svg).find(f"{SVG}rect")
    for x, y, across, down in _rectangles(svg):
        assert x > 0 and y > 0
        assert x + across < float(paper.get("width")) and y + down < float(paper.get("height"))
    for (x, y, across, down), (x2, y2, across2, down2) in combinations(_rectangles(svg), 2):
        apart = x + across < x2 or x2 + across2 < x or y + down < y2 or y2 + down2 < y
        assert apart


def test_an_arrow_that_carries_an_array_says_its_shape():
    texts = _texts(as_svg(_layer_of_a_network()))
    assert "3x2" in texts and "3" in texts and "2" in texts
    assert "" not in _texts(as_svg(_sine_example()))


def test_signs_that_xml_reserves_are_written_so_that_it_reads_them():
    svg = as_svg([Box("a & b", ("x < y",)), Box("c", ("> 0",), ("a & b",), ("<2>",))])
    assert {"a & b", "x < y", "> 0", "<2>"} <= set(_texts(svg))


def test_the_text_has_a_line_for_each_box_and_says_who_uses_it():
    lines = as_text(_sine_example()).splitlines()
    assert [line.split()[1] for line in lines[2:]] == ["x", "y", "u", "v", "f"]
    assert lines[3].endswith("--> u, f")
    assert "-->" not in lines[-1]


def test_two_boxes_of_one_name_are_refused():
    with pytest.raises(ValueError, match="one name"):
        as_svg([Box("x"), Box("x")])
