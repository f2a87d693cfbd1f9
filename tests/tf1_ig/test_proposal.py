"""Example feeds: made from what a graph knows, and taken by it; and feeds with fewer rows than a graph takes."""

import dataclasses
import functools
import json
import os
import shlex

import numpy as np
import pytest

import graph_tools as gt
import tf1_ig
from graph_tools import _tf
from graph_tools.find import categories
from graph_tools.find.inputs import fitting
from graph_tools.graph import names, ops
from tests.models import examples, nonfinite, small, switches
from tf1_ig import cli
from tf1_ig.commands import inspect
from tf1_ig.engine import operated, path, target
from tf1_ig.errors import BatchError
from tf1_ig.question import contents, example_feeds, pace, proposal, raw_text, reader, samples, trial, tried
from tf1_ig.question.proposal import propose, propose_any

SHAPES = {
    examples.rank_by_product: {"x:0": (1, 12)}, examples.rank_by_an_axis: {"x:0": (1, 8, 8)},
    examples.picture_by_reshape: {"x:0": (1, 5, 5, 2)}, examples.lengths_of_time: {"ids:0": (1, 5), "lengths:0": (1,)},
    examples.words_of_a_table: {"text:0": (1, 3)}, examples.records: {"record:0": (1,)},
    examples.scaled_pixels: {"x:0": (1, 12)}, examples.size_of_the_batch: {"x:0": (1, 12), "count:0": ()},
    examples.waits_for_a_check: {"x:0": (1, 12), "limit:0": ()}, examples.baked_in: {"x:0": (6, 12)},
    examples.baked_in_unsaid: {"x:0": (6, 12)}, switches.keep_without_shape: {"x:0": (1, 4), "level:0": ()},
    examples.nothing_by_default: {"x:0": (1, 12)}, examples.states_of_layers: {"x:0": (1, 12), "states:0": (2, 1, 12)},
    examples.state_of_a_batch: {"x:0": (5, 12)}, examples.size_before_ids: {"count:0": (), "ids:0": (1, 4)},
    examples.size_of_tiles: {"count:0": (), "ids:0": (1, 4)},
    examples.steps_that_are_split: {"x:0": (1, 6, 3)}, examples.steps_that_are_unpacked: {"x:0": (1, 6, 3)},
    examples.lengths_without_rank: {"ids:0": (1, 5), "lengths:0": (1,)},
    examples.columns_of_a_picture: {"x:0": (1, 6, 32, 1), "lengths:0": (1,)},
    examples.bags_by_segments: {"ids:0": (1,), "rows:0": (1,)},
    examples.bags_by_segments_of_a_table: {"ids:0": (1,), "rows:0": (1,)}, examples.numbers_in_texts: {"texts:0": (1,)},
    examples.places_in_a_sequence: {"x:0": (1, 8, 12), "ends:0": (1, 3, 2)},
    examples.bytes_between_extremes: {"x:0": (1, 12)},
    switches.default_in_the_middle: {"picture:0": (1, 2, 2)}, switches.keep_with_a_bad_default: {
        "x:0": (1, 4), "level:0": ()}}


@pytest.fixture(autouse=True)
def _in_no_hurry(monkeypatch):
    """What is tried does not depend on how busy the machine is."""
    monkeypatch.setattr(proposal, "_SECONDS", 120.0)
    monkeypatch.setattr(pace, "_SLOW", 120.0)


def _proposal(build, seed=0):
    model = small.model_of(build)
    fills = tuple(name for name, node in model.index.nodes.items()
                  if node.op.startswith(("LookupTableImport", "InitializeTable")))
    model = dataclasses.replace(model, initializers=fills)
    output = next(one for one in list(gt.find_outputs(model)) if one.tensor in (
        "y:0", "scores:0", "y/SparseTensorDenseMatMul:0"))
    return model, propose(model, output, gt.find_embeddings(model), seed)


@pytest.mark.dealt
@pytest.mark.parametrize("build", list(SHAPES), ids=[build.__name__ for build in SHAPES])
def test_an_example_fits_and_says_something(build):
    model, found = _proposal(build)
    assert not found.obstacle, found.obstacle
    assert {name: sample.array.shape for name, sample in found.samples} == SHAPES[build]
    with tf1_ig.IntegratedGradients(model, "scores:0" if "scores" in model.index else "y:0") as explainer:
        result = explainer.explain({name: sample.array for name, sample in found.samples}, label=0)
    assert any(np.any(value) for value in result.values.values())
    assert tf1_ig.check(result)["completeness"].verdict == "ok"


@pytest.mark.dealt
@pytest.mark.parametrize("build", list(SHAPES), ids=[build.__name__ for build in SHAPES])
def test_the_line_that_is_printed_writes_the_arrays_that_were_tried(build, tmp_path):
    _, found = _proposal(build, seed=3)
    exec(samples.line(found.samples, 3, str(tmp_path / "feed.npz")), {})  # noqa: S102 the line that is printed
    with np.load(tmp_path / "feed.npz") as file:
        assert {name: file[name].tolist() for name in file.files} == {
            name: sample.array.tolist() for name, sample in found.samples}


def test_another_seed_is_another_example():
    first, second = (dict(_proposal(examples.lengths_of_time, seed)[1].samples)["ids:0"].array for seed in (0, 1))
    assert not np.array_equal(first, second) and first.min() >= 1 and first.max() < len(examples.TABLE)


def test_values_are_those_that_the_graph_knows():
    pixels = dict(_proposal(examples.scaled_pixels)[1].samples)["x:0"].array
    assert 60 < pixels.mean() < 190 and 20 < pixels.std() < 120
    words = dict(_proposal(examples.words_of_a_table)[1].samples)["text:0"].array
    assert set(words.ravel()) <= set(examples.WORDS)
    assert dict(_proposal(examples.lengths_of_time)[1].samples)["lengths:0"].array.tolist() == [5]
    assert dict(_proposal(examples.columns_of_a_picture)[1].samples)["lengths:0"].array.tolist() == [32]


