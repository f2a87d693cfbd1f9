"""Small graphs with loops and branches: every kind that users freeze, each with what to differentiate and feeds.

A builder adds its graph to the default one and returns a :class:`Case`. All are deterministic. Most are in float64, so
that finite differences are sharp; those whose kernels exist in single precision only are in float32.

``BOTH`` is built by every release (on TF 2 with control flow v2 off), ``TF1`` by TF 1.15 alone.
"""

from typing import Any, Callable, Dict, List, NamedTuple, Tuple

import numpy as np

from graph_tools import _tf


class Case(NamedTuple):
    """What a builder made: inputs to differentiate by, a scalar output, and feeds that cover the branches."""

    inputs: List[Any]
    output: Any
    feeds: List[Dict[Any, Any]]


class Kind(NamedTuple):
    """A family member; ``exact`` is false for float32 graphs, ``live`` where the live graph has no gradient itself."""

    name: str
    build: Callable[[], Case]
    exact: bool = True
    live: bool = True


# --- pieces ---------------------------------------------------------------------------------------------------------

def _array(shape, phase=0.0, dtype=np.float64):
    return (np.sin(1.7 * np.arange(np.prod(shape)) + phase).reshape(shape) * 0.8).astype(dtype)


def _input(shape=(2, 3), name="x", dtype=np.float64):
    return _tf.tf.placeholder(dtype, [None] + list(shape[1:]), name=name)


def _score(value):
    """A weighted sum, so that no two components have the same gradient."""
    tf = _tf.tf
    with tf.name_scope("score"):
        flat = tf.reshape(value, [-1])
        weights = tf.cos(tf.cast(tf.range(tf.size(flat)), flat.dtype) * 0.9)
        return tf.reduce_sum(flat * weights, name="sum")


def _case(x, value, feeds=({},), shape=(2, 3)):
    dtype = x.dtype.as_numpy_dtype
    return Case([x], _score(value), [_with(feed, x, _array(shape, 0.3 * number, dtype))
                                     for number, feed in enumerate(feeds)])


def _with(feed, tensor, value):
    feed = dict(feed)
    feed[tensor] = value
    return feed


def _weights(shape, name="w", dtype=np.float64, phase=0.5):
    tf = _tf.tf
    return tf.get_variable(name, shape, dtype, tf.constant_initializer(_array(shape, phase, dtype)), use_resource=False)


def _flag(name="training", default=False):
    return _tf.tf.placeholder_with_default(default, [], name=name)


def _repeat(times, body, value, **kwargs):
    tf = _tf.tf
    return tf.while_loop(lambda i, v: i < times, lambda i, v: (i + 1, body(v)), (tf.constant(0), value), **kwargs)[1]


class _Cell:
    """A small LSTM with the interface that ``dynamic_rnn`` asks for (TF 2.21 has no RNN cells of its own)."""

    def __init__(self, units, name, dtype=np.float64):
        self.output_size, self._units, self._name, self._dtype = units, units, name, dtype
        self.state_size = (units, units)

    def zero_state(self, batch, dtype):
        tf = _tf.tf
        return tuple(tf.zeros(tf.stack([batch, self._units]), dtype) for _ in range(2))

    def __call__(self, inputs, state, scope=None):
        tf = _tf.tf
        cell, hidden = state
        joined = tf.concat([inputs, hidden], 1)
        with tf.variable_scope(self._name, reuse=tf.AUTO_REUSE):
            kernel = _weights((int(joined.shape[1]), 4 * self._units), "kernel", self._dtype)
        write, fresh, forget, out = tf.split(tf.matmul(joined, kernel), 4, axis=1)
        cell = cell * tf.sigmoid(forget + 1.0) + tf.sigmoid(write) * tf.tanh(fresh)
        hidden = tf.tanh(cell) * tf.sigmoid(out)
        return hidden, (cell, hidden)


# --- loops ----------------------------------------------------------------------------------------------------------

def while_simple():
    x = _input()
    w = _weights((3, 3))
    return _case(x, _repeat(4, lambda v: _tf.tf.tanh(_tf.tf.matmul(v, w)), x))


def while_dynamic_bound():
    x, n = _input(), _tf.tf.placeholder(_tf.tf.int32, [], "n")
    return _case(x, _repeat(n, lambda v: _tf.tf.sin(v) + 0.1 * v, x), ({n: 3}, {n: 1}, {n: 0}))


