"""Graphs that cut raw texts into tokens, hash them and look them up: the text of each row is fed as one string."""

from graph_tools import _tf
from tests.models.embeddings import head, variable


def _bag(tokens, how="mean"):
    """Scores of a bag of hashed tokens, given as a sparse tensor of strings."""
    tf = _tf.tf
    ids = tf.SparseTensor(tokens.indices, tf.strings.to_hash_bucket_fast(tokens.values, 8), tokens.dense_shape)
    return head(tf.ensure_shape(tf.nn.safe_embedding_lookup_sparse(variable("table"), ids, combiner=how), [None, 4]))


def _text():
    return _tf.tf.placeholder(_tf.tf.string, [None], "text")


def words():
    return _bag(_tf.tf.string_split(_text()))


def lowered_words():
    """Punctuation becomes spaces, capitals small letters."""
    tf = _tf.tf
    small = tf.strings.lower(_text(), encoding="utf-8")
    return _bag(tf.string_split(tf.strings.regex_replace(small, r"[!?.,;:()]", " ")))


def words_and_signs():
    """Punctuation marks are tokens of their own."""
    tf = _tf.tf
    return _bag(tf.string_split(tf.strings.regex_replace(_text(), r"([!?.,])", r" \1 ")))


def single_bytes():
    """A token is a byte, also of a character that takes several."""
    return _bag(_tf.tf.string_split(_text(), ""))


def bytes_in_pairs():
    """Pairs of bytes with a blank between, as guesslang makes them; made row by row, padded and cut."""
    tf = _tf.tf

    def pairs(line):
        parts = tf.string_split([line], "").values
        found = tf.string_join([parts[:-1], parts[1:]], " ")
        return tf.concat([found, tf.fill([40], "")], 0)[:40]

    tokens = tf.map_fn(pairs, _text())
    places = tf.where(tf.not_equal(tokens, ""))
    return _bag(tf.SparseTensor(places, tf.gather_nd(tokens, places), tf.shape(tokens, out_type=tf.int64)))


def first_letters():
    """A matrix of ten substrings of one byte each."""
    tf = _tf.tf
    text = tf.reshape(_text(), [-1, 1])
    letters = tf.substr(tf.tile(text, [1, 4]), tf.tile(tf.constant([[0, 1, 2, 3]]), [tf.shape(text)[0], 1]),
                        tf.ones([tf.shape(text)[0], 4], tf.int32))
    return head(tf.gather(variable("table"), tf.strings.to_hash_bucket_fast(letters, 8)))


def characters():
    """Unicode characters, padded to a matrix."""
    tf = _tf.tf
    found = tf.strings.unicode_split(_text(), "UTF-8").to_tensor("")
    return head(tf.gather(variable("table"), tf.strings.to_hash_bucket_fast(found, 8)))


def without_stop_words():
    """Tokens the vocabulary does not know are dropped before the lookup."""
    tf = _tf.tf
    tokens = tf.string_split(_text())
    kept = tf.logical_not(tf.reduce_any(tf.equal(tokens.values[:, None], tf.constant([["the", "a"]])), 1))
    return _bag(tf.SparseTensor(tf.boolean_mask(tokens.indices, kept), tf.boolean_mask(tokens.values, kept),
                                tokens.dense_shape))


def only_known_words():
    """Words of a list of two are kept, all others dropped: a text of other letters is cut to nothing."""
    tf = _tf.tf
    tokens = tf.string_split(_text())
    kept = tf.reduce_any(tf.equal(tokens.values[:, None], tf.constant([["good", "bad"]])), 1)
    return _bag(tf.SparseTensor(tf.boolean_mask(tokens.indices, kept), tf.boolean_mask(tokens.values, kept),
                                tokens.dense_shape))


def serialized_examples():
    """The text comes in a serialized ``tf.train.Example``."""
    tf = _tf.tf
    given = tf.placeholder(tf.string, [None], "text")
    text = tf.parse_example(given, {"words": tf.FixedLenFeature([], tf.string)})["words"]
    return _bag(tf.string_split(text))


def categories():
    """Each string is a category: nothing is cut."""
    tf = _tf.tf
    return head(tf.gather(variable("table"), tf.strings.to_hash_bucket_fast(_text(), 8)))
