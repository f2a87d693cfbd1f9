"""What a graph would cost when it is unfolded, against a count by brute force, at the limits and beside them."""

import numpy as np
import pytest

from graph_tools import _tf
from graph_tools.errors import TooLargeError
from graph_tools.graph import functions
from graph_tools.safety import bounds

TEXT, RESOURCE, VARIANT = 7, 20, 21


def refused(graph_def):
    within = bounds.Bounds("a file")
    for node in functions.all_nodes(graph_def):
        within.add(node, node.op, node.attr)
    try:
        within.check(graph_def)
    except TooLargeError as too_large:
        return str(too_large)
    return ""


def empty():
    return _tf.tf.GraphDef()


def constant(nodes, name, dtype, *shape):
    """A constant that says it has a shape, and holds nothing."""
    node = nodes.add(name=name, op="Const")
    tensor = node.attr["value"].tensor
    tensor.dtype = dtype
    for size in shape:
        tensor.tensor_shape.dim.add(size=size)
    return tensor


def widths():
    """The types that constants can have, and how many bytes of memory an entry takes, as TensorFlow says."""
    for number in range(1, 100):
        if number not in (TEXT, RESOURCE, VARIANT):
            try:
                yield number, _tf.tf.as_dtype(number).size
            except TypeError:  # no type of this release
                continue


