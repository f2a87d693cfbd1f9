"""Noise, single numbers and constants are the input of a graph that takes no other, and of no graph that does."""

import dataclasses

import numpy as np
import pytest

import graph_tools as gt
import tf1_ig
from graph_tools import _tf
from graph_tools.find import own
from graph_tools.graph import nodes, walk
from tests.models import small
from tf1_ig.question import proposal

WEIGHTS = np.random.RandomState(5).normal(size=(3, 4)).astype(np.float32)


def generator(count=6):
    """Noise between -1 and 1, a layer, a picture; without its seed it is another at each run."""
    tf = _tf.tf
    z = tf.random_uniform([count, 3], -1.0, 1.0, name="z")
    tf.tanh(tf.matmul(z, tf.constant(WEIGHTS)), name="picture")


def with_data():
    """The twin: the noise is added to what is fed."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 3], "x")
    z = tf.random_uniform([6, 3], -1.0, 1.0, name="z")
    tf.tanh(tf.matmul(x, tf.constant(WEIGHTS)) + tf.matmul(z, tf.constant(WEIGHTS)), name="picture")


def dropped():
    """The twin: what the noise is compared with decides, and its value leads to no layer."""
    tf = _tf.tf
    weights = tf.constant(WEIGHTS)
    kept = tf.floor(0.5 + tf.random_uniform([3, 4]))
    tf.matmul(tf.constant(WEIGHTS), tf.transpose(weights * kept), name="picture")


def explained_by_shares(model, name):
    """tanh(w.z) is its whole along a straight line: each part of the only input is its share of w.z."""
    fed = np.random.RandomState(1).normal(size=(6, 3)).astype(np.float32)
    with tf1_ig.IntegratedGradients(model, "picture:0") as explainer:
        assert explainer.inputs == (name,)
        result = explainer.explain({name: fed}, label=2, tolerance=1e-4)
    parts = fed * WEIGHTS[:, 2]
    expected = parts / parts.sum(1, keepdims=True) * np.tanh(parts.sum(1, keepdims=True))
    np.testing.assert_allclose(result.values[name], expected, rtol=2e-3, atol=1e-5)


def test_what_a_generator_draws_is_its_input():
    model = small.model_of(generator)
    found = gt.find_inputs(model).only(kind="noise")
    assert found.tensor == "z:0" and found.shape == (6, 3) and found.batch == 6
    assert gt.find_outputs(model).distinct()[0].tensor == "picture:0"
    explained_by_shares(model, "z:0")


def with_numbers(fed=False):
    """Two numbers, each a placeholder without any axis; ``fed``: beside data, where one is a scale."""
    tf = _tf.tf
    first, second = (tf.placeholder(tf.float32, [], name) for name in ("first", "second"))
    numbers = tf.reshape(tf.stack([first, 2.0 * second]), [1, 2])
    if fed:
        numbers = tf.placeholder(tf.float32, [None, 2], "x") * first
    tf.tanh(tf.matmul(numbers, _learned(2)), name="picture")


def with_constants(fed=False):
    """Points that the graph holds; ``fed``: beside data, where they only shift it."""
    tf = _tf.tf
    points = tf.constant(np.linspace(-1, 1, 18).reshape(6, 3).astype(np.float32), name="points")
    points = points + tf.placeholder(tf.float32, [6, 3], "x") if fed else points
    tf.tanh(tf.matmul(points, _learned(3)), name="picture")


def numbers_beside_data():
    with_numbers(fed=True)


def constants_beside_data():
    with_constants(fed=True)


def _learned(rows):
    return _tf.tf.get_variable("w", [rows, 4], initializer=_tf.tf.constant_initializer(WEIGHTS[:rows]),
                               use_resource=False)


@pytest.mark.parametrize("build", [with_data, dropped, numbers_beside_data, constants_beside_data])
def test_beside_data_nothing_of_the_graph_s_own_is(build):
    model = small.model_of(build)
    assert not own.flow_of(model.index).own
    assert not [one for one in gt.find_inputs(model) if one.kind in ("noise", "constant")]


def _trained(build, rows):
    return dataclasses.replace(small.model_of(build), variables={"w": WEIGHTS[:rows]})


def test_single_numbers_are_data_where_nothing_else_is():
    model = _trained(with_numbers, 2)
    assert not any(one.switch for one in gt.find_inputs(model))
    assert gt.find_outputs(model).distinct()[0].tensor == "picture:0"
    with tf1_ig.IntegratedGradients(model, "picture:0", batch_axis=None) as explainer:
        assert explainer.inputs == ("first:0", "second:0")
        result = explainer.explain({"first:0": 0.3, "second:0": -0.7}, label=(0, 1), tolerance=1e-4)
    parts = np.array([0.3, -1.4]) * WEIGHTS[:2, 1]
    found = [float(np.ravel(result.values[name])[0]) for name in explainer.inputs]
    np.testing.assert_allclose(found, parts / parts.sum() * np.tanh(parts.sum()), rtol=2e-3)
    assert tf1_ig.check(result)["completeness"].verdict == "ok" and "first" in result.to_html()


def test_constants_are_data_where_nothing_is_fed():
    model = _trained(with_constants, 3)
    found = gt.find_inputs(model).only(kind="constant")
    assert found.tensor == "points:0" and found.shape == (6, 3)
    explained_by_shares(model, "points:0")


def test_weights_of_a_frozen_graph_are_none():
    def build():
        tf = _tf.tf
        tf.tanh(tf.matmul(tf.constant(WEIGHTS), tf.constant(WEIGHTS.T)), name="picture")

    assert not gt.find_inputs(small.model_of(build))


POINTS = np.linspace(-1, 1, 18).reshape(6, 3).astype(np.float32)


def with_held(prepared=True, trained=True):
    """Points in a variable that no step of training changes, less a mean, over a spread; weights that one does."""
    tf = _tf.tf
    points = tf.get_variable("points", [6, 3], trainable=False, use_resource=False)
    if prepared:
        points = tf.divide(points - tf.constant([1.0, 2.0, 3.0]), tf.constant([2.0, 2.0, 4.0]), name="prepared")
    picture = tf.tanh(tf.matmul(points, _learned(3)) + tf.constant([0.0, 1e-3, 0.0, 0.0]), name="picture")
    if trained:
        loss = tf.reduce_mean(tf.square(picture - tf.constant(np.full((6, 4), 0.5, np.float32), name="truth")))
        tf.train.GradientDescentOptimizer(0.1).minimize(loss)


@pytest.mark.parametrize("prepared, name", [(True, "prepared:0"), (False, "points/read:0")])
def test_data_may_be_held_in_a_variable(prepared, name):
    model = dataclasses.replace(small.model_of(lambda: with_held(prepared)), variables={"w": WEIGHTS, "points": POINTS})
    found = {one.tensor: one for one in gt.find_inputs(model)}
    assert set(found) == {name, "truth:0"} and found[name].shape == (6, 3)
    assert gt.find_outputs(model).distinct()[0].tensor == "picture:0"
    fed = np.random.RandomState(1).normal(size=(6, 3)).astype(np.float32)
    with tf1_ig.IntegratedGradients(model, "picture:0") as explainer:
        result = explainer.explain({name: fed}, label=0, tolerance=1e-4)
    parts = fed * WEIGHTS[:, 0]
    expected = parts / parts.sum(1, keepdims=True) * np.tanh(parts.sum(1, keepdims=True))
    np.testing.assert_allclose(result.values[name], expected, rtol=2e-3, atol=1e-5)


def test_data_are_held_beside_what_only_shifts_the_output():
    """A label that is fed meets the output alone; the points are the data all the same."""
    def build():
        tf = _tf.tf
        points = tf.get_variable("points", initializer=tf.placeholder(tf.float32, [6, 3], "points_at_first"),
                                 trainable=False, use_resource=False)
        picture = tf.tanh(tf.matmul(points, _learned(3)), name="picture")
        loss = tf.reduce_mean(tf.square(picture - tf.placeholder(tf.float32, [6, 4], "truth")))
        tf.train.GradientDescentOptimizer(0.1).minimize(loss)

    model = small.model_of(build)
    assert gt.find_inputs(model, output="picture:0").only().tensor == "points/read:0"
    assert gt.find_outputs(model).distinct()[0].tensor == "picture:0"


def test_what_prepares_data_in_a_variable_is_none():
    """The twin: nothing tells the variables apart, and the mean that is taken off is no data for that."""
    assert not gt.find_inputs(small.model_of(lambda: with_held(trained=False)))


def _penalised(fed=False):
    """A share of the penalty and a count of steps beside points that the graph holds; ``fed``: beside fed points."""
    tf = _tf.tf
    points = tf.placeholder(tf.float32, [None, 3], "x") if fed else tf.constant(POINTS, name="points")
    share, step = tf.placeholder(tf.float32, [], "share"), tf.placeholder(tf.int32, [], "step")
    weights = _learned(3)
    picture = tf.tanh(tf.matmul(points, weights), name="picture")
    truth = tf.placeholder(tf.float32, [None, 4]) if fed else tf.constant(0.5, shape=[6, 4])
    loss = tf.reduce_mean(tf.square(picture - truth)) + share * tf.reduce_sum(weights ** 2)
    tf.train.GradientDescentOptimizer(0.9 ** tf.cast(step, tf.float32)).minimize(loss)


@pytest.mark.parametrize("fed, name", [(False, "points:0"), (True, "x:0")])
def test_a_number_that_weighs_a_penalty_is_no_data(fed, name):
    model = small.model_of(lambda: _penalised(fed))
    assert gt.find_outputs(model).distinct()[0].tensor == "picture:0"
    assert gt.find_inputs(model, output="picture:0").only().tensor == name
    switches = {one.tensor: one.switch for one in gt.find_inputs(model) if one.switch}
    assert switches["step:0"] == "optimiser"


@pytest.mark.parametrize("together", [True, False])
def test_single_numbers_have_a_prediction_that_is_one(together):
    """A polynomial: powers of one number, each times a learned one; the loss compares their sum with another."""
    def build():
        tf = _tf.tf
        x, truth = (tf.placeholder(tf.float32, [], name) for name in ("x", "truth"))
        weights = tf.get_variable("w", [3], use_resource=False)
        fitted = tf.reduce_sum(weights * x ** tf.constant([0.0, 1.0, 2.0]), name="fitted") if together else tf.add_n(
            [weights[power] * x ** power for power in range(3)], name="fitted")
        tf.train.GradientDescentOptimizer(0.1).minimize(tf.square(fitted - truth))

    model = small.model_of(build)
    assert gt.find_outputs(model).distinct()[0].tensor == "fitted:0"
    assert gt.find_inputs(model, output="fitted:0").only().tensor == "x:0"


def _neighbours(weights=True):
    """Who is whose neighbour is multiplied with what is made of the points; else the points are multiplied first."""
    tf = _tf.tf
    points, beside = tf.constant(POINTS, name="points"), tf.constant(np.eye(6, k=1, dtype=np.float32), name="beside")
    made = tf.matmul(beside, tf.matmul(points, _learned(3))) if weights else tf.matmul(
        tf.matmul(beside, points, name="summed"), _learned(3))
    tf.train.GradientDescentOptimizer(0.1).minimize(tf.reduce_mean(tf.square(tf.tanh(made, name="picture"))))


@pytest.mark.parametrize("weights, name", [(True, "points:0"), (False, "summed:0")])
def test_what_is_multiplied_later_is_no_data(weights, name):
    assert gt.find_inputs(small.model_of(lambda: _neighbours(weights))).only().tensor == name


def _filtered(picture_is_trained):
    """A filter is moved over a picture: one of them is what is trained, and the other a constant."""
    tf = _tf.tf
    shapes = [1, 5, 5, 1], [3, 3, 1, 2]
    trained, held = shapes if picture_is_trained else shapes[::-1]
    learned, constant = tf.get_variable("trained", trained, use_resource=False), tf.ones(held, name="held")
    both = (learned, constant) if picture_is_trained else (constant, learned)
    made = tf.nn.conv2d(*both, strides=[1, 1, 1, 1], padding="SAME", name="made")
    tf.train.GradientDescentOptimizer(0.1).minimize(tf.reduce_mean(tf.square(made)))


@pytest.mark.parametrize("picture_is_trained, found", [(True, "trained/read:0"), (False, "held:0")])
def test_a_constant_filter_is_no_data(picture_is_trained, found):
    """Under fixed filters the picture itself is what training changes, and the input."""
    model = small.model_of(lambda: _filtered(picture_is_trained))
    assert gt.find_inputs(model).only().tensor == found and gt.find_outputs(model).distinct()[0].tensor == "made:0"


@pytest.mark.parametrize("held", [True, False])
def test_noise_beside_points_that_the_graph_holds_is_none(held):
    """What scales the noise of a generator is not to be fed so that none is left; held points are fed as they came."""
    def build():
        tf = _tf.tf
        noise = tf.placeholder(tf.float32, [], "spread") * tf.random_normal([6, 3], name="noise")
        points = tf.add(tf.constant(POINTS), noise, name="points") if held else noise
        tf.train.GradientDescentOptimizer(0.1).minimize(tf.reduce_mean(tf.tanh(
            tf.matmul(points, _learned(3)), name="picture")))

    model = small.model_of(build)
    data = [one for one in gt.find_inputs(model, output="picture:0") if not one.switch]
    assert [(one.tensor, one.shape) for one in data] == [("points:0" if held else "noise:0", (6, 3))]
    assert [(one.switch, one.inference) for one in gt.find_inputs(model, output="picture:0") if one.switch] == (
        [] if held else [("scale", 1.0)])


@pytest.mark.parametrize("drawn", [True, False])
def test_a_batch_that_is_drawn_from_what_is_held_is_fed_itself(drawn):
    """Rows at random places, and their labels; the twin takes the first ones."""
    def build():
        tf = _tf.tf
        points = tf.constant(POINTS, name="points")
        rows = tf.gather(points, tf.random_uniform([2], 0, 6, tf.int32), name="rows") if drawn else points[:2]
        loss = tf.reduce_mean(tf.tanh(tf.matmul(rows, _learned(3)), name="picture"))
        tf.train.GradientDescentOptimizer(0.1).minimize(loss)

    model = small.model_of(build)
    found = gt.find_inputs(model, output="picture:0").only()
    assert (found.tensor, found.shape) == (("rows:0", (2, 3)) if drawn else ("points:0", (6, 3)))
    assert not proposal.propose_any(dataclasses.replace(model, variables={"w": WEIGHTS}),
                                    gt.find_outputs(model).distinct())[1].obstacle


@pytest.mark.parametrize("in_loop", [True, False])
def test_what_is_drawn_in_a_loop_cannot_be_fed(in_loop):
    def build():
        tf = _tf.tf
        def step(number, state):
            noise = tf.random_normal([6, 3]) if in_loop else first
            return number + 1, tf.matmul(state + noise, _tf.tf.constant(WEIGHTS[:, :3]))
        first = None if in_loop else tf.random_normal([6, 3], name="noise")
        tf.while_loop(lambda number, state: number < 2, step, (0, tf.zeros([6, 3])))

    with _tf.control_flow_v1():
        model = small.model_of(build)
    assert [one.tensor for one in gt.find_inputs(model)] == ([] if in_loop else ["noise:0"])


def _of_weights():
    """The noise spreads weights around their means: the points are the data."""
    tf = _tf.tf
    spread = tf.get_variable("s", [3, 4], use_resource=False) * tf.random_normal([3, 4], name="eps")
    tf.tanh(tf.matmul(tf.constant(POINTS, name="points"), _learned(3) + spread), name="picture")


def _of_a_sort():
    """Noise and held sorts meet weights of their own: the noise is the data, as where the sort is fed."""
    tf = _tf.tf
    table = tf.get_variable("table", [9, 4], use_resource=False)
    sort = tf.gather(table, tf.constant([0, 1, 2, 3, 4, 5]))
    tf.tanh(tf.matmul(tf.random_normal([6, 3], name="z"), _learned(3)) + sort, name="picture")


@pytest.mark.parametrize("build, name", [(_of_weights, "points:0"), (_of_a_sort, "z:0")])
def test_noise_that_meets_weights(build, name):
    assert gt.find_inputs(small.model_of(build)).only().tensor == name


@pytest.mark.parametrize("rows", [1, 6])
def test_a_number_beside_many_rows(rows):
    """A time beside a grid has a prediction a place; of one place it is a number, and the loss none."""
    def build():
        tf = _tf.tf
        time = tf.placeholder(tf.float32, [], "time") * tf.get_variable("v", [4], use_resource=False)
        moved = tf.tanh(tf.matmul(tf.constant(POINTS[:rows]), _learned(3)) + time)
        end = tf.get_variable("end", [4, 1], use_resource=False)
        reached = tf.squeeze(tf.matmul(moved, end), name="reached")
        aim = tf.placeholder(tf.float32, [], "aim")
        tf.train.GradientDescentOptimizer(0.1).minimize(tf.reduce_mean(tf.square(reached - aim), name="loss"))

    best = gt.find_outputs(small.model_of(build)).distinct()[0]
    assert best.tensor == "reached:0" and best.shape == (() if rows == 1 else (6,))


def test_ids_that_are_held_are_looked_up_in_a_table_that_sparse_steps_train():
    """No op of its own changes the table: it is assigned what gradients say."""
    def build():
        tf = _tf.tf
        table = tf.get_variable("table", [9, 3], use_resource=False)
        rows = tf.nn.embedding_lookup(table, tf.constant([[1, 2], [3, 4]], name="ids"), name="rows")
        loss = tf.reduce_mean(tf.tanh(tf.matmul(tf.reduce_mean(rows, 1), _learned(3)), name="picture"))
        tf.train.AdamOptimizer(0.1).minimize(loss)

    model = small.model_of(build)
    assert gt.find_inputs(model, output="picture:0").only().tensor == "ids:0"
    assert gt.find_embeddings(model, output="picture:0").only().ids == "ids:0"


def test_a_recurrent_net_over_what_is_held():
    """Each step joins its part of the points to the state before it multiplies."""
    def build():
        tf = _tf.tf
        points, weights = tf.constant(np.ones((5, 2, 3), np.float32), name="points"), _learned(3)
        steps = tf.TensorArray(tf.float32, 5).unstack(points)
        weights = tf.concat([weights, weights, weights], 0)[:7]
        state = tf.while_loop(lambda number, _: number < 5, lambda number, before: (number + 1, tf.tanh(tf.matmul(
            tf.concat([steps.read(number), before], 1), weights))), (0, tf.zeros([2, 4])))[1]
        tf.train.GradientDescentOptimizer(0.1).minimize(tf.reduce_mean(tf.square(tf.identity(state, name="state"))))

    with _tf.control_flow_v1():
        model = small.model_of(build)
    assert gt.find_inputs(model, output="state:0").only().tensor == "points:0"


@pytest.mark.parametrize("chosen", [True, False])
def test_points_of_which_the_nearest_is_chosen(chosen):
    """Means of groups are learned, and nothing is multiplied; the twin chooses nothing."""
    def build():
        tf = _tf.tf
        points = tf.expand_dims(tf.constant(POINTS, name="points"), 1)
        means = tf.get_variable("means", [2, 3], use_resource=False)
        distance = tf.reduce_sum(tf.square(points - tf.expand_dims(means, 0)), 2, name="distance")
        if chosen:
            tf.argmin(distance, 1, name="group")

    model = small.model_of(build)
    assert [one.tensor for one in gt.find_inputs(model)] == ["points:0"] * chosen
    assert [one.tensor for one in gt.find_outputs(model)] == ["distance:0"] * chosen


@pytest.mark.parametrize("build", [with_numbers, with_constants])
def test_an_example_of_them_runs(build):
    model = _trained(build, 2 if build is with_numbers else 3)
    output, found = proposal.propose_any(model, gt.find_outputs(model).distinct())
    assert output.tensor == "picture:0" and not found.obstacle and len(found.attributed) == len(found.samples)


class _Counted(walk.GraphIndex):
    """An index that counts how often it is asked for what is beside a node."""

    asked = 0

    def inputs(self, node_name):
        self.asked += 1
        return super().inputs(node_name)

    def consumers(self, node_name, control=True):
        self.asked += 1
        return super().consumers(node_name, control)


@pytest.mark.parametrize("op, shape, find, together", [
    ("Const", (3, 3), own.stored, True), ("RandomUniform", None, own.drawn, False)])
def test_a_long_chain_is_walked_once(op, shape, find, together):
    """A file may hold tens of thousands of constants in a row, or of draws: each is not walked on from alone. Constants
    that come together are one input."""
    asked = []
    for size in (50, 500):
        graph_def = _tf.tf.GraphDef()
        for number in range(size):
            nodes.add(graph_def, op, "k%d" % number, **(nodes.constant(np.ones(shape, np.float32)) if shape else {}))
            nodes.add(graph_def, "Add", "a%d" % number, ["k%d" % number, "a%d" % (number - 1) if number else "first"])
        nodes.add(graph_def, "Const", "first", **nodes.constant(np.float32(1)))
        nodes.add(graph_def, "VariableV2", "w", dtype="float32", shape=(3, 3))
        nodes.add(graph_def, "MatMul", "y", ["a%d" % (size - 1), "w"])
        index = _Counted(graph_def)
        found = find(index)
        assert found == ("a%d" % (size - 1),) if together else len(found) == size
        asked.append(index.asked)
    assert asked[1] <= 11 * asked[0]
