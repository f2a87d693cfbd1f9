"""Every way a TensorFlow-1 program looks up embeddings, each with what a search must find, computed by numpy.

A pattern is a function that builds into the default graph and returns a ``Built``. ``PATTERNS`` is the table; where a
release cannot build one, the reason stands beside it.
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
      table: the whole table.
    """

    kind: Tuple[str, ...]
    per_occurrence: bool
    rows: Optional[List[np.ndarray]] = None
    occurrences: Optional[List[Tuple[np.ndarray, List[int]]]] = None
    strings: Optional[List[List[bytes]]] = None
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


# Dense lookups.

def lookup_refvar():
    return dense(_tf.tf.nn.embedding_lookup(variable("table"), ids_placeholder()), "gather")


def lookup_resvar():
    return dense(_tf.tf.nn.embedding_lookup(variable("table", resource=True), ids_placeholder()), "gather")


def _partitioned(parts, strategy, resource=False, **kwargs):
    """Parts of a table, dealt in turn (mod) or in runs (div), and the rows in the order of the ids."""
    tf = _tf.tf
    pieces = [TABLE[part::parts] for part in range(parts)] if strategy == "mod" else np.array_split(TABLE, parts)
    variables = [variable("table/part_%d" % part, piece, resource) for part, piece in enumerate(pieces)]
    return tf.nn.embedding_lookup(variables, ids_placeholder(), partition_strategy=strategy, **kwargs)


def lookup_part2_mod():
    return dense(_partitioned(2, "mod"), "partitioned")


def lookup_part3_div():
    return dense(_partitioned(3, "div"), "partitioned")


def lookup_part4_mod_resource():
    return dense(_partitioned(4, "mod", True), "partitioned")


def _clipped(rows, limit=1.0):
    return rows * limit / np.maximum(np.sqrt(np.sum(rows ** 2, -1, keepdims=True)), limit)


def lookup_max_norm():
    rows = _tf.tf.nn.embedding_lookup(variable("table"), ids_placeholder(), max_norm=1.0)
    return dense(rows, "gather", [_clipped(TABLE[ids]) for ids in (IDS, MORE_IDS)])


def lookup_part2_max_norm():
    return dense(_partitioned(2, "mod", max_norm=1.0), "partitioned", [_clipped(TABLE[ids]) for ids in (IDS, MORE_IDS)])


def gather_refvar():
    return dense(_tf.tf.gather(variable("table"), ids_placeholder()), "gather")


def gather_constant():
    return dense(_tf.tf.gather(_tf.tf.constant(TABLE, name="table"), ids_placeholder()), "gather")


def gather_nd():
    tf = _tf.tf
    return dense(tf.gather_nd(variable("table"), tf.expand_dims(ids_placeholder(), -1)), "gather_nd")


def gather_nd_by_field():
    """A table ``[fields, vocabulary, dim]``, addressed by field and id."""
    tf = _tf.tf
    ids = ids_placeholder()
    cube = np.stack([TABLE, TABLE + 1, TABLE - 1])
    fields = tf.zeros_like(ids) + tf.constant([0, 1, 2])
    rows = tf.gather_nd(variable("table", cube), tf.stack([fields, ids], -1))
    expected = [np.stack([cube[field][ids[:, field]] for field in range(3)], 1) for ids in (IDS, MORE_IDS)]
    built = dense(rows, "gather_nd", expected)
    return built._replace(lookups=[built.lookups[0]._replace(table=cube)])


def zero_padded_table():
    tf = _tf.tf
    table = tf.concat([tf.zeros([1, DIM]), variable("table", TABLE[1:])], 0)
    padded = np.concatenate([np.zeros((1, DIM), np.float32), TABLE[1:]])
    return dense(tf.nn.embedding_lookup(table, ids_placeholder()), "gather", table=padded)


def transposed_table():
    tf = _tf.tf
    return dense(tf.gather(tf.transpose(variable("table", TABLE.T)), ids_placeholder()), "gather")


def scaled_table():
    tf = _tf.tf
    return dense(tf.gather(variable("table") * 2.0, ids_placeholder()), "gather", table=TABLE * 2)


def table_with_dropout():
    """Dropout on the table, by a keep probability that the caller feeds: the table is still no data."""
    tf = _tf.tf
    keep = tf.placeholder(tf.float32, name="keep")
    rows = tf.gather(tf.nn.dropout(variable("table"), rate=1 - keep), ids_placeholder())
    return dense(rows, "gather", feed=lambda ids: {"ids:0": ids, "keep:0": 1.0})


