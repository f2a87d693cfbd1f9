"""Lookups that combine rows: bags of ids, with and without weights and empty bags."""

import numpy as np

from graph_tools import _tf
from tests.models.embeddings import (
    BAGS,
    BAGS_WITH_EMPTY,
    DIM,
    MORE_BAGS,
    MORE_BAGS_WITH_EMPTY,
    ROWS,
    TABLE,
    Built,
    Lookup,
    Pattern,
    clipped,
    hash_of,
    head,
    named,
    variable,
)


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
        if not safe and "max_norm" not in kwargs:
            built = built._replace(lookups=[built.lookups[0]._replace(
                combined=[combined(one, how, weighted) for one in bags])])
        if "max_norm" in kwargs:
            built = built._replace(lookups=[built.lookups[0]._replace(
                occurrences=[(clipped(rows, kwargs["max_norm"]), owner) for rows, owner in
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
    hashed = [[list(hash_of(np.array(bag))) if bag else [] for bag in bags] for bags in named]
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


def _ragged_matrix(by_rows, shape=None):
    """Rows of a flat list of ids, spread over a padded matrix by ``RaggedTensor.to_tensor``."""
    def build():
        tf = _tf.tf
        flat, parts = tf.placeholder(tf.int64, [None], "flat"), tf.placeholder(tf.int64, [None], "parts")
        ids = (tf.RaggedTensor.from_value_rowids if by_rows else tf.RaggedTensor.from_row_splits)(flat, parts)
        rows = tf.ragged.map_flat_values(lambda one: tf.gather(variable("table"), one), ids)
        matrix = rows.to_tensor() if shape is None else rows.to_tensor(shape=shape)
        feeds, occurrences = [], []
        for bags in (BAGS_WITH_EMPTY + [[5]], [[2, 2]] + MORE_BAGS_WITH_EMPTY):
            owner = [row for row, bag in enumerate(bags) for _ in bag]
            feeds.append({"flat:0": np.array([one for bag in bags for one in bag]),
                          "parts:0": np.array(owner if by_rows else np.cumsum([0] + [len(bag) for bag in bags]))})
            own = owner if shape is None else [row if place < shape[1] else -1 for row, bag in enumerate(bags)
                                               for place in range(len(bag))]
            occurrences.append((occurrences_of(bags)[0], own))
        scores = head(tf.reduce_sum(tf.tanh(tf.reshape(matrix, [tf.shape(matrix)[0], -1, DIM])), 1))
        return Built(feeds, scores, [Lookup(("ragged",), True, [rows for rows, _ in occurrences], occurrences)])
    return build


def sparse_product():
    """A bag of words as a sparse matrix of weights, times a table; columns are words."""
    tf = _tf.tf
    matrix = tf.SparseTensor(tf.placeholder(tf.int64, [None, 2], "bag_indices"),
                             tf.placeholder(tf.float32, [None], "bag_values"),
                             tf.placeholder(tf.int64, [2], "bag_shape"))
    features = tf.sparse_tensor_dense_matmul(matrix, variable("table"))
    bags = [[[1, 3, 5], [], [3]], [[0, 7], [2], [], [4, 6, 7], [1]]]
    feeds = []
    for one in bags:
        places = [(row, word) for row, bag in enumerate(one) for word in bag]
        weights = [weight for bag in weights_of(one) for weight in bag]
        feeds.append({"bag_indices:0": np.array(places, np.int64), "bag_values:0": np.array(weights, np.float32),
                      "bag_shape:0": np.array([len(one), ROWS], np.int64)})
    return Built(feeds, head(tf.ensure_shape(features, [None, DIM])), [Lookup(
        ("sparse_product",), False, [combined(one, "sum", True) for one in bags],
        [occurrences_of(one) for one in bags])])


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


def patterns():
    """Patterns of bags by name."""
    found = named(
        sparse_product, safe_default_id, sparse_hashed_strings, ragged_segment_mean, two_tables_one_bag,
        one_table_two_bags)
    found["ragged_matrix_by_splits"] = Pattern(_ragged_matrix(False))
    found["ragged_matrix_by_rows"] = Pattern(_ragged_matrix(True))
    found["ragged_matrix_cut_off"] = Pattern(_ragged_matrix(False, [None, 2, None]), "" if _tf.version >= (2, 0) else
                                             "RaggedTensor.to_tensor takes no shape before 2.1")
    for how in ("sum", "mean", "sqrtn"):
        found["els_" + how] = Pattern(_els(how))
        found["els_%s_weighted" % how] = Pattern(_els(how, weighted=True))
        found["safe_els_" + how] = Pattern(_els(how, safe=True))
        found["num_segments_%s_unique" % how] = Pattern(_num_segments(how, True))
        found["num_segments_%s_on_table" % how] = Pattern(_num_segments(how, False))
    found["els_mean_resource"] = Pattern(_els("mean", params=_resource))
    found["els_mean_two_parts"] = Pattern(_els("mean", params=_two_parts, partition_strategy="mod"))
    found["els_mean_weighted_two_parts"] = Pattern(_els("mean", True, params=_two_parts, partition_strategy="mod"))
    found["els_mean_max_norm"] = Pattern(_els("mean", max_norm=1.0))
    found["safe_els_sqrtn_weighted"] = Pattern(_els("sqrtn", weighted=True, safe=True))
    return found
