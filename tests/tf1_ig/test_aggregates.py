"""What many explanations say: against sums made by hand, planted words, twins that must not differ."""

import json
import re

import numpy as np
import pytest

import graph_tools as gt
import tf1_ig
from graph_tools._tf import tf
from tests.many_rows import explained
from tf1_ig import cli
from tf1_ig.commands import report
from tf1_ig.errors import FolderError
from tf1_ig.scale import aggregates, comparison, folder, records, schemas, shapes
from tf1_ig.show import many

pytest.importorskip("pyarrow")

PLANTED = {"w%d" % place: weight for place, weight in zip((3, 77, 200, 301, 499), (2.0, -1.5, 1.0, -2.5, 0.7))}


def rows(count, seed=0, weights=PLANTED, noise=0.0):
    """Explanations of a model that adds the weights of its words up."""
    drawn = np.random.RandomState(seed)
    for row in range(count):
        words = ["w%d" % word for word in drawn.randint(0, 500, 40)]
        values = [weights.get(word, 0.0) + noise * drawn.randn() for word in words]
        yield dict(schemas.NOTHING, key="k%d" % row, status=schemas.EXPLAINED, label=row % 2, reason="", column="",
                   label_name="one" if row % 2 else "zero", score=sum(values), tokens=words, attributions=values,
                   inputs=["ids:0"] * 40, converged=True, extra='{"month": "%d"}' % (row % 3))


def gathered(given, **options):
    found = tf1_ig.scale.Aggregate(**options)
    for row in given:
        found.add(row)
    return found


def test_planted_words_come_first_and_sums_are_those_made_by_hand():
    made = list(rows(300))
    found = gathered(made, by=None, groups={"strong": ["w3", "w301"]})
    lines = {line.name: line for line in found.lines()}
    strongest = [line.name for line in found.lines() if line.name != "strong" and line.mean != 0]
    assert set(strongest) == set(PLANTED)
    for name in ("w3", "w301", "w10"):
        own = [sum(value for word, value in zip(row["tokens"], row["attributions"]) if word == name)
               for row in made if name in row["tokens"]]
        line = lines[name]
        assert line.count == len(own) and abs(line.mean - np.mean(own)) < 1e-9
        assert abs(line.mean_absolute - np.mean(np.abs(own))) < 1e-9
        assert abs(line.standard_error - np.std(own, ddof=1) / np.sqrt(len(own))) < 1e-9
        assert np.allclose(line.quantiles, np.quantile(own, aggregates.QUANTILES))
        assert line.positive == np.mean(np.array(own) > 0)
    own = [sum(value for word, value in zip(row["tokens"], row["attributions"]) if word in ("w3", "w301"))
           for row in made if {"w3", "w301"} & set(row["tokens"])]
    assert abs(lines["strong"].mean * lines["strong"].count - sum(own)) < 1e-9
    key, value = lines["w3"].examples[0]
    assert value == max(row["tokens"].count("w3") for row in made) * 2.0 and key.startswith("k")


def test_rows_that_failed_checks_are_named(tmp_path):
    made = [dict(row, key="<k%02d>" % place, failing_checks=["effect"] if place % 2 else [], converged=place != 4)
            for place, row in enumerate(rows(40))]
    whole, parts = gathered(made), gathered(made[:7]) + gathered(made[7:])
    assert whole.failed() == parts.failed() and gathered(rows(5)).failed() == []
    (effect, twenty, keys), converged = whole.failed()
    assert (effect, twenty) == ("effect", 20) and keys == tuple("<k%02d>" % place for place in range(1, 25, 2))
    assert converged == ("converged", 1, ("<k04>",))
    folder.write(str(tmp_path), 0, made)
    page = tmp_path / "page.html"
    assert cli.main(["report", str(tmp_path), "--out", str(page)]) == 0
    text = page.read_text(encoding="utf-8")
    assert "Rows to doubt" in text and "&lt;k01&gt;" in text and "<k01>" not in text


def test_parts_add_up_to_the_whole():
    made = list(rows(1500, noise=0.1))
    whole = gathered(made).lines()
    parts = gathered(made[:400]) + gathered(made[400:450]) + gathered(made[450:])
    assert parts.rows == gathered(made).rows == {"zero": 750, "one": 750}
    for one, other in zip(sorted(whole), sorted(parts.lines())):
        assert (one.slice, one.name, one.count, one.examples) == (other.slice, other.name, other.count, other.examples)
        assert abs(one.mean - other.mean) < 1e-9 and np.allclose(one.quantiles, other.quantiles)
    assert set(gathered(made, by="month").rows) == {"0", "1", "2"}


def called_different(weights, count, noise):
    """In how many of 100 comparisons of other rows the second model is called another."""
    return sum(comparison.compare(rows(count, seed=2 * turn, noise=noise), rows(count, 2 * turn + 1, weights, noise),
                                  permutations=99, seed=turn).probability < 0.05 for turn in range(100))