def scaled_masked_normalised():
    """What transformers do to rows: scale, mask, normalise; the lookup is the gather."""
    tf = _tf.tf
    ids = ids_placeholder()
    rows = tf.nn.embedding_lookup(variable("table"), ids)
    after = rows * tf.expand_dims(tf.cast(tf.not_equal(ids, 0), tf.float32), -1) * 2.0
    mean, spread = tf.nn.moments(after, [-1], keepdims=True)
    built = dense((after - mean) * tf.math.rsqrt(spread + 1e-3), "gather")
    return built


def quantised_table():
    tf = _tf.tf
    codes = np.random.RandomState(7).randint(0, 255, (ROWS, DIM)).astype(np.uint8)
    rows = tf.cast(tf.gather(tf.constant(codes), ids_placeholder()), tf.float32)
    return dense(rows * 0.02 - 2.0, "gather", table=codes.astype(np.float32))


def dequantised_table():
    """Codes of eight bits, and ``Dequantize`` of what was gathered."""
    tf = _tf.tf
    codes = tf.quantization.quantize(tf.constant(TABLE), -4.0, 4.0, tf.quint8).output
    rows = tf.quantization.dequantize(tf.gather(codes, ids_placeholder()), -4.0, 4.0)
    step = 8.0 / 255
    rounded = np.round((TABLE + 4.0) / step) * step - 4.0
    return dense(rows, "gather", [rounded[ids] for ids in (IDS, MORE_IDS)])


def half_table():
    tf = _tf.tf
    rows = tf.cast(tf.nn.embedding_lookup(variable("table", TABLE.astype(np.float16)), ids_placeholder()), tf.float32)
    return dense(rows, "gather", table=TABLE.astype(np.float16).astype(np.float32))


def one_hot_bert():
    tf = _tf.tf
    flat = tf.matmul(tf.one_hot(tf.reshape(ids_placeholder(), [-1]), ROWS), variable("table"))
    return dense(tf.reshape(flat, [-1, 3, DIM]), "one_hot", [TABLE[ids.reshape(-1)] for ids in (IDS, MORE_IDS)])


def one_hot_tensordot():
    tf = _tf.tf
    rows = tf.tensordot(tf.one_hot(ids_placeholder(), ROWS), variable("table"), [[2], [0]])
    return dense(rows, "one_hot", [TABLE[ids.reshape(-1)] for ids in (IDS, MORE_IDS)])


def one_hot_transposed():
    tf = _tf.tf
    hot = tf.one_hot(tf.reshape(ids_placeholder(), [-1]), ROWS)
    flat = tf.matmul(hot, variable("table", TABLE.T), transpose_b=True)
    return dense(tf.reshape(flat, [-1, 3, DIM]), "one_hot", [TABLE[ids.reshape(-1)] for ids in (IDS, MORE_IDS)])


def one_hot_einsum():
    tf = _tf.tf
    return dense(tf.einsum("btv,vd->btd", tf.one_hot(ids_placeholder(), ROWS), variable("table")), "one_hot",
                 [TABLE[ids] if _tf.version >= (2, 0) else TABLE[ids.reshape(-1)] for ids in (IDS, MORE_IDS)])


def bert_gather():
    tf = _tf.tf
    flat = tf.gather(variable("table"), tf.reshape(tf.expand_dims(ids_placeholder(), -1), [-1]))
    return dense(tf.reshape(flat, [-1, 3, DIM]), "gather", [TABLE[ids.reshape(-1)] for ids in (IDS, MORE_IDS)])


def gather_along_columns():
    """Along axis 1: columns of a matrix, not rows of a table."""
    tf = _tf.tf
    return nothing(tf.transpose(tf.gather(variable("table", TABLE.T), ids_placeholder(), axis=1), [1, 2, 0]))


def multi_hot_product():
    tf = _tf.tf
    dense_input = tf.placeholder(tf.float32, [None, ROWS], name="ids")
    feeds = [np.eye(ROWS, dtype=np.float32)[:2], np.ones((3, ROWS), np.float32)]
    return Built([{"ids:0": feed} for feed in feeds], head(tf.matmul(dense_input, variable("table"))), [])


def negative_ids_wrapped():
    """Keras 3: a negative id counts from the end, so a select stands before the gather."""
    tf = _tf.tf
    ids = ids_placeholder()
    return dense(tf.gather(variable("table"), tf.where(ids < 0, ids + ROWS, ids)), "gather")