def while_invariant():
    x = _input()
    return _case(x, _repeat(3, lambda v: _tf.tf.tanh(v * x) + x, _tf.tf.ones_like(x)))


def while_nested():
    x = _input()
    return _case(x, _repeat(2, lambda v: _repeat(3, lambda u: _tf.tf.sin(u * x) + v, v), x))


def while_nested_three():
    x = _input()
    tf = _tf.tf
    return _case(x, _repeat(2, lambda v: _repeat(2, lambda u: _repeat(2, lambda t: tf.tanh(t * x + u), u) + v, v), x))


def while_unread_variables():
    """Two variables feed the one that is read; freezing prunes their Exits."""
    x, tf = _input(), _tf.tf
    result = tf.while_loop(lambda i, a, b, c: i < 4, lambda i, a, b, c: (i + 1, tf.tanh(a + b), tf.sin(b * c), c * 0.9),
                           [0, x, 0.5 * x, x * x])
    return _case(x, result[1])


def while_data_dependent():
    x, tf = _input(), _tf.tf
    loop = tf.while_loop(lambda v: tf.reduce_sum(tf.abs(v)) < 40.0, lambda v: v * 1.7 + tf.sin(x), [x])
    return _case(x, loop)


def while_maximum_iterations():
    x = _input()
    return _case(x, _repeat(10, lambda v: _tf.tf.sin(v) + x, x, maximum_iterations=3))


def while_several_uses():
    """The value of an iteration is read several times: the case that goes silently wrong without its Identity."""
    x, tf = _input(), _tf.tf
    return _case(x, _repeat(3, lambda v: v * tf.sin(v) + tf.exp(-v * v), x))


def while_siblings():
    x, tf = _input(), _tf.tf
    first = _repeat(2, lambda v: tf.sin(v) + x, x)
    second = _repeat(3, lambda v: tf.cos(v) * first, x)
    return _case(x, second + first)


def while_parallel_one():
    x = _input()
    return _case(x, _repeat(3, lambda v: _tf.tf.sin(v) * x, x, parallel_iterations=1))


def while_shape_invariant():
    """A variable that grows: its gradient changes shape from one iteration to the next."""
    x, tf = _input(), _tf.tf
    grown = tf.while_loop(lambda i, v: i < 2, lambda i, v: (i + 1, tf.concat([v, tf.sin(v)], 0)), [tf.constant(0), x],
                          shape_invariants=[tf.TensorShape([]), tf.TensorShape([None, 3])])[1]
    return _case(x, grown)


def while_gather():
    """A row picked in every iteration: the gradient of the table is a sum of slices."""
    x, tf = _input(), _tf.tf
    total = tf.while_loop(lambda i, s: i < 4, lambda i, s: (i + 1, s * 0.7 + tf.gather(x, tf.mod(i, 2))),
                          [tf.constant(0), tf.zeros([3], tf.float64)])[1]
    return _case(x, total)


def while_back_prop_false():
    """Nothing in a GraphDef says ``back_prop=False``: the restored gradient is the true one, the live one None."""
    x = _input()
    return _case(x, _repeat(3, lambda v: _tf.tf.sin(v) * x, x, back_prop=False))


# --- branches -------------------------------------------------------------------------------------------------------

def cond_top():
    x, flag, tf = _input(), _flag(), _tf.tf
    w = _weights((3, 3))
    return _case(x, tf.cond(flag, lambda: tf.matmul(x, w), lambda: tf.sin(x)), ({flag: True}, {flag: False}))


def cond_false_branch():
    x, flag, tf = _input(), _flag(), _tf.tf
    other = tf.ones_like(x)
    return _case(x, tf.cond(flag, lambda: other * 2.0, lambda: x * x), ({flag: True}, {flag: False}))


def cond_pass_through():
    x, flag, tf = _input(), _flag(), _tf.tf
    h = tf.sin(x)
    return _case(x, tf.cond(flag, lambda: h, lambda: h * h), ({flag: True}, {flag: False}))


def cond_constant_branch():
    x, flag, tf = _input(), _flag(), _tf.tf
    value = tf.cond(flag, lambda: tf.constant(np.ones((2, 3))), lambda: tf.exp(x))
    return _case(x, value, ({flag: True}, {flag: False}))


def cond_nested():
    x, outer, inner, tf = _input(), _flag("outer"), _flag("inner"), _tf.tf
    value = tf.cond(outer, lambda: tf.cond(inner, lambda: tf.sin(x), lambda: x * x) * x, lambda: tf.exp(x))
    return _case(x, value, ({outer: True, inner: True}, {outer: True}, {inner: True}))


