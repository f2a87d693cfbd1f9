"""Feature columns of every kind, the layers that take them, and one batch of features for all of them."""

import numpy as np
import tensorflow.compat.v1 as tf
from tensorflow.python.feature_column import feature_column as first_generation

fc = tf.feature_column
WORDS = [["good", "good", "bad"], ["ugly"], []]
BATCH = len(WORDS)
HAS_ESTIMATOR = hasattr(tf, "estimator")
HAS_CONTRIB = tf.__version__.startswith("1.")


def dense_features():
    """The DenseFeatures class, or ``None`` (Keras 3 has none)."""
    return getattr(getattr(tf, "keras", None) and tf.keras.layers, "DenseFeatures", None)


def sequence_features():
    return getattr(getattr(tf.keras, "experimental", None), "SequenceFeatures", None)


def sparse_words():
    """indices, values, dense_shape of WORDS."""
    places = [(row, column) for row, words in enumerate(WORDS) for column in range(len(words))]
    return (np.array(places, np.int64), np.array([WORDS[row][column] for row, column in places], object),
            np.array([BATCH, 3], np.int64))


def features():
    """Placeholders by feature key."""
    return {
        "age": tf.placeholder(tf.float32, [None, 1], name="age"),
        "pixels": tf.placeholder(tf.float32, [None, 3], name="pixels"),
        "education": tf.placeholder(tf.string, [None, 1], name="education"),
        "job": tf.placeholder(tf.string, [None, 1], name="job"),
        "city": tf.placeholder(tf.int64, [None, 1], name="city"),
        "word": tf.sparse_placeholder(tf.string, [None, 3], name="word"),
        "other": tf.sparse_placeholder(tf.string, [None, 3], name="other"),
        "weight": tf.sparse_placeholder(tf.float32, [None, 3], name="weight"),
    }


def feed():
    """Values for the placeholders, by tensor name."""
    indices, values, shape = sparse_words()
    found = {"age:0": [[10.], [30.], [70.]], "pixels:0": [[1., 2., 3.], [4., 5., 6.], [7., 8., 9.]],
             "education:0": [["Bachelors"], ["HS"], ["never heard of"]], "job:0": [["nurse"], ["nurse"], ["smith"]],
             "city:0": [[0], [4], [2]],
             "weight/values:0": [1., 2., 3., .5], "word/values:0": values, "other/values:0": values[::-1]}
    for name in ("word", "other", "weight"):
        found.update({name + "/indices:0": indices, name + "/shape:0": shape})
    return found


def columns():
    """Dense columns of every kind for ``input_layer`` and ``DenseFeatures``, by name."""
    age = fc.numeric_column("age")
    buckets = fc.bucketized_column(age, [18., 65.])
    words = fc.categorical_column_with_hash_bucket("word", 10)
    education = fc.categorical_column_with_vocabulary_list("education", ["HS", "Bachelors"], num_oov_buckets=1)
    city = fc.categorical_column_with_identity("city", 5)
    crossed = fc.crossed_column(["education", buckets], 20)
    strings = fc.crossed_column(["education", "job"], 30)
    weighted = fc.weighted_categorical_column(words, "weight")
    job = fc.categorical_column_with_vocabulary_list("job", ["smith", "nurse"], default_value=0)
    made = [age, fc.numeric_column("pixels", shape=(3,)), buckets, fc.indicator_column(education),
            fc.indicator_column(crossed), fc.indicator_column(city), fc.embedding_column(words, 4),
            fc.embedding_column(education, 3, combiner="sqrtn"), fc.embedding_column(city, 2, combiner="sum"),
            fc.embedding_column(crossed, 2), fc.embedding_column(strings, 2), fc.embedding_column(weighted, 3),
            fc.embedding_column(buckets, 2), fc.embedding_column(job, 2, max_norm=.5), fc.indicator_column(job)]
    return {column.name: column for column in made}


def linear_columns():
    age = fc.numeric_column("age")
    buckets = fc.bucketized_column(age, [18., 65.])
    words = fc.categorical_column_with_hash_bucket("word", 10)
    education = fc.categorical_column_with_vocabulary_list("education", ["HS", "Bachelors"], num_oov_buckets=1)
    made = [age, buckets, education, fc.crossed_column(["education", "job"], 30),
            fc.weighted_categorical_column(words, "weight"), words]
    return {column.name: column for column in made}


def first_generation_columns():
    """The same kinds as the v1 classes (``_NumericColumn`` and its relatives)."""
    old = first_generation
    age = old._numeric_column("age")
    buckets = old._bucketized_column(age, [18., 65.])
    words = old._categorical_column_with_hash_bucket("word", 10)
    education = old._categorical_column_with_vocabulary_list("education", ["HS", "Bachelors"], num_oov_buckets=1)
    city = old._categorical_column_with_identity("city", 5)
    crossed = old._crossed_column(["education", buckets], 20)
    made = [age, buckets, old._indicator_column(education), old._embedding_column(words, 4),
            old._embedding_column(city, 2, combiner="sum"), old._embedding_column(crossed, 2),
            old._embedding_column(old._weighted_categorical_column(words, "weight"), 3)]
    return {column.name: column for column in made}


def sequence_columns():
    """Columns for ``SequenceFeatures`` and ``sequence_input_layer``, by name."""
    words = fc.sequence_categorical_column_with_hash_bucket("word", 10)
    made = [fc.embedding_column(words, 4), fc.indicator_column(words), fc.sequence_numeric_column("weight")]
    return {column.name: column for column in made}


def old_sequence_columns():
    """The same for contrib's ``sequence_input_layer``."""
    from tensorflow.contrib import feature_column as contrib
    words = contrib.sequence_categorical_column_with_hash_bucket("word", 10)
    made = [first_generation._embedding_column(words, 4), first_generation._indicator_column(words),
            contrib.sequence_numeric_column("weight")]
    return {column.name: column for column in made}


def shared_columns(v2):
    """Two embedding columns over one table, of either generation."""
    words = [fc.categorical_column_with_hash_bucket(key, 10) for key in ("word", "other")]
    if v2:
        return __import__("tensorflow").feature_column.shared_embeddings(words, 4)
    return fc.shared_embedding_columns(words, 4)


def train_input_fn():
    """Features and labels of a tiny table, for Estimators (label 1 where the age is above 40)."""
    random = np.random.RandomState(0)
    age = random.uniform(10, 80, [64, 1]).astype(np.float32)
    education = random.choice(["HS", "Bachelors", "PhD"], [64, 1])
    job = random.choice(["nurse", "smith", "clerk"], [64, 1])
    label = (age > 40).astype(np.int64)
    data = tf.data.Dataset.from_tensor_slices(({"age": age, "education": education, "job": job}, label))
    return data.repeat().batch(16)


def serving_input_receiver_fn():
    given = {"age": tf.placeholder(tf.float32, [None, 1], name="age"),
             "education": tf.placeholder(tf.string, [None, 1], name="education"),
             "job": tf.placeholder(tf.string, [None, 1], name="job")}
    return tf.estimator.export.ServingInputReceiver(dict(given), given)


def wide_and_deep_columns():
    age = fc.numeric_column("age")
    buckets = fc.bucketized_column(age, [18., 40., 65.])
    education = fc.categorical_column_with_vocabulary_list("education", ["HS", "Bachelors"], num_oov_buckets=1)
    job = fc.categorical_column_with_hash_bucket("job", 8)
    wide = [buckets, education, fc.crossed_column(["education", "job"], 16)]
    deep = [age, buckets, fc.indicator_column(education), fc.embedding_column(job, 3)]
    return wide, deep