def flat_ids_unique():
    """Repeats merged by hand, rows spread over the ids again: one row per id all the same."""
    tf = _tf.tf
    distinct, places = tf.unique(tf.reshape(ids_placeholder(), [-1]))
    rows = tf.gather(tf.gather(variable("table"), distinct), places)
    return dense(tf.reshape(rows, [-1, 3, DIM]), "gather_unique", [TABLE[ids.reshape(-1)] for ids in (IDS, MORE_IDS)])


def hash_bucket():
    tf = _tf.tf
    words = tf.placeholder(tf.string, [None, 3], name="ids")
    ids = tf.strings.to_hash_bucket_fast(words, ROWS)
    named = [np.array([["w%d" % i for i in row] for row in ids_], object) for ids_ in (IDS, MORE_IDS)]
    buckets = [_buckets(words_) for words_ in named]
    rows = tf.nn.embedding_lookup(variable("table"), ids)
    return Built([{"ids:0": words_} for words_ in named], head(rows),
                 [Lookup(("gather",), True, [TABLE[ids_] for ids_ in buckets])])


def _buckets(words):
    with _tf.tf.Graph().as_default(), _tf.tf.Session() as session:
        return session.run(_tf.tf.strings.to_hash_bucket_fast(_tf.tf.constant(words.tolist()), ROWS))


def string_vocabulary():
    tf = _tf.tf
    words = tf.placeholder(tf.string, [None, 3], name="ids")
    vocabulary = tf.lookup.StaticVocabularyTable(tf.lookup.KeyValueTensorInitializer(
        tf.constant(["w%d" % i for i in range(ROWS - 1)]), tf.range(ROWS - 1, dtype=tf.int64)), 1)
    rows = tf.nn.embedding_lookup(variable("table"), vocabulary.lookup(words))
    return dense(rows, "gather",
                 feed=lambda ids: {"ids:0": np.array([["w%d" % i for i in row] for row in ids], object)})


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


def ids_placeholder_again():
    return _tf.tf.get_default_graph().get_tensor_by_name("ids:0")


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


def loop_shifted_ids():
    """Ids changed inside by the step's number: the lookup cannot be moved out, and the reason is said."""
    tf = _tf.tf
    ids, table = ids_placeholder(), variable("table")
    built = _recurrent(lambda step: tf.gather(table, tf.math.floormod(ids[:, step] + step, ROWS)))
    return built._replace(lookups=[Lookup(("gather",), True)])


def keras_embedding():
    keras = _tf.tf.keras
    layer = keras.layers.Embedding(ROWS, DIM, embeddings_initializer=keras.initializers.Constant(TABLE))
    return dense(layer(ids_placeholder()), "gather")


def contrib_embed_sequence():
    import tensorflow.contrib.layers as layers
    return dense(layers.embed_sequence(ids_placeholder(), ROWS, DIM, initializer=_constant_initializer()), "gather")


def contrib_lookup_unique():
    from tensorflow.contrib.layers import embedding_lookup_unique
    return dense(embedding_lookup_unique(variable("table"), ids_placeholder()), "gather_unique",
                 [TABLE[ids.reshape(-1)] for ids in (IDS, MORE_IDS)])


def _constant_initializer(value=TABLE):
    return _tf.tf.constant_initializer(value)


# Lookups that combine rows.

def sparse_value(bags, width=None):
    """Indices, values and shape of a sparse matrix with one row per bag."""
    places = [(row, column) for row, bag in enumerate(bags) for column in range(len(bag))]
    values = [one for bag in bags for one in bag]
    return (np.array(places, np.int64).reshape(-1, 2), np.array(values), np.array(
        [len(bags), width or max(max(map(len, bags)), 1)], np.int64))


def sparse_placeholder(dtype=None, name="bag"):
    """A sparse tensor made of three placeholders with plain names."""
    tf = _tf.tf
    return tf.SparseTensor(tf.placeholder(tf.int64, [None, 2], name + "_indices"),
                           tf.placeholder(dtype or tf.int64, [None], name + "_values"),
                           tf.placeholder(tf.int64, [2], name + "_shape"))


def sparse_feed(bags, name="bag", convert=lambda values: values):
    indices, values, shape = sparse_value(bags)
    return {name + "_indices:0": indices, name + "_values:0": convert(values), name + "_shape:0": shape}


