"""Measures that ask again: by the method that is judged, of moved rows, of permuted weights; and what they cost."""

import inspect

import numpy as np
import pytest

import graph_tools as gt
import tf1_ig
from graph_tools import _tf
from graph_tools.running import prepared
from tests.models import small, taught
from tf1_ig import demo
from tf1_ig.evaluate import MEASURES, cost, noise
from tf1_ig.evaluate.randomised import weights_by_scope
from tf1_ig.evaluate.record import spearman

SENTENCES = ["The plot makes no sense, but the acting is superb.", "A dull and lifeless film."]
IDS, LENGTHS, ROWS = "input/dequeue:0", "input/dequeue:1", "embedding/lookup:0"


@pytest.fixture(scope="module")
def opened():
    ids, lengths = demo.encode([demo.tokenize(text) for text in SENTENCES], demo.load_vocabulary())
    with tf1_ig.IntegratedGradients(gt.load(demo.MODEL), "class/probabilities:0") as explainer:
        yield explainer, {IDS: ids, LENGTHS: lengths}


@pytest.mark.dealt
@pytest.mark.parametrize("method", ["occlusion", "gradient", "shapley", "guided_ig", "gradient_x_input"])
def test_stability_is_that_of_the_method_that_is_judged(opened, monkeypatch, method):
    """Noise is added to the looked-up rows by hand, and the method is asked of them."""
    explainer, feed = opened
    monkeypatch.setattr(noise, "DRAWS", 2)
    drawn, ours = [], noise._moved

    def moved(scene, function):
        drawn.append(ours(scene, function))
        return drawn[-1]

    monkeypatch.setattr(noise, "_moved", moved)
    found = tf1_ig.evaluate(explainer, feed, "top", ["stability", "max sensitivity"], explain=method)
    top = [int(one) for one in explainer.outputs(feed).argmax(1)]
    plain = explainer.explain_variant(method, feed, top)
    changes, sensitivities = [], []
    for number, entries in enumerate(drawn):
        other = explainer.explain_variant(method, dict(feed, **entries), top)
        away, size = other.values[ROWS] - plain.values[ROWS], plain.values[ROWS]
        if number < 2:
            changes.append(np.abs(away.sum(2)).sum(1) / np.abs(size.sum(2)).sum(1))
        else:
            sensitivities.append(np.sqrt((away ** 2).sum((1, 2)) / (size ** 2).sum((1, 2))))
    np.testing.assert_allclose(found["stability"].rows, np.max(changes, axis=0), rtol=1e-4)
    np.testing.assert_allclose(found["max sensitivity"].rows, np.max(sensitivities, axis=0), rtol=1e-4)


def test_a_baseline_of_ids_is_looked_up_although_rows_are_fed(opened):
    explainer, feed = opened
    right = explainer.explain(feed, 1, baseline={IDS: 7})
    rows = explainer.at(feed, 1).entries
    again = explainer.explain(dict(feed, **rows), 1, baseline={IDS: 7})
    np.testing.assert_allclose(again.values[ROWS], right.values[ROWS], atol=1e-6)
    assert np.abs(again.values[ROWS]).max() > 0.01
    fed = explainer.explain(dict(feed, **{name: 0.5 * value for name, value in rows.items()}), 1)
    assert np.abs(fed.values[ROWS] - right.values[ROWS]).max() > 0.01


@pytest.mark.dealt
def test_a_function_is_told_the_seed_and_the_baseline_that_it_takes(opened):
    explainer, feed = opened
    told = []

    def drawing(explainer, feed, label, baseline="zero", seed=0):
        told.append((isinstance(baseline, dict), seed))
        found = explainer.explain_variant("smoothgrad", feed, label, baseline=baseline, samples=2, seed=seed)
        return found

    found = tf1_ig.evaluate(explainer, feed, "top", ["weights randomised", "stability"], explain=drawing, seed=4)
    assert (False, 5) in told and (True, 0) in told and len(told) == 1 + 1 + 5 + 11
    assert 0.5 < found["weights randomised"].control < 1  # other draws, and nearly the same map
    steady = tf1_ig.evaluate(explainer, feed, "top", "weights randomised")
    assert steady["weights randomised"].control == pytest.approx(1)


