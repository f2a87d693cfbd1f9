"""Checks measured on many models: 60 that couple their rows, their 60 twins, and 100 in which nothing is wrong."""

import collections

import numpy as np
import pytest

import tf1_ig
from graph_tools import _tf
from tests.models import good, small

pytestmark = pytest.mark.slow


def _batch_norm_net(seed, training):
    """Dense layers with batch norm (fused, by moments, or ``tf.nn.batch_normalization``) and a softmax."""
    tf, random = _tf.tf, np.random.RandomState(seed)
    width = random.randint(3, 9)
    x = tf.placeholder(tf.float32, [None, width], "x")
    hidden = x
    for _ in range(random.randint(1, 4)):
        wide = random.randint(3, 9)
        hidden = tf.matmul(hidden, tf.constant((random.normal(size=(width, wide)) / np.sqrt(width)).astype(np.float32)))
        scale, shift = random.uniform(0.5, 1.5, wide).astype(np.float32), np.zeros(wide, np.float32)
        mean, variance = np.zeros(wide, np.float32), random.uniform(0.5, 1.5, wide).astype(np.float32)
        if random.rand() < 0.5:
            known = {} if training else {"mean": mean, "variance": variance}
            hidden = tf.reshape(tf.nn.fused_batch_norm(tf.reshape(hidden, [-1, 1, 1, wide]), scale, shift,
                                                       is_training=training, **known)[0], [-1, wide])
        else:
            mean, variance = tf.nn.moments(hidden, [0]) if training else (mean, variance)
            hidden = tf.nn.batch_normalization(hidden, mean, variance, shift, scale, 1e-3)
        hidden, width = [tf.tanh, tf.nn.relu, tf.nn.elu][random.randint(3)](hidden), wide
    tf.nn.softmax(tf.matmul(hidden, tf.constant(random.normal(size=(width, 3)).astype(np.float32))), name="scores")


def _net(seed, training):
    def build():
        _batch_norm_net(seed, training)

    return small.model_of(build)


STEPS = 12


def _brute_force(model, x, row, label, points=STEPS):
    """IG of one row while the others stay where they are: the model's own gradient, Gauss-Legendre."""
    tf = _tf.tf
    alphas, weights = np.polynomial.legendre.leggauss(points)
    with model.new_graph().as_default() as graph:
        scores, fed = graph.get_tensor_by_name("scores:0"), graph.get_tensor_by_name("x:0")
        gradient = tf.gradients(scores[row, label], fed)[0]
        with tf.Session(graph=graph) as session:
            mean = np.zeros(x.shape[1])
            for alpha, weight in zip((alphas + 1) / 2, weights / 2):
                moved = x.copy()
                moved[row] *= alpha
                mean += weight * session.run(gradient, {fed.name: moved})[row]
    return mean * x[row]


@pytest.mark.dealt
@pytest.mark.parametrize("part", range(4))
def test_sixty_nets_with_batch_norm_in_training_mode_are_said_and_right_and_their_twins_left_in_peace(part):
    for seed in range(15 * part, 15 * part + 15):
        x = np.random.RandomState(1000 + seed).normal(size=(4, 9)).astype(np.float32)
        model = _net(seed, True)
        x = x[:, :model.graph.get_tensor_by_name("x:0").shape.as_list()[1]]
        with tf1_ig.IntegratedGradients(model, "scores", "x") as explainer:
            found = explainer.explain({"x": x}, label=1, steps=STEPS)
            report = tf1_ig.check(found)
        assert found.running == "in company" and report["row independence"].verdict == "fail", seed
        if any(node.op.startswith("FusedBatchNorm") for node in model.graph_def.node):  # the attribute tells it as well
            assert report["batch norm"].verdict == "fail", seed
        if seed % 5 == 0:
            expected = _brute_force(model, x, 2, 1)
            np.testing.assert_allclose(found.values["x:0"][2], expected, atol=1e-5 + 1e-4 * abs(expected).max())
        with tf1_ig.IntegratedGradients(_net(seed, False), "scores", "x") as explainer:
            twin = explainer.explain({"x": x}, label=1, steps=STEPS)
        assert twin.running == "packed", seed
        names = {finding.name for finding in tf1_ig.check(twin) if finding.verdict != "ok"}
        assert not names & {"row independence", "batch norm"}, (seed, names)


@pytest.mark.dealt
def test_at_most_one_false_alarm_on_a_hundred_good_models():
    alarms = collections.OrderedDict()
    for seed in range(100):
        made = good.good_model(seed)
        with tf1_ig.IntegratedGradients(made.model, "scores", made.inputs) as explainer:
            found = explainer.explain(made.feed, label=made.label)
        said = [str(finding) for finding in tf1_ig.check(found) if finding.verdict != "ok"]
        if said:
            alarms[seed, good.FAMILIES[seed % len(good.FAMILIES)].__name__] = said
    assert len(alarms) <= 1, "\n".join("%s: %s" % item for item in alarms.items())
