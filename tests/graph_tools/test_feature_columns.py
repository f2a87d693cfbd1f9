"""What a watch harvests is what the columns compute; the patch leaves no trace."""

import hashlib
import itertools
import json
import pathlib
import subprocess
import sys
import threading
import uuid

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from tensorflow.compat.v1.feature_column import input_layer as imported_early

from graph_tools import watch_feature_columns
from graph_tools.errors import NoCandidateError
from graph_tools.feature_columns import Categories, Column, patch
from tests.models import feature_columns as models

fc = tf.feature_column


def build_dense(features, columns):
    return tf.keras.layers.DenseFeatures(list(columns.values()))(features)


def build_input_layer(features, columns):
    return fc.input_layer(features, list(columns.values()))


def build_linear(features, columns):
    return fc.linear_model(features, list(columns.values()), units=2)


def build_sequence(features, columns):
    return models.sequence_features()(list(columns.values()))(only(features, "word", "weight"))[0]


def build_contrib_sequence(features, columns):
    from tensorflow.contrib.feature_column import sequence_input_layer
    return sequence_input_layer(features, list(columns.values()))[0]


def only(features, *keys):
    return {key: features[key] for key in keys}


CASES = [("input_layer", build_input_layer, models.columns),
         ("input_layer, first generation", build_input_layer, models.first_generation_columns),
         ("input_layer, shared", build_input_layer, lambda: named(models.shared_columns(v2=False))),
         ("linear_model", build_linear, models.linear_columns)]
if models.dense_features():
    CASES += [("DenseFeatures", build_dense, models.columns)]
if models.dense_features() and not models.HAS_CONTRIB:
    CASES += [("DenseFeatures, shared", build_dense, lambda: named(models.shared_columns(v2=True)))]
if models.sequence_features():
    CASES += [("SequenceFeatures", build_sequence, models.sequence_columns)]
if models.HAS_CONTRIB:
    CASES += [("sequence_input_layer", build_contrib_sequence, models.old_sequence_columns)]


def named(columns):
    return {column.name: column for column in columns}


@pytest.fixture(scope="module", params=CASES, ids=[case[0] for case in CASES])
def built(request):
    """A layer that was built under a watch: the graph, the watch, the layer's tensor, the columns by name."""
    _, build, make = request.param
    with tf.Graph().as_default() as graph:
        tf.set_random_seed(1)
        features = models.features()
        columns = make()
        with watch_feature_columns() as watch:
            layer = build(features, columns)
    return graph, watch, layer, columns


def run(graph, fetches):
    with graph.as_default(), tf.Session() as session:
        session.run([tf.global_variables_initializer(), tf.tables_initializer()])
        for variable in tf.trainable_variables():  # a linear model starts from zeros, which would prove nothing
            value = np.random.RandomState(len(variable.name)).uniform(-1, 1, variable.shape.as_list())
            variable.load(value.astype(np.float32), session)
        return session.run(fetches, {key: value for key, value in models.feed().items() if in_graph(graph, key)})


def in_graph(graph, name):
    return name.split(":")[0] in {op.name for op in graph.get_operations()}


@pytest.mark.dealt
def test_every_column_is_there_with_its_raw_input(built):
    graph, watch, _, columns = built
    assert set(watch.columns) == set(columns)
    for column in watch.columns.values():
        assert column.raw
        for value in column.raw.values():
            for tensor in value if isinstance(value, tuple) else [value]:
                assert tensor.graph is graph
                assert tensor.op.type.startswith("Placeholder")


@pytest.mark.dealt
def test_combined_is_the_slice_of_the_layer(built):
    graph, watch, layer, columns = built
    for column in watch.columns.values():
        got, whole = run(graph, (column.combined, column.layer))
        if column.slice is None:
            continue
        start, stop = column.slice
        np.testing.assert_array_equal(got.reshape(whole.shape[:-1] + (-1,)), whole[..., start:stop])
    if all(column.slice for column in watch.columns.values()):
        assert all(column.layer.name == layer.name for column in watch.columns.values())
        stops = sorted(column.slice for column in watch.columns.values())
        assert [start for start, _ in stops] == [0] + [stop for _, stop in stops[:-1]]
        assert stops[-1][1] == layer.shape[-1]