@pytest.mark.dealt
def test_weights_fall_scope_by_scope_from_the_output_downwards(opened, tmp_path):
    """Each stage again by hand: the weights of the scopes so far, permuted by the same draws, in a model of its own."""
    explainer, feed = opened
    found, = tf1_ig.evaluate(explainer, feed, "top", "weights randomised", seed=2)
    resolved = explainer.resolved
    model, _ = gt.freeze(resolved.model, [resolved.output])
    scopes = weights_by_scope(model, [ROWS], resolved.output)
    random = np.random.RandomState([2] + [ord(letter) for letter in "weights randomised"])
    graph_def, top = _tf.tf.GraphDef(), [int(one) for one in explainer.outputs(feed).argmax(1)]
    graph_def.CopyFrom(model.graph_def)
    right = explainer.explain(feed, top).tokens[ROWS]
    assert [stage.scope for stage in found.stages] == list(scopes)
    for stage, weights in zip(found.stages, scopes.values()):
        for name in weights:
            node, = [node for node in graph_def.node if node.name == name]
            value = _tf.tf.make_ndarray(node.attr["value"].tensor)
            mixed = random.permutation(value.ravel()).reshape(value.shape)
            node.attr["value"].tensor.CopyFrom(_tf.tf.make_tensor_proto(mixed, dtype=mixed.dtype))
        path = str(tmp_path / "permuted.pb")
        with open(path, "wb") as file:
            file.write(graph_def.SerializeToString())
        with tf1_ig.IntegratedGradients(gt.load(path), resolved.output, ROWS) as permuted:
            tokens = permuted.explain({resolved.renamed.get(key, key): value for key, value in feed.items()}, top
                                      ).tokens[ROWS]
        # Padding has a row, and no rank.
        by_hand = np.mean([spearman(own[:count], rest[:count])
                           for own, rest, count in zip(right, tokens, feed[LENGTHS])])
        assert stage.value == pytest.approx(by_hand, abs=1e-6)
    assert found.value == found.stages[-1].value < 0.5


@pytest.mark.parametrize("resource", [False, True])
def test_variables_fall_like_constants(resource):
    """Two layers in scopes of their own, and a third without any: as variables, and frozen."""
    random = np.random.RandomState(0)

    def build():
        tf = _tf.tf
        x = tf.placeholder(tf.float32, [None, 6], "x")
        with tf.variable_scope("lower", use_resource=resource):
            lower = tf.get_variable("kernel", initializer=random.normal(size=(6, 8)).astype(np.float32))
            bias = tf.get_variable("bias", initializer=random.normal(size=8).astype(np.float32))
        with tf.variable_scope("upper/inner", use_resource=resource):
            upper = tf.get_variable("kernel", initializer=random.normal(size=(8, 5)).astype(np.float32))
        last = random.normal(size=(5, 3)).astype(np.float32)
        alone = tf.get_variable("alone", initializer=last, use_resource=resource)
        hidden = tf.tanh(tf.matmul(tf.tanh(tf.matmul(x, lower) + bias), upper))
        tf.nn.softmax(tf.matmul(hidden, alone), name="y")

    tf, graph = _tf.tf, _tf.tf.Graph()
    with graph.as_default(), tf.Session(graph=graph) as session:
        build()
        session.run(tf.global_variables_initializer())
        model = gt.from_session(session)
    feed = {"x:0": random.normal(size=(3, 6)).astype(np.float32)}
    found = []
    for one in (model, gt.freeze(model, ["y:0"])[0]):
        with tf1_ig.IntegratedGradients(one, "y", inputs="x") as explainer:
            found.append(tf1_ig.evaluate(explainer, feed, "top", "weights randomised")["weights randomised"])
    assert [stage.scope for stage in found[0].stages] == ["alone", "upper/inner", "lower"]
    assert [stage.scope for stage in found[1].stages] == ["alone", "upper/inner", "lower"]
    np.testing.assert_allclose(found[0].rows, found[1].rows)


