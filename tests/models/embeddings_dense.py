"""Dense lookups: one row per id of a matrix of ids; and one-hot vectors."""

import numpy as np

from graph_tools import _tf
from tests.models.embeddings import (
    DIM,
    IDS,
    MORE_IDS,
    ROWS,
    TABLE,
    Built,
    Lookup,
    Pattern,
    clipped,
    constant_initializer,
    dense,
    hash_of,
    head,
    ids_placeholder,
    named,
    nothing,
    variable,
)


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


def lookup_max_norm():
    rows = _tf.tf.nn.embedding_lookup(variable("table"), ids_placeholder(), max_norm=1.0)
    return dense(rows, "gather", [clipped(TABLE[ids]) for ids in (IDS, MORE_IDS)])


def lookup_part2_max_norm():
    return dense(_partitioned(2, "mod", max_norm=1.0), "partitioned", [clipped(TABLE[ids]) for ids in (IDS, MORE_IDS)])


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
    buckets = [hash_of(words_) for words_ in named]
    rows = tf.nn.embedding_lookup(variable("table"), ids)
    return Built([{"ids:0": words_} for words_ in named], head(rows),
                 [Lookup(("gather",), True, [TABLE[ids_] for ids_ in buckets])])


def sparse_words_made_dense():
    """The usual text server: split lines, hash words, pad ids to a matrix; the strings exist only as a flat list."""
    tf = _tf.tf
    lines = tf.placeholder(tf.string, [None], name="ids")
    words = tf.string_split(lines)
    buckets = tf.SparseTensor(words.indices, tf.strings.to_hash_bucket_fast(words.values, ROWS - 1) + 1,
                              words.dense_shape)
    rows = tf.nn.embedding_lookup(variable("table"), tf.sparse_tensor_to_dense(buckets))
    texts = [["good good bad", "odd"], ["one", "two two", "a b c d"]]
    padded = [_padded(text) for text in texts]
    expected = [TABLE[np.where(words_ == b"", 0, hash_of(words_, ROWS - 1) + 1)] for words_ in padded]
    return Built([{"ids:0": np.array(text, object)} for text in texts], head(tf.ensure_shape(rows, [None, None, DIM])),
                 [Lookup(("gather",), True, expected, strings=padded)])


def _padded(texts):
    width = max(len(text.split()) for text in texts)
    return np.array([[word.encode() for word in text.split()] + [b""] * (width - len(text.split()))
                     for text in texts], object)


def fed_table():
    """Pretrained vectors that the caller feeds each time."""
    tf = _tf.tf
    vectors = tf.placeholder(tf.float32, [ROWS, DIM], "vectors")
    return dense(tf.nn.embedding_lookup(vectors, ids_placeholder()), "gather",
                 feed=lambda ids: {"ids:0": ids, "vectors:0": TABLE})


def string_vocabulary():
    tf = _tf.tf
    words = tf.placeholder(tf.string, [None, 3], name="ids")
    vocabulary = tf.lookup.StaticVocabularyTable(tf.lookup.KeyValueTensorInitializer(
        tf.constant(["w%d" % i for i in range(ROWS - 1)]), tf.range(ROWS - 1, dtype=tf.int64)), 1)
    rows = tf.nn.embedding_lookup(variable("table"), vocabulary.lookup(words))
    return dense(rows, "gather",
                 feed=lambda ids: {"ids:0": np.array([["w%d" % i for i in row] for row in ids], object)})


def keras_embedding():
    keras = _tf.tf.keras
    layer = keras.layers.Embedding(ROWS, DIM, embeddings_initializer=keras.initializers.Constant(TABLE))
    return dense(layer(ids_placeholder()), "gather")


def contrib_embed_sequence():
    import tensorflow.contrib.layers as layers
    return dense(layers.embed_sequence(ids_placeholder(), ROWS, DIM, initializer=constant_initializer()), "gather")


def contrib_lookup_unique():
    from tensorflow.contrib.layers import embedding_lookup_unique
    return dense(embedding_lookup_unique(variable("table"), ids_placeholder()), "gather_unique",
                 [TABLE[ids.reshape(-1)] for ids in (IDS, MORE_IDS)])


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


def patterns():
    """Dense patterns by name."""
    no_contrib = "" if _tf.version < (2, 0) else "tf.contrib ended with 1.15"
    found = named(
        lookup_refvar, lookup_resvar, lookup_part2_mod, lookup_part3_div, lookup_part4_mod_resource, lookup_max_norm,
        lookup_part2_max_norm, gather_refvar, gather_constant, gather_nd, gather_nd_by_field, zero_padded_table,
        transposed_table, scaled_table, table_with_dropout, scaled_masked_normalised, quantised_table,
        dequantised_table, half_table, one_hot_bert, one_hot_tensordot, one_hot_transposed, one_hot_einsum,
        bert_gather, gather_along_columns, multi_hot_product, negative_ids_wrapped, flat_ids_unique, hash_bucket,
        string_vocabulary, fed_table, sparse_words_made_dense, one_hot_characters, one_hot_selection, keras_embedding)
    found["contrib_embed_sequence"] = Pattern(contrib_embed_sequence, no_contrib)
    found["contrib_lookup_unique"] = Pattern(contrib_lookup_unique, no_contrib)
    return found