def test_linear_columns_add_up():
    with tf.Graph().as_default() as graph:
        with watch_feature_columns() as watch:
            logits = build_linear(models.features(), models.linear_columns())
        parts = [column.combined for column in watch.columns.values() if column.kind != "numeric"]
        dense = watch.columns["age"].combined
        weights, = [variable for variable in tf.trainable_variables() if "/age/" in variable.name]
        got, whole, age, kernel = run(graph, (parts, logits, dense, weights))
    bias = np.random.RandomState(len("linear_model/bias_weights:0")).uniform(-1, 1, [2])
    np.testing.assert_allclose(sum(got) + age @ kernel + bias, whole, rtol=1e-5)


def combine(rows, segments, weights, combiner, count):
    """The combiner in numpy, one bag at a time."""
    bags = np.zeros([count, rows.shape[-1]])
    for bag in range(count):
        inside = segments == bag
        weight = weights[inside][:, None]
        bags[bag] = (rows[inside] * weight).sum(0)
        if inside.any():
            bags[bag] /= {"sum": 1., "mean": weight.sum(), "sqrtn": np.sqrt((weight ** 2).sum())}[combiner]
    return bags


@pytest.mark.dealt
def test_rows_combine_to_the_combined_tensor(built):
    """Brute force over occurrences, from the table's own values."""
    graph, watch, _, _ = built
    looked_up = [column for column in watch.columns.values() if column.rows is not None]
    for column in looked_up:
        variable = [graph.get_tensor_by_name(name + "/Read/ReadVariableOp:0") if in_graph(
            graph, name + "/Read/ReadVariableOp") else graph.get_tensor_by_name(name + ":0")
            for name in column.table]
        got = run(graph, {key: value for key, value in dict(
            rows=column.rows, index=column.row_index, segments=column.segment_ids, occurrences=column.occurrences,
            empty=column.is_empty, combined=column.combined, table=variable, weights=column.weights).items()
                          if value is not None})
        rows = got["rows"] if column.per_occurrence else got["rows"][got["index"]]
        assert len(rows) == len(got["occurrences"].values) == len(got["segments"])
        if "max_norm" not in str(column.name) and column.name != "job_embedding":
            np.testing.assert_allclose(rows, np.concatenate(got["table"])[got["occurrences"].values], rtol=1e-6)
        weights = np.ones(len(rows))
        if column.weights is not None:
            weights[:len(got["weights"])] = got["weights"]  # the filler of the last, empty bag comes last
        expected = combine(rows, got["segments"], weights, column.combiner, len(got["empty"]))
        expected[got["empty"]] = 0
        np.testing.assert_allclose(got["combined"].reshape(expected.shape), expected, rtol=1e-5, atol=1e-6)


def test_repeated_words_are_occurrences_of_their_own(built):
    graph, watch, _, _ = built
    for column in watch.columns.values():
        if column.rows is not None and "word" in column.raw:
            ids, keys, empty, bags = run(graph, (column.occurrences.values, column.keys, column.is_empty,
                                                 column.segment_ids))
            real = ids[~empty[bags]]
            assert [tf.compat.as_text(key) for key in keys] == ["good", "good", "bad", "ugly"]
            assert len(real) == 4 and real[0] == real[1] != real[2]
            assert empty[bags].any(), "the empty example got a filler"


@pytest.mark.dealt
def test_ids_and_keys_are_one_to_one(built):
    graph, watch, _, _ = built
    for column in watch.columns.values():
        if column.keys is not None:
            ids, keys = run(graph, (column.ids.values, column.keys))
            assert len(ids) == len(keys)
            meanings = {}
            for one, key in zip(ids, keys):
                assert meanings.setdefault(key, one) == one


