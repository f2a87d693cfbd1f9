"""What every test graph with a lookup of embeddings is made of, and what a search must find in it, by numpy.

A pattern is a function that builds into the default graph and returns a ``Built``; ``embedding_patterns`` is the table.
"""

from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

import numpy as np

from graph_tools import _tf
from graph_tools.model import Model

ROWS, DIM = 8, 4
TABLE = np.random.RandomState(5).normal(size=(ROWS, DIM)).astype(np.float32)
HEAD = np.random.RandomState(6).normal(size=(DIM, 3)).astype(np.float32)
IDS = np.array([[1, 3, 3], [0, 5, 1]])
MORE_IDS = np.array([[2, 2, 7], [6, 1, 4], [0, 0, 0]])

BAGS = [[3, 1, 3, 3], [2], [6, 2, 7]]  # ids of each example, repeats within and across examples
MORE_BAGS = [[5, 5], [0, 1, 2, 3, 5], [5], [7, 7, 7]]
BAGS_WITH_EMPTY = [[3, 1, 3], [], [2, 3]]
MORE_BAGS_WITH_EMPTY = [[], [4, 4], [], [1, 0, 6, 1]]


class Lookup(NamedTuple):
    """One lookup that must be found.

    Attributes:
      kind: of the candidate; per_occurrence: before any split.
      rows: per feed, what the candidate's tensor holds; ``None``: it cannot be fetched, or is tested after the split.
      occurrences: per feed, ``(rows, owner)`` after the split, for lookups that combine rows.
      strings: per feed, the strings after the split.
      combined: per feed, what ``rows_combined_at`` holds.
      table: the whole table.
    """

    kind: Tuple[str, ...]
    per_occurrence: bool
    rows: Optional[List[np.ndarray]] = None
    occurrences: Optional[List[Tuple[np.ndarray, List[int]]]] = None
    strings: Optional[List[List[bytes]]] = None
    combined: Optional[List[np.ndarray]] = None
    table: np.ndarray = TABLE


class Built(NamedTuple):
    """A graph with one pattern: two feeds of different numbers of examples, its output, what must be found."""

    feeds: List[Dict[str, Any]]
    output: str
    lookups: List[Lookup]
    initializers: Tuple[str, ...] = ()


class Pattern(NamedTuple):
    """A builder, and the reason why the running release cannot build it (empty: it can)."""

    build: Callable[[], Built]
    lacking: str = ""


# Making models of graphs.

def live_and_frozen(pattern: Pattern) -> Tuple[Built, Model, Optional[Model]]:
    """The pattern as a model of a live graph, and frozen (``None`` where freezing loses what fills a lookup table)."""
    tf = _tf.tf
    graph = tf.Graph()
    with graph.as_default(), _tf.control_flow_v1():
        built = pattern.build()
        tables = tuple(op.name for op in tf.get_collection(tf.GraphKeys.TABLE_INITIALIZERS))
        with tf.Session(graph=graph, config=_tf.session_config()) as session:
            session.run([tf.global_variables_initializer(), tf.local_variables_initializer(), tf.tables_initializer()])
            variables = {variable.op.name: session.run(variable) for variable in tf.global_variables()}
            live = tf.MetaGraphDef()
            live.graph_def.CopyFrom(graph.as_graph_def())
            model = Model(live, "live graph", variables=variables, initializers=tables)
            if tables:
                return built, model, None
            frozen = tf.MetaGraphDef()
            frozen.graph_def.CopyFrom(tf.graph_util.convert_variables_to_constants(
                session, graph.as_graph_def(), [built.output.split(":")[0]]))
    return built, model, Model(frozen, "frozen graph")


def of_graph(graph) -> Model:
    """A graph as a model without variable values: enough to search, not to run."""
    meta_graph = _tf.tf.MetaGraphDef()
    meta_graph.graph_def.CopyFrom(graph.as_graph_def())
    return Model(meta_graph, "graph built in code")


def variable(name, value=TABLE, resource=False):
    return _tf.tf.get_variable(name, initializer=_tf.tf.constant(value), use_resource=resource)


def head(features, width=DIM):
    """A small nonlinear classifier; features ``[batch, dim]`` or ``[batch, tokens, dim]``."""
    tf = _tf.tf
    if features.shape.ndims == 3:
        features = tf.reduce_sum(tf.tanh(features), 1)
    weights = np.resize(HEAD, (width, 3))
    return tf.nn.softmax(tf.matmul(tf.tanh(features), tf.constant(weights)), name="scores").name


def ids_placeholder(dtype=None):
    tf = _tf.tf
    return tf.placeholder(dtype or tf.int32, [None, 3], name="ids")


def dense(rows, kind, expected=None, table=TABLE, feed=lambda ids: {"ids:0": ids}) -> Built:
    """A pattern with one row per id of ``[batch, 3]`` ids."""
    feeds = [IDS, MORE_IDS]
    expected = expected if expected is not None else [table[ids] for ids in feeds]
    lookup = Lookup((kind,), True, expected, table=table)
    return Built([feed(ids) for ids in feeds], head(rows, table.shape[1]), [lookup])


def nothing(rows) -> Built:
    return Built([{"ids:0": IDS}, {"ids:0": MORE_IDS}], head(rows), [])


def ids_placeholder_again():
    return _tf.tf.get_default_graph().get_tensor_by_name("ids:0")


def clipped(rows, limit=1.0):
    return rows * limit / np.maximum(np.sqrt(np.sum(rows ** 2, -1, keepdims=True)), limit)


def hash_of(words, number=ROWS):
    with _tf.tf.Graph().as_default(), _tf.tf.Session() as session:
        return session.run(_tf.tf.strings.to_hash_bucket_fast(_tf.tf.constant(words.tolist()), number))


def constant_initializer(value=TABLE):
    return _tf.tf.constant_initializer(value)


def named(*builders: Callable[[], Built]) -> Dict[str, Pattern]:
    """Patterns that every release can build, by the names of their functions."""
    return {build.__name__: Pattern(build) for build in builders}
