"""A batch that was baked into a graph is freed where that can be proven, and named where it cannot."""

import numpy as np
import pytest

import graph_tools as gt
from graph_tools import _tf
from graph_tools.edit.batch import relax_batch
from graph_tools.errors import EditError
from graph_tools.running import runs
from tests.models import queues

_ROWS = np.random.RandomState(3).normal(size=(7, 3, 4)).astype(np.float32)
_WEIGHTS = np.random.RandomState(4).normal(size=(6, 2)).astype(np.float32)


def _model(build, shape=(2, 3, 4)):
    """``y = build(tf, x)`` over a placeholder with a fixed batch of 2."""
    tf = _tf.tf
    with tf.Graph().as_default() as graph, _tf.control_flow_v1():
        tf.identity(build(tf, tf.placeholder(tf.float32, shape, name="x")), name="y")
    return queues.Case(graph, None).model


def _run(model, rows):
    with model.open_session() as session:
        return runs.run(session, "y:0", {"x:0": rows}, timeout=20)


def _two_by_two(model, rows):
    """What the fixed model says of rows, two at a time: the oracle."""
    return np.concatenate([_run(model, rows[first:first + 2]) for first in range(0, len(rows), 2)])


def _flat(tf, x):
    return tf.reshape(x, [2, 12])


def _flat_unknown_rest(tf, x):
    return tf.reshape(x, [2, -1])


def _merged_and_back(tf, x):
    return tf.reshape(tf.nn.relu(tf.reshape(x, [6, 4])), [2, 3, 4])


def _merged_heads(tf, x):
    """Two heads as well as a batch of two: only the order of the axes tells which 2 is which."""
    heads = tf.transpose(tf.reshape(x, [2, 3, 2, 2]), [0, 2, 1, 3])
    return tf.reshape(tf.reshape(heads, [4, 3, 2]) * 2., [2, 2, 3, 2])


def _time_major(tf, x):
    steps = tf.transpose(x, [1, 0, 2])
    return tf.transpose(tf.reshape(tf.reshape(steps, [3, 8]), [3, 2, 4]), [1, 0, 2])


def _tiled(tf, x):
    return x * tf.tile(tf.reshape(tf.range(3.), [1, 3, 1]), [2, 1, 4])


def _filled(tf, x):
    return tf.concat([x, tf.fill([2, 3, 1], 5.)], 2)


def _constant_rows(tf, x):
    return tf.concat([x, tf.constant(np.tile(np.float32([[[1, 2]]]), (2, 3, 1)))], 2)


def _static_rnn(tf, x):
    state = tf.zeros([2, 2])
    for step in range(3):
        state = tf.tanh(tf.concat([x[:, step], state], 1) @ tf.constant(_WEIGHTS))
    return state


def _rnn(tf, x, state):
    steps = tf.TensorArray(tf.float32, 3).unstack(tf.transpose(x, [1, 0, 2]))
    return tf.while_loop(
        lambda time, state: time < 3,
        lambda time, state: (time + 1, tf.tanh(tf.concat([steps.read(time), state], 1) @ tf.constant(_WEIGHTS))),
        [tf.constant(0), state])[1]


def _loop_rnn(tf, x):
    return _rnn(tf, x, tf.zeros([2, 2]))


def _dynamic_rnn(tf, x):
    """The zero state as TensorFlow 1 writes it: a Fill whose sizes are put together from constants."""
    sizes = tf.concat([tf.expand_dims(tf.constant(2), 0), tf.constant([2])], 0)
    return _rnn(tf, x, tf.fill(sizes, 0.))


def _promised_elements(tf, x):
    """As ``dynamic_rnn`` does: the arrays it reads from and writes to promise a batch of two."""
    steps = tf.TensorArray(tf.float32, 3, element_shape=[2, 4]).unstack(tf.transpose(x, [1, 0, 2]))
    outputs = tf.TensorArray(tf.float32, 3, element_shape=[2, 2])

    def body(time, state, outputs):
        state = tf.tanh(tf.concat([steps.read(time), state], 1) @ tf.constant(_WEIGHTS))
        return time + 1, state, outputs.write(time, state)
    written = tf.while_loop(lambda time, *_: time < 3, body, [tf.constant(0), tf.zeros([2, 2]), outputs])[2]
    return tf.transpose(written.stack(), [1, 0, 2])