def _behind_a_long_tail(tf, made):
    """The output, and so much behind it that what it needs is cut out."""
    tail = tf.nn.softmax(made, name="y")
    for _ in range(40):
        tail = tf.sin(tail + 1.0)
    tf.identity(tail, name="tail")


def words_of_a_lost_file(tf, folder):
    there = str(folder / "words.txt")
    with open(there, "w") as file:
        file.write("a\nb\nc\n")
    table = tf.lookup.StaticHashTable(tf.lookup.TextFileInitializer(
        there, tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER), 0)
    ids = table.lookup(tf.placeholder(tf.string, [None, 3], "words"))
    rows = tf.gather(tf.constant(np.random.RandomState(0).normal(size=(4, 2)).astype(np.float32)), ids)
    _behind_a_long_tail(tf, tf.reduce_sum(rows, 1) + tf.placeholder(tf.float32, [None, 2], "x"))
    return there


def layer_of_columns(tf, folder):
    parts = [tf.reshape(tf.placeholder(tf.float32, [None, 1], key), [-1, 1], name="input_layer/%s/Reshape" % key)
             for key in ("age", "fare")]
    _behind_a_long_tail(tf, tf.matmul(tf.concat(parts, 1, name="input_layer/concat"), [[1.0, -1.0], [0.5, 2.0]]))


@pytest.mark.parametrize("build, shared", [(words_of_a_lost_file, True), (layer_of_columns, False)])
def test_what_only_the_whole_has_is_none_of_the_part_that_is_tried(build, shared, tmp_path):
    """An initialiser that the part has lost was read of the whole's outline; columns are followed forwards."""
    with _tf.tf.Graph().as_default() as graph:
        lost = build(_tf.tf, tmp_path)
        (tmp_path / "model.pb").write_bytes(graph.as_graph_def().SerializeToString())
    if lost:
        os.remove(lost)
    model = gt.load(str(tmp_path / "model.pb"), trusted=True)
    whole, part = model.outline, proposal._needed(model, ["y:0"])
    assert len(part.index.nodes) < len(model.index.nodes) and (part.outline is whole) == shared
    for table in part.index.names_of(ops.STATIC_TABLES) if shared else ():
        assert categories.table_words(part, part.outline.get_operation_by_name(table)) == ((), False)
    found = inspect.inspect(str(tmp_path / "model.pb"), trusted=True)
    assert found.output.tensor == "y:0" and found.proposal.samples


def test_the_number_of_rows_that_is_baked_in_is_said():
    assert [_proposal(build)[1].fixed for build in (
        examples.baked_in, examples.baked_in_unsaid, examples.scaled_pixels)] == [True, True, False]


def test_bytes_are_what_decoders_read():
    record = dict(_proposal(examples.raw_numbers)[1].samples)["record:0"].array
    assert [len(one) for one in record] == [12]
    for seed in range(8):
        record = dict(_proposal(examples.raw_floats, seed)[1].samples)["record:0"].array
        assert [len(one) for one in record] == [24]
    for build in (examples.raw_numbers, examples.picture_in_base64, examples.content_of_a_file):
        model, found = _proposal(build)
        assert not found.obstacle and len(found.attributed) == 1
        with tf1_ig.IntegratedGradients(model, "y:0") as explainer:
            result = explainer.explain({name: sample.array for name, sample in found.samples}, label=1)
        assert tf1_ig.check(result)["completeness"].verdict == "ok"


