"""Numbers are called what the caller feeds, by every view: a feature's key, a signature's key, a placeholder."""

import json

import numpy as np
import pytest

import graph_tools as gt
import tf1_ig
from graph_tools import _tf
from tests.models import numeric
from tests.models.small import model_of
from tf1_ig import cli
from tf1_ig.result import entries
from tf1_ig.rows.spec import ExplanationSpec
from tf1_ig.scale import batches, records
from tf1_ig.show import table, terminal

NAMES = {"age", "Placeholder", "gains[0]", "gains[1]", "gains[2]"}


def explained(model, feed, **options):
    with tf1_ig.IntegratedGradients(model, "p:0", **options) as explainer:
        return explainer.explain(feed, label=1)


@pytest.fixture(scope="module")
def found():
    return explained(model_of(numeric.by_placeholder), numeric.FEED)


def test_every_number_has_the_name_of_what_is_fed(found):
    names = [text for row, _, _, text, _ in table.entries(found) if not row]
    assert set(names) == NAMES | {"#1"} and len(names) == 6
    assert sorted(found.input_name(name) for name in found.values) == ["Placeholder", "age", "education", "gains"]
    assert found.names("ToFloat:0", 0) == ["age"]


def test_numbers_stand_in_the_order_of_their_names(found):
    gains = [value for row, name, _, _, value in table.entries(found) if row == 1 and name == "gains:0"]
    np.testing.assert_array_equal(gains, found.values["gains:0"][1])


def test_a_terminal_and_a_page_show_the_names(found):
    printed = terminal.summary(found, tf1_ig.check(found)).split("checks:")[0]
    assert all(name in printed for name in NAMES) and "in input" not in printed and "ToFloat" not in printed
    assert "#1  in education" in printed
    page = found.to_html()
    assert all(name in page for name in NAMES) and page.count("ToFloat") == 1  # a note on where gradients begin


@pytest.mark.parametrize("suffix", [".json", ".npz"])
def test_a_saved_result_keeps_the_names(found, suffix, tmp_path):
    path = str(tmp_path / ("why" + suffix))
    found.save(path)
    again = tf1_ig.load_attribution(path)
    assert again.called == found.called and again[1:].names("gains:0", 0) == found.names("gains:0", 1)


def test_a_frame_has_a_name_for_each_line(found):
    assert set(found.to_frame()["token"]) == NAMES | {"#1", "#4"}


def test_joined_columns_have_a_name_each_and_a_sum_has_the_tensors():
    feed = {"age": numeric.FEED["age"], "gains": np.array([[1, 2], [3, 4]])}
    found = explained(model_of(numeric.joined), feed)
    assert found.names("ToFloat:0", 0) == ["age", "gains[0]", "gains[1]"]
    found = explained(model_of(numeric.added_up), {"age": feed["gains"], "gains": feed["gains"]})
    assert found.names("ToFloat:0", 0) == ["ToFloat[0]", "ToFloat[1]"] and found.called == ()


def _of(make, size):
    """Numbers of a matrix and of a column beside it, as ``make(matrix, column)`` puts them together."""
    tf = _tf.tf
    matrix, column = (tf.placeholder(tf.float32, [None, width], name) for width, name in ((4, "m"), (1, "age")))
    made = tf.identity(make(matrix, column), "made")
    tf.reduce_sum(tf.reshape(made, [-1, size]) * np.arange(1.0, size + 1, dtype=np.float32), 1, name="p")


@pytest.mark.parametrize("make, size, names", [
    (lambda m, age: m[:, 2:], 2, ["made[0]", "made[1]"]),
    (lambda m, age: _tf.tf.concat([age, m[:, 2:]], 1), 3, ["made[0]", "made[1]", "made[2]"]),
    (lambda m, age: _tf.tf.concat([age, (m - 1.0) / 2.0], 1), 5, ["age", "m[0]", "m[1]", "m[2]", "m[3]"]),
    (lambda m, age: _tf.tf.tile(age, [1, 2]), 2, ["age[0]", "age[1]"])])
def test_numbers_that_stand_elsewhere_than_they_were_fed_have_the_tensors_name(make, size, names):
    """A column is called by its place in the feed only where that is its place."""
    with tf1_ig.IntegratedGradients(model_of(lambda: _of(make, size)), "p:0", "made:0") as explainer:
        found = explainer.explain({"m": np.arange(8.0).reshape(2, 4) + 1, "age": np.ones((2, 1))})
    assert found.names("made:0", 0) == names


def test_a_step_is_no_column():
    """As many steps as there are features at each: the sum of a step is none of them."""
    def build():
        tf = _tf.tf
        made = tf.stack([tf.placeholder(tf.float32, [None, 2], name) for name in ("heat", "wind")], 2, name="made")
        tf.reduce_sum(made * np.array([[1, 2], [3, 4]], np.float32), [1, 2], name="p")

    with tf1_ig.IntegratedGradients(model_of(build), "p:0", "made:0") as explainer:
        found = explainer.explain({"heat": np.ones((1, 2)), "wind": np.ones((1, 2))})
    assert found.names("made:0", 0) == ["made[0]", "made[1]"]


def test_a_parsed_feature_has_its_key():
    rows = np.array([numeric.example(40, [1.0, 2.0]), numeric.example(20, [3.0, 4.0])], object)
    found = explained(model_of(numeric.parsed), {"examples": rows})
    names = {text for _, _, _, text, _ in table.entries(found)}
    assert names == {"age", "hours per week[0]", "hours per week[1]"}