@pytest.mark.parametrize("dtype, width", list(widths()) + [(TEXT, 24), (RESOURCE, 64), (VARIANT, 16)])
def test_four_gigabytes_that_the_file_does_not_hold(dtype, width):
    """Of the last three types TensorFlow keeps objects, which are counted as so large (they may be larger)."""
    graph_def = empty()
    constant(graph_def.node, "c", dtype, (4 << 30) // width + 100)
    assert "constant 'c' says that it is" in refused(graph_def)
    fewer = empty()
    constant(fewer.node, "c", dtype, (4 << 30) // width)
    assert refused(fewer) == ""


def test_constants_are_added_up_less_what_the_file_holds(monkeypatch):
    graph_def = empty()
    first = constant(graph_def.node, "first", 1, 20, 10)
    second = constant(graph_def.library.function.add().node_def, "second", 3, 50)
    held = constant(graph_def.node, "held", 9, 8)
    held.tensor_content = np.arange(8).tobytes()
    graph_def.node.add(name="other", op="Const")
    graph_def.node.add(name="not one", op="Identity").attr["value"].tensor.CopyFrom(first)
    missing = 800 + 200 - first.ByteSize() - second.ByteSize()
    monkeypatch.setattr(bounds, "UNFOLDED", missing)
    assert refused(graph_def) == ""
    monkeypatch.setattr(bounds, "UNFOLDED", missing - 1)
    assert "constant 'second' says that it is [50], 200 bytes" in refused(graph_def)


def test_the_last_text_stands_for_all_that_are_not_held(monkeypatch):
    graph_def = empty()
    tensor = constant(graph_def.node, "c", TEXT, 2, 30)
    tensor.string_val.extend([b"abc", b"d" * 100])
    missing = 24 * 60 + 3 + 59 * 100 - tensor.ByteSize()
    monkeypatch.setattr(bounds, "UNFOLDED", missing)
    assert refused(graph_def) == ""
    monkeypatch.setattr(bounds, "UNFOLDED", missing - 1)
    assert "constant 'c' says that it is" in refused(graph_def)


@pytest.mark.parametrize("shape", [(-1,), (3, -2), (-2, -2)])
def test_no_constant_has_less_than_no_entry(shape):
    graph_def = empty()
    constant(graph_def.node, "c", 1, *shape)
    assert "negative size" in refused(graph_def)
    nothing = empty()
    constant(nothing.node, "c", 1, 0, 1 << 40)
    constant(nothing.node, "d", 1)
    assert refused(nothing) == ""


@pytest.mark.parametrize("axes, told", [(254, ""), (255, "constant 'c' has 255 axes"), (100000, "has 100000 axes")])
def test_a_constant_of_more_axes_than_tensorflow_takes(axes, told):
    """Their product would take the longer the more they are: minutes for a megabyte."""
    graph_def = empty()
    constant(graph_def.node, "c", 1, *[1] * axes if axes < 1000 else [1 << 62] * axes)
    assert told in refused(graph_def) and bool(refused(graph_def)) == bool(told)


def test_a_size_that_no_float_holds_is_told():
    graph_def = empty()
    constant(graph_def.node, "c", 1, *[1 << 62] * 20)
    assert "1e+300 bytes that the file does not hold" in refused(graph_def)


@pytest.mark.parametrize("count, fine", [(1, True), (1 << 20, True), ((1 << 20) + 1, False), (0, False), (-1, False)])
def test_iterations_at_a_time(count, fine):
    """In functions, too."""
    for nodes in (empty(), empty()):
        place = nodes.node if count % 2 else nodes.library.function.add().node_def
        place.add(name="enter", op="Enter").attr["parallel_iterations"].i = count
        assert (refused(nodes) == "") is fine


def library(calls, plain):
    """Functions of so many plain nodes, which call others (by number)."""
    graph_def = empty()
    for number, called in enumerate(calls):
        function = graph_def.library.function.add()
        function.signature.name = "f%d" % number
        for node in range(plain[number]):
            function.node_def.add(name="n%d" % node, op="Neg")
        for node, other in enumerate(called):
            call = function.node_def.add(name="c%d" % node, op="PartitionedCall")
            call.attr["f"].func.name = "f%d" % other
    return graph_def


@pytest.mark.parametrize("seed", range(12))
def test_nodes_and_depth_are_those_of_unfolding(seed, monkeypatch):
    random = np.random.RandomState(seed)
    calls = [random.randint(number, size=random.randint(4)).tolist() if number else [] for number in range(9)]
    calls[8] += [7]
    plain = random.randint(1, 5, size=9).tolist()

    def unfolded(number):
        """How many nodes, and how deep, by walking through every call."""
        below = [unfolded(other) for other in calls[number]]
        return plain[number] + sum(1 + count for count, _ in below), 1 + max([depth for _, depth in below] + [0])

    graph_def = library(calls, plain)
    graph_def.node.add(name="call", op="f8")
    graph_def.node.add(name="again", op="f8")
    nodes = 2 + 2 * unfolded(8)[0]
    depth = max(unfolded(number)[1] for number in range(9))
    monkeypatch.setattr(bounds, "NODES", nodes)
    monkeypatch.setattr(bounds, "DEPTH", depth)
    assert refused(graph_def) == ""
    monkeypatch.setattr(bounds, "NODES", nodes - 1)
    assert "its calls unfold to" in refused(graph_def)
    monkeypatch.setattr(bounds, "NODES", max(unfolded(number)[0] for number in range(9)) - 1)
    assert "unfolds to" in refused(graph_def)
    monkeypatch.undo()
    monkeypatch.setattr(bounds, "DEPTH", depth - 1)
    assert "%d calls deep" % depth in refused(graph_def)


@pytest.mark.parametrize("more, called, fine", [(999, True, True), (1000, True, False), (1000, False, True),
                                                (1001, False, False)])
def test_five_million_nodes(more, called, fine):
    """A thousand calls of 4,998 nodes, and some beside them; whether anything calls the whole or not."""
    graph_def = library([[], [0] * 1000], [4998, more])
    if called:
        graph_def.node.add(name="call", op="f1")
    assert (refused(graph_def) == "") is fine


@pytest.mark.parametrize("depth, fine", [(200, True), (201, False)])
def test_two_hundred_calls_within_one_another(depth, fine):
    assert (refused(library([[number - 1] if number else [] for number in range(depth)], [1] * depth)) == "") is fine


@pytest.mark.parametrize("inside", [False, True])
def test_a_name_that_is_longer_than_any_has_reason_to_be(inside):
    for more, told in ((0, ""), (1, "the name of a node (NoOp), 'aaaa")):
        graph_def = empty()
        nodes = graph_def.library.function.add().node_def if inside else graph_def.node
        nodes.add(name="a" * (bounds.NAME + more), op="NoOp")
        assert refused(graph_def).startswith("a file: " + told if told else "") and len(refused(graph_def)) < 200
        assert bool(refused(graph_def)) == bool(told)
