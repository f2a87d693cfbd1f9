"""Conductance and interactions against other implementations on the same weights: captum's, and path-explain's."""

import numpy as np
import pytest

import tf1_ig
from graph_tools import _tf
from tests.models import small
from tf1_ig.conductance import Path

RANDOM = np.random.RandomState(7)
FIRST, BIAS, TOP = (RANDOM.normal(size=shape).astype(np.float32) for shape in ((4, 6), (6,), (6, 3)))
X = RANDOM.normal(size=(3, 4)).astype(np.float32)
LABEL = 1


def network(activation):
    def build():
        tf = _tf.tf
        x = tf.placeholder(tf.float32, [None, 4], name="x")
        hidden = activation(tf.matmul(x, tf.constant(FIRST)) + tf.constant(BIAS), name="hidden")
        tf.nn.softmax(tf.matmul(hidden, tf.constant(TOP)), name="classes")

    return small.model_of(build)


def paths(model):
    """Evaluators of the layer by the input and of the score by the layer, as one path."""
    below = tf1_ig.IntegratedGradients(model, "hidden", inputs="x")
    above = tf1_ig.IntegratedGradients(model, "classes", inputs="hidden")
    with below, above, model.open_session() as session:
        hidden = session.run("hidden:0", {"x:0": X})
        at = below.at({"x:0": X}, 0)
        yield Path(at, at, above.at({"hidden:0": hidden}, LABEL), "hidden:0", "zero")


def test_conductance_equals_captums_layer_conductance():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    attr = pytest.importorskip("captum.attr", reason="captum is not installed")

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.tanh, self.top = torch.nn.Linear(4, 6), torch.nn.Tanh(), torch.nn.Linear(6, 3, bias=False)
            with torch.no_grad():
                self.first.weight.copy_(torch.tensor(FIRST.T))
                self.first.bias.copy_(torch.tensor(BIAS))
                self.top.weight.copy_(torch.tensor(TOP.T))

        def forward(self, x):
            return torch.softmax(self.top(self.tanh(self.first(x))), 1)

    theirs = Network()
    conductance = attr.LayerConductance(theirs, theirs.tanh)
    model = network(_tf.tf.tanh)
    # Its nodes: equally many as it takes, each gradient times the step of the layer that follows.
    nodes = np.arange(1, 22) / 21.0 - 1 / 42.0  # of riemann_middle with n_steps + 1 = 21
    for path in paths(model):
        layers, known = path.layers(nodes), path.at(dict.fromkeys(range(3), nodes))
        gradients = np.stack([known[row].gradients for row in range(3)], axis=1)
    ours = (gradients[:-1] * np.diff(layers, axis=0)).sum(axis=0)
    at_its_nodes = conductance.attribute(torch.tensor(X), target=LABEL, n_steps=20, method="riemann_middle")
    np.testing.assert_allclose(ours, at_its_nodes.detach().numpy(), atol=1e-6)
    fine = conductance.attribute(torch.tensor(X), target=LABEL, n_steps=20000, method="riemann_middle",
                                 internal_batch_size=3000)
    with tf1_ig.IntegratedGradients(model, "classes", inputs="x") as explainer:
        found = explainer.conductance({"x:0": X}, "hidden", label=LABEL, tolerance=1e-5)
    np.testing.assert_allclose(found.values["hidden:0"], fine.detach().numpy(), atol=1e-4)


def softplus_hessian(x):
    """Scores' gradient and second derivatives of class LABEL by the input, in numpy."""
    z = x.astype(float) @ FIRST + BIAS
    hidden, slope = np.logaddexp(0, z), 1 / (1 + np.exp(-z))
    logits = hidden @ TOP
    p = np.exp(logits - logits.max())
    p /= p.sum()
    by_logits = p[LABEL] * (np.eye(3)[LABEL] - p)
    # d2 p_l / d logit_a d logit_b
    unit = np.eye(3)[LABEL]
    second = p[LABEL] * (np.outer(unit - p, unit - p) - np.diag(p) + np.outer(p, p))
    jacobian = (FIRST * slope) @ TOP              # [inputs, classes]
    curve = (FIRST * (slope * (1 - slope) * (TOP @ by_logits))) @ FIRST.T
    return jacobian @ by_logits, jacobian @ second @ jacobian.T + curve


def by_the_paper(x, nodes):
    """Integrated Hessians of JMLR 22:104 as they are defined: both integrals, over alpha and over beta."""
    found = np.zeros((4, 4))
    for alpha in nodes:
        for beta in nodes:
            gradient, second = softplus_hessian(alpha * beta * x)
            found += (alpha * beta * np.outer(x, x) * second + np.diag(x * gradient)) / len(nodes) ** 2
    return found


def test_interactions_equal_the_papers_double_integral():
    with tf1_ig.IntegratedGradients(network(_tf.tf.nn.softplus), "classes", inputs="x") as explainer:
        found = explainer.interactions({"x:0": X}, label=LABEL, tolerance=1e-3)
    for row in range(3):
        wanted = by_the_paper(X[row], (np.arange(60) + 0.5) / 60)
        np.testing.assert_allclose(found.values[row], wanted, atol=2e-3 * np.abs(wanted).max())
    assert found.converged.all() and (np.abs(found.delta) <= 1e-3 * np.abs(found.score - found.baseline_score)).all()


def test_interactions_equal_path_explains():
    package = pytest.importorskip("path_explain", reason="path-explain is not installed")
    import tensorflow

    def theirs(x):
        hidden = tensorflow.nn.softplus(tensorflow.matmul(x, FIRST) + BIAS)
        return tensorflow.nn.softmax(tensorflow.matmul(hidden, TOP))

    # 60 values of alpha times 60 of beta, both ends among them: where it is short, our formula is short by as much.
    wanted = package.PathExplainerTF(theirs).interactions(
        X, np.zeros((1, 4), np.float32), batch_size=600, num_samples=3600, use_expectation=False,
        output_indices=[LABEL] * 3, verbose=False)
    with tf1_ig.IntegratedGradients(network(_tf.tf.nn.softplus), "classes", inputs="x") as explainer:
        found = explainer.interactions({"x:0": X}, label=LABEL, tolerance=1e-3)
    for row in range(3):
        size = np.abs(wanted[row]).max()
        np.testing.assert_allclose(by_the_paper(X[row], np.linspace(0, 1, 60)), wanted[row], atol=1e-4 * size)
        np.testing.assert_allclose(found.values[row], wanted[row], atol=0.05 * size)