def weights_of(bags):
    return [[0.5 + ((7 * one + 3 * place) % 5) / 4.0 for place, one in enumerate(bag)] for bag in bags]


def occurrences_of(bags, fillers=False, table=TABLE):
    """The rows of all ids in order, and whose they are; an empty bag has a filler with id 0, marked by the inverse."""
    rows, owner = [], []
    for number, bag in enumerate(bags):
        for one in bag if bag or not fillers else [0]:
            rows.append(table[one])
            owner.append(number if bag else ~number)
    return np.array(rows).reshape(-1, table.shape[1]), owner


def combined(bags, how, weighted=False, table=TABLE):
    """What the lookup returns for each bag."""
    found = []
    for bag, weights in zip(bags, weights_of(bags)):
        weights = np.array(weights if weighted else [1.0] * len(bag))
        total = sum((weight * table[one] for one, weight in zip(bag, weights)), np.zeros(table.shape[1]))
        scale = {"sum": 1.0, "mean": weights.sum(), "sqrtn": np.sqrt((weights ** 2).sum())}[how]
        found.append(total / scale if len(bag) else total)
    return np.array(found, np.float32)


def sparse_built(features, bags, kind, weighted=False, fillers=False, feed=sparse_feed, strings=None, table=TABLE,
                 width=DIM) -> Built:
    """A pattern of bags of ids; the candidate's own rows are checked after the split."""
    feeds = [dict(feed(one)) for one in bags]
    if weighted:
        for made, one in zip(feeds, bags):
            made.update(sparse_feed(weights_of(one), "weight"))
    lookup = Lookup(kind, weighted, None, [occurrences_of(one, fillers, table) for one in bags],
                    strings=strings, table=table)
    return Built(feeds, head(features, width), [lookup])


SPARSE = ("sparse",)
MAYBE_ON_TABLE = ("sparse", "sparse_on_table")
WEIGHTED = ("sparse_weighted",)


def _els(how, weighted=False, safe=False, params=None, **kwargs):
    """A builder of ``embedding_lookup_sparse`` or its safe relative."""
    def build():
        tf = _tf.tf
        table = params() if params else variable("table")
        weights = sparse_placeholder(tf.float32, "weight") if weighted else None
        function = tf.nn.safe_embedding_lookup_sparse if safe else tf.nn.embedding_lookup_sparse
        features = function(table, sparse_placeholder(), weights, combiner=how, **kwargs)
        bags = [BAGS_WITH_EMPTY, MORE_BAGS_WITH_EMPTY] if safe else [BAGS, MORE_BAGS]
        merged = params is not None or "max_norm" in kwargs
        built = sparse_built(tf.reshape(features, [-1, DIM]), bags, WEIGHTED if weighted else
                             SPARSE if merged else MAYBE_ON_TABLE, weighted, fillers=safe)
        if "max_norm" in kwargs:
            built = built._replace(lookups=[built.lookups[0]._replace(
                occurrences=[(_clipped(rows, kwargs["max_norm"]), owner) for rows, owner in
                             built.lookups[0].occurrences])])
        return built
    return build


def _resource():
    return variable("table", resource=True)


def _two_parts():
    return [variable("table/part_%d" % part, TABLE[part::2]) for part in range(2)]


def safe_default_id():
    """A default id is a real lookup: the row of an empty example belongs to it."""
    tf = _tf.tf
    features = tf.nn.safe_embedding_lookup_sparse(
        variable("table"), sparse_placeholder(), combiner="mean", default_id=5)
    bags = [[bag or [5] for bag in some] for some in (BAGS_WITH_EMPTY, MORE_BAGS_WITH_EMPTY)]
    built = sparse_built(tf.reshape(features, [-1, DIM]), bags, MAYBE_ON_TABLE)
    return built._replace(feeds=[sparse_feed(BAGS_WITH_EMPTY), sparse_feed(MORE_BAGS_WITH_EMPTY)])