def test_every_row_that_a_session_ran_is_in_the_count(opened, monkeypatch):
    """Runs are counted where TensorFlow is called: by the rows of what comes back."""
    explainer, feed = opened
    counted, run = [0], prepared.PreparedRuns.run

    def counting(self, fetches, fed):
        found = run(self, fetches, fed)
        name, first = prepared._names(fetches)[0], found
        while isinstance(first, (list, tuple)):
            first = first[0]
        # Rows of the table and ids are read as well, without the model: that is no evaluation.
        counted[0] += len(first) if name == explainer.output or "/target/" in name else 0
        return found

    monkeypatch.setattr(prepared.PreparedRuns, "run", counting)
    during = {}

    def watched(name, measure):
        def measured(scene):
            before = counted[0]
            found = measure(scene)
            during[name] = counted[0] - before
            return found
        return measured

    for name, measure in list(MEASURES.items()):
        monkeypatch.setitem(MEASURES, name, watched(name, measure))
    report = tf1_ig.evaluate(explainer, feed, "top")
    assert {one.name: one.evaluations for one in report} == during
    assert during["completeness"] == 0 and during["shapley"] > 2000 and all(
        count > 10 for name, count in during.items() if name != "completeness")


@pytest.mark.dealt
def test_an_edge_detector_on_a_convolutional_network_is_found_out():
    model = taught.train("pictures")
    with tf1_ig.IntegratedGradients(model.model, model.output, model.inputs) as explainer:
        feed = model.draw(np.random.RandomState(3), 8)

        def edges(explainer, feed, label):
            given = np.asarray(feed["x:0"], np.float64)
            right = explainer.explain(feed, label)
            return right.__class__(**dict(vars(right), completeness="none", technique="Edges", values={
                "x:0": np.abs(given - np.roll(given, 1, axis=2))}))

        wrong = tf1_ig.evaluate(explainer, feed, "top", ["weights randomised", "other label"], explain=edges)
        fine = tf1_ig.evaluate(explainer, feed, "top", ["weights randomised", "other label"])
    assert [one.verdict for one in wrong] == ["fail", "fail"] and wrong["weights randomised"].value == pytest.approx(1)
    assert all(stage.value == pytest.approx(1) for stage in wrong["weights randomised"].stages)
    assert fine.ok and fine["weights randomised"].value < 0.5


def test_progress_tells_the_time_that_is_left(opened, capsys):
    explainer, feed = opened
    tf1_ig.evaluate(explainer, feed, "top", ["completeness", "weights randomised", "deletion"], progress=True)
    told = capsys.readouterr().err
    assert "evaluate" in told and " of 3 measures" in told and "s left" in told
    tf1_ig.evaluate(explainer, feed, "top", ["completeness"])
    assert not capsys.readouterr().err
    assert inspect.signature(tf1_ig.evaluate).parameters["progress"].default is False


ORDERED = ["leave one out", "signs", "subsets", "deletion", "insertion", "comprehensiveness", "sufficiency", "flip set"]


def test_padding_changes_no_number(opened):
    explainer, feed = opened
    wide = dict(feed, **{IDS: np.pad(feed[IDS], ((0, 0), (0, 9)))})
    plain, padded = (tf1_ig.evaluate(explainer, each, "top", ORDERED) for each in (feed, wide))
    for name in ORDERED:
        np.testing.assert_allclose(padded[name].rows, plain[name].rows, atol=1e-5)
        assert padded[name].control == pytest.approx(plain[name].control, abs=1e-5)
    assert [len(curve.shares) - 1 for curve in padded["deletion"].curves] == feed[LENGTHS].tolist()