@pytest.mark.dealt
@pytest.mark.slow
def test_twins_do_not_differ_and_a_crippled_one_does():
    assert called_different(PLANTED, 60, 0.3) <= 5
    assert called_different(dict(PLANTED, w301=0.0), 200, 0.05) >= 95
    crippled = dict(PLANTED, w301=0.0, w3=0.0)
    found = comparison.compare(rows(120, noise=0.05), rows(120, weights=crippled, noise=0.05), permutations=100)
    assert found.paired and found.probability < 0.05 and {found.changes[0].name, found.changes[1].name} == {
        "w301", "w3"}
    same = comparison.compare(rows(50), rows(50), permutations=50)
    assert same.probability == 1.0 and same.rank_agreement > 0.999


def summing(folder, weights):
    """The spec of a graph that adds the weights of its 500 words up."""
    table = np.zeros((501, 1), np.float32)
    for name, weight in weights.items():
        table[int(name[1:]) + 1] = weight
    graph = tf.Graph()
    with graph.as_default():
        ids, length = tf.placeholder(tf.int32, [None, None], "ids"), tf.placeholder(tf.int32, [None], "length")
        mask = tf.expand_dims(tf.sequence_mask(length, tf.shape(ids)[1], dtype=tf.float32), 2)
        tf.reduce_sum(tf.gather(tf.constant(table), ids) * mask, 1, name="o")
    with tf.Session(graph=graph) as session:
        gt.from_session(session).save(str(folder / "m.pb"))
    (folder / "v.txt").write_text("\n".join(["<pad>"] + ["w%d" % word for word in range(500)]), encoding="utf-8")
    return tf1_ig.ExplanationSpec({"version": 1, "model": {"path": "m.pb"}, "output": "o:0", "label": 0, "feed": {
        "ids:0": {"kind": "text", "vocabulary": {"file": "v.txt", "padding": "<pad>"}},
        "length:0": {"kind": "lengths", "of": "ids:0"}}}, str(folder))


def test_a_graph_of_five_words_among_500_is_recovered_exactly(tmp_path):
    drawn = np.random.RandomState(4)
    texts = [{"key": "k%d" % row, "text": " ".join("w%d" % word for word in drawn.randint(0, 500, 40))}
             for row in range(300)]
    graphs = {"one": PLANTED, "twin": PLANTED, "crippled": dict(PLANTED, w301=0.0)}
    made = {}
    for name, weights in graphs.items():
        (tmp_path / name).mkdir()
        made[name] = explained(summing(tmp_path / name, weights), [texts])
    found = gathered(made["one"], by=None)
    assert {line.name for line in found.lines() if abs(line.mean) > 1e-6} == set(PLANTED)
    for line in found.lines():
        own = sum(row["text"].split().count(line.name) for row in texts)
        assert abs(line.mean * line.count - PLANTED.get(line.name, 0.0) * own) < 1e-4
    assert comparison.compare(made["one"], made["twin"], permutations=99).probability == 1.0
    other = comparison.compare(made["one"], made["crippled"], permutations=99)
    assert other.probability < 0.05 and other.changes[0].name == "w301" and abs(other.changes[1].change) < 1e-6


def write(path, given):
    path.mkdir()
    folder.write(str(path), 0, list(given))
    return str(path)


def test_a_page_and_a_comparison(tmp_path, capsys):
    made = list(rows(80, noise=0.05))
    for row in made[:20]:
        row["tokens"][0], row["attributions"][0] = "<script>alert(1)</script>", 3.0
    one, page = write(tmp_path / "one", made), tmp_path / "page.html"
    other = write(tmp_path / "other", rows(80, weights={}, noise=0.05))
    assert cli.main(["report", one, "--out", str(page), "--least", "1"]) == 0
    text = page.read_text(encoding="utf-8")
    assert "w301" in text and "<script" not in text and "&lt;script&gt;" in text and "40 rows" in text
    assert cli.main(["compare", one, one]) == 0 and "no difference" in capsys.readouterr().out
    assert cli.main(["compare", one, other]) == 3 and "they differ" in capsys.readouterr().out
    assert records.batch(made).num_rows == 80


def test_folders_with_nothing_to_compare_are_not_said_to_be_equal(tmp_path, capsys):
    few, same = (write(tmp_path / name, rows(3)) for name in ("few", "same"))
    assert cli.main(["compare", few, same]) == 1
    assert "in at least 5 rows of each: nothing can be compared" in capsys.readouterr().err


def test_a_folder_without_explanations(tmp_path):
    with pytest.raises(FolderError, match="explain-many writes them"):
        tf1_ig.aggregate(tmp_path)


