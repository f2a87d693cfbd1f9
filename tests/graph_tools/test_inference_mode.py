"""A training graph in inference mode computes what the same network built for inference computes."""

import numpy as np
import pytest

import graph_tools as gt
from graph_tools import _tf
from tests.models.training_mode import CASES, LAYERS, LEFT, model_of

X = np.random.RandomState(3).normal(size=(6, 4)).astype(np.float32)


def scores(model, rows=X):
    with model.open_session() as session:
        return session.run("scores:0", {"x:0": rows})


@pytest.mark.dealt
@pytest.mark.parametrize("name", list(CASES))
def test_it_is_the_network_built_for_inference(name):
    trained, served = model_of(CASES[name].build, True), model_of(CASES[name].build, False)
    before = trained.meta_graph.SerializeToString(deterministic=True)
    model, edit = gt.inference_mode(trained)
    np.testing.assert_allclose(scores(model), scores(served), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(scores(model)[2:3], scores(model, X[2:3]), rtol=1e-5)  # no row notices the others
    assert edit.rewired and edit.notes and "inference mode" in str(edit) and "inference mode" in model.source
    assert not [one for one in edit.notes if "stays as it is" in one], edit.notes
    assert trained.meta_graph.SerializeToString(deterministic=True) == before
    assert not np.allclose(scores(trained), scores(served), atol=1e-4)


@pytest.mark.parametrize("name", list(LAYERS))
def test_layers_as_the_release_builds_them(name):
    needed = _tf.tf.nn.rnn_cell if name == "recurrent" else _tf.tf.layers
    if not hasattr(needed, "GRUCell" if name == "recurrent" else "batch_normalization"):
        pytest.skip("this release has no such layers")
    trained, served = model_of(LAYERS[name].build, True), model_of(LAYERS[name].build, False)
    model, edit = gt.inference_mode(trained)
    np.testing.assert_allclose(scores(model), scores(served), rtol=1e-5, atol=1e-6)
    assert not np.allclose(scores(trained), scores(served), atol=1e-4)
    assert not [one for one in edit.notes if "stays as it is" in one], edit.notes


@pytest.mark.parametrize("name", list(CASES))
def test_what_comes_before_does_not_change(name):
    trained = model_of(CASES[name].build, True)
    model, _ = gt.inference_mode(trained)
    first = next(node.name for node in trained.graph_def.node if node.op == "MatMul" and node.name in model.index)
    if first not in ("while/MatMul",):
        assert gt.verify(trained, model, {"x:0": X}, [first]).ok


@pytest.mark.dealt
@pytest.mark.parametrize("name", list(CASES))
def test_twice_is_once_and_inference_stays_as_it_is(name):
    model, _ = gt.inference_mode(model_of(CASES[name].build, True))
    again, edit = gt.inference_mode(model)
    np.testing.assert_array_equal(scores(again), scores(model))
    served = model_of(CASES[name].build, False)
    same, edit = gt.inference_mode(served)
    np.testing.assert_array_equal(scores(same), scores(served))


@pytest.mark.parametrize("name", list(LEFT))
def test_what_is_not_known_stays_and_is_told(name):
    trained = model_of(LEFT[name].build, True)
    model, edit = gt.inference_mode(trained)
    assert model is trained and not edit.rewired
    for reason in LEFT[name].left:
        assert any(reason in note for note in edit.notes), edit.notes
    if not LEFT[name].left:
        assert not edit.notes


@pytest.mark.parametrize("name", ["in_a_branch", "in_a_loop", "fused_in_a_branch", "spelled_out"])
def test_gradients_go_through(name):
    model, _ = gt.inference_mode(model_of(CASES[name].build, True))
    graph = model.new_graph()
    with graph.as_default():
        gradient, = _tf.tf.gradients(graph.get_tensor_by_name("scores:0")[:, 0], [graph.get_tensor_by_name("x:0")])
    assert gradient is not None