def test_categories_say_what_an_active_element_is():
    with tf.Graph().as_default() as graph:
        with watch_feature_columns() as watch:
            build_input_layer(models.features(), models.columns())
        found = watch.columns
        values = run(graph, {name: column.combined for name, column in found.items()})
    active = {name: [found[name].describe(np.flatnonzero(row)[0]) for row in values[name].reshape(models.BATCH, -1)]
              for name in ("education_indicator", "age_bucketized", "city_indicator", "job_indicator")}
    assert active == {
        "education_indicator": ["education=Bachelors", "education=HS", "education=(not in the vocabulary)"],
        "age_bucketized": ["age=(-inf, 18)", "age=[18, 65)", "age=[65, inf)"],
        "city_indicator": ["city=0", "city=4", "city=2"],
        "job_indicator": ["job=nurse", "job=nurse", "job=smith"]}
    assert found["pixels"].describe(2) == "pixels[2]"
    assert found["age"].describe(0) == "age"
    assert found["word_embedding"].describe(3, "good") == "word=good"
    assert found["word_embedding"].describe(3) == "word=bucket 3"


def test_labels():
    assert Categories("buckets", 6, (0., 1.)).label(4) == "[1] in [0, 1)"
    assert Categories("elements", 6, (2, 3)).label(5) == "[1, 2]"
    assert Categories("vocabulary", 4, ("a", "b")).label(3) == "(not in the vocabulary, bucket 1)"
    assert Categories("identity", 4).label(7) == "(no category 7 of 4)"


def test_parts_of_a_cross(built):
    graph, watch, _, _ = built
    for column in watch.columns.values():
        assert bool(column.cross) == ("crossed" in column.chain)
    if "age_bucketized_X_education_embedding" in watch.columns:
        sparse, dense = watch.columns["age_bucketized_X_education_embedding"].cross
        assert sparse.categories.label(1) == "[18, 65)" and dense.categories is None
        np.testing.assert_array_equal(run(graph, sparse.values), [0, 1, 2])
        assert dense.values.name == "education:0" and dense.indices is None


