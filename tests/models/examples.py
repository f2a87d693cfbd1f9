"""Graphs that say little of what they take, or take it in one size only: functions that build, up to ``y``."""

import numpy as np

from graph_tools import _tf

WEIGHTS = np.random.RandomState(4).normal(size=(12, 3)).astype(np.float32)
TABLE = np.random.RandomState(3).normal(size=(20, 4)).astype(np.float32)
WORDS = ["apple", "pear", "plum", "quince"]


def _end(hidden):
    return _tf.tf.matmul(hidden, _tf.tf.constant(WEIGHTS[:hidden.shape.as_list()[-1]]), name="y")


def rank_by_product():
    """No shape at all: a matrix product says two axes, its weights how many columns."""
    tf = _tf.tf
    tf.matmul(tf.placeholder(tf.float32, name="x"), tf.constant(WEIGHTS), name="y")


def rank_by_an_axis():
    """``shape(x)[2]`` is read: three axes."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, name="x")
    depth = tf.shape(x)[2]
    tf.tanh(tf.reduce_sum(tf.reshape(x, tf.stack([-1, 8, depth])), 1) * 0.1, name="y")


def picture_by_reshape():
    """Made a picture by a constant shape."""
    tf = _tf.tf
    x = tf.reshape(tf.placeholder(tf.float32, name="x"), [-1, 5, 5, 2])
    hidden = tf.nn.conv2d(x, tf.constant(WEIGHTS[:, :2].reshape(2, 2, 2, 3)), [1, 1, 1, 1], "VALID")
    tf.reduce_mean(tf.nn.relu(hidden), [1, 2], name="y")


def lengths_of_time():
    """Ids, and lengths that may not be longer than they are."""
    tf = _tf.tf
    ids, lengths = tf.placeholder(tf.int32, [None, 5], "ids"), tf.placeholder(tf.int32, [None], "lengths")
    rows = tf.nn.embedding_lookup(tf.constant(TABLE), ids)
    turned = tf.reverse_sequence(rows, lengths, seq_axis=1)
    _end(tf.tanh(turned[:, 0] + tf.reduce_mean(rows, 1)))


def columns_of_a_picture():
    """One picture of any width that is read by its columns, and how many of them it has."""
    tf = _tf.tf
    x, lengths = tf.placeholder(tf.float32, [1, 6, None, 1], "x"), tf.placeholder(tf.int32, [None], "lengths")
    columns = tf.transpose(x[..., 0], [0, 2, 1])
    turned = tf.reverse_sequence(columns, lengths, seq_axis=1)
    _end(tf.tanh(turned[:, 0] + tf.reduce_mean(columns, 1)))


def words_of_a_table():
    """Strings that a vocabulary turns into ids."""
    tf = _tf.tf
    table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(
        tf.constant(WORDS), tf.constant(np.arange(4, dtype=np.int64))), -1) if hasattr(
            tf.lookup, "StaticHashTable") else None
    ids = table.lookup(tf.placeholder(tf.string, [None, 3], "text"))
    _end(tf.reduce_sum(tf.nn.embedding_lookup(tf.constant(TABLE), ids), 1))


def words_with_buckets():
    """Words of a vocabulary and, behind them, buckets for all others; beside numbers."""
    tf = _tf.tf
    from tensorflow.python.ops import lookup_ops
    table = lookup_ops.index_table_from_tensor(tf.constant(WORDS[:2]), num_oov_buckets=2)
    rows = tf.nn.embedding_lookup(tf.constant(TABLE), table.lookup(tf.placeholder(tf.string, [None], "city")))
    _end(tf.concat([rows, tf.placeholder(tf.float32, [None, 4], "x")], 1))


def records():
    """Serialized examples with a number and words in them."""
    tf = _tf.tf
    parsed = tf.io.parse_example(tf.placeholder(tf.string, [None], "record"), {
        "size": tf.io.FixedLenFeature([3], tf.float32), "kind": tf.io.FixedLenFeature([], tf.int64)})
    rows = tf.nn.embedding_lookup(tf.constant(TABLE), parsed["kind"])
    _end(tf.concat([parsed["size"], tf.tanh(rows)], 1))


def scaled_pixels():
    """Pixels from which a constant is taken off."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 12], "x")
    _end((x - 127.5) / 60.0)


def size_of_the_batch():
    """A number that must be that of the rows."""
    tf = _tf.tf
    x, count = tf.placeholder(tf.float32, [None, 12], "x"), tf.placeholder(tf.int32, [], "count")
    _end(tf.tanh(x + tf.fill(tf.stack([count, 12]), 0.5)))


