"""One recurrent model from six places (files and a live session): one attribution; and a bystander TF 2 program."""

import dataclasses
import json
import os
import subprocess
import sys

import numpy as np
import pytest

import graph_tools as gt
import tf1_ig
from graph_tools import _tf
from tests.models import formats
from tests.tf1_ig.brute_force import integrated_gradients, relative_l1


@pytest.fixture(scope="module", name="sources")
def _sources(tmp_path_factory):
    """The same classifier as a ``Model`` from every format, and from the session that still holds it."""
    folder = tmp_path_factory.mktemp("formats")
    written = formats.write(str(folder))
    models = {name: gt.load(str(getattr(written, name))) for name in (
        "frozen", "frozen_text", "saved_model", "saved_model_text", "checkpoint")}
    with models["checkpoint"].open_session() as session:
        models["session"] = gt.from_session(session)
    return models


def test_every_format_gives_the_same_attributions(sources):
    found = {}
    for name, model in sources.items():
        with tf1_ig.IntegratedGradients(model, formats.PROBABILITIES, inputs="auto") as explainer:
            found[name] = explainer.explain(formats.FEED, label="top", steps=30)
            assert len(explainer.inputs) == 1
    reference = next(iter(found["frozen"].values.values()))
    for name, result in found.items():
        np.testing.assert_allclose(next(iter(result.values.values())), reference, atol=1e-5, err_msg=name)
        assert result.converged.all() and np.abs(result.delta).max() < 1e-5


def test_they_are_the_right_ones(sources):
    model = sources["checkpoint"]
    with tf1_ig.IntegratedGradients(model, formats.PROBABILITIES, inputs=formats.ROWS) as explainer:
        found = explainer.explain(formats.FEED, label=1, steps=30)
    for row in range(2):
        feed = {name: value[row:row + 1] for name, value in formats.FEED.items()}
        (expected,), score, baseline_score = integrated_gradients(
            model, [formats.ROWS], formats.PROBABILITIES, (0, 1), feed)
        assert relative_l1(found.values[formats.ROWS][row], expected[0]) < 1e-3
        assert found.score[row] == pytest.approx(score, abs=1e-6)
        assert found.baseline_score[row] == pytest.approx(baseline_score, abs=1e-6)


def test_a_variable_without_a_value_is_named_before_anything_runs(sources):
    whole = sources["checkpoint"]
    known = {name: whole.variables[name] for name in whole.variables if name != "cell/bias"}
    lacking = dataclasses.replace(whole, variables=known)
    with tf1_ig.IntegratedGradients(lacking, formats.PROBABILITIES, inputs=formats.ROWS) as explainer:
        with pytest.raises(gt.StateError, match="cell/bias.*no value"):
            explainer.explain(formats.FEED, label=1)


BYSTANDER = """
import json, sys
import tensorflow as tf
state = lambda: [tf.executing_eagerly(), tf.compat.v1.control_flow_v2_enabled(),
                 tf.compat.v1.resource_variables_enabled()]
before = state()
import graph_tools as gt, tf1_ig
with tf1_ig.IntegratedGradients(gt.load(sys.argv[1]), "probabilities") as explainer:
    result = explainer.explain({"words": [["good", "film"]], "lengths": [2]}, label=0, steps=5)
assert abs(result.delta[0]) < 1e-3
after = state()
loop = tf.function(lambda n: tf.while_loop(lambda i: i < n, lambda i: i + 1, [0]))
ops = {op.type for op in loop.get_concrete_function(tf.TensorSpec([], tf.int32)).graph.get_operations()}
print(json.dumps([before, after, sorted(ops & {"While", "StatelessWhile", "Enter"}), int(loop(tf.constant(4))[0])]))
"""


def test_a_tf2_program_behaves_as_before(tmp_path):
    if _tf.version < (2, 0):
        pytest.skip("TF 1.15 is no TF 2 program")
    written = formats.write(str(tmp_path))
    done = subprocess.run([sys.executable, "-c", BYSTANDER, str(written.saved_model)], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, universal_newlines=True, timeout=240,
                          env=dict(os.environ, PYTHONPATH=os.getcwd()))
    assert done.returncode == 0, done.stderr[-3000:]
    before, after, loops, counted = json.loads(done.stdout.strip().splitlines()[-1])
    assert before == after and before[:2] == [True, True]
    assert loops in (["StatelessWhile"], ["While"]) and counted == 4
