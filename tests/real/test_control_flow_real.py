"""Loops of real frozen models: gradients against finite differences, also after optimisers have been over the graph."""

import numpy as np
import pytest

from graph_tools import _tf, control_flow
from tests.models import freezing
from tests.real.packages import fetch_package

pytestmark = pytest.mark.real
OUTPUT, ROWS = "project/logits:0", "char_embedding/embedding_lookup:0"


@pytest.fixture(scope="module", name="frozen")
def _frozen():
    graph_def = _tf.tf.GraphDef()
    graph_def.ParseFromString(sorted(fetch_package("fool_seg").rglob("seg.pb"))[0].read_bytes())
    return graph_def


def _feed():
    return {"char_inputs:0": [[5, 9, 33, 71, 4, 2], [8, 3, 17, 2, 0, 0]], "lengths:0": [6, 4], "dropout:0": 1.0}


def _gradient(graph_def):
    """The rows, the gradient of one logit per sentence with respect to them, and the score as a function of rows."""
    graph = freezing.imported(graph_def)
    made = control_flow.restore_control_flow(graph)
    with graph.as_default():
        score = _tf.tf.reduce_sum(graph.get_tensor_by_name(OUTPUT)[:, 2, 1])
        gradient, = _tf.tf.gradients(score, graph.get_tensor_by_name(ROWS))
    session = _tf.tf.Session(graph=graph, config=_tf.session_config())
    rows, found = session.run([ROWS, gradient], _feed())
    return made, rows, found, lambda value: float(session.run(score, dict(_feed(), **{ROWS: value})))


@pytest.fixture(scope="module", name="reference")
def _reference(frozen):
    return _gradient(frozen)


def test_both_directions_are_rebuilt_and_agree_with_finite_differences(reference):
    made, rows, gradient, score = reference
    assert made == 2 and np.abs(gradient).max() > 0.01
    assert not gradient[1, 4:].any()  # beyond the length of the sentence nothing is read
    for seed in range(5):
        direction = np.random.RandomState(seed).randn(*rows.shape).astype(np.float32)
        expected = (score(rows + 0.01 * direction) - score(rows - 0.01 * direction)) / 0.02
        assert np.sum(gradient * direction) == pytest.approx(expected, rel=5e-3, abs=5e-3)


@pytest.mark.parametrize("variant", ["trained", "grappler"])
def test_optimised_graphs_give_the_same_gradient(frozen, reference, variant):
    keep = [OUTPUT[:-2], ROWS[:-2]] + [name[:-2] for name in _feed()]
    protect = freezing.OPTIMIZERS[variant](frozen, keep) if variant == "grappler" else (
        _tf.tf.graph_util.remove_training_nodes(frozen, protected_nodes=keep))
    for node in protect.node:
        node.attr.pop("_class", None)
    _, rows, gradient, _ = _gradient(protect)
    np.testing.assert_allclose(rows, reference[1], rtol=1e-6)
    np.testing.assert_allclose(gradient, reference[2], rtol=1e-4, atol=1e-6)