def test_vocabulary_file(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("alpha\nbeta\nédouard\n", encoding="utf-8")
    with tf.Graph().as_default():
        column = fc.indicator_column(fc.categorical_column_with_vocabulary_file("word", str(path), 3))
        with watch_feature_columns() as watch:
            fc.input_layer({"word": tf.placeholder(tf.string, [None, 1])}, [column])
        assert watch.columns["word_indicator"].describe(2) == "word=édouard"
        assert watch.columns["word_indicator"].chain == ("indicator", "vocabulary_file")


def test_shared_tables_are_named(built):
    _, watch, _, _ = built
    for column in watch.columns.values():
        others = {other.name for other in watch.columns.values() if other.table and other.table == column.table}
        assert set(column.shared_with) == others - {column.name}
        assert (column.kind == "shared_embedding") == bool(column.shared_with)


def test_json_round_trip(built):
    _, watch, _, _ = built
    for column in watch.columns.values():
        names = column.by_name()
        back = Column.from_json(column.to_json())
        assert vars(back) == vars(names)
        assert back.combined == column.combined.name


def snapshot():
    """Every attribute that a watch may replace, by identity."""
    owners = list(patch._tf.feature_column_builders()) + list(patch._tf.feature_column_modules())
    todo = list(patch._tf.feature_column_bases())
    while todo:
        owner = todo.pop()
        owners.append(owner)
        todo.extend(owner.__subclasses__())
    return {(owner, name): value for owner in owners for name, value in vars(owner).items() if callable(value)}


def assert_same(before):
    after = snapshot()
    changed = [key for key in before if after.get(key) is not before[key]]
    assert not changed


def digests(watched):
    """A hash of the GraphDef of every case, each built in a graph of its own."""
    found = []
    for name, build, make in CASES:
        with tf.Graph().as_default() as graph:
            tf.set_random_seed(1)
            features, columns = models.features(), make()
            if watched:
                with watch_feature_columns() as watch:
                    build(features, columns)
                    assert watch.columns
            else:
                build(features, columns)
            graph_def = graph.as_graph_def(add_shapes=True).SerializeToString(deterministic=True)
            found.append([name, hashlib.sha256(graph_def).hexdigest()])
    return found


def print_digests(watched):
    """What the next test runs in a process of its own: TensorFlow numbers functions through the whole process."""
    numbers = itertools.count()
    uuid.uuid4 = lambda: "uuid%d" % next(numbers)  # names of hash tables are drawn
    print("digests " + json.dumps(digests(watched)))


@pytest.mark.dealt
def test_the_graph_is_the_same_without_a_watch():
    """Byte for byte."""
    root = pathlib.Path(__file__).parents[2]
    runs = [subprocess.Popen([sys.executable, "-c", "from tests.graph_tools.test_feature_columns import print_digests; "
                              "print_digests(%s)" % watched], cwd=str(root), universal_newlines=True,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE) for watched in (True, False)]
    texts = [process.communicate(timeout=300) for process in runs]
    with_watch, without = [[line for line in text.splitlines() if line.startswith("digests ")] for text, _ in texts]
    assert with_watch, texts[0][1]
    assert with_watch == without
    assert len(json.loads(without[0][len("digests "):])) == len(CASES)


def test_restores_on_every_exit():
    before = snapshot()
    with tf.Graph().as_default():
        with watch_feature_columns():
            assert snapshot() != before
            fc.input_layer(models.features(), [fc.numeric_column("age")])
        assert_same(before)
        with pytest.raises(ZeroDivisionError):
            with watch_feature_columns():
                raise ZeroDivisionError
        assert_same(before)
        with pytest.raises(KeyboardInterrupt):
            with watch_feature_columns():
                raise KeyboardInterrupt
        assert_same(before)
        with pytest.raises(ValueError, match="not in features dictionary"):
            with watch_feature_columns():
                fc.input_layer({}, [fc.numeric_column("age")])
        assert_same(before)
        assert not patch._watches and not patch._thread.frames


def test_sees_nothing():
    with pytest.raises(NoCandidateError, match="saw no feature column"):
        with watch_feature_columns():
            pass
    assert not patch._patches


@pytest.mark.skipif(models.HAS_CONTRIB, reason="TF 1.15 is not eager unless the program says so at its start")
@pytest.mark.skipif(models.dense_features() is None, reason="Keras 3 has no DenseFeatures")
def test_sees_only_eager_columns():
    import tensorflow
    with tensorflow.init_scope():
        if not tensorflow.executing_eagerly():
            pytest.fail("the test needs eager execution")
        with pytest.raises(NoCandidateError, match="eagerly"):
            with watch_feature_columns():
                tensorflow.keras.layers.DenseFeatures([tensorflow.feature_column.numeric_column("age")])(
                    {"age": tensorflow.constant([[1.]])})


def test_nested_watches():
    before = snapshot()
    with tf.Graph().as_default():
        features = models.features()
        with watch_feature_columns() as outer:
            fc.input_layer(features, [fc.numeric_column("age")])
            with watch_feature_columns() as inner:
                fc.input_layer(features, [fc.numeric_column("pixels", shape=(3,))])
            fc.linear_model(features, [fc.categorical_column_with_identity("city", 5)])
    assert list(inner.columns) == ["pixels"]
    assert list(outer.columns) == ["age", "pixels", "city"]
    assert_same(before)


def test_threads_leave_in_another_order_than_they_came():
    before = snapshot()
    entered, first_left, failures = [threading.Event(), threading.Event()], threading.Event(), []
    seen = {}

    def work(number):
        try:
            with tf.Graph().as_default():
                features = models.features()
                with watch_feature_columns() as watch:
                    entered[number].set()
                    entered[1 - number].wait(10)
                    if number == 1:  # came second or first, leaves last
                        first_left.wait(10)
                    fc.input_layer(features, [fc.numeric_column("age" if number else "pixels",
                                                                shape=(1,) if number else (3,))])
                if number == 0:
                    first_left.set()
                seen[number] = list(watch.columns)
        except Exception as problem:  # a failing thread would otherwise look like a passing test
            failures.append(problem)
            first_left.set()

    threads = [threading.Thread(target=work, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures
    assert seen == {0: ["pixels"], 1: ["age"]}
    assert_same(before)


def test_another_thread_in_the_same_graph_builds_for_the_watch():
    """Distribution strategies run model functions in threads of their own."""
    with tf.Graph().as_default() as graph:
        features = models.features()

        def work():
            with graph.as_default():
                fc.input_layer(features, [fc.numeric_column("age")])

        def stranger():
            with tf.Graph().as_default():
                fc.input_layer(models.features(), [fc.numeric_column("pixels", shape=(3,))])

        with watch_feature_columns() as watch:
            for target in (work, stranger):
                thread = threading.Thread(target=target)
                thread.start()
                thread.join(60)
    assert list(watch.columns) == ["age"]


def test_an_import_made_earlier_is_seen():
    with tf.Graph().as_default():
        with watch_feature_columns() as watch:
            imported_early(models.features(), [fc.numeric_column("age")])
    assert list(watch.columns) == ["age"]


def test_an_input_layer_object_made_earlier_is_seen():
    from tensorflow.python.feature_column.feature_column import InputLayer
    with tf.Graph().as_default():
        layer = InputLayer([fc.numeric_column("age")])
        with watch_feature_columns() as watch:
            layer(models.features())
    assert list(watch.columns) == ["age"]


def test_a_column_class_of_the_users_own_defined_while_watching():
    with tf.Graph().as_default() as graph:
        features = models.features()
        with watch_feature_columns() as watch:
            base = patch._tf.feature_column_modules()[0]._DenseColumn

            class Doubled(base):
                name = "doubled"
                _variable_shape = tf.TensorShape([3])
                _parse_example_spec = {"pixels": tf.FixedLenFeature([3], tf.float32)}

                def _transform_feature(self, inputs):
                    return inputs.get("pixels")

                def _get_dense_tensor(self, inputs, weight_collections=None, trainable=None):
                    return 2. * inputs.get(self)

            fc.input_layer(features, [Doubled(), fc.numeric_column("age")])
        column = watch.columns["doubled"]
        assert column.kind == "custom" and column.raw["pixels"].name == "pixels:0" and column.slice == (1, 4)
        np.testing.assert_array_equal(run(graph, column.combined), 2 * np.array(models.feed()["pixels:0"]))
    assert "_get_dense_tensor" not in {patch.name for patch in patch._patches}
    assert not hasattr(vars(Doubled)["_get_dense_tensor"], "__wrapped__")


def test_one_column_in_two_layers():
    with tf.Graph().as_default():
        features = models.features()
        buckets = fc.bucketized_column(fc.numeric_column("age"), [18., 65.])
        with watch_feature_columns() as watch:
            fc.input_layer(features, [buckets])
            fc.linear_model(features, [buckets])
        deep, wide = watch.columns["age_bucketized"], watch.columns["age_bucketized@" + sorted(watch.columns)[1][15:]]
        assert deep.rows is None and deep.slice == (0, 3)
        assert wide.rows is not None and wide.slice is None and wide.combined.shape[-1] == 1


def test_a_raw_tensor_in_two_layers_of_one_column():
    """The float placeholder itself is the combined tensor of both; their layers are told apart."""
    with tf.Graph().as_default():
        features = models.features()
        with watch_feature_columns() as watch:
            layers = [fc.input_layer(features, [fc.numeric_column("age")]) for _ in range(2)]
        assert [column.layer.name for column in watch.columns.values()] == [layer.name for layer in layers]
        assert {column.combined.name for column in watch.columns.values()} == {"age:0"}


def test_graphs_are_told_apart():
    with watch_feature_columns() as watch:
        for key in ("age", "city"):
            with tf.Graph().as_default():
                fc.input_layer({key: tf.placeholder(tf.float32, [None, 1])}, [fc.numeric_column(key)])
    assert [list(watch.columns_of(graph)) for graph in watch.graphs] == [["age"], ["city"]]
    assert list(watch.columns) == ["city"]


def test_partitioned_table():
    with tf.Graph().as_default() as graph:
        features = models.features()
        with tf.variable_scope("net", partitioner=tf.fixed_size_partitioner(2)):
            with watch_feature_columns() as watch:
                fc.input_layer(features, [models.columns()["word_embedding"]])
        column = watch.columns["word_embedding"]
        assert [name.rpartition("/")[2] for name in column.table] == ["part_0", "part_1"]
        assert len(column.lookups) == 2 and column.per_occurrence is False
        rows, index, ids = run(graph, (column.rows, column.row_index, column.occurrences.values))
        assert len(index) == len(ids) and rows.shape[-1] == 4
        np.testing.assert_array_equal(rows[index[0]], rows[index[1]])
