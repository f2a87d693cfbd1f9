"""A state that the saver left out has its initial value, as in a session; a weight that is missing is an error."""

import os
import pickle

import numpy as np
import pytest

import graph_tools as gt
from graph_tools import _tf
from tf1_ig.cli import main

X = np.random.RandomState(3).normal(size=(2, 3)).astype(np.float32)
WORDS = "is not in the checkpoint; its initial value, %s, is taken, as a session has it after the initializers"


def _state(initial, trainable=False, **options):
    return _tf.tf.get_variable("state", initializer=initial, trainable=trainable, **{"use_resource": False, **options})


def _write(folder, state, saved=("weights",), collections=True, saver=True, train=False):
    """A checkpoint of ``y = tanh(x * weights + state)`` of which the values in ``saved`` are kept; its prefix, and what
    a session computes that ran the initializers and restored it."""
    tf, prefix = _tf.tf, str(folder / "model")
    with _tf.control_flow_v1(), tf.Graph().as_default() as graph, tf.Session() as session:
        tf.set_random_seed(1)
        x = tf.placeholder(tf.float32, [None, 3], name="x")
        weights = tf.get_variable("weights", initializer=tf.random_normal([3]), use_resource=False)
        held = state(x)
        y = tf.tanh(x * weights + held, name="y")
        if train:
            loss = tf.reduce_mean(tf.square(y), name="loss")
            tf.train.AdamOptimizer(0.1).minimize(loss)
        session.run(tf.global_variables_initializer(), {"given:0": X[0]} if any(
            node.name == "given" for node in graph.as_graph_def().node) else {})
        bare = graph.as_graph_def()
        one = tf.train.Saver([variable for variable in tf.global_variables() if variable.op.name in saved])
        one.save(session, prefix, write_meta_graph=False)
        for key in [] if collections else list(graph.get_all_collection_keys()):
            graph.clear_collection(key)
        tf.train.export_meta_graph(prefix + ".meta", graph=graph, graph_def=graph.as_graph_def() if saver else bare,
                                   saver_def=one.as_saver_def() if saver else None)
        return prefix, session.run(y, {x: X})


def _moved(initial):
    def state(x):
        held = _state(initial)
        _tf.tf.assign(held, _tf.tf.tanh(held * 0.5 + _tf.tf.reduce_mean(x, 0)))
        _tf.tf.assign(held, _tf.tf.zeros([3]))
        return held
    return state


def _by_shape(x):
    tf = _tf.tf
    return _state(tf.fill(tf.stack([1, 3]), 0.25))


TAKEN = {
    "zeros": (lambda x: _state(np.zeros(3, np.float32)), "zeros [3]"),
    "ones": (lambda x: _state(_tf.tf.ones([3])), "ones [3]"),
    "one number": (lambda x: _state(0.5), "0.5"), "filled": (_by_shape, "0.25 throughout [1, 3]"),
    "constants": (lambda x: _state(np.arange(3, dtype=np.float32)), "constants [3]"),
    "computed": (lambda x: _state(_tf.tf.ones([3]) * 3.0 - _tf.tf.zeros([1])), "3.0 throughout [3]"),
    "a handle": (lambda x: _state(np.ones(3, np.float32), use_resource=True), "ones [3]"),
    "moved by the steps": (_moved(np.zeros(3, np.float32)), "zeros [3]")}


@pytest.mark.parametrize("kind", sorted(TAKEN))
@pytest.mark.parametrize("collections", [True, False])
def test_a_state_that_was_not_saved_has_its_initial_value(tmp_path, kind, collections):
    build, said = TAKEN[kind]
    prefix, expected = _write(tmp_path, build, collections=collections)
    model = gt.load(prefix)
    assert model.warnings == ("variable 'state' " + WORDS % said,) and model.missing == ()
    model.require(["y:0"])
    for one in (model, pickle.loads(pickle.dumps(model)), gt.freeze(model, outputs=["y"])[0]):
        with one.open_session() as session:
            np.testing.assert_allclose(session.run("y:0", {"x:0": X}), expected, atol=1e-6)