def _beside_an_optimizer(tf, x):
    """An optimizer's op that keeps its batch says nothing against the prediction."""
    slot = tf.Variable(np.zeros((2, 12), np.float32), name="slot")
    tf.assign_add(slot, tf.reshape(x, [2, 12]), name="step")
    return _promised_elements(tf, x)


def _reshape_in_loop(tf, x):
    def body(time, total):
        return time + 1, total + tf.reshape(tf.reshape(x, [2, 12]) * 2., [2, 3, 4])
    return tf.while_loop(lambda time, total: time < 2, body, [tf.constant(0), tf.zeros_like(x)])[1]


@pytest.mark.dealt
@pytest.mark.parametrize("build", [
    _flat, _flat_unknown_rest, _merged_and_back, _merged_heads, _time_major, _tiled, _filled, _constant_rows,
    _static_rnn, _loop_rnn, _dynamic_rnn, _promised_elements, _reshape_in_loop],
    ids=lambda build: build.__name__.strip("_"))
def test_a_baked_batch_is_freed(build):
    model = _model(build)
    before = model.meta_graph.SerializeToString(deterministic=True)
    edited, edit = relax_batch(model)
    assert model.meta_graph.SerializeToString(deterministic=True) == before
    assert not any("keeps the batch" in note for note in edit.notes), edit
    assert edited.graph.get_tensor_by_name("x:0").shape.as_list() == [None, 3, 4]
    assert gt.verify(model, edited, {"x": _ROWS[:2]}, "y").ok
    np.testing.assert_allclose(_run(edited, _ROWS[:6]), _two_by_two(model, _ROWS[:6]), atol=1e-6)
    np.testing.assert_allclose(_run(edited, _ROWS)[:6], _two_by_two(model, _ROWS[:6]), atol=1e-6)
    np.testing.assert_allclose(_run(edited, _ROWS[6:])[0], _run(edited, _ROWS)[6], atol=1e-6)


@pytest.mark.parametrize("steps_first", [True, False])
@pytest.mark.parametrize("steps", [2, 3, 4, 8])
def test_steps_that_are_a_multiple_of_the_batch_are_not_taken_for_it(steps, steps_first):
    def build(tf, x):
        rows = tf.transpose(x, [1, 0, 2]) if steps_first else x
        hidden = tf.tanh(tf.matmul(tf.reshape(rows, [2 * steps, 4]), tf.constant(_WEIGHTS[:4])))
        hidden = tf.reshape(hidden, [steps, 2, 2] if steps_first else [2, steps, 2])
        return tf.reduce_sum(tf.cumsum(tf.tanh(tf.cumsum(hidden, 1 - steps_first)), 1 - steps_first), 1 - steps_first)

    model = _model(build, (2, steps, 4))
    free, edit = relax_batch(model)
    assert not [note for note in edit.notes if "keeps" in note]
    rows = np.random.RandomState(5).normal(size=(6, steps, 4)).astype(np.float32)
    np.testing.assert_allclose(_run(free, rows), _two_by_two(model, rows), atol=1e-5)
    np.testing.assert_allclose(_run(free, rows[:1]), _two_by_two(model, rows)[:1], atol=1e-5)


def test_a_training_job_of_a_fixed_batch_is_freed_as_far_as_its_prediction_needs():
    model = _model(_beside_an_optimizer)
    edited, edit = relax_batch(model)
    np.testing.assert_allclose(_run(edited, _ROWS[:6]), _two_by_two(model, _ROWS[:6]), atol=1e-6)
    assert _run(edited, _ROWS).shape == (7, 3, 2)


def test_an_unknown_length_beside_the_batch():
    model = _model(lambda tf, x: tf.reshape(x, [2, -1, 2]), shape=(2, None, 4))
    edited, edit = relax_batch(model)
    np.testing.assert_array_equal(_run(edited, _ROWS), _ROWS.reshape(7, -1, 2))


def _sliced(tf, x):
    return tf.identity(x[0:2], name="first_two") * 2.


def _different_rows(tf, x):
    return tf.add(x, tf.constant(_ROWS[:2]), name="add_rows")


@pytest.mark.parametrize("build, name", [(_sliced, "strided_slice"), (_different_rows, "add_rows")])
def test_what_cannot_be_freed_is_named(build, name):
    _, edit = relax_batch(_model(build))
    assert any("%r keeps the batch at 2" % name in note for note in edit.notes), edit


