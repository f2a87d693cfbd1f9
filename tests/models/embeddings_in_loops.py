"""Lookups inside while loops."""


from graph_tools import _tf
from tests.models.embeddings import (
    DIM,
    IDS,
    MORE_IDS,
    ROWS,
    TABLE,
    Built,
    Lookup,
    head,
    ids_placeholder,
    ids_placeholder_again,
    named,
    variable,
)


def _in_loop(features) -> Built:
    """A lookup at each step of a loop: its rows exist only step by step, until it is moved out."""
    moved = [(TABLE[ids], None) for ids in (IDS, MORE_IDS)]
    return Built([{"ids:0": IDS}, {"ids:0": MORE_IDS}], head(features), [Lookup(("gather",), False, None, moved)])


def loop_map(resource=False):
    """``map_fn`` over the examples: ids in a TensorArray."""
    tf = _tf.tf
    table = variable("table", resource=resource)
    rows = tf.map_fn(lambda row: tf.gather(table, row), ids_placeholder(), dtype=tf.float32)
    return _in_loop(tf.reshape(rows, [-1, 3, DIM]))


def loop_map_resource():
    return loop_map(True)


def _recurrent(step_rows):
    """A recurrent network over three steps; ``step_rows(step)`` are the rows of one."""
    tf = _tf.tf
    kernel = variable("kernel", TABLE[:DIM])
    start = tf.zeros([tf.shape(ids_placeholder_again())[0], DIM])
    _, state = tf.while_loop(lambda step, _: step < 3, lambda step, state: (
        step + 1, tf.tanh(tf.matmul(state, kernel) + step_rows(step))), [0, start],
                             shape_invariants=[tf.TensorShape([]), tf.TensorShape([None, DIM])])
    return _in_loop(state)


def loop_time_major_array():
    """The classic unrolled cell: ids turned time-major, read step by step from a TensorArray, cast inside."""
    tf = _tf.tf
    turned, table = tf.transpose(ids_placeholder(tf.int64)), variable("table")
    array = tf.TensorArray(tf.int64, tf.shape(turned)[0]).unstack(turned)
    return _recurrent(lambda step: tf.nn.embedding_lookup(table, tf.cast(array.read(step), tf.int32)))


def loop_slice():
    tf = _tf.tf
    ids, table = ids_placeholder(), variable("table")
    return _recurrent(lambda step: tf.gather(table, ids[:, step]))


def loop_gather():
    tf = _tf.tf
    turned, table = tf.transpose(ids_placeholder()), variable("table", resource=True)
    return _recurrent(lambda step: tf.gather(table, tf.gather(turned, step)))


def _by_one_hot(built) -> Built:
    return built._replace(lookups=[one._replace(kind=("one_hot",)) for one in built.lookups])


def loop_one_hot():
    """A step makes one-hot vectors of its ids and multiplies them with the table, as a ``scan`` over ids does."""
    tf = _tf.tf
    ids, table = ids_placeholder(), variable("table")
    return _by_one_hot(_recurrent(lambda step: tf.matmul(tf.one_hot(ids[:, step], ROWS), table)))


def loop_one_hot_array():
    tf = _tf.tf
    turned, table = tf.transpose(ids_placeholder(tf.int64)), variable("table", resource=True)
    array = tf.TensorArray(tf.int64, tf.shape(turned)[0]).unstack(turned)
    return _by_one_hot(_recurrent(lambda step: tf.matmul(tf.one_hot(array.read(step), ROWS), table)))


def loop_warm():
    """Vectors with a half for the id are no rows of the table: it is not moved out."""
    tf = _tf.tf
    ids, table = ids_placeholder(), variable("table")
    built = _recurrent(lambda step: tf.matmul(tf.one_hot(ids[:, step], ROWS, on_value=0.5), table))
    return built._replace(lookups=[Lookup(("one_hot",), True)])


def loop_shifted_ids():
    """Ids changed inside by the step's number: the lookup cannot be moved out, and the reason is said."""
    tf = _tf.tf
    ids, table = ids_placeholder(), variable("table")
    built = _recurrent(lambda step: tf.gather(table, tf.math.floormod(ids[:, step] + step, ROWS)))
    return built._replace(lookups=[Lookup(("gather",), True)])


def patterns():
    """Patterns in loops by name."""
    return named(loop_map, loop_map_resource, loop_time_major_array, loop_slice, loop_gather, loop_one_hot,
                 loop_one_hot_array, loop_warm, loop_shifted_ids)
