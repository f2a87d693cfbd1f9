"""Walks by numbers find what those of the index find."""

import numpy as np
import pytest

from graph_tools import _tf
from graph_tools.graph import names, walk


@pytest.mark.parametrize("seed", range(20))
def test_walks_by_numbers_are_those_of_the_index(seed):
    """Circles, second outputs, control edges, nodes that nobody has, and names that look like outputs or edges."""
    random, graph_def = np.random.RandomState(seed), _tf.tf.GraphDef()
    there = ["n%d" % number for number in range(30)] + ["n1:1", "n2:x", "^n3", "n4:0:1"]
    for name in there:
        node = graph_def.node.add(name=name, op="NoOp")
        for other in random.choice(there + ["nobody"], random.randint(4)):
            node.input.append(("", "^", "", "")[random.randint(4)] + other + ("", ":0", ":2", "")[random.randint(4)])
    index = walk.GraphIndex(graph_def)
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