def sparse_hashed_strings():
    """Words, hashed, some examples empty: the strings must follow the ids through every selection."""
    tf = _tf.tf
    words = sparse_placeholder(tf.string)
    ids = tf.SparseTensor(words.indices, tf.strings.to_hash_bucket_fast(words.values, ROWS), words.dense_shape)
    features = tf.nn.safe_embedding_lookup_sparse(variable("table"), ids, combiner="sum")
    named = [[["w%d" % one for one in bag] for bag in bags] for bags in (BAGS_WITH_EMPTY, MORE_BAGS_WITH_EMPTY)]
    hashed = [[list(_buckets(np.array(bag))) if bag else [] for bag in bags] for bags in named]
    strings = [[word.encode() for bag in bags for word in (bag or [""])] for bags in named]
    built = sparse_built(tf.reshape(features, [-1, DIM]), hashed, MAYBE_ON_TABLE, fillers=True, strings=strings)
    return built._replace(feeds=[sparse_feed(bags, convert=lambda values: values.astype(object)) for bags in named])


def _num_segments(how, unique):
    """``SparseSegment…WithNumSegments``, from distinct rows or straight from the table; the last examples are empty."""
    def build():
        tf = _tf.tf
        bag = sparse_placeholder()
        segments, number = tf.cast(bag.indices[:, 0], tf.int32), tf.cast(bag.dense_shape[0], tf.int32)
        op = {"sum": tf.sparse.segment_sum, "mean": tf.sparse.segment_mean, "sqrtn": tf.sparse.segment_sqrt_n}[how]
        if unique:
            distinct, places = tf.unique(bag.values)
            features = op(tf.gather(variable("table"), distinct), places, segments, num_segments=number)
        else:
            features = op(variable("table"), tf.cast(bag.values, tf.int32), segments, num_segments=number)
        return sparse_built(features, [BAGS + [[]], [[]] + MORE_BAGS + [[], []]],
                            SPARSE if unique else ("sparse_on_table",))
    return build


def ragged_segment_mean():
    """A plain lookup of a flat list of ids, averaged per example by hand: rows have owners, nothing needs a split."""
    tf = _tf.tf
    bag = sparse_placeholder()
    rows = tf.gather(variable("table"), bag.values)
    return sparse_built(tf.math.segment_mean(rows, bag.indices[:, 0]), [BAGS, MORE_BAGS], ("ragged",))._replace(
        lookups=[Lookup(("ragged",), True, [occurrences_of(bags)[0] for bags in (BAGS, MORE_BAGS)],
                        [occurrences_of(bags) for bags in (BAGS, MORE_BAGS)])])


def two_tables_one_bag():
    """Wide and deep: two tables, the same ids."""
    tf = _tf.tf
    bag = sparse_placeholder()
    wide = TABLE[:, :2] * 3
    first = tf.nn.embedding_lookup_sparse(variable("deep", resource=True), bag, None, combiner="mean")
    second = tf.nn.embedding_lookup_sparse(variable("wide", wide, True), bag, None, combiner="sum")
    built = sparse_built(tf.concat([first, second], 1), [BAGS, MORE_BAGS], SPARSE, width=DIM + 2)
    lookups = [built.lookups[0], built.lookups[0]._replace(
        table=wide, occurrences=[occurrences_of(bags, table=wide) for bags in (BAGS, MORE_BAGS)])]
    return built._replace(lookups=lookups)


def one_table_two_bags():
    """A shared table: two inputs looked up in it are two lookups."""
    tf = _tf.tf
    table = variable("table")
    left, right = (tf.nn.embedding_lookup_sparse(table, sparse_placeholder(name=name), None, combiner="mean")
                   for name in ("bag", "other"))
    built = sparse_built(tf.concat([left, right], 1), [BAGS, MORE_BAGS], MAYBE_ON_TABLE, width=2 * DIM)
    others = [BAGS[::-1], MORE_BAGS[::-1]]
    feeds = [dict(feed, **sparse_feed(other, "other")) for feed, other in zip(built.feeds, others)]
    return built._replace(feeds=feeds, lookups=[built.lookups[0], built.lookups[0]._replace(
        occurrences=[occurrences_of(bags) for bags in others])])


# Feature columns.

def _columns_feed(bags):
    width = max(max(map(len, bags)), 1)
    return {"words:0": np.array([list(bag) + [-1] * (width - len(bag)) for bag in bags], np.int64)}


def _column_inputs(name="words"):
    return {name: _tf.tf.placeholder(_tf.tf.int64, [None, None], name=name)}


def _input_layer(columns_of, layer="input_layer", on_table=True, combiner="mean", **built):
    """A builder with an embedding column over dense ids padded with -1 (empty examples included)."""
    def build():
        columns = columns_of(_tf.tf.feature_column, combiner)
        features = _layer(layer)(_column_inputs(), columns)
        kind = MAYBE_ON_TABLE if on_table else SPARSE
        return sparse_built(_tf.tf.reshape(features, [-1, DIM]), [BAGS_WITH_EMPTY, MORE_BAGS_WITH_EMPTY], kind,
                            fillers=True, feed=_columns_feed, **built)
    return build