def cond_nested_constant_branch():
    x, outer, inner, tf = _input(), _flag("outer"), _flag("inner"), _tf.tf
    value = tf.cond(outer, lambda: tf.cond(inner, lambda: tf.constant(np.ones((2, 3))), lambda: x * x),
                    lambda: tf.exp(x))
    return _case(x, value, [{outer: first, inner: second} for first in (True, False) for second in (True, False)])


def cond_shared_predicate():
    """Several conds on one flag, as ``is_training`` is used throughout a network."""
    x, flag, tf = _input(), _flag(), _tf.tf
    first = tf.cond(flag, lambda: tf.sin(x), lambda: x)
    second = tf.cond(flag, lambda: first * x, lambda: tf.exp(first))
    third = tf.cond(flag, lambda: second + first, lambda: second * 0.5)
    return _case(x, third, ({flag: True}, {flag: False}))


def cond_same_predicate_nested():
    x, flag, tf = _input(), _flag(), _tf.tf
    value = tf.cond(flag, lambda: tf.cond(flag, lambda: tf.sin(x), lambda: x * x) * x, lambda: tf.exp(x))
    return _case(x, value, ({flag: True}, {flag: False}))


def cond_several_outputs():
    x, flag, tf = _input(), _flag(), _tf.tf
    a, b = tf.cond(flag, lambda: (tf.sin(x), x), lambda: (x, tf.cos(x)))
    return _case(x, a * b, ({flag: True}, {flag: False}))


def smart_dropout():
    x, training, tf = _input(), _flag(), _tf.tf
    keep = tf.placeholder_with_default(np.float64(1.0), [], "keep")

    def dropped():
        return x / keep * tf.floor(keep + tf.random_uniform(tf.shape(x), dtype=tf.float64, seed=3))

    return _case(x, tf.sin(tf.cond(training, dropped, lambda: tf.identity(x))), ({training: True}, {training: False}))


def case_of_three():
    x, n, tf = _input(), _tf.tf.placeholder(_tf.tf.int32, [], "n"), _tf.tf
    value = tf.case([(n < 0, lambda: tf.sin(x)), (n > 5, lambda: tf.exp(x))], default=lambda: x * x, exclusive=True)
    return _case(x, value, ({n: -1}, {n: 9}, {n: 2}))


def assert_in_cond():
    x, flag, tf = _input(), _flag(), _tf.tf

    def checked():
        with tf.control_dependencies([tf.Assert(tf.reduce_all(x < 5.0), [x])]):
            return tf.sin(x)

    return _case(x, tf.cond(flag, checked, lambda: tf.exp(x)), ({flag: True}, {flag: False}))


def switch_merged_by_hand():
    """One Switch for both branches, as an optimiser leaves it, in a loop."""
    x, tf = _input(), _tf.tf

    def body(v):
        pred = tf.reduce_sum(v) > 0.0
        no, yes = tf.raw_ops.Switch(data=v, pred=pred)
        return tf.raw_ops.Merge(inputs=[tf.sin(no) + 0.1, yes * 0.7])[0]

    return _case(x, _repeat(4, body, x))


# --- loops in branches in loops -------------------------------------------------------------------------------------

def _nest(kinds, v, x):
    """Loops (``w``) and branches (``c``) in the order given, with values captured at every level."""
    tf = _tf.tf
    if not kinds:
        return tf.sin(v * x) + 0.3 * v
    if kinds[0] == "w":
        return _repeat(2, lambda u: _nest(kinds[1:], u, x) + 0.1 * v, v)
    pred = tf.reduce_sum(v) > 0.1
    return tf.cond(pred, lambda: _nest(kinds[1:], v, x) * 0.9, lambda: tf.cos(v) + v * x)


def _nested(kinds):
    def build():
        x = _input()
        return _case(x, _nest(kinds, x, x), ({}, {}, {}))
    return build


def cond_in_while_alternating():
    x, tf = _input(), _tf.tf
    value = tf.while_loop(lambda i, v: i < 4, lambda i, v: (i + 1, tf.cond(
        tf.equal(i % 2, 0), lambda: tf.sin(v), lambda: v * x)), [tf.constant(0), x])[1]
    return _case(x, value)


