"""Gathers that are no lookups of embeddings: the true lookup comes first, and the reason is said for the others."""

import pytest

import graph_tools as gt
from graph_tools import _tf
from tests.models.embeddings import of_graph
from tests.models.traps import TRAPS, model_of


@pytest.mark.parametrize("name", list(TRAPS))
def test_trap(name):
    trap = TRAPS[name]
    model = model_of(trap)
    for output in (None, "scores:0"):
        found = gt.find_embeddings(model, output=output)
        assert found[0].tensor == "true_lookup:0", str(found)
        others = found[1:]
        misses = " ".join(miss.why for miss in found.misses)
        if trap.verdict == "miss":
            assert not others, str(found)
            assert trap.reason in misses, str(found)
        elif trap.verdict == "below":
            assert [one.table for one in others] == ["trap:0"]
            assert trap.reason in others[0].why + others[0].caveat, str(found)
        elif output is None:
            assert len(others) >= 1 and all(trap.reason in one.caveat for one in others), str(found)
        else:
            assert not others and "never reaches scores:0" in misses, str(found)


@pytest.mark.dealt
@pytest.mark.parametrize("loss", ["nce_loss", "sampled_softmax_loss"])
@pytest.mark.parametrize("trained", [False, True])
def test_the_classes_of_a_sampled_loss_come_after_the_input(loss, trained):
    """word2vec as it was taught: no prediction but the loss, and the table of classes is the larger one."""
    tf = _tf.tf
    graph = tf.Graph()
    with graph.as_default(), _tf.control_flow_v1():
        words, labels = tf.placeholder(tf.int32, [None], "words"), tf.placeholder(tf.int32, [None, 1], "labels")
        rows = tf.nn.embedding_lookup(tf.get_variable("table", [50, 8]), words, name="true_lookup")
        total = tf.reduce_mean(getattr(tf.nn, loss)(
            weights=tf.get_variable("classes", [60, 8]), biases=tf.get_variable("biases", [60]), labels=labels,
            inputs=rows, num_sampled=5, num_classes=60), name="loss")
        if trained:
            tf.train.GradientDescentOptimizer(.1).minimize(total)
    for output in (None, "loss:0"):
        found = gt.find_embeddings(of_graph(graph), output=output)
        assert found[0].tensor == "true_lookup:0" and not found[0].caveat, str(found)
        assert all("drawn by" in one.caveat for one in found[1:]) and len(found) == 2, str(found)