@pytest.mark.parametrize("masked, counted", [(True, 3), (False, 6)])
def test_what_fills_a_row_up_is_a_token_where_the_model_reads_it(masked, counted):
    table = np.random.RandomState(0).normal(size=(9, 4)).astype(np.float32)

    def build():
        tf = _tf.tf
        ids = tf.placeholder(tf.int32, [None, None], "ids")
        rows = tf.nn.embedding_lookup(tf.constant(table), ids, name="rows")
        shares = tf.cast(tf.not_equal(ids, 0), tf.float32)[:, :, None] if masked else 1.0
        tf.reduce_sum(tf.tanh(rows) * shares * [1.0, -2.0, 3.0, 0.5], [1, 2], name="y")

    with tf1_ig.IntegratedGradients(small.model_of(build), "y", "rows") as explainer:
        found, = tf1_ig.evaluate(explainer, {"ids:0": np.array([[3, 5, 7, 0, 0, 0]])}, None, "deletion")
        end, = tf1_ig.evaluate(explainer, {"ids:0": np.array([[3, 5, 7, 0]])}, None, "deletion")
    assert len(found.curves[0].shares) == counted + 1
    assert len(end.curves[0].shares) == 4 + 1  # a single one may be a word like any other


@pytest.mark.parametrize("reads", [True, False])
def test_words_that_a_saturated_score_does_not_notice_are_no_padding(reads):
    """The last three words are alike, and without them the score is 1 to the last bit, as with them."""
    table = np.random.RandomState(0).normal(size=(9, 4)).astype(np.float32)

    def build():
        tf = _tf.tf
        ids = tf.placeholder(tf.int32, [None, None], "ids")
        rows = tf.nn.embedding_lookup(tf.constant(table), ids, name="rows")
        shares = 1.0 if reads else tf.cast(tf.not_equal(ids, 1), tf.float32)[:, :, None]
        tf.sigmoid(10.0 * tf.reduce_sum(tf.tanh(rows) * shares * [1.0, -2.0, 3.0, 0.5], [1, 2]), name="y")

    feed = {"ids:0": np.array([[6, 6, 6, 6, 6, 1, 1, 1]])}
    with tf1_ig.IntegratedGradients(small.model_of(build), "y", "rows") as explainer:
        at = explainer.at(feed)
        gone, = at.scores(at.mixed([np.array([[1.0] * 5 + [0.0] * 3])]))
        assert gone[0] == at.score[0] == 1.0
        found, = tf1_ig.evaluate(explainer, feed, None, "deletion")
    assert len(found.curves[0].shares) == (8 if reads else 5) + 1


def test_padding_that_is_attributed_to_is_still_found_out(opened):
    explainer, feed = opened
    wide = dict(feed, **{IDS: np.pad(feed[IDS], ((0, 0), (0, 9)))})
    right = explainer.explain(wide, "top")
    wrong = {name: np.array(values) for name, values in right.values.items()}
    wrong[ROWS][:, -1] += 0.1
    wrong[ROWS][:, -2] -= 0.1
    report = tf1_ig.evaluate(explainer, wide, "top", ["completeness", "definition"], attribution=right.__class__(
        **dict(vars(right), values=wrong)))
    assert [one.verdict for one in report] == ["ok", "fail"]


def test_what_takes_long_is_said_before_it_is_paid(opened, monkeypatch):
    explainer, feed = opened
    told, scenes, ours = [], [], cost.in_words
    monkeypatch.setattr(cost, "in_words", lambda scene, chosen: scenes.append(scene) or ours(scene, chosen))
    report = tf1_ig.evaluate(explainer, feed, "top", progress=told.append)
    assert not told
    expected = cost.expected(scenes[0], list(MEASURES))
    assert set(expected) == set(MEASURES) - {"completeness"}  # a new measure has a line there, too
    for one in report:
        if one.evaluations > 100:
            assert expected[one.name] / 3 < one.evaluations < 3 * expected[one.name], one.name
    monkeypatch.setattr(cost, "LONG", 0.0)
    tf1_ig.evaluate(explainer, feed, "top", ["signs", "deletion"], progress=told.append)
    assert len(told) == 1 and "deletion" in told[0] and "Choose fewer measures" in told[0]
