"""What sort of column a TensorFlow column object is, what it wraps, and what its ids stand for.

Read from the objects' own fields, which are the same in both generations of column classes.
"""

from typing import Any, List, Optional, Tuple

from graph_tools import _tf
from graph_tools.feature_columns.column import Categories
from graph_tools.running.values import as_text

# Class names without the underscore of the first generation. A subclass is what its nearest known ancestor is.
KINDS = (
    ("NumericColumn", "numeric"),
    ("SequenceNumericColumn", "sequence_numeric"),
    ("BucketizedColumn", "bucketized"),
    ("IndicatorColumn", "indicator"),
    ("EmbeddingColumn", "embedding"),
    ("SharedEmbeddingColumn", "shared_embedding"),
    ("HashedCategoricalColumn", "hashed"),
    ("VocabularyListCategoricalColumn", "vocabulary_list"),
    ("VocabularyFileCategoricalColumn", "vocabulary_file"),
    ("IdentityCategoricalColumn", "identity"),
    ("WeightedCategoricalColumn", "weighted"),
    ("CrossedColumn", "crossed"),
    ("SequenceCategoricalColumn", "sequence"),
)
_BY_CLASS = dict(KINDS)


def kind_of(column: Any) -> str:
    """The sort of one column object; ``"custom"`` for a class of somebody's own."""
    for owner in type(column).__mro__:
        known = _BY_CLASS.get(owner.__name__.lstrip("_"))
        if known:
            return known
    return "custom"


def wrapped(column: Any) -> List[Any]:
    """The column and the columns inside it, outermost first (a cross has no single column inside)."""
    found = [column]
    while True:
        column = getattr(column, "categorical_column", None)
        if column is None:
            return found
        found.append(column)


def feature_name(column: Any) -> str:
    """The column's name without its wrappings: ``"word"`` for ``embedding_column(hashed("word"))``."""
    base = wrapped(column)[-1]
    base = getattr(base, "source_column", base)
    return base.name


def crossed_leaves(column: Any) -> List[Any]:
    """What a crossed column crosses, crosses in crosses opened: feature keys and categorical columns."""
    found: List[Any] = []
    for key in column.keys:
        found += crossed_leaves(key) if not isinstance(key, str) and kind_of(key) == "crossed" else [key]
    return found


def width_of(column: Any) -> Optional[int]:
    """How many elements the column's dense tensor has per example (and time step); ``None`` when it does not say."""
    for name in ("variable_shape", "_variable_shape"):
        try:
            return int(getattr(column, name).num_elements())
        except (AttributeError, TypeError, ValueError):
            continue
    return None


def categories_of(column: Any, width: Optional[int]) -> Categories:
    """What ids (of anything categorical) or elements (of a dense column of this width) stand for."""
    base = wrapped(column)[-1]
    kind = kind_of(base)
    if kind in ("vocabulary_list", "vocabulary_file"):
        words = _words(base)
        return Categories("vocabulary", len(words) + base.num_oov_buckets if kind == "vocabulary_list" else
                          base.vocabulary_size + base.num_oov_buckets, words)
    if kind == "bucketized":
        boundaries = tuple(float(boundary) for boundary in base.boundaries)
        return Categories("buckets", (len(boundaries) + 1) * _count(base.source_column.shape), boundaries)
    if kind in ("hashed", "crossed"):
        return Categories("hashed", base.hash_bucket_size)
    if kind == "identity":
        # Its field is num_buckets in the first generation, number_buckets in the second.
        return Categories("identity", getattr(base, "number_buckets", None) or base.num_buckets)
    buckets = _buckets(base)
    if buckets is not None:
        return Categories("identity", buckets)
    shape = tuple(int(size) for size in getattr(base, "shape", ())) if kind != "custom" else (width or 1,)
    return Categories("elements", _count(shape), shape)


def _words(column: Any) -> Tuple[str, ...]:
    listed = getattr(column, "vocabulary_list", None)
    if listed is not None:
        return tuple(as_text(word) for word in listed)
    if getattr(column, "file_format", None) not in (None, "text"):
        return ()
    words = []
    try:
        with _tf.tf.gfile.GFile(column.vocabulary_file, "rb") as file:
            for line in file:
                words.append(as_text(line.rstrip(b"\r\n") if isinstance(line, bytes) else line.rstrip("\r\n")))
                if len(words) == column.vocabulary_size:
                    break
    except _tf.tf.errors.OpError:
        return ()  # The file is needed when the table is initialised, not now; ids then have no words.
    return tuple(words)


def _buckets(column: Any) -> Optional[int]:
    for name in ("num_buckets", "_num_buckets"):
        try:
            return int(getattr(column, name))
        except (AttributeError, TypeError, ValueError):
            continue
    return None


def _count(shape: Any) -> int:
    count = 1
    for size in shape:
        count *= int(size)
    return count
