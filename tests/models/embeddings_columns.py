"""Lookups that feature columns write."""

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
    constant_initializer,
    hash_of,
    head,
    named,
    variable,
)
from tests.models.embeddings_sparse import (
    MAYBE_ON_TABLE,
    SPARSE,
    WEIGHTED,
    occurrences_of,
    sparse_built,
    sparse_feed,
    sparse_placeholder,
)


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
    return [module.embedding_column(column, DIM, combiner=combiner, initializer=constant_initializer())]


def column_hashed_strings():
    tf = _tf.tf
    column = tf.feature_column.categorical_column_with_hash_bucket("words", ROWS)
    words = {"words": tf.placeholder(tf.string, [None, None], name="words")}
    features = tf.feature_column.input_layer(words, [tf.feature_column.embedding_column(
        column, DIM, initializer=constant_initializer())])
    named = [[["w%d" % one for one in bag] for bag in bags] for bags in (BAGS_WITH_EMPTY, MORE_BAGS_WITH_EMPTY)]
    hashed = [[list(hash_of(np.array(bag))) if bag else [] for bag in bags] for bags in named]
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
        column, DIM, initializer=constant_initializer())])
    return sparse_built(tf.reshape(layer, [-1, DIM]), [BAGS_WITH_EMPTY, MORE_BAGS_WITH_EMPTY], WEIGHTED, True, True)


def column_bucketized():
    tf = _tf.tf
    number = tf.feature_column.numeric_column("words")
    column = tf.feature_column.bucketized_column(number, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0])
    layer = tf.feature_column.input_layer(
        {"words": tf.placeholder(tf.float32, [None, 1], "words")},
        [tf.feature_column.embedding_column(column, DIM, initializer=constant_initializer())])
    bags = [[[3], [5], [3]], [[0], [7]]]
    built = sparse_built(tf.reshape(layer, [-1, DIM]), bags, MAYBE_ON_TABLE)
    return built._replace(feeds=[{"words:0": np.array(bag, np.float32) + 0.5} for bag in bags])


def column_shared():
    tf = _tf.tf
    module = tf.feature_column
    columns = [module.categorical_column_with_identity(name, ROWS) for name in ("other", "words")]
    shared = module.shared_embedding_columns(columns, DIM, initializer=constant_initializer())
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
            initializer=constant_initializer())
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


def patterns():
    """Feature columns by name, and what a release lacks."""
    tf = _tf.tf
    no_contrib = "" if _tf.version < (2, 0) else "tf.contrib ended with 1.15"
    no_dense_features = "" if hasattr(tf.keras.layers, "DenseFeatures") else "Keras 3 has no DenseFeatures"
    no_sequences = "" if hasattr(tf.keras, "experimental") and hasattr(
        tf.keras.experimental, "SequenceFeatures") else "Keras 3 has no SequenceFeatures"
    found = named(column_hashed_strings, column_weighted, column_bucketized, column_shared, column_linear,
                  column_partitioned, column_indicator, column_bucketized_one_hot)
    for how in ("sum", "mean", "sqrtn"):
        found["column_input_layer_" + how] = Pattern(_input_layer(_embedding_column, combiner=how))
        found["column_dense_features_" + how] = Pattern(
            _input_layer(_embedding_column, "DenseFeatures", False, how), no_dense_features)
    found["sequence_contrib"] = Pattern(_sequence(_contrib_sequence_layer), no_contrib)
    found["sequence_features"] = Pattern(_sequence(_sequence_features), no_sequences)
    return found
