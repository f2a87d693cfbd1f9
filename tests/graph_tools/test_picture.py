"""Pictures of an edit hold exactly what changed, parsed back from the picture."""

import glob
import os
import re
import xml.etree.ElementTree as ElementTree

import pytest

import graph_tools as gt
from graph_tools import _tf, picture
from graph_tools.errors import EditError
from tests.models import queues


@pytest.fixture(scope="module")
def swap():
    build = {name: build for name, build, _, _ in queues.MECHANISMS}["fifo_dequeue_many"]
    model = queues.build(build, control=True).model
    return (model,) + gt.swap_inputs(model)


def test_the_drawing_holds_all_that_changed_and_what_it_hangs_on(swap):
    before, after, edit = swap
    drawn = picture.drawing(before, after)
    states = {state: {box.name for box in drawn.boxes if box.state == state} for state in ("kept", "removed", "added")}
    assert states["removed"] == set(edit.removed) and states["added"] == set(edit.added)
    assert "rows" in states["kept"] and "logits" not in states["kept"]
    lines = {(line.source, line.target): (line.state, line.control) for line in drawn.lines}
    assert lines["dequeue", "rows"] == ("removed", False)
    assert lines["dequeue", "rows/axis"] == ("removed", True)
    assert lines["dequeue/component_0", "rows"] == ("added", False)


def test_dot_and_svg_hold_the_same_nodes(swap):
    before, after, edit = swap
    names = {box.name for box in picture.drawing(before, after).boxes}
    text = picture.dot(before, after)
    assert set(re.findall(r'^  "([^"]+)" \[label', text, re.MULTILINE)) == names
    assert '"dequeue" -> "rows" [color="#b35806", style="dashed"]' in text
    image = ElementTree.fromstring(picture.svg(before, after))
    groups = image.findall("{http://www.w3.org/2000/svg}g")
    told = [group.find("{http://www.w3.org/2000/svg}title").text.split() for group in groups]
    assert {name for _, name, _ in told} == names
    assert {name for state, name, _ in told if state == "removed"} == set(edit.removed)
    corners = [(box.get("x"), box.get("y")) for group in groups
               for box in group.findall("{http://www.w3.org/2000/svg}rect")]
    assert len(set(corners)) == len(corners) == len(names)  # no box covers another


def test_a_limit_is_said(swap):
    before, after, edit = swap
    drawn = picture.drawing(before, after, most=4)
    assert drawn.left_out == len(edit.removed) + len(edit.added) - 4
    assert "%d more changed nodes" % drawn.left_out in picture.svg(before, after, most=4)


def test_names_are_text_whatever_they_hold(swap):
    before = swap[0]
    graph_def = before.graph_def
    graph_def.node.add(name='a"</text><script>', op="NoOp")
    odd = before.with_graph_def(graph_def)
    image = picture.svg(before, odd)
    assert "<script>" not in image and "&lt;script&gt;" in image
    ElementTree.fromstring(image)
    assert '\\"</text>' in picture.dot(before, odd)


def test_the_same_graph_is_an_empty_picture(swap):
    drawn = picture.drawing(swap[0], swap[0])
    assert not drawn.boxes and not drawn.lines
    ElementTree.fromstring(picture.svg(swap[0], swap[0]))


def test_a_loop_has_a_place_for_every_box():
    tf = _tf.tf
    with tf.Graph().as_default() as graph, _tf.control_flow_v1():
        tf.while_loop(lambda i: i < 3, lambda i: i + 1, [tf.constant(0)])
    whole = queues.Case(graph, None).model
    empty = whole.with_graph_def(tf.GraphDef())
    assert len(re.findall("<g ", picture.svg(empty, whole))) == len(whole.index.nodes)


def test_tensorboard_gets_both_graphs(swap, tmp_path):
    before, after, _ = swap
    folders = picture.tensorboard(tmp_path / "runs", before, after)
    for folder, model in zip(folders, (before, after)):
        (path,) = glob.glob(os.path.join(folder, "*tfevents*"))
        graphs = [event.graph_def for event in _tf.tf.train.summary_iterator(path) if event.graph_def]
        assert _tf.tf.GraphDef.FromString(graphs[0]) == model.graph_def
    (tmp_path / "file").write_text("")
    with pytest.raises(EditError, match="is a file"):
        picture.tensorboard(tmp_path / "file", before, after)