def cond_in_while_outer_predicate():
    """The predicate is made outside the loop, and is the same in every iteration."""
    x, flag, tf = _input(), _flag(), _tf.tf
    value = _repeat(3, lambda v: tf.cond(flag, lambda: tf.sin(v) * x, lambda: v), x)
    return _case(x, value, ({flag: True}, {flag: False}))


def cond_in_while_carried_predicate():
    x, tf = _input(), _tf.tf
    value = tf.while_loop(
        lambda i, p, v: i < 4,
        lambda i, p, v: (i + 1, tf.logical_not(p), tf.cond(p, lambda: tf.sin(v), lambda: v * x)),
        [tf.constant(0), tf.constant(True), x])[2]
    return _case(x, value)


def cond_in_while_constant_branch():
    x, tf = _input(), _tf.tf
    value = tf.while_loop(lambda i, v: i < 3, lambda i, v: (i + 1, tf.cond(
        tf.equal(i, 1), lambda: tf.constant(np.full((2, 3), 0.2)), lambda: tf.sin(v) + x)), [tf.constant(0), x])[1]
    return _case(x, value)


def while_in_cond_false():
    x, flag, tf = _input(), _flag(), _tf.tf
    value = tf.cond(flag, lambda: tf.exp(x), lambda: _repeat(3, lambda v: tf.sin(v) * x, x))
    return _case(x, value, ({flag: True}, {flag: False}))


def while_in_cond_outer_loop_flag():
    """A loop in a branch in a loop; the predicate is an argument of the outer loop."""
    x, flag, tf = _input(), _flag(), _tf.tf
    value = _repeat(2, lambda v: tf.cond(flag, lambda: _repeat(2, lambda u: tf.sin(u) * x + v, v), lambda: v * x), x)
    return _case(x, value, ({flag: True}, {flag: False}))


# --- sequences ------------------------------------------------------------------------------------------------------

def _sequence(dtype=np.float64):
    return _tf.tf.placeholder(dtype, [None, None, 3], name="x")


def _sequence_case(x, value, feeds=({},)):
    return _case(x, value, feeds, (2, 4, 3))


def dynamic_rnn_lengths():
    tf, x = _tf.tf, _sequence()
    lengths = tf.placeholder(tf.int32, [None], "lengths")
    outputs, state = tf.nn.dynamic_rnn(_Cell(3, "cell"), x, sequence_length=lengths, dtype=tf.float64)
    return _sequence_case(x, tf.reduce_sum(outputs, 1) + state[1], ({lengths: [4, 2]}, {lengths: [1, 3]}))


def dynamic_rnn_outputs():
    x = _sequence()
    return _sequence_case(x, _tf.tf.nn.dynamic_rnn(_Cell(3, "cell"), x, dtype=_tf.tf.float64)[0])


def dynamic_rnn_state():
    x = _sequence()
    return _sequence_case(x, _tf.tf.nn.dynamic_rnn(_Cell(3, "cell"), x, dtype=_tf.tf.float64)[1][1])


def bidirectional():
    tf, x = _tf.tf, _sequence()
    lengths = tf.placeholder(tf.int32, [None], "lengths")
    outputs, _ = tf.nn.bidirectional_dynamic_rnn(_Cell(3, "fw"), _Cell(2, "bw"), x, sequence_length=lengths,
                                                 dtype=tf.float64)
    return _sequence_case(x, tf.concat(outputs, 2), ({lengths: [4, 2]},))


def multilayer_dropout():
    tf, x = _tf.tf, _sequence()
    keep = tf.placeholder_with_default(np.float64(1.0), [], "keep")
    value = x
    for layer in range(2):
        with tf.variable_scope("layer%d" % layer):
            value, _ = tf.nn.dynamic_rnn(_Cell(3, "cell"), value, dtype=tf.float64)
            value = value / keep * tf.floor(keep + tf.random_uniform(tf.shape(value), dtype=tf.float64, seed=layer + 1))
    return _sequence_case(x, value)


def static_rnn():
    tf, x = _tf.tf, _sequence()
    lengths = tf.placeholder(tf.int32, [None], "lengths")
    steps = [tf.reshape(x[:, t], [2, 3]) for t in range(4)]
    outputs, _ = tf.nn.static_rnn(_Cell(3, "cell"), steps, sequence_length=lengths, dtype=tf.float64)
    return _sequence_case(x, tf.stack(outputs), ({lengths: [4, 2]},))


def scan():
    tf, x = _tf.tf, _sequence()
    return _sequence_case(x, tf.scan(lambda a, e: tf.tanh(a * 0.5 + e), tf.transpose(x, [1, 0, 2])))