def test_a_graph_without_a_fixed_batch_is_left_alone():
    model = _model(lambda tf, x: x * 2., shape=(None, 3, 4))
    same, edit = relax_batch(model)
    assert same is model and "nothing to free" in str(edit)


def test_a_constant_that_only_happens_to_have_the_same_size_stays():
    """Weights of two rows and a reshape of them have nothing to do with the batch of two."""
    def build(tf, x):
        kernel = tf.reshape(tf.constant(_WEIGHTS[:4]), [2, 4], name="kernel")
        return tf.tensordot(x, tf.transpose(kernel), 1)
    edited, edit = relax_batch(_model(build))
    assert "kernel" not in [node for node, _, _ in edit.rewired]
    assert _run(edited, _ROWS).shape == (7, 3, 2)


def test_a_training_graph_with_its_gradients_is_freed():
    """Gradients have the batch baked in as well, in sizes that are sliced and put together again."""
    def build(tf, ids):
        table = tf.constant(_WEIGHTS)
        rows = tf.reduce_mean(tf.gather(table, tf.cast(ids, tf.int32)), 1)
        (slope,) = tf.gradients(tf.reduce_sum(tf.square(rows)), table)
        return tf.convert_to_tensor(slope)
    model = _model(build, shape=(2, 3))
    edited, edit = relax_batch(model)
    assert not any("keeps the batch" in note for note in edit.notes), edit
    ids = np.float32([[0, 1, 2], [3, 4, 5], [1, 1, 0]])
    rows = _WEIGHTS[ids.astype(int)].mean(axis=1)  # the gradient: 2/3 of a row's mean for each of its ids
    expected = np.zeros_like(_WEIGHTS)
    for row, mean in zip(ids.astype(int), rows):
        np.add.at(expected, row, 2 * mean / 3)
    np.testing.assert_allclose(_run(edited, ids), expected, atol=1e-6)


def test_two_placeholders_of_different_size_are_ambiguous():
    tf = _tf.tf
    with tf.Graph().as_default() as graph:
        x, z = (tf.placeholder(tf.float32, [size, 2], name=name) for size, name in ((2, "x"), (3, "z")))
        tf.identity(x, name="y"), tf.identity(z)
    model = queues.Case(graph, None).model
    with pytest.raises(EditError, match=r"'x' \[2, 2\], 'z' \[3, 2\]"):
        relax_batch(model)
    edited, _ = relax_batch(model, "x:0")
    assert _run(edited, np.zeros((5, 2))).shape == (5, 2)
    assert edited.graph.get_tensor_by_name("z:0").shape.as_list() == [3, 2]
    with pytest.raises(EditError, match="'y' is no placeholder"):
        relax_batch(model, "y:0")


def test_swapping_a_queue_frees_the_batch_that_its_model_had_baked_in():
    tf = _tf.tf
    with tf.Graph().as_default() as graph:
        queue = tf.FIFOQueue(9, [tf.float32], [[3, 4]], name="q")
        x = queue.dequeue_many(2, name="take")
        tf.identity(_static_rnn(tf, tf.reshape(tf.reshape(x, [2, 12]), [2, 3, 4])), name="y")
    edited, edit = gt.swap_inputs(queues.Case(graph, None).model)
    reference = _model(_static_rnn)
    with edited.open_session() as session:
        values = runs.run(session, "y:0", {edit.placeholders["take:0"]: _ROWS[:6]}, timeout=20)
    np.testing.assert_allclose(values, _two_by_two(reference, _ROWS[:6]), atol=1e-6)


@pytest.mark.parametrize("take", [lambda x, row: x[row], lambda x, row: x[row, :, :], lambda x, row: x[row:row + 1][0]],
                         ids=["one axis", "all axes", "range"])
def test_examples_that_were_written_out_one_by_one_are_named(take):
    """With more rows than before, those past the last written one would be left out without a word."""
    def build(tf, x):
        return tf.stack([tf.reduce_sum(tf.tanh(take(x, row)), 0) for row in range(2)])

    _, edit = relax_batch(_model(build))
    assert any("keeps the batch at 2" in note and "strided_slice" in note for note in edit.notes)
    whole = _model(lambda tf, x: tf.tanh(x[:, 1]) + x[:, -1] + tf.reduce_sum(x[1:]) * 0)
    assert not any("keeps the batch" in note for note in relax_batch(whole)[1].notes)