def test_a_placeholder_has_the_key_of_its_signature():
    model = numeric.with_signature(model_of(numeric.by_placeholder), hours="Placeholder:0")
    assert "hours" in {text for _, _, _, text, _ in table.entries(explained(model, numeric.FEED))}


def test_units_of_a_layer_are_nobodys_numbers():
    model = model_of(numeric.by_placeholder)
    with tf1_ig.IntegratedGradients(model, "p:0", ["Tanh"]) as explainer:
        found = explainer.explain(numeric.FEED, label=1)
        assert found.called == () and found.names("Tanh:0", 0)[3] == "Tanh[3]"


def test_inputs_of_one_feed_are_told_apart():
    called = (("a:0", ("age",)), ("b:0", ("age",)), ("c:0", ("sex",)))
    assert [entries.input_name(called, name) for name in ("a:0", "b:0", "c:0", "d:0")] == [
        "age (a)", "age (b)", "sex", "d:0"]


def test_pairs_are_pairs_of_names():
    def product():
        age, sex = (_tf.tf.placeholder(_tf.tf.float32, [None, 1], name) for name in ("age", "sex"))
        _tf.tf.reduce_sum(age * sex, 1, name="p")

    with tf1_ig.IntegratedGradients(model_of(product), "p:0") as explainer:
        found = explainer.interactions({"age": [[2.0]], "sex": [[3.0]]})
    assert "age × sex" in str(found) and found.texts(0) == ["age", "sex"]


def test_pairs_and_the_evaluator_know_ids_and_numbers():
    with tf1_ig.IntegratedGradients(model_of(numeric.by_placeholder), "p:0") as explainer:
        texts = explainer.at(numeric.FEED, label=1).texts()
        assert [sorted(row) for row in texts] == [sorted(NAMES | {word}) for word in ("#1", "#4")]
        assert explainer.interactions(numeric.FEED, label=1, steps=8).texts(1) == texts[1]
        given = [["a", "b", "c", "d", "e", "f"]] * 2
        assert explainer.interactions(numeric.FEED, label=1, steps=8, tokens=given).texts(1) == given[1]


def test_explain_many_and_its_report_call_numbers_by_their_columns(tmp_path, capsys):
    pytest.importorskip("pyarrow")
    model_of(numeric.by_placeholder).save(str(tmp_path / "model.pb"))
    feed = {"age:0": {"kind": "numbers", "column": "years"}, "Placeholder:0": {
        "kind": "numbers", "column": "hours", "shape": [1]}, "gains:0": {
            "kind": "numbers", "columns": ["won", "lost", "drawn"]}, "education:0": {
                "kind": "numbers", "column": "school", "dtype": "int32", "shape": [1]}}
    (tmp_path / "spec.json").write_text(json.dumps(dict(
        version=1, model={"path": "model.pb"}, output="p:0", label=1, feed=feed)))
    row = dict(years=40, hours=38.5, won=0.5, lost=0.25, drawn=1.0, school=2)
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(dict(row, years=years)) for years in (20, 40, 60)))
    spec, out = str(tmp_path / "spec.json"), str(tmp_path / "out")
    assert cli.main(["explain-many", "--spec", spec, "--input", str(tmp_path / "rows.jsonl"), "--out", out,
                     "--workers", "0", "--quiet"]) == 0
    wanted = {"years", "hours", "won", "lost", "drawn", "school=#2"}
    assert {line.name for line in tf1_ig.aggregate(out).lines(least=1)} == wanted
    assert cli.main(["report", out, "--least", "1", "--out", str(tmp_path / "report.html")]) == 0
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert all(name in page for name in wanted) and "ToFloat" not in page
    capsys.readouterr()
    assert cli.main(["explain", "--spec", spec, "--row", json.dumps(row)]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in wanted - {"school=#2"}) and "#2  in school" in printed


def test_explain_many_calls_feature_columns_by_their_categories(tmp_path):
    pytest.importorskip("pyarrow")

    def build():
        tf, of = _tf.tf, _tf.tf.feature_column
        feed = {name: tf.placeholder(tf.string, [None, 1], name) for name in ("city", "job")}
        feed["age"] = tf.placeholder(tf.float32, [None, 1], "age")
        columns = [of.indicator_column(of.categorical_column_with_vocabulary_list(name, ["no", "yes", "perhaps"]))
                   for name in ("city", "job")]
        columns.append(of.indicator_column(of.bucketized_column(of.numeric_column("age"), [18, 65])))
        numeric._scores(of.input_layer(feed, columns), 9)

    graph = _tf.tf.Graph()
    with graph.as_default():
        build()
        with _tf.tf.Session() as session:
            session.run(_tf.tf.tables_initializer())
            model = gt.from_session(session)
    spec = ExplanationSpec({"version": 1, "model": {"path": "none"}, "output": "p:0", "label": 1, "feed": {
        "city:0": {"kind": "string", "column": "city", "shape": [1]}, "job:0": {
            "kind": "string", "column": "job", "shape": [1]}, "age:0": {
                "kind": "numbers", "column": "age", "shape": [1]}}})
    rows = [dict(city="yes", job="yes", age=40), dict(city="no", job="yes", age=70)]
    with spec.open(model) as explainer:
        found = records.explain(spec, explainer, [batches.Line("", "", "{}", spec.read(row), None) for row in rows], {})
    assert [set(one["tokens"]) for one in found] == [
        {"city=yes", "job=yes", "age=[18, 65)"}, {"city=no", "job=yes", "age=[65, inf)"}]