def map_fn():
    tf, x = _tf.tf, _sequence()
    return _sequence_case(x, tf.map_fn(lambda row: tf.sin(row) * tf.reduce_sum(row), x))


def foldl():
    tf, x = _tf.tf, _sequence()
    return _sequence_case(x, tf.foldl(lambda a, e: tf.sin(a) + e * a, x))


def map_fn_over_scan():
    tf, x = _tf.tf, _sequence()
    return _sequence_case(x, tf.map_fn(lambda row: tf.scan(lambda a, e: tf.tanh(a + e), row), x))


def tensor_array_split_concat():
    tf, x = _tf.tf, _sequence()
    rows = tf.reshape(x, [-1, 3])
    array = tf.TensorArray(tf.float64, size=2, infer_shape=False).split(rows, [3, 5])
    made = tf.TensorArray(tf.float64, size=2, infer_shape=False)
    loop = tf.while_loop(lambda i, m: i < 2, lambda i, m: (i + 1, m.write(i, tf.sin(array.read(i)))),
                         [tf.constant(0), made])
    return _sequence_case(x, loop[1].concat())


def tensor_array_gather_scatter():
    tf, x = _tf.tf, _sequence()
    steps = tf.transpose(x, [1, 0, 2])
    array = tf.TensorArray(tf.float64, size=4, clear_after_read=False).scatter([3, 1, 0, 2], steps)
    made = tf.TensorArray(tf.float64, size=0, dynamic_size=True)
    loop = tf.while_loop(lambda i, m: i < 3, lambda i, m: (i + 1, m.write(i, array.read(i) * array.read(i + 1))),
                         [tf.constant(0), made])
    return _sequence_case(x, loop[1].gather([2, 0]))


# --- batch norm -----------------------------------------------------------------------------------------------------

def _image():
    return _tf.tf.placeholder(np.float32, [2, 2, 2, 3], name="x")


def _fused(x, training):
    tf = _tf.tf
    scale, offset = np.float32([1.1, 0.9, 1.3]), np.float32([0.1, 0.2, 0.3])
    if training:
        return tf.nn.fused_batch_norm(x, scale, offset, is_training=True)[0]
    return tf.nn.fused_batch_norm(x, scale, offset, mean=np.float32([0.1, 0, -0.1]), variance=np.float32([1, 2, 0.5]),
                                  is_training=False)[0]


def batch_norm_inference():
    x = _image()
    return _case(x, _tf.tf.sin(_fused(x, False)), shape=(2, 2, 2, 3))


def batch_norm_training():
    x = _image()
    return _case(x, _tf.tf.sin(_fused(x, True)), shape=(2, 2, 2, 3))


def batch_norm_cond():
    x, flag, tf = _image(), _flag(), _tf.tf
    value = tf.cond(flag, lambda: _fused(x, True), lambda: _fused(x, False))
    return _case(x, tf.sin(value), ({flag: True}, {flag: False}), (2, 2, 2, 3))


# --- what only TF 1.15 builds ---------------------------------------------------------------------------------------

def contrib_batch_norm_cond():
    tf, x, flag = _tf.tensorflow, _image(), _flag()
    value = tf.contrib.layers.batch_norm(x, is_training=flag, scale=True)
    return _case(x, tf.sin(value), ({flag: True}, {flag: False}), (2, 2, 2, 3))


def lstm_block_fused():
    tf, x = _tf.tensorflow, _sequence(np.float32)
    cell = tf.contrib.rnn.LSTMBlockFusedCell(3)
    outputs, _ = cell(tf.transpose(x, [1, 0, 2]), dtype=tf.float32)
    return _sequence_case(x, outputs)


def library_cells():
    """TF 1's own cells: LSTM under GRU, with dropout wrappers, bidirectional."""
    tf, x = _tf.tensorflow, _sequence(np.float32)
    lengths = tf.placeholder(tf.int32, [None], "lengths")

    def cells():
        layers = [tf.nn.rnn_cell.BasicLSTMCell(3), tf.nn.rnn_cell.GRUCell(2)]
        return tf.nn.rnn_cell.MultiRNNCell([tf.nn.rnn_cell.DropoutWrapper(cell, output_keep_prob=1.0)
                                            for cell in layers])

    outputs, _ = tf.nn.bidirectional_dynamic_rnn(cells(), cells(), x, sequence_length=lengths, dtype=tf.float32)
    return _sequence_case(x, tf.concat(outputs, 2), ({lengths: [4, 2]},))