def _layer(name):
    tf = _tf.tf
    if name == "input_layer":
        return tf.feature_column.input_layer
    return lambda features, columns: tf.keras.layers.DenseFeatures(columns)(features)


def _embedding_column(module, combiner):
    column = module.categorical_column_with_identity("words", ROWS)
    return [module.embedding_column(column, DIM, combiner=combiner, initializer=_constant_initializer())]


def column_hashed_strings():
    tf = _tf.tf
    column = tf.feature_column.categorical_column_with_hash_bucket("words", ROWS)
    words = {"words": tf.placeholder(tf.string, [None, None], name="words")}
    features = tf.feature_column.input_layer(words, [tf.feature_column.embedding_column(
        column, DIM, initializer=_constant_initializer())])
    named = [[["w%d" % one for one in bag] for bag in bags] for bags in (BAGS_WITH_EMPTY, MORE_BAGS_WITH_EMPTY)]
    hashed = [[list(_buckets(np.array(bag))) if bag else [] for bag in bags] for bags in named]
    strings = [[word.encode() for bag in bags for word in (bag or [""])] for bags in named]
    built = sparse_built(tf.reshape(features, [-1, DIM]), hashed, MAYBE_ON_TABLE, fillers=True, strings=strings)
    widths = [max(map(len, bags)) for bags in named]
    return built._replace(feeds=[{"words:0": np.array([bag + [""] * (width - len(bag)) for bag in bags], object)}
                                 for bags, width in zip(named, widths)])


def column_weighted():
    tf = _tf.tf
    column = tf.feature_column.weighted_categorical_column(
        tf.feature_column.categorical_column_with_identity("words", ROWS), "weights")
    features = {"words": sparse_placeholder(), "weights": sparse_placeholder(tf.float32, "weight")}
    layer = tf.feature_column.input_layer(features, [tf.feature_column.embedding_column(
        column, DIM, initializer=_constant_initializer())])
    return sparse_built(tf.reshape(layer, [-1, DIM]), [BAGS_WITH_EMPTY, MORE_BAGS_WITH_EMPTY], WEIGHTED, True, True)


def column_bucketized():
    tf = _tf.tf
    number = tf.feature_column.numeric_column("words")
    column = tf.feature_column.bucketized_column(number, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0])
    layer = tf.feature_column.input_layer(
        {"words": tf.placeholder(tf.float32, [None, 1], "words")},
        [tf.feature_column.embedding_column(column, DIM, initializer=_constant_initializer())])
    bags = [[[3], [5], [3]], [[0], [7]]]
    built = sparse_built(tf.reshape(layer, [-1, DIM]), bags, MAYBE_ON_TABLE)
    return built._replace(feeds=[{"words:0": np.array(bag, np.float32) + 0.5} for bag in bags])


def column_shared():
    tf = _tf.tf
    module = tf.feature_column
    columns = [module.categorical_column_with_identity(name, ROWS) for name in ("other", "words")]
    shared = module.shared_embedding_columns(columns, DIM, initializer=_constant_initializer())
    inputs = dict(_column_inputs(), **_column_inputs("other"))
    features = module.input_layer(inputs, shared)
    bags = [[BAGS_WITH_EMPTY, BAGS_WITH_EMPTY[::-1]], [MORE_BAGS_WITH_EMPTY, MORE_BAGS_WITH_EMPTY[::-1]]]
    built = sparse_built(tf.reshape(features, [-1, 2 * DIM]), [one[0] for one in bags], MAYBE_ON_TABLE, fillers=True,
                         feed=_columns_feed, width=2 * DIM)
    feeds = [dict(feed, **{"other:0": _columns_feed(one[1])["words:0"]}) for feed, one in zip(built.feeds, bags)]
    return built._replace(feeds=feeds, lookups=[built.lookups[0], built.lookups[0]._replace(
        occurrences=[occurrences_of(one[1], True) for one in bags])])