def waits_for_a_check():
    """A placeholder that only a check reads, which the output waits for."""
    tf = _tf.tf
    x, limit = tf.placeholder(tf.float32, [None, 12], "x"), tf.placeholder(tf.int32, [], "limit")
    with tf.control_dependencies([tf.debugging.assert_greater(limit, 0)]):
        _end(tf.identity(x))


def baked_in(coupled=False):
    """A state of 6 rows that is added to whatever comes: no other number of rows will do."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [6, 12], "x")
    hidden = tf.tanh(x + tf.zeros([6, 12]))
    _end(hidden - tf.reduce_mean(hidden, 0) if coupled else hidden)


def baked_in_unsaid():
    """The same of a placeholder that does not say so."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 12], "x")
    _end(tf.tanh(tf.concat([x, tf.constant(np.zeros((6, 0), np.float32))], 1)))


def raw_numbers():
    """Records of bytes, as many as the reshape behind wants."""
    tf = _tf.tf
    numbers = tf.cast(tf.decode_raw(tf.placeholder(tf.string, [None], "record"), tf.uint8), tf.float32)
    _end(tf.reshape(numbers, [-1, 12]) / 255.0)


def raw_floats():
    """Records of wider numbers, of whose bytes half are zeros."""
    tf = _tf.tf
    numbers = tf.decode_raw(tf.placeholder(tf.string, [None], "record"), tf.float32)
    _end(tf.reshape(numbers, [-1, 6]))


def picture_in_base64():
    """A picture whose bytes are spelled in letters."""
    tf = _tf.tf
    content = tf.io.decode_base64(tf.placeholder(tf.string, [], "content"))
    _end(tf.reshape(tf.cast(tf.image.decode_png(content, 3), tf.float32), [-1, 12])[:1] / 255.0)


def steps_before_rows():
    """Steps first; as many lengths as there are rows, which a check says."""
    tf = _tf.tf
    x, lengths = tf.placeholder(tf.float32, [None, None, 12], "x"), tf.placeholder(tf.int32, [None], "lengths")
    with tf.control_dependencies([tf.debugging.assert_equal(tf.shape(x)[1], tf.shape(lengths)[0])]):
        told = tf.cast(tf.sequence_mask(lengths, tf.shape(x)[0]), tf.float32)
    _end(tf.reduce_sum(x * tf.expand_dims(tf.transpose(told), 2), 0))


def sparse_without_a_name():
    """A sparse matrix whose three placeholders are called as TensorFlow calls them."""
    tf = _tf.tf
    tf.sparse_tensor_dense_matmul(tf.sparse_placeholder(tf.float32), tf.constant(WEIGHTS), name="y")


def neighbours():
    """A sparse matrix over the rows themselves."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 12], "x")
    matrix = tf.sparse_placeholder(tf.float32, name="edges")
    _end(tf.sparse_tensor_dense_matmul(matrix, tf.tanh(x)))


def attention():
    """Sparse attention over seven nodes: a matrix of who is beside whom meets a column and a row of scores, and is only
    then multiplied with what belongs to the nodes."""
    tf = _tf.tf
    beside = tf.sparse_placeholder(tf.float32, name="edges")
    hidden = tf.matmul(tf.placeholder(tf.float32, [7, 12], "x"), tf.constant(WEIGHTS))
    own, others = (tf.matmul(hidden, tf.constant(WEIGHTS[:3, axis:axis + 1])) for axis in (0, 1))
    scores = tf.sparse_add(beside * own, beside * tf.transpose(others))
    tf.identity(tf.sparse_tensor_dense_matmul(tf.sparse_softmax(scores), hidden), name="y")


def scaled_columns():
    """A sparse matrix of which each column has a weight: as many as the other input has columns."""
    tf = _tf.tf
    weights = tf.reduce_sum(tf.placeholder(tf.float32, [None, 12], "x"), 0, keepdims=True)
    weighed = tf.sparse_placeholder(tf.float32, name="edges") * weights
    tf.sparse_tensor_dense_matmul(weighed, tf.constant(WEIGHTS), name="y")


def content_of_a_file():
    """A picture that is read by its name: what is in the file is fed."""
    tf = _tf.tf
    content = tf.read_file(tf.placeholder(tf.string, [], "name"))
    _end(tf.reshape(tf.cast(tf.image.decode_png(content, 3), tf.float32), [-1, 12])[:1] / 255.0)


def dense_neighbours():
    """The same as a dense matrix."""
    tf = _tf.tf
    x, matrix = tf.placeholder(tf.float32, [None, 12], "x"), tf.placeholder(tf.float32, [None, None], "edges")
    _end(tf.matmul(matrix, tf.tanh(x)))


def nothing_by_default():
    """A picture of zeros where nothing is fed: no example of what the network does."""
    tf = _tf.tf
    _end(tf.tanh(tf.placeholder_with_default(np.zeros((1, 12), np.float32), [None, 12], "x")))


def states_of_layers():
    """States of two layers beside a frame: their rows are their middle axis."""
    tf = _tf.tf
    x, states = tf.placeholder(tf.float32, [None, 12], "x"), tf.placeholder(tf.float32, [2, None, 12], "states")
    joined = tf.while_loop(lambda step, one: step < 2, lambda step, one: (step + 1, tf.tanh(
        tf.concat([one, states[step]], 1)[:, :12] + states[step])), [0, x])[1]
    _end(joined)


def state_of_a_batch():
    """A first state of five rows, made in the graph: no other number of them joins it in the loop."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 12], "x")
    start = tf.zeros(tf.concat([[5], [12]], 0))
    _end(tf.while_loop(lambda step, one: step < 2, lambda step, one: (step + 1, tf.tanh(
        tf.concat([one, x], 1)[:, :12] + x)), [0, start])[1])


