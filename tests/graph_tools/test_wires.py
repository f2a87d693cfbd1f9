"""Walks by numbers find what those of the index find."""

import numpy as np
import pytest

from graph_tools import _tf
from graph_tools.graph import names, walk


def _tangle(random):
    """Circles, second outputs, control edges, nodes that nobody has, and names that look like outputs or edges."""
    graph_def, there = _tf.tf.GraphDef(), ["n%d" % number for number in range(30)] + ["n1:1", "n2:x", "^n3", "n4:0:1"]
    for name in there:
        node = graph_def.node.add(name=name, op=("NoOp", "Add", "Mul")[random.randint(3)])
        for other in random.choice(there + ["nobody"], random.randint(4)):
            node.input.append(("", "^", "", "")[random.randint(4)] + other + ("", ":0", ":2", "")[random.randint(4)])
    return walk.GraphIndex(graph_def), there


@pytest.mark.parametrize("seed", range(20))
def test_marks_spread_as_far_as_walks_from_each(seed):
    """In whatever order: also against the way they spread, and where loops lead back."""
    random = np.random.RandomState(seed)
    index, there = _tangle(random)
    plain, order = there[:30], index.producers_first()
    assert sorted(order) == sorted(there)
    stops = set(random.choice(plain, 3))
    marks = {name: 1 << number for number, name in enumerate(plain)}
    for given in (order, order[::-1], there):
        behind = walk.spread(marks, given, lambda name: () if name in stops else index.readers(name))
        before = walk.spread(marks, given, lambda name: [ref.node for ref in index.data_inputs(name)])
        for name in plain:
            assert {one for one in plain if behind[name] & marks[one]} == index.descendants(
                [name], control=False, stop=stops.__contains__).intersection(plain)
            assert {one for one in plain if before[name] & marks[one]} == index.ancestors(
                [name], control=False).intersection(plain)


@pytest.mark.parametrize("back, passes", [({}, 1), ({0: [9]}, 2), ({4: [4]}, 2)])
def test_marks_spread_in_one_pass_where_nothing_leads_back(back, passes):
    asked = []

    def sources(one):
        asked.append(one)
        return ([one - 1] if one else []) + back.get(one, [])

    found = walk.spread({one: 1 << one for one in range(10)}, range(10), sources)
    assert found[9] == (1 << 10) - 1 and len(asked) == 10 * passes


def test_nodes_of_some_op_types_come_in_the_order_of_the_graph():
    index, there = _tangle(np.random.RandomState(0))
    for ops in ({"Add"}, ("Mul", "NoOp"), {"NoOp": 0, "Add": 1, "Other": 2}, ()):
        assert index.names_of(ops) == [name for name in there if index.op(name) in ops]


@pytest.mark.parametrize("seed", range(20))
def test_walks_by_numbers_are_those_of_the_index(seed):
    random = np.random.RandomState(seed)
    index, there = _tangle(random)
    wires = walk.Wires(index)
    assert set(there) - names.plain(there) == set(there[-4:])
    for _ in range(20):
        starts, stops = (set(random.choice(there[:30], random.randint(1, 4))) for _ in range(2))
        for stop in (lambda name: False, stops.__contains__):
            assert wires.before(starts, stop) == index.ancestors(starts, stop=stop)
            assert wires.behind(starts, stop) == index.descendants(starts, stop=stop)
        takers = set(random.choice(there, 5))
        assert wires.taken(takers) == {ref.node for name in takers for ref in index.inputs(name)
                                       if ref.port >= 0 and ref.node in index}