def keras_lstm():
    tf, x = _tf.tensorflow, _sequence(np.float32)
    layer = tf.keras.layers.LSTM(3, return_sequences=True)
    return _sequence_case(x, layer(x))


def _decoder_parts(x):
    tf = _tf.tensorflow
    memory, state = tf.nn.dynamic_rnn(tf.nn.rnn_cell.GRUCell(4), x, dtype=tf.float32, scope="encoder")
    return memory, state, tf.nn.rnn_cell.GRUCell(4), tf.get_variable("table", [6, 3]), tf.layers.Dense(6, name="out")


def attention_decoder():
    tf, x = _tf.tensorflow, _sequence(np.float32)
    seq2seq = tf.contrib.seq2seq
    memory, _, cell, table, project = _decoder_parts(x)
    attention = seq2seq.AttentionWrapper(cell, seq2seq.LuongAttention(4, memory), attention_layer_size=3)
    helper = seq2seq.TrainingHelper(tf.nn.embedding_lookup(table, [[1, 2, 3], [4, 5, 0]]), [3, 2])
    decoder = seq2seq.BasicDecoder(attention, helper, attention.zero_state(2, tf.float32), project)
    return _sequence_case(x, seq2seq.dynamic_decode(decoder)[0].rnn_output)


def greedy_decoder():
    tf, x = _tf.tensorflow, _sequence(np.float32)
    seq2seq = tf.contrib.seq2seq
    _, state, cell, table, project = _decoder_parts(x)
    helper = seq2seq.GreedyEmbeddingHelper(table, [1, 1], 0)
    decoder = seq2seq.BasicDecoder(cell, helper, state, project)
    return _sequence_case(x, seq2seq.dynamic_decode(decoder, maximum_iterations=3)[0].rnn_output)


def beam_decoder():
    tf, x = _tf.tensorflow, _sequence(np.float32)
    seq2seq = tf.contrib.seq2seq
    _, state, cell, table, project = _decoder_parts(x)
    decoder = seq2seq.BeamSearchDecoder(cell, table, [1, 1], 0, seq2seq.tile_batch(state, 2), 2, project)
    outputs, final, _ = seq2seq.dynamic_decode(decoder, maximum_iterations=3)
    return _sequence_case(x, tf.concat([tf.reshape(outputs.beam_search_decoder_output.scores, [-1]),
                                        tf.reshape(final.log_probs, [-1])], 0))


BOTH: Tuple[Kind, ...] = tuple(
    Kind(build.__name__, build) for build in (
        while_simple, while_dynamic_bound, while_invariant, while_nested, while_nested_three, while_unread_variables,
        while_data_dependent, while_maximum_iterations, while_several_uses, while_siblings, while_parallel_one,
        while_shape_invariant, while_gather,
        cond_top, cond_false_branch, cond_pass_through, cond_constant_branch, cond_nested, cond_nested_constant_branch,
        cond_shared_predicate, cond_same_predicate_nested, cond_several_outputs, smart_dropout, case_of_three,
        assert_in_cond, cond_in_while_alternating, cond_in_while_outer_predicate, cond_in_while_carried_predicate,
        cond_in_while_constant_branch, while_in_cond_false, while_in_cond_outer_loop_flag,
        dynamic_rnn_lengths, dynamic_rnn_outputs, dynamic_rnn_state, bidirectional, multilayer_dropout, static_rnn,
        scan, map_fn, foldl, map_fn_over_scan, tensor_array_split_concat, tensor_array_gather_scatter)
) + tuple(
    Kind("nested_" + kinds, _nested(kinds)) for kinds in (
        "cw", "wc", "ccc", "ccw", "cwc", "cww", "wcc", "wcw", "wwc", "www", "wcwc", "cwcw")
) + (
    Kind("while_back_prop_false", while_back_prop_false, live=False),
    Kind("switch_merged_by_hand", switch_merged_by_hand, live=False),
) + tuple(
    Kind(build.__name__, build, exact=False) for build in (
        batch_norm_inference, batch_norm_training, batch_norm_cond))

TF1: Tuple[Kind, ...] = tuple(
    Kind(build.__name__, build, exact=False) for build in (
        contrib_batch_norm_cond, lstm_block_fused, library_cells, keras_lstm, attention_decoder, greedy_decoder,
        beam_decoder))