def size_before_ids():
    """A number of rows that says how many ids are made, and is none itself."""
    tf = _tf.tf
    count, ids = tf.placeholder(tf.int32, [], "count"), tf.placeholder(tf.int32, [None, 4], "ids")
    every = tf.concat([tf.fill(tf.stack([count, 1]), 1), ids], 1)
    _end(tf.tanh(tf.reduce_mean(tf.nn.embedding_lookup(tf.constant(TABLE), every), 1)))


def size_of_tiles():
    """The same with a first id that is repeated."""
    tf = _tf.tf
    count, ids = tf.placeholder(tf.int32, [], "count"), tf.placeholder(tf.int32, [None, 4], "ids")
    every = tf.concat([tf.tile([[1]], tf.stack([count, 1])), ids], 1)
    _end(tf.tanh(tf.reduce_mean(tf.nn.embedding_lookup(tf.constant(TABLE), every), 1)))


def lengths_without_rank():
    """Lengths of which nobody said a shape: each decides which rows go on, and the graph checks how many there are."""
    tf = _tf.tf
    ids, lengths = tf.placeholder(tf.int32, [None, 5], "ids"), tf.placeholder(tf.int32, name="lengths")
    right = tf.reduce_all(tf.equal(tf.shape(lengths), tf.shape(ids)[:1]))
    with tf.control_dependencies([tf.Assert(right, ["a length for each row"])]):
        checked = tf.identity(lengths)
    rows = tf.nn.embedding_lookup(tf.constant(TABLE), ids)
    state = rows[:, 0]
    for step in range(1, 5):
        state = tf.where(tf.greater_equal(step, checked), state, tf.tanh(state + rows[:, step]))
    _end(state)


def bytes_between_extremes():
    """Bytes of which the least is taken off before they become floats; all the same, they would be divided by zero."""
    tf = _tf.tf
    x = tf.placeholder(tf.uint8, [None, 12], "x")
    _end((x - tf.reduce_min(x)) / (tf.reduce_max(x) - tf.reduce_min(x)))


def places_in_a_sequence():
    """The ends of sentences, each the number of its row and a step of it."""
    tf = _tf.tf
    x, ends = tf.placeholder(tf.float32, [None, None, 12], "x"), tf.placeholder(tf.int32, [None, 3, 2], "ends")
    _end(tf.reduce_mean(tf.gather_nd(tf.tanh(x), ends), 1))


def numbers_in_texts():
    """Numbers that commas divide."""
    tf = _tf.tf
    numbers = tf.string_to_number(tf.string_split(tf.placeholder(tf.string, [None], "texts"), ",").values)
    _end(tf.reshape(numbers, [-1, 12]))