def column_linear():
    """``linear_model``: a table with as many columns as units."""
    tf = _tf.tf
    column = tf.feature_column.categorical_column_with_identity("words", ROWS)
    logits = tf.feature_column.linear_model(_column_inputs(), [column], units=DIM, cols_to_vars=None)
    weights = [one for one in tf.global_variables() if one.shape.as_list() == [ROWS, DIM]][0]
    _set_initial(weights, TABLE)
    return sparse_built(tf.reshape(logits, [-1, DIM]), [BAGS_WITH_EMPTY, MORE_BAGS_WITH_EMPTY], MAYBE_ON_TABLE,
                        fillers=True, feed=_columns_feed)


def _set_initial(variable_, value):
    """Makes the global initialiser write a value (columns of linear models take no initialiser)."""
    node = variable_.initializer
    node._update_input(1, _tf.tf.constant(value))


def column_partitioned():
    tf = _tf.tf
    inputs = _column_inputs()
    with tf.variable_scope("layer", partitioner=tf.fixed_size_partitioner(2)):
        features = tf.feature_column.input_layer(inputs, [tf.feature_column.embedding_column(
            tf.feature_column.categorical_column_with_identity("words", ROWS), DIM,
            initializer=tf.zeros_initializer())])
    for number, part in enumerate(one for one in tf.global_variables() if one.shape.as_list() == [ROWS // 2, DIM]):
        _set_initial(part, TABLE[number * ROWS // 2:(number + 1) * ROWS // 2])
    return sparse_built(tf.reshape(features, [-1, DIM]), [BAGS_WITH_EMPTY, MORE_BAGS_WITH_EMPTY], SPARSE, fillers=True,
                        feed=_columns_feed)


def _sequence(layer_of):
    """A sequence column: one id a step, steps past the end filled; owners are examples, fillers are nobody's."""
    def build():
        tf = _tf.tf
        from tensorflow.python.feature_column import sequence_feature_column as sequences
        column = tf.feature_column.embedding_column(
            sequences.sequence_categorical_column_with_identity("words", ROWS), DIM,
            initializer=_constant_initializer())
        bag = sparse_placeholder()
        features, _ = layer_of()({"words": bag}, [column])
        bags = [[[3, 1, 3], [2], [2, 3]], [[4, 4], [1, 0, 6, 1]]]
        lookup = Lookup(MAYBE_ON_TABLE, False, None, [_padded_occurrences(one) for one in bags])
        return Built([sparse_feed(one) for one in bags], head(tf.ensure_shape(features, [None, None, DIM])), [lookup])
    return build


def _padded_occurrences(bags):
    width = max(map(len, bags))
    rows = [TABLE[bag[step]] if step < len(bag) else TABLE[0] for bag in bags for step in range(width)]
    owner = [number if step < len(bag) else ~number for number, bag in enumerate(bags) for step in range(width)]
    return np.array(rows), owner


def _contrib_sequence_layer():
    from tensorflow.contrib.feature_column import sequence_input_layer
    return sequence_input_layer


def _sequence_features():
    from tensorflow.keras.experimental import SequenceFeatures
    return lambda features, columns: SequenceFeatures(columns)(features)


def column_indicator():
    tf = _tf.tf
    column = tf.feature_column.categorical_column_with_identity("words", ROWS)
    features = tf.feature_column.input_layer(_column_inputs(), [tf.feature_column.indicator_column(column)])
    return Built([_columns_feed(BAGS), _columns_feed(MORE_BAGS)], head(tf.matmul(features, variable("table"))),
                 [Lookup(("multi_hot",), False, [_counts(bags) for bags in (BAGS, MORE_BAGS)], table=np.eye(ROWS))])


def _counts(bags):
    return np.array([np.bincount(bag, minlength=ROWS) for bag in bags], np.float32)


def column_bucketized_one_hot():
    tf = _tf.tf
    column = tf.feature_column.bucketized_column(tf.feature_column.numeric_column("words"), [1.0, 2.0, 3.0])
    other = tf.feature_column.numeric_column("other")
    placeholders = {name: tf.placeholder(tf.float32, [None, 1], name) for name in ("words", "other")}
    features = tf.feature_column.input_layer(placeholders, [column, other])
    numbers = [np.array([[0.5], [2.5]], np.float32), np.array([[1.5], [7.0], [2.1]], np.float32)]
    buckets = [np.eye(4)[np.digitize(number, [1.0, 2.0, 3.0])] for number in numbers]
    return Built([{"words:0": number, "other:0": number} for number in numbers],
                 head(tf.matmul(features, variable("table", np.resize(TABLE, (5, DIM))))),
                 [Lookup(("one_hot_features",), True, buckets, table=np.eye(4))])


def one_hot_characters():
    """Characters as one-hot vectors straight into a convolution."""
    tf = _tf.tf
    hot = tf.one_hot(ids_placeholder(), ROWS)
    features = tf.nn.conv1d(hot, variable("filters", np.resize(TABLE, (2, ROWS, DIM))), stride=1, padding="SAME")
    return Built([{"ids:0": IDS}, {"ids:0": MORE_IDS}], head(features), [
        Lookup(("one_hot_features",), True, [np.eye(ROWS)[ids] for ids in (IDS, MORE_IDS)], table=np.eye(ROWS))])


def one_hot_selection():
    """A one-hot vector that picks the last step is no feature."""
    tf = _tf.tf
    places = tf.placeholder(tf.int32, [None], "last")
    rows = tf.nn.embedding_lookup(variable("table"), ids_placeholder())
    picked = tf.reduce_sum(tf.tanh(rows) * tf.expand_dims(tf.one_hot(places, 3), -1), 1)
    return dense(picked, "gather", feed=lambda ids: {"ids:0": ids, "last:0": ids[:, 0] % 3})

def patterns() -> Dict[str, Pattern]:
    """All patterns by name; asks the running TensorFlow what it has, so it is called by tests only."""
    tf, first = _tf.tf, _tf.version < (2, 0)
    no_contrib = "" if first else "tf.contrib ended with 1.15"
    no_dense_features = "" if hasattr(tf.keras.layers, "DenseFeatures") else "Keras 3 has no DenseFeatures"
    no_sequences = "" if hasattr(tf.keras, "experimental") and hasattr(
        tf.keras.experimental, "SequenceFeatures") else "Keras 3 has no SequenceFeatures"
    found = {build.__name__: Pattern(build) for build in (
        lookup_refvar, lookup_resvar, lookup_part2_mod, lookup_part3_div, lookup_part4_mod_resource, lookup_max_norm,
        lookup_part2_max_norm, gather_refvar, gather_constant, gather_nd, gather_nd_by_field, zero_padded_table,
        transposed_table, scaled_table, table_with_dropout, scaled_masked_normalised, quantised_table,
        dequantised_table, half_table,
        one_hot_bert, one_hot_tensordot, one_hot_transposed, one_hot_einsum, bert_gather, gather_along_columns,
        multi_hot_product, negative_ids_wrapped, flat_ids_unique, hash_bucket, string_vocabulary, loop_map,
        loop_map_resource, loop_time_major_array, loop_slice, loop_gather, loop_shifted_ids,
        safe_default_id, sparse_hashed_strings, ragged_segment_mean, two_tables_one_bag, one_table_two_bags,
        column_hashed_strings, column_weighted, column_bucketized, column_shared, column_linear, column_partitioned,
        column_indicator, column_bucketized_one_hot, one_hot_characters, one_hot_selection)}
    for how in ("sum", "mean", "sqrtn"):
        found["els_" + how] = Pattern(_els(how))
        found["els_%s_weighted" % how] = Pattern(_els(how, weighted=True))
        found["safe_els_" + how] = Pattern(_els(how, safe=True))
        found["num_segments_%s_unique" % how] = Pattern(_num_segments(how, True))
        found["num_segments_%s_on_table" % how] = Pattern(_num_segments(how, False))
        found["column_input_layer_" + how] = Pattern(_input_layer(_embedding_column, combiner=how))
        found["column_dense_features_" + how] = Pattern(
            _input_layer(_embedding_column, "DenseFeatures", False, how), no_dense_features)
    found.update({
        "els_mean_resource": Pattern(_els("mean", params=_resource)),
        "els_mean_two_parts": Pattern(_els("mean", params=_two_parts, partition_strategy="mod")),
        "els_mean_weighted_two_parts": Pattern(_els("mean", True, params=_two_parts, partition_strategy="mod")),
        "els_mean_max_norm": Pattern(_els("mean", max_norm=1.0)),
        "safe_els_sqrtn_weighted": Pattern(_els("sqrtn", weighted=True, safe=True)),
        "keras_embedding": Pattern(keras_embedding),
        "contrib_embed_sequence": Pattern(contrib_embed_sequence, no_contrib),
        "contrib_lookup_unique": Pattern(contrib_lookup_unique, no_contrib),
        "sequence_contrib": Pattern(_sequence(_contrib_sequence_layer), no_contrib),
        "sequence_features": Pattern(_sequence(_sequence_features), no_sequences),
    })
    return found