def test_the_page_of_a_folder_links_what_was_judged(tmp_path):
    (tmp_path / "evaluate <b>.html").write_text("x")
    (tmp_path / "other.html").write_text("x")
    judged = report._judged(str(tmp_path), str(tmp_path.parent))
    assert judged == [tmp_path.name + "/evaluate <b>.html"]
    page = many.page("folder", "label_name", {}, [], 5, judged=judged)
    assert 'href="%s/evaluate%%20%%3Cb%%3E.html"' % tmp_path.name in page and "<b>" not in page
    assert "<a " not in many.page("folder", "label_name", {}, [], 5)


def of_features(count, seed=0):
    """Explanations of a linear model of three features, whose values go along."""
    drawn = np.random.RandomState(seed)
    for row in range(count):
        given = dict(zip(("age", "fare", "<i>"), drawn.randn(3).round(3).tolist()))
        values = [weight * given[name] for weight, name in zip((3.0, -1.0, 0.1), given)]
        yield dict(schemas.NOTHING, key="k%d" % row, status=schemas.EXPLAINED, label=0, label_name="all", reason="",
                   column="", score=sum(values), tokens=list(given), attributions=values, inputs=["x:0"] * 3,
                   converged=True, extra=json.dumps(dict(given, month="may" if row % 4 else "june")))


def test_a_page_of_features_shows_slices_side_by_side_and_each_row_as_a_dot(tmp_path):
    made = list(of_features(100))
    found = gathered(made, by="month")
    parts = gathered(made[:30], by="month") + gathered(made[30:], by="month")
    assert {one[:2]: one.sample for one in found.lines()} == {one[:2]: one.sample for one in parts.lines()}
    age = next(line for line in found.lines() if (line.slice, line.name) == ("may", "age"))
    assert len(age.sample) == 75 and all(value == pytest.approx(3 * given) for value, given in age.sample)
    page = tmp_path / "page.html"
    assert cli.main(["report", write(tmp_path / "one", made), "--out", str(page), "--by", "month"]) == 0
    text = page.read_text(encoding="utf-8")
    assert "Side by side" in text and text.count("<circle") == 300 and "own value is larger" in text
    assert "&lt;i&gt;" in text and "<i>" not in text
    assert set(re.findall('href="#(row-[0-9]+)"', text)) == set(re.findall('id="(row-[0-9]+)"', text)) != set()
    alone = many.page("folder", None, {"": 100}, gathered(made, by=None).lines(), 5)
    assert "Side by side" not in alone and "own value is larger" in alone and "href" not in alone


def test_dots_lie_where_their_values_are_and_never_on_each_other():
    line = next(line for line in gathered(of_features(60), by=None).lines() if line.name == "age")
    swarms = many._swarms([line, line])
    dots = swarms["lines"][0].dots
    places = sorted((value, x) for (x, _, _), (value, _) in zip(dots, line.sample))
    assert [x for _, x in places] == sorted(x for x, _, _ in dots) and 0 < swarms["zero"] < 640
    assert len({(round(x / 4), y) for x, y, _ in dots}) == 60
    darkness = [dark for _, dark in sorted((given, dark) for (_, _, dark), (_, given) in zip(dots, line.sample))]
    assert darkness == sorted(darkness) and darkness[0] < 0.2 < 0.9 < darkness[-1]
    assert many._swarms([line]) is None


def test_other_tools_get_the_numbers_in_their_shapes(tmp_path):
    features, texts = list(of_features(6)), list(rows(6))
    made = shapes.for_shap(features)
    assert made["values"].shape == made["data"].shape == (6, 3) and made["feature_names"] == ["age", "fare", "<i>"]
    assert np.allclose(made["values"][:, 0], 3 * made["data"][:, 0])
    ragged = shapes.for_shap(texts)
    assert [list(one) for one in ragged["data"]] == [row["tokens"] for row in texts]
    assert all(np.array_equal(one, row["attributions"]) for one, row in zip(ragged["values"], texts))
    mean = np.mean([shapes.for_tfma(row)["attributions"]["age"][0] for row in features])
    assert mean == pytest.approx(next(line.mean for line in gathered(features).lines() if line.name == "age"))
    vectors, metadata = shapes.write_projector([dict(row, key="k\t%d" % row["label"]) for row in features],
                                               tmp_path, most=2)
    assert np.allclose(np.loadtxt(vectors), made["values"][:, :2])
    with open(metadata, encoding="utf-8") as file:
        told = [line.rstrip("\n").split("\t") for line in file]
    assert len(told) == 7 and {len(line) for line in told} == {4} and told[1][0] == "k 0"


@pytest.mark.parametrize("words, told", [
    (["--out", "page.docx"], "'page.docx' does not end in .html"),
    (["--out", "page.html", "--by", "mouth"], "holds the column 'mouth'; tf1-ig explain-many --keep mouth")])
def test_what_no_row_holds_and_what_is_no_page_is_refused(words, told, tmp_path, capsys, monkeypatch):
    given = write(tmp_path / "one", list(rows(8)))
    monkeypatch.chdir(str(tmp_path))
    assert cli.main(["report", given] + words) in (1, 2)
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1 and told in said[0] and not list(tmp_path.glob("page*"))