def steps_first(axis=0):
    """Six steps of three rows, both sizes fixed: sums over what came before, and scores of steps that take turns."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [6, 3, 12], "x")
    _end(tf.reshape(tf.tanh(tf.cumsum(x, axis)), [-1, 12]))


def rows_first():
    """The twin: six rows of three steps."""
    steps_first(1)


def _steps_in_one_column(step_by_step):
    """Rows of six steps of three numbers, without a rank: turned to steps first, flattened, cut into the steps."""
    tf = _tf.tf
    flat = tf.reshape(tf.transpose(tf.placeholder(tf.float32, name="x"), [1, 0, 2]), [-1, 3])
    hidden = tf.tanh(tf.matmul(flat, tf.constant(WEIGHTS[:3])))
    state = 0.0
    for step in step_by_step(tf, hidden):
        state = tf.tanh(step + 0.5 * state)
    tf.matmul(state, tf.constant(WEIGHTS[3:6]), name="y")


def steps_that_are_split():
    _steps_in_one_column(lambda tf, hidden: tf.split(hidden, 6, 0))


def steps_that_are_unpacked():
    _steps_in_one_column(lambda tf, hidden: tf.unstack(tf.reshape(hidden, [6, -1, 3])))


def bags_by_segments():
    """Ids of all rows, and which row each is of."""
    tf = _tf.tf
    ids, rows = tf.placeholder(tf.int32, [None], "ids"), tf.placeholder(tf.int32, [None], "rows")
    _end(tf.segment_mean(tf.gather(tf.constant(TABLE), ids), rows))


def bags_by_segments_of_a_table():
    tf = _tf.tf
    ids, rows = tf.placeholder(tf.int32, [None], "ids"), tf.placeholder(tf.int32, [None], "rows")
    _end(tf.sparse_segment_mean(tf.constant(TABLE), ids, rows))


def _positions(together):
    """Scores of each of five tokens, and of an end of the text or its start, which are always the same."""
    tf = _tf.tf
    rows = tf.nn.embedding_lookup(tf.constant(TABLE), tf.placeholder(tf.int32, [None, 5], "ids"))
    scores = tf.reshape(tf.matmul(tf.reshape(tf.tanh(rows), [-1, 4]), tf.constant(WEIGHTS[:4])), [-1, 5, 3])
    tf.concat(together(scores, tf.fill([tf.shape(scores)[0], 1, 3], -9.0)), 1, name="y")


def scores_after_a_start():
    _positions(lambda scores, same: [same, scores])


def scores_before_an_end():
    """The twin: the first position moves."""
    _positions(lambda scores, same: [scores, same])


def graph_convolutions(name=None):
    """Two convolutions over neighbours: sparse features of seven nodes, as a constant says, behind a dropout of their
    entries; and a matrix of who is beside whom, which is applied twice."""
    tf = _tf.tf
    beside = tf.sparse_placeholder(tf.float32, name=name and name + "_beside")
    # As ``sparse_placeholder`` made them of a constant shape.
    entries = tf.placeholder(tf.float32, [None], name and name + "/values")
    places = tf.placeholder(tf.int64, [None, 2], name and name + "/indices")
    features = tf.SparseTensor(places, entries, tf.constant([7, 12], tf.int64))
    rate = tf.placeholder_with_default(0.0, [])
    keep = tf.cast(tf.floor(tf.random_uniform(tf.placeholder(tf.int32)) + 1.0 - rate), tf.bool)
    kept = tf.sparse_retain(features, keep)
    kept = tf.SparseTensor(kept.indices, kept.values / (1.0 - rate), kept.dense_shape)
    hidden = tf.sparse_tensor_dense_matmul(beside, tf.sparse_tensor_dense_matmul(kept, tf.constant(WEIGHTS)))
    tf.identity(tf.sparse_tensor_dense_matmul(beside, tf.matmul(hidden, tf.constant(WEIGHTS[:3]))), name="y")


def graph_convolutions_by_name():
    graph_convolutions("features")


def steps_beside_a_state(width=None, last=None):
    """Steps of five numbers in a loop beside a state of three, which nothing but a product in the loop says."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, width and [None, None, width], "x")
    steps = tf.transpose(x, [1, 0, 2])
    weights, count = tf.constant(WEIGHTS[:8] / 2, name="both"), tf.shape(steps)[0]
    with _tf.control_flow_v1():
        read, write = (tf.TensorArray(tf.float32, count, infer_shape=False, element_shape=shape)
                       for shape in (None, [None, 3]))
        read = read.unstack(steps)

        def one(step, state, write):
            state = tf.tanh(tf.matmul(tf.concat([read.read(step), state], 1), weights))
            return step + 1, state, write.write(step, state)

        _, state, write = tf.while_loop(
            lambda step, state, write: step < count, one, [0, tf.zeros([tf.shape(steps)[1], 3]), write],
            [tf.TensorShape([]), tf.TensorShape([None, 3]), tf.TensorShape(None)])
    state = state if last is None else tf.ensure_shape(tf.gather(write.stack(), last), [None, 3])
    tf.matmul(state, tf.constant(WEIGHTS[:3]), name="y")


def a_step_that_is_written_in_the_graph():
    """The same, and what is taken after it is step number eleven."""
    steps_beside_a_state(None, 11)


def steps_of_a_known_size():
    """The twin, which says how many numbers a step has, and takes the last one, whichever it is."""
    steps_beside_a_state(5)