def _accumulated(change):
    def state(x):
        held = _state(np.zeros(3, np.float32))
        change(held, x)
        return held
    return state


def _fed(x):
    held = _state(np.zeros(3, np.float32))
    _tf.tf.assign(held, _tf.tf.placeholder(_tf.tf.float32, [3], "pretrained"))
    return held


REFUSED = {
    "trained": lambda x: _state(np.zeros(3, np.float32), trainable=True),
    "random": lambda x: _state(_tf.tf.random_normal([3])),
    "fed at start": lambda x: _state(_tf.tf.placeholder(_tf.tf.float32, [3], "given")),
    "fed later": _fed,
    "a moving mean": _accumulated(lambda held, x: _tf.tf.assign_sub(held, (held - _tf.tf.reduce_mean(x, 0)) * 0.1)),
    "a mean by hand": _accumulated(lambda held, x: _tf.tf.assign(held, held * 0.9 + _tf.tf.reduce_mean(x, 0) * 0.1)),
    "a sum": _accumulated(lambda held, x: _tf.tf.assign_add(held, _tf.tf.reduce_sum(x, 0)))}


@pytest.mark.parametrize("kind", sorted(REFUSED))
def test_what_is_learned_random_or_fed_stays_missing(tmp_path, kind):
    model = gt.load(_write(tmp_path, REFUSED[kind])[0])
    assert model.missing == ("state",) and "'state' has no value" in model.warnings[0]
    with pytest.raises(gt.errors.StateError, match="load a checkpoint that holds it, or feed a tensor behind it"):
        model.require(["y:0"])


def test_a_state_that_the_saver_restores_is_missing_where_the_file_lacks_it(tmp_path):
    def zeros(x):
        return _state(np.zeros(3, np.float32))

    whole, part = tmp_path / "whole", tmp_path / "part"
    for folder in (whole, part):
        folder.mkdir()
    prefix, _ = _write(part, zeros)
    os.replace(_write(whole, zeros, saved=("weights", "state"))[0] + ".meta", prefix + ".meta")
    assert gt.load(prefix).missing == ("state",)


def test_without_collections_and_a_saver_nobody_knows_what_is_trained(tmp_path):
    assert gt.load(_write(tmp_path, TAKEN["zeros"][0], collections=False, saver=False)[0]).missing == ("state",)


def test_slots_of_an_optimiser_that_nothing_needs_are_not_mentioned(tmp_path):
    model = gt.load(_write(tmp_path, TAKEN["zeros"][0], train=True)[0])
    assert model.warnings == ("variable 'state' " + WORDS % "zeros [3]",)
    assert "weights/Adam" in model.missing and "state" not in model.missing


def test_constants_that_would_take_gigabytes_are_not_made(tmp_path):
    prefix, _ = _write(tmp_path, lambda x: _state(_tf.tf.fill(_tf.tf.stack([1, 3]), 0.25)))
    meta_graph = _tf.tf.MetaGraphDef()
    with open(prefix + ".meta", "rb") as file:
        meta_graph.ParseFromString(file.read())
    for node in meta_graph.graph_def.node:
        if node.op == "Const" and list(node.attr["value"].tensor.tensor_shape.dim) and node.attr["dtype"].type == 3:
            node.attr["value"].tensor.CopyFrom(_tf.tf.make_tensor_proto([1 << 20, 1 << 20]))
    with open(prefix + ".meta", "wb") as file:
        file.write(meta_graph.SerializeToString())
    assert gt.load(prefix).missing == ("state",)


def test_inspect_and_explain_tell_what_was_taken(tmp_path, capsys):
    prefix, _ = _write(tmp_path, TAKEN["constants"][0])
    assert main(["inspect", prefix]) == 0
    assert "variable 'state' " + WORDS % "constants [3]" in " ".join(capsys.readouterr().out.split())
    np.savez(str(tmp_path / "feed.npz"), **{"x:0": X})
    assert main(["explain", prefix, "--feed", str(tmp_path / "feed.npz"), "--output", "y:0", "--label", "0"]) == 0
    assert "the output depends on it" not in capsys.readouterr().err