def test_steps_that_come_first_have_a_length_a_row():
    model, found = _proposal(examples.steps_before_rows)
    fed = {name: sample.array for name, sample in found.samples}
    assert not found.obstacle and found.batch_axis == 1
    assert fed["x:0"].shape == (8, 1, 12) and fed["lengths:0"].tolist() == [8]
    assert _proposal(examples.lengths_of_time)[1].batch_axis == 0  # the twin, rows first
    with tf1_ig.IntegratedGradients(model, "y:0", batch_axis=1) as explainer:
        result = explainer.explain(fed, label=2)
    # A sum over steps: what an entry contributes is itself times its weight.
    np.testing.assert_allclose(result.values["x:0"][0], fed["x:0"][:, 0] * examples.WEIGHTS[:, 2], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("turned, most", [(True, 4), (False, 19)])
def test_a_length_among_ids_is_none_that_what_it_turns_round_has_not(turned, most):
    """One column of what is fed is a length, the others are ids of a table of twenty; and the twin without one."""
    tf = _tf.tf
    with tf.Graph().as_default() as graph:
        packed = tf.placeholder(tf.int32, [None, 5], "packed")
        rows = tf.gather(tf.constant(np.random.RandomState(0).normal(size=(20, 3)), tf.float32), packed[:, 1:])
        if turned:
            rows = tf.reverse_sequence(rows, packed[:, 0], seq_axis=1, batch_axis=0)
        weights = tf.constant(np.arange(24.0).reshape(12, 2), tf.float32) * 0.1
        tf.nn.softmax(tf.matmul(tf.reshape(rows, [-1, 12]), weights), name="p")
        model = gt.from_session(tf.Session(graph=graph))
    for seed in range(5):
        output, found = propose_any(model, list(gt.find_outputs(model)), gt.find_embeddings(model), seed)
        (_, drawn), = found.samples
        assert not found.obstacle and 1 <= drawn.array.min() and drawn.array.max() <= most, found.obstacle
    assert turned or drawn.array.max() > 4


@pytest.mark.parametrize("also_read", [False, True])
def test_floats_that_are_ids_are_drawn_as_ids(also_read):
    """As Keras feeds them; and the twin of which the numbers themselves count, too."""
    tf = _tf.tf
    with tf.Graph().as_default() as graph:
        fed = tf.placeholder(tf.float32, [None, 6], "fed")
        rows = tf.gather(tf.constant(np.random.RandomState(0).normal(size=(20, 3)), tf.float32), tf.cast(fed, tf.int32))
        features = tf.concat([tf.reshape(rows, [-1, 18])] + [fed] * also_read, 1)
        weights = tf.constant(np.random.RandomState(1).normal(size=(18 + 6 * also_read, 2)), tf.float32)
        tf.nn.softmax(tf.matmul(features, weights), name="p")
        model = gt.from_session(tf.Session(graph=graph))
    output, found = propose_any(model, list(gt.find_outputs(model)), gt.find_embeddings(model))
    (_, drawn), = found.samples
    whole = bool((drawn.array == np.floor(drawn.array)).all())
    assert drawn.array.dtype == np.float32 and whole != also_read and drawn.array.max() < 20
    assert also_read or drawn.array.max() > 1 and not found.obstacle


@pytest.mark.parametrize("build, label", [
    (examples.scores_after_a_start, "5,0"), (examples.scores_before_an_end, "0,0")])
def test_where_nothing_moves_the_first_position_the_last_one_is_explained(build, label):
    _, found = _proposal(build)
    assert not found.obstacle and found.label == label


@pytest.mark.parametrize("build", [examples.graph_convolutions, examples.graph_convolutions_by_name])
def test_graph_convolutions_over_sparse_features(build):
    """Linear ones, from nothing at all: a third is what the features bring, as the edges are applied twice."""
    model, found = _proposal(build)
    assert not found.obstacle and found.batch_axis is None and found.label == "0,0", found.obstacle
    fed = {name: sample.array for name, sample in found.samples}
    edges, places = [value for value in fed.values() if value.ndim == 2]
    links, entries = [value for value in fed.values() if value.dtype == np.float32]
    sizes = next(value for value in fed.values() if value.shape == (2,) and value.dtype == np.int64)
    beside = np.zeros(sizes)
    beside[tuple(edges.T)] = links
    with tf1_ig.IntegratedGradients(model, "y:0", batch_axis=None) as explainer:
        result = explainer.explain(fed, (0, 0))
    values = next(value for name, value in result.values.items() if value.ndim > 2)
    weights = examples.WEIGHTS.astype(np.float64) @ examples.WEIGHTS[:3, 0]
    twice = (beside @ beside)[0]
    expected = [entry * twice[row] * weights[column] / 3 for entry, (row, column) in zip(entries, places)]
    np.testing.assert_allclose(values.reshape(len(entries), -1).sum(1), expected, rtol=1e-4)


def test_an_output_that_has_no_rows_for_those_of_the_feed_is_refused():
    """Seven sums over all rows: three rows divide the 21 numbers, and not the seven."""
    def sums():
        tf = _tf.tf
        x = tf.placeholder(tf.float32, [None, 12], "x")
        weighed = tf.matmul(tf.ones(tf.stack([7, tf.shape(x)[0]])), tf.tanh(x))
        tf.matmul(weighed, tf.constant(examples.WEIGHTS), name="y")

    with tf1_ig.IntegratedGradients(small.model_of(sums), "y:0") as explainer:
        with pytest.raises(BatchError, match="batch_axis=None"):
            explainer.explain({"x:0": X[:3]}, 0)


@pytest.mark.parametrize("build,expected", [
    (examples.sparse_without_a_name, [1, 12]), (examples.neighbours, [1, 1]), (examples.attention, [7, 7]),
    (examples.scaled_columns, [1, 12])])
def test_the_sizes_of_a_sparse_matrix_are_those_of_what_it_meets(build, expected):
    _, found = _proposal(build)
    assert not found.obstacle, found.obstacle
    shape, = [sample.array.tolist() for name, sample in found.samples if sample.array.dtype == np.int64
              and sample.array.ndim == 1]
    assert shape == expected


def test_a_matrix_of_neighbours_is_one():
    _, found = _proposal(examples.dense_neighbours)
    edges = dict(found.samples)["edges:0"].array
    assert not found.obstacle and edges.shape[0] == edges.shape[1]
    np.testing.assert_allclose(edges, edges.T)
    assert (edges.sum(0) <= 1 + 1e-6).all()


# -- fewer rows than the graph takes -----------------------------------------------------------------------------------

X = np.random.RandomState(1).normal(size=(6, 12)).astype(np.float32)


@pytest.mark.dealt
@pytest.mark.parametrize("given", [1, 2, 5])
@pytest.mark.parametrize("baseline", ["zero", "mean", "array"])
def test_fewer_rows_are_explained_as_they_are_among_all(given, baseline):
    start = np.full((6, 12), 0.25, np.float32) if baseline == "array" else baseline
    if baseline == "mean":
        start = {"mean": X[:3]}
    with tf1_ig.IntegratedGradients(small.model_of(examples.baked_in), "y:0") as explainer:
        whole = explainer.explain({"x:0": X}, label=1, baseline=start)
        few = explainer.explain({"x:0": X[:given]}, label=1, baseline=start[:given] if baseline == "array" else start)
    assert len(few) == given and any("filled up with copies" in note for note in few.notes)
    np.testing.assert_allclose(few.values["x:0"], whole.values["x:0"][:given], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(few.score, np.tanh(X[:given]) @ examples.WEIGHTS[:, 1], rtol=1e-5)
    assert few.evaluations.sum() <= whole.evaluations.sum()


def two_scales(first_axis):
    """``tanh(x) W`` of six rows, times the sum of ``s``, which has any length."""
    def build():
        tf = small._tf.tf
        x, s = tf.placeholder(tf.float32, [6, 12], "x"), tf.placeholder(tf.float32, [None], "s")
        scale = tf.reduce_sum(s) if first_axis == "shared" else tf.expand_dims(s, 1)
        tf.multiply(tf.matmul(tf.tanh(x), tf.constant(examples.WEIGHTS)), scale, name="y")

    return small.model_of(build)


def test_what_all_rows_share_is_not_filled_up():
    feed = {"x:0": X[:2], "s:0": [1.0, 2.0]}
    with tf1_ig.IntegratedGradients(two_scales("shared"), "y:0", inputs="x") as explainer:
        with pytest.raises(BatchError, match="feed s:0 has 2 numbers.*takes 6.*shared_feeds=s:0"):
            explainer.explain(feed, label=1)
        found = explainer.explain(feed, label=1, shared_feeds=["s:0"])
        three = explainer.explain(dict(feed, **{"s:0": [1.0, 1.0, 1.0]}), label=1)
    np.testing.assert_allclose(found.score, 3 * np.tanh(X[:2]) @ examples.WEIGHTS[:, 1], rtol=1e-5)
    np.testing.assert_allclose(three.score, found.score, rtol=1e-6)
    with tf1_ig.IntegratedGradients(two_scales("by row"), "y:0", inputs="x") as explainer:
        for options in ({}, {"row_feeds": ["s:0"]}):  # two numbers fit six rows in one way only
            found = explainer.explain(feed, label=1, **options)
            np.testing.assert_allclose(found.score, np.array([1, 2]) * (np.tanh(X[:2]) @ examples.WEIGHTS[:, 1]),
                                       rtol=1e-5)


def test_a_baseline_of_fed_rows_is_filled_up_like_them():
    table = np.random.RandomState(2).normal(size=(9, 4)).astype(np.float32)

    def build():
        tf = small._tf.tf
        rows = tf.gather(tf.constant(table), tf.placeholder(tf.int32, [6, 3], "ids"), name="rows")
        tf.reduce_sum(tf.tanh(rows), [1, 2], name="y")

    with tf1_ig.IntegratedGradients(small.model_of(build), "y:0") as explainer:
        found = explainer.explain({"ids:0": [[1, 2, 3], [4, 5, 6]]}, baseline={"ids:0": [[7, 7, 7], [8, 8, 8]]})
    np.testing.assert_allclose(found.baseline_score, 3 * np.tanh(table[[7, 8]]).sum(axis=1), rtol=1e-5)


def test_copies_have_no_say_where_rows_influence_one_another():
    coupled = functools.partial(examples.baked_in, True)
    coupled.__name__ = "coupled"
    with tf1_ig.IntegratedGradients(small.model_of(coupled), "y:0") as explainer:
        with pytest.raises(BatchError, match="exactly 6 rows, and they influence one another"):
            explainer.explain({"x:0": X[:2]}, label=1)
        assert explainer.explain({"x:0": X}, label=1).running == "in company"


def test_numbers_of_rows_that_constants_rule_out_are_never_run(monkeypatch):
    from tf1_ig.engine.operated import Engine

    ran = []
    monkeypatch.setattr(Engine, "run_outputs", lambda self, points, order, run=Engine.run_outputs: (
        ran.append(points.rows), run(self, points, order))[1])
    with tf1_ig.IntegratedGradients(small.model_of(examples.baked_in_unsaid), "y:0") as explainer:
        explainer.explain({"x:0": X}, label=1)
    assert ran and set(ran) == {6}
    del ran[:]
    with tf1_ig.IntegratedGradients(small.model_of(examples.scaled_pixels), "y:0") as explainer:
        explainer.explain({"x:0": X}, label=1)
    assert set(ran) - {6}


def test_a_failed_run_names_what_was_fed():
    with tf1_ig.IntegratedGradients(small.model_of(examples.lengths_of_time), "y:0") as explainer:
        with pytest.raises(gt.GraphToolsError, match=r"lengths:0 \(int32, \[\?\]\), fed as \[1\]"):
            explainer.explain({"ids:0": [[1, 2, 3, 4, 5]], "lengths:0": [9]}, label=0)


def test_a_graph_in_training_mode_is_put_into_inference_mode_where_nothing_else_helps():
    def hard_wired():
        tf = small._tf.tf
        x = tf.placeholder(tf.float32, [None, 4], "x")
        tf.matmul(tf.nn.dropout(x, rate=0.5), tf.constant(small.WEIGHTS), name="y")

    def by_a_switch():
        switches.keep_without_shape()

    for build, needed in ((hard_wired, True), (by_a_switch, False)):
        model = small.model_of(build)
        output, found = propose_any(model, gt.find_outputs(model))
        assert output.tensor == "y:0" and not found.obstacle and found.inference_mode is needed


def test_an_output_that_cannot_be_explained_gives_way_to_one_that_can():
    def build():
        tf = small._tf.tf
        x = tf.placeholder(tf.float32, [None, 4], "x")
        tf.nn.softmax(tf.matmul(tf.floor(x), tf.constant(small.WEIGHTS)), name="cut")
        tf.nn.sigmoid(tf.matmul(tf.tanh(x), tf.constant(small.WEIGHTS[:, ::-1])), name="open")

    model = small.model_of(build)
    output, found = propose_any(model, gt.find_outputs(model).distinct())
    assert output.tensor == "open:0" and not found.obstacle


def test_large_graphs_are_run_forward_only(monkeypatch):
    monkeypatch.setattr(trial, "_LARGE", 1)
    monkeypatch.setattr(target, "gradients", None)
    found = _proposal(examples.lengths_of_time)[1]
    assert not found.obstacle and not found.tried and found.attributed


def test_small_graphs_are_explained():
    assert _proposal(examples.lengths_of_time)[1].tried


def _one_of(build, name="y:0"):
    model = small.model_of(build)
    return model, next(one for one in gt.find_outputs(model) if one.tensor == name)


@pytest.mark.parametrize("scale, explained", [(400.0, "logits:0"), (1.0, "y:0")])
def test_logits_are_proposed_where_a_probability_is_flat(scale, explained):
    def build():
        tf = small._tf.tf
        x = tf.placeholder(tf.float32, [None, 4], "x")
        weights = tf.constant(np.float32(scale * abs(small.WEIGHTS) * [1, 0, 0]))
        tf.nn.softmax(tf.identity(tf.matmul(x, weights), "logits"), name="y")

    model = small.model_of(build)
    output, found = propose_any(model, gt.find_outputs(model).distinct())
    assert output.tensor == explained and not found.obstacle and not found.saturated


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_of_two_classes_the_logit_that_decides_is_proposed_where_they_are_certain(sign):
    """Beside it stands a constant zero: where the logit is negative that is the largest, and nothing moves it."""
    def build():
        tf = small._tf.tf
        weights = tf.constant(np.full([4, 1], sign * 200.0, np.float32))
        z = tf.identity(tf.matmul(tf.placeholder(tf.float32, [None, 4], "x"), weights), "logit")
        tf.sigmoid(z, name="logistic")
        tf.nn.softmax(tf.concat([tf.zeros_like(z), z], 1, name="both"), name="y")

    model = small.model_of(build)
    output, found = propose_any(model, gt.find_outputs(model).distinct())
    assert output.tensor == "logit:0" and not found.obstacle
    feed = {name: sample.array for name, sample in found.samples}
    with tf1_ig.IntegratedGradients(model, output.tensor) as explainer:
        result = explainer.explain(feed, label="top")
    np.testing.assert_allclose(result.values["x:0"].sum(), sign * 200.0 * feed["x:0"].sum(), rtol=1e-4)


@pytest.mark.parametrize("bias, explained", [(-30.0, "logits:0"), (30.0, "logits:0"), (0.0, "y:0")])
def test_logits_are_proposed_where_a_chance_is_next_to_nothing(bias, explained):
    def build():
        tf = small._tf.tf
        x = tf.placeholder(tf.float32, [None, 4], "x")
        tf.sigmoid(tf.identity(tf.matmul(x, tf.constant(small.WEIGHTS[:, :1])) + bias, "logits"), name="y")

    output, found = propose_any(small.model_of(build), gt.find_outputs(small.model_of(build)).distinct())
    assert output.tensor == explained and not found.obstacle and not found.saturated


@pytest.mark.parametrize("bias, explained", [(-1e6, "logits:0"), (-100.0, "y:0")])
def test_what_an_activation_is_computed_from_is_proposed_where_no_value_turns_it_on(bias, explained):
    def build():
        tf = small._tf.tf
        x = tf.placeholder(tf.float32, [None, 4], "x")
        tf.nn.relu(tf.identity(tf.matmul(x, tf.constant(abs(small.WEIGHTS))) + bias, "logits"), name="y")

    model = small.model_of(build)
    output, found = propose_any(model, gt.find_outputs(model).distinct())
    assert output.tensor == explained and not found.obstacle


@pytest.mark.parametrize("weights, words", [
    (0, "(w), as before the first step"), (1, ""), (1e30, "(w), as after a training that diverged"),
    (1e10, "is zero: the output")])
def test_a_model_that_never_learned_or_diverged_is_said_to_have(weights, words):
    def build():
        tf = small._tf.tf
        x = tf.placeholder(tf.float32, [None, 4], "x")
        w = tf.get_variable("w", [4, 3], initializer=tf.zeros_initializer(), use_resource=False)
        tf.nn.softmax(tf.matmul(x, w), name="y")

    held = np.float32(weights) * np.where([True, False, False], np.float32(9), np.asarray(small.WEIGHTS, "f"))
    found = propose(dataclasses.replace(small.model_of(build), variables={"w": held}), gt.find_outputs(
        small.model_of(build))[0])
    assert words in found.obstacle and bool(found.obstacle) == (weights != 1)


@pytest.mark.parametrize("axis, expected", [(0, None), (1, 0)])
def test_steps_are_no_rows(axis, expected):
    """A sum over all that came before makes each row depend on others; the same sum within a row does not."""
    def build():
        tf = small._tf.tf
        x = tf.placeholder(tf.float32, [5, 4], "x")
        tf.tanh(tf.matmul(tf.cumsum(x, axis), tf.constant(small.WEIGHTS)), name="y")

    model, output = _one_of(build)
    found = propose(model, output)
    assert not found.obstacle and found.batch_axis == expected and found.label == ("0,0" if expected is None else None)


@pytest.mark.dealt
@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("build, axis, rows", [(examples.steps_first, 1, 3), (examples.rows_first, 0, 6)])
def test_rows_are_found_behind_steps_where_both_sizes_are_fixed(monkeypatch, build, axis, rows, large):
    monkeypatch.setattr(trial, "_LARGE", 1 if large else 1500)
    model, found = _proposal(build)
    assert not found.obstacle and (found.batch_axis, found.rows, found.fixed) == (axis, rows, True)
    x = dict(found.samples)["x:0"].array
    with tf1_ig.IntegratedGradients(model, "y:0", batch_axis=found.batch_axis) as explainer:
        result = explainer.explain({"x:0": x}, label=(2, 1))
    # tanh of a sum, by its parts: along a straight line each has its share of it.
    by_row = np.moveaxis(x, axis, 0)[:, :3].astype(np.float64)
    sums = by_row.sum(1, keepdims=True)
    expected = by_row / sums * np.tanh(sums) * examples.WEIGHTS[:, 1]
    np.testing.assert_allclose(result.values["x:0"][:, :3], expected, rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("flat", [True, False])
def test_a_size_is_no_number_of_rows_where_the_output_has_others(flat):
    def build():
        tf = small._tf.tf
        x = tf.placeholder(tf.float32, [4] if flat else [4, 4], "x")
        tf.tanh(tf.matmul(tf.reshape(x, [-1, 4]), tf.constant(small.WEIGHTS)), name="y")

    model, output = _one_of(build)
    found = propose(model, output)
    assert not found.obstacle and found.fixed is not flat and (found.batch_axis is None) is flat


@pytest.mark.parametrize("large", [False, True])
def test_another_number_is_tried_where_nothing_is_left_to_explain(monkeypatch, large):
    def build():
        tf = small._tf.tf
        x, skip = tf.placeholder(tf.float32, [16, None, 4], "x"), tf.placeholder(tf.int32, [], "skip")
        tf.nn.sigmoid(tf.identity(tf.tensordot(x, tf.constant(small.WEIGHTS), 1)[:, skip:]), name="y")

    monkeypatch.setattr(trial, "_LARGE", 1 if large else 1500)
    model, output = _one_of(build)
    found = propose(model, output)
    assert not found.obstacle, found.obstacle
    assert dict(found.samples)["skip:0"].array == 1 and found.tried is not large


def test_much_of_the_same_text_is_written_in_few_words():
    text = samples.Maker(small.model_of(examples.words_of_a_table), (), 0).strings("text:0", (100,))
    assert len(text.text) < 120 and eval(text.text, {"np": np}).tolist() == text.array.tolist()  # noqa: S307


@pytest.mark.parametrize("blocks, label", [(4, "0,0,0"), (1, "0,0")])
def test_a_label_has_the_rank_of_the_rows_that_are_there(blocks, label):
    """One example becomes several rows of the output, whatever its declared shape says."""
    def build():
        tf = small._tf.tf
        x = tf.placeholder(tf.float32, [None, 4 * blocks], "x")
        tf.nn.sigmoid(tf.tensordot(tf.reshape(x, [-1, 1, 4]), tf.constant(small.WEIGHTS), 1), name="y")

    model, output = _one_of(build)
    found = propose(model, output)
    assert not found.obstacle and found.label == label


def _zeros(first, second):
    """Two layers on four floats whose weights hold such numbers, in variables as a checkpoint gives them."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 4], "x")
    hidden = tf.matmul(x, tf.get_variable("first", initializer=np.full((4, 3), first, np.float32), use_resource=True))
    scores = tf.matmul(hidden, tf.get_variable("second", initializer=np.full((3, 2), second, np.float32),
                                               use_resource=True))
    tf.nn.softmax(scores, name="scores")


@pytest.mark.parametrize("first, second, tries, told", [
    (0.0, 0.0, 1, "2 of 2 hold nothing but zeros"), (1.0, 0.0, None, "1 of 2 hold nothing but zeros")])
def test_a_model_that_never_learned_is_tried_once(monkeypatch, first, second, tries, told):
    with _tf.tf.Graph().as_default():
        _zeros(first, second)
        with _tf.tf.Session() as session:
            session.run(_tf.tf.global_variables_initializer())
            model = gt.from_session(session)
    tried, plain = [], trial.Trials.run
    monkeypatch.setattr(trial.Trials, "run", lambda self, *more: tried.append(more) or plain(self, *more))
    output = gt.find_outputs(model)[0]
    _, found = propose_any(model, [output], gt.find_embeddings(model))
    assert told in found.obstacle and found.silent
    assert len(tried) == tries if tries else len(tried) > 1


def test_a_trial_reads_its_example_once(monkeypatch):
    """The first label that is asked for is none of an output that is declared with another rank."""
    def of_rank_three():
        tf = _tf.tf
        x = tf.placeholder(tf.float32, [None, 4], "x")
        scores = tf.nn.softmax(tf.matmul(x, tf.constant(np.arange(8, dtype=np.float32).reshape(4, 2))))
        tf.stack([scores, 2 * scores], 2, name="y")

    model, reads = small.model_of(of_rank_three), []
    plain = reader.TaskReader.read
    monkeypatch.setattr(reader.TaskReader, "read", lambda self, feed, *more: reads.append(feed) or plain(
        self, feed, *more))
    output = dataclasses.replace(gt.find_outputs(model)[0], tensor="y:0", kind="other", shape=(None,) * 4)
    with trial.Trials(model, output) as trials:
        found = trials.run({"x:0": samples.Sample("", np.ones((1, 4), np.float32))}, trial.Rows(1, False))
    assert not found.obstacle and found.label == "0,0"
    assert len(reads) == 1


@pytest.mark.parametrize("sizes, gradients", [((1, 3, 1), 1), ((1, None), 2)])
def test_feeds_of_one_output_are_tried_by_one_gradient_an_axis(monkeypatch, sizes, gradients):
    """``None``: a feed that is one example. No graph of a trial has the ways that only long runs are worth."""
    def build():
        x = _tf.tf.placeholder(_tf.tf.float32, [None, 4], "x")
        _tf.tf.matmul(_tf.tf.tanh(x), _tf.tf.constant(small.WEIGHTS), name="y")

    model, output = _one_of(build)
    made, products, plain = [], [], target.gradients
    monkeypatch.setattr(target, "gradients", lambda *given: made.append(given) or plain(*given))
    monkeypatch.setattr(path, "_points_as_product", products.append)
    with trial.Trials(model, output) as trials:
        for rows in sizes:
            feed = {"x:0": samples.Sample("", np.full((rows or 2, 4), 0.1 * len(made) + 0.3, np.float32))}
            found = trials.run(feed, trial.Rows(rows or 1, False, None if rows is None else 0))
            assert not found.obstacle and not found.silent, found.obstacle
    assert (len(made), products) == (gradients, [])


def test_a_feed_that_makes_the_explainer_another_is_the_only_one_that_it_tries(monkeypatch):
    """Rows on the second axis of the output: the explainer of the first feed orders its axes, the next is made anew."""
    def build():
        x = _tf.tf.placeholder(_tf.tf.float32, [None, 4], "x")
        _tf.tf.transpose(_tf.tf.matmul(_tf.tf.tanh(x), _tf.tf.constant(small.WEIGHTS)), name="y")

    model, output = _one_of(build)
    opened, closed, plain, close = [], [], tried.Tried._open, tried.Tried.close
    monkeypatch.setattr(tried.Tried, "_open", lambda self, **wanted: opened.append((id(self), dict(wanted))) or plain(
        self, **wanted))
    monkeypatch.setattr(tried.Tried, "close", lambda self: closed.append(id(self)) or close(self))
    with trial.Trials(model, output) as trials:
        for _ in range(2):
            trials.run({"x:0": samples.Sample("", np.arange(12, dtype=np.float32).reshape(3, 4))}, trial.Rows(3, False))
        ordered = [one for one, wanted in opened if wanted]
        assert [wanted for _, wanted in opened if wanted] == 2 * [{"ordered": True}]
        assert len(set(ordered)) == 2 and closed == ordered[:1]  # not two sessions of a model at once
    assert set(closed) >= set(ordered)


def test_a_trial_traces_no_word_back_to_its_text_and_an_explanation_fetches_words_and_ids_at_once(monkeypatch):
    traced, fetched, plain = [], [], operated.Engine.fetch_all
    monkeypatch.setattr(raw_text, "of_inputs", lambda *given: traced.append(given) or {})
    model, found = _proposal(examples.words_of_a_table)
    assert not found.obstacle and not traced
    monkeypatch.setattr(operated.Engine, "fetch_all", lambda self, tensors, values: fetched.append(
        [tensor.name for tensor in tensors]) or plain(self, tensors, values))
    with tf1_ig.IntegratedGradients(model, "scores:0" if "scores" in model.index else "y:0") as explainer:
        spec, = explainer.resolved.inputs
        feed = {name: sample.array for name, sample in found.samples}
        result = explainer.explain(feed, label=0)
    assert len(traced) == 1 and spec.strings and [spec.ids, spec.strings] in fetched
    assert [spec.ids] not in fetched and [spec.strings] not in fetched
    assert np.ravel(result.strings[spec.name]).tolist() == np.ravel(dict(found.samples)["text:0"].array).tolist()


def picture_that_takes_a_lot():
    """One picture, no rows: places of its own along both axes, and units that only large numbers move."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [6, 5], "x")
    units = tf.nn.relu(tf.matmul(x, tf.constant(np.random.RandomState(8).normal(size=(5, 6)).astype(np.float32))) - 9.0)
    tf.add(tf.cumsum(units), tf.reshape(tf.range(36.0), [6, 6]), name="y")


def test_other_values_are_tried_of_a_whole_feed_that_nothing_moves():
    model = small.model_of(picture_that_takes_a_lot)
    found = propose(model, next(one for one in gt.find_outputs(model) if one.tensor == "y:0"))
    assert not found.obstacle, found.obstacle
    assert found.batch_axis is None and dict(found.samples)["x:0"].array.max() > 9.0


def _domain(of_second):
    tf = _tf.tf
    x, z = (tf.placeholder(tf.float32, [None, 3], name) for name in "xz")
    weights = tf.constant(np.linspace(1, 2, 6, dtype=np.float32)[:, None])
    tf.matmul(tf.concat([x, of_second(tf, z)], 1), weights, name="y")


@pytest.mark.dealt
@pytest.mark.parametrize("of_second, start, op", [
    (lambda tf, z: tf.log(tf.abs(z)), (("z:0", 1.0),), "Log"), (lambda tf, z: tf.square(z), (), ""),
    (lambda tf, z: tf.log(-1 - tf.square(z)), (), "Log")])
def test_numbers_that_may_not_start_at_zero_start_at_one(of_second, start, op, tmp_path, capsys):
    model = small.model_of(lambda: _domain(of_second))
    model.save(str(tmp_path / "model.pb"))
    found = inspect.inspect(str(tmp_path / "model.pb"))
    assert found.proposal.baseline == start and op in found.proposal.singular
    assert ("not finite" in found.obstacle and op in found.obstacle) if op and not start else not found.obstacle
    command = inspect.next_command(found)
    assert ("--baseline '{\"z:0\": 1.0}'" in command) == bool(start)
    assert bool([warning for warning in found.warnings if "zero is no baseline for z:0" in warning]) == bool(start)
    np.savez(str(tmp_path / "feed.npz"), **{name: sample.array for name, sample in found.proposal.samples})
    words = shlex.split(command.replace("--feed feed.npz", "--feed %s" % (tmp_path / "feed.npz")))[1:]
    assert cli.main(words[:words.index("--out")]) == (1 if op and not start else 0)
    capsys.readouterr()
    cli.main(["inspect", str(tmp_path / "model.pb"), "--spec", str(tmp_path / "spec.json")])
    assert json.loads((tmp_path / "spec.json").read_text()).get("baseline") == (dict(start) or None)


@pytest.mark.parametrize("build, start, op", [
    (nonfinite.normalised, {"x:0": 1.0}, "unit"), (nonfinite.towers, {"x:0": 0.0, "ids:0": 0}, "unit"),
    (lambda: nonfinite.towers(norm=False), {}, ""), (nonfinite.steep, {}, ""),
    (nonfinite.logarithm_at_zero, {"x:0": 1.0}, "logs")])
def test_a_score_that_jumps_behind_zero_starts_elsewhere(build, start, op, tmp_path):
    small.model_of(build).save(str(tmp_path / "model.pb"))
    found = inspect.inspect(str(tmp_path / "model.pb"))
    assert not found.obstacle and dict(found.proposal.baseline) == start and found.proposal.jumps.startswith(op)
    told = [warning for warning in found.warnings if "zero is no baseline" in warning]
    assert len(told) == bool(start) and all("jumps right behind it, first in %s" % op in one for one in told)
    feed = {name: sample.array for name, sample in found.proposal.samples}
    with tf1_ig.IntegratedGradients(found.model, found.output.tensor) as explainer:
        result = explainer.explain(feed, baseline=start or "zero")
    assert result.converged.all() and all(np.any(value) for value in result.values.values())


def test_a_jump_that_no_other_start_avoids_stands_in_the_way(tmp_path):
    """The same direction at both ends of every path that is tried, and none between them and zero."""
    def build():
        tf = _tf.tf
        x = tf.placeholder(tf.float32, [None, 1], "x")
        tf.multiply(tf.nn.l2_normalize(x, 1, name="unit"), tf.constant([[2.0]]), name="y")

    small.model_of(build).save(str(tmp_path / "model.pb"))
    found = inspect.inspect(str(tmp_path / "model.pb"))
    assert "y:0 jumps right behind the baseline" in found.obstacle and "first in unit" in found.obstacle
    assert not found.proposal.baseline


# -- of a large graph only what is fed may change is imported for its shapes -------------------------------------------

@pytest.mark.parametrize("build", list(SHAPES), ids=[build.__name__ for build in SHAPES])
def test_sizes_are_the_same_where_only_what_may_change_is_imported(build, monkeypatch):
    model = small.model_of(build)
    output = next(one for one in ("y:0", "scores:0") if names.parse(one).node in model.index)

    def sizes():
        plan = example_feeds.Plan(model, output, gt.find_embeddings(model), 0)
        return plan._shapes(plan.setting())

    whole = sizes()
    monkeypatch.setattr(fitting, "_WHOLE", 0)
    assert sizes() == whole


@pytest.mark.parametrize("sizes, fits", [((4, 3), True), ((4, 5), False)])
def test_behind_floats_of_known_sizes_nothing_is_imported(sizes, fits, monkeypatch):
    """A size that is computed decides what follows, and what is as large whatever is fed does not."""
    def build():
        tf = _tf.tf
        x = tf.placeholder(tf.float32, [None, None], "x")
        hidden = tf.reshape(tf.matmul(x, tf.ones([3, 2])), [4, 2], name="known")
        for number in range(5):
            hidden = tf.tanh(hidden, name="deep_%d" % number)
        tf.reshape(hidden, tf.stack([tf.shape(x)[0], 2]), name="y")

    monkeypatch.setattr(fitting, "_WHOLE", 0)
    found = fitting.Fitting(small.model_of(build), ["y:0"], ["x:0"])
    refused = found.refusal({"x:0": sizes})
    assert (refused is None) == fits
    assert "deep_0" not in found._decided() and {"known", "y", "stack"} <= found._decided()
    assert found.shape_of("y:0", {"x:0": (4, 3)}) == (4, 2) and found.shape_of("deep_4:0", {"x:0": (4, 3)}) == (4, 2)


@pytest.mark.parametrize("labels", ["queue", "placeholder"])
def test_a_prediction_beside_a_queue_is_taken_out_of_its_training_job(labels, tmp_path, monkeypatch, capsys):
    """Pictures are fed, and a queue only brings labels: its twin has them fed, too, and is nothing but a model."""
    def build():
        tf = _tf.tf
        x = tf.placeholder(tf.float32, [None, 4], "x")
        logits = tf.matmul(tf.tanh(x), tf.constant(small.WEIGHTS), name="scores")
        y = tf.FIFOQueue(9, [tf.float32], [[3]]).dequeue_many(2) if labels == "queue" else tf.placeholder(
            tf.float32, [None, 3])
        tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits_v2(labels=y, logits=logits), name="loss")

    monkeypatch.chdir(tmp_path)
    small.model_of(build).save("job.pb")
    found = inspect.inspect("job.pb")
    commands = [line.strip() for line in inspect.as_text(found).splitlines() if line.strip().startswith("tf1-ig")]
    edits = [line for line in commands if line.startswith("tf1-ig edit")]
    assert edits == ["tf1-ig edit job.pb --prune scores:0 --freeze --out served.pb"] * (labels == "queue")
    assert len(commands) == 1 + 2 * len(edits)
    assert all(cli.main(shlex.split(line)[1:]) == 0 for line in edits)
    assert os.path.exists("served.pb") == bool(edits)


@pytest.mark.parametrize("build, tries, shape", [
    (examples.steps_beside_a_state, 2, (1, 8, 5)), (examples.a_step_that_is_written_in_the_graph, 4, (1, 12, 5)),
    (examples.steps_of_a_known_size, 1, (1, 8, 5))])
def test_the_size_of_steps_is_what_a_run_of_the_loop_wants(build, tries, shape, monkeypatch):
    made = []
    monkeypatch.setattr(example_feeds.Plan, "samples", lambda plan, setting, samples=example_feeds.Plan.samples: (
        made.append(setting) or samples(plan, setting)))
    _, found = _proposal(build)
    assert not found.obstacle, found.obstacle
    assert dict(found.samples)["x:0"].array.shape == shape and len(made) == tries


def test_a_size_that_no_feed_can_have_changes_nothing():
    model = small.model_of(examples.steps_beside_a_state)
    plan = example_feeds.Plan(model, gt.find_outputs(model)[0].tensor, gt.find_embeddings(model), 0)
    setting = plan.setting()
    before = plan._shapes(setting)
    assert plan.mended(setting, "Matrix size-incompatible: In[0]: [1,900], In[1]: [2,4]") is None
    assert plan._shapes(setting) == before


@pytest.mark.parametrize("value, most", [
    (contents.sound(), 4000), ([[b"head" + b"abc" * 700 + b"a"]], 60), (b"\0" * 5000 + b"x", 5000 * 4 + 10),
    (bytes(bytearray(range(256))) * 3 + b"!" * 900, 10000), (["words", b"bytes"], 20),
    (np.random.RandomState(0).bytes(3000), 12000)], ids=range(6))
def test_long_bytes_are_written_by_the_part_that_is_repeated(value, most):
    text = samples.written(value)
    assert eval(text) == value and len(text) < most  # noqa: S307 what a reader would run


def test_a_sound_ends_in_no_zero():
    """Which numpy's strings would lose."""
    assert np.array(contents.sound()).item() == contents.sound() and len(contents.sound()) == 44 + 2 * 16000
