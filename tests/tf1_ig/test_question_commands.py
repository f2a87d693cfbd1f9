"""tf1-ig evaluate, conductance and interactions, on the demo: what they print and write, and wrong usage."""

import dataclasses
import json
import os
import re

import numpy as np
import pytest

import graph_tools as gt
import tf1_ig
from graph_tools import _tf
from graph_tools.report import Finding
from tests.models import small
from tests.tf1_ig.test_conductance import layer_of
from tf1_ig import cli, demo
from tf1_ig.commands import arguments, evaluate as evaluate_command
from tf1_ig.errors import ResultFileError

SENTENCE = "This film wasn't bad <b>at</b> all."


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("spec") / "spec.json")
    assert cli.main(["inspect", demo.MODEL, "--spec", path, "--vocab",
                     os.path.join(os.path.dirname(demo.MODEL), "vocab.txt")]) == 0
    return path


def test_pairs_are_printed_and_written(spec, tmp_path, capsys):
    page, record = str(tmp_path / "pairs.html"), str(tmp_path / "pairs.json")
    assert cli.main(["interactions", "--spec", spec, "--text", SENTENCE, "--label", "1", "--out", page]) == 0
    assert "wasn't × bad" in capsys.readouterr().out
    assert cli.main(["interactions", "--spec", spec, "--text", SENTENCE, "--label", "1", "--out", record]) == 0
    row, = json.load(open(record))["rows"]
    matrix = np.array(row["values"])
    assert np.allclose(matrix, matrix.T) and len(matrix) == len(row["tokens"])
    assert matrix.sum() == pytest.approx(row["score"] - row["baseline_score"], abs=0.01)
    text = open(page, encoding="utf-8").read()
    assert "wasn&#39;t" in text and "<b>" not in text and "<script" not in text


@pytest.mark.parametrize("words, told", [
    (["inspect", demo.MODEL], ["inspecting %s: its graph is searched" % demo.MODEL]),
    (["interactions", "--text", "Good.", "--label", "1"], ["opening the model", "twice as many take four times"])])
def test_whoever_waits_long_is_told_what_is_being_done(words, told, spec, capsys, monkeypatch):
    words = words if words[0] == "inspect" else words + ["--spec", spec]
    assert cli.main(words) == 0 and capsys.readouterr().err == ""  # the twin: nothing where it is quick
    monkeypatch.setattr(arguments, "_LONG", 0.0)
    assert cli.main(words) == 0
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == len(told) and all(part in line for part, line in zip(told, lines))


def test_features_are_paired_by_name(tmp_path, capsys):
    def build():
        table = _tf.tf.placeholder(_tf.tf.float32, [None, 3], "table")
        _tf.tf.add(table[:, 0] * table[:, 1], table[:, 2], "y")

    small.model_of(build).save(str(tmp_path / "model.pb"))
    (tmp_path / "spec.json").write_text(json.dumps(dict(version=1, model={"path": "model.pb"}, output="y:0", feed={
        "table:0": {"kind": "numbers", "columns": ["age", "fare", "deck"]}})))
    row = '{"age": 2, "fare": 3, "deck": 1}'
    assert cli.main(["interactions", "--spec", str(tmp_path / "spec.json"), "--row", row]) == 0
    # Γ of a product is a quarter of it in each entry; removing one or the other takes it all away.
    assert "age × fare +3 (discrete +6)" in capsys.readouterr().out


def test_pairs_of_a_plain_feed_are_called_as_the_vocabulary_has_them(tmp_path, capsys):
    small.model_of(small.masked_text).save(str(tmp_path / "model.pb"))
    np.savez(str(tmp_path / "feed.npz"), **{"ids:0": [[3, 1, 4]], "lengths:0": [3], "temperature:0": 1.0})
    (tmp_path / "vocab.txt").write_text("\n".join("<w%d>" % number for number in range(7)), encoding="utf-8")
    asked = ["interactions", str(tmp_path / "model.pb"), "--feed", str(tmp_path / "feed.npz"), "--label", "1"]
    assert cli.main(asked + ["--vocab", str(tmp_path / "vocab.txt")]) == 0
    told = capsys.readouterr().out
    assert set(re.findall(r"<w\d>", told)) == {"<w1>", "<w3>", "<w4>"}
    assert "--vocab has 7 lines, and the table behind" in told
    assert cli.main(asked) == 0 and "<w" not in capsys.readouterr().out


def test_a_layer_is_printed_and_saved(spec, tmp_path, capsys):
    layer = layer_of(gt.load(demo.MODEL), "class/probabilities")
    out = str(tmp_path / "layer.npz")
    assert cli.main(["conductance", "--spec", spec, "--text", SENTENCE, "--layer", layer, "--out", out]) == 0
    printed = capsys.readouterr().out
    found = tf1_ig.load_attribution(out)
    assert "Conductance of %s" % layer in printed and found.technique == "Conductance"
    assert found.values[layer][0].sum() == pytest.approx(float(found.score[0] - found.baseline_score[0]), abs=0.01)


def test_measures_are_printed_and_written(spec, tmp_path, capsys):
    page, record = str(tmp_path / "m.html"), str(tmp_path / "m.json")
    chosen = ["--measure", "deletion", "--measure", "flip set", "--seed", "3"]
    status = cli.main(["evaluate", "--spec", spec, "--text", SENTENCE, "--out", record] + chosen)
    found = json.load(open(record))
    assert [one["name"] for one in found["measures"]] == ["deletion", "flip set"] and found["seed"] == 3
    assert status == int(any(one["verdict"] == "fail" for one in found["measures"]))
    assert cli.main(["evaluate", "--spec", spec, "--text", SENTENCE, "--out", page] + chosen) == status
    assert "deletion" in capsys.readouterr().out and "flip set" in open(page, encoding="utf-8").read()


def test_what_was_measured_says_what_was_tested(spec, tmp_path, capsys):
    page, record, saved = (str(tmp_path / name) for name in ("m.html", "m.json", "m.npz"))
    chosen = ["evaluate", "--spec", spec, "--text", SENTENCE, "--text", "A superb film.", "--measure", "deletion",
              "--measure", "flip set"]
    assert cli.main(chosen + ["--removal", "cut", "--against", "gradient", "--out", record]) == 0
    assert "against gradient:" in capsys.readouterr().out
    found = json.load(open(record))
    assert found["removal"] == "cut" and found["about"]["Model sha256"] == demo.facts().get(
        "sha256", found["about"]["Model sha256"]) and len(found["about"]["Spec sha256"]) == 64
    deleted = found["measures"][0]
    assert deleted["interval"][0] <= deleted["value"] <= deleted["interval"][1] and len(deleted["rows"]) == 2
    against = found["against"]["measures"][0]
    assert against["one"] == deleted["value"] and len(against["rows"]) == 2
    assert cli.main(chosen + ["--against", demo.MODEL, "--out", page]) == 0
    text = open(page, encoding="utf-8").read()
    assert text.count("<polyline") == 2 and " flip" in text and found["about"]["Model sha256"] in text
    assert cli.main(chosen + ["--out", saved]) == 0
    kept = tf1_ig.load_attribution(saved)
    assert [one.name for one in kept.measures] == ["deletion", "flip set"]
    assert "<caption>Measures</caption>" in kept.to_html()


@pytest.mark.parametrize("command", [["conductance", "--layer", "encoder/Sum"], ["interactions"]])
def test_another_method_of_the_spec_is_refused_not_forgotten(spec, command, capsys):
    other = spec.replace("spec.json", "averaged.json")  # in the same folder, where its paths lead
    with open(other, "w") as file:
        json.dump(dict(json.load(open(spec)), variant={"name": "averaged", "baselines": [0, "mean"]}), file)
    asked = command + ["--spec", other, "--text", SENTENCE]
    assert cli.main(asked) == 1
    assert "error: %s is along the one path of Integrated Gradients, and the variant 'averaged'" % command[0] in (
        capsys.readouterr().err)
    assert cli.main(asked + ["--variant", "integrated_gradients"]) == 0
    assert cli.main(command + ["--spec", spec, "--text", SENTENCE, "--variant", "occlusion"]) == 1
    assert cli.main(command + ["--spec", spec, "--text", SENTENCE]) == 0


@pytest.mark.parametrize("words, told", [
    (["interactions", "--positions", "all"], "--positions belongs to explain"),
    (["evaluate", "--out", "x.csv"], "does not end in"), (["interactions", "--out", "x.csv"], ".html"),
    (["evaluate", "--measure", "beauty"], "invalid choice"), (["conductance"], "--layer"),
    (["conductance", "--layer", "y:0", "--vocab", "v.txt"], "--vocab names tokens, and conductance tells of a layer")])
def test_wrong_usage_is_one_line(spec, words, told, capsys):
    with_rows = [words[0], "--spec", spec, "--text", "x"] + words[1:]
    assert cli.main(with_rows) == 2
    assert told in capsys.readouterr().err


def test_verdicts_are_saved_with_their_controls_intervals_and_curves(tmp_path):
    ids, lengths = demo.encode([demo.tokenize(text) for text in (SENTENCE, "A superb film.")], demo.load_vocabulary())
    feed = {"input/dequeue:0": ids, "input/dequeue:1": lengths}
    with tf1_ig.IntegratedGradients(gt.load(demo.MODEL), "class/probabilities:0") as explainer:
        result = explainer.explain(feed, "top")
        report = tf1_ig.evaluate(explainer, feed, "top", attribution=result, measures=[
            "deletion", "flip set", "weights randomised", "leave one out"])
    lost = dataclasses.replace(report["leave one out"], value=float("nan"), rows=np.array([1.0, np.nan]))
    judged = dataclasses.replace(result, measures=tuple(report) + (lost,))
    for name in ("judged.npz", "judged.json"):
        judged.save(str(tmp_path / name))
        kept = tf1_ig.load_attribution(str(tmp_path / name))
        assert len(kept.measures) == 5
        for one, other in zip(judged.measures, kept.measures):
            assert type(one) is type(other)
            for field in dataclasses.fields(one):
                np.testing.assert_equal(getattr(other, field.name), getattr(one, field.name), field.name)
        assert len(kept.measures[0].curves) == 2 and kept.measures[2].stages[0].scope == "class/dense"
        assert "class/dense" in kept.to_html() and len(kept[1].to_html()) > 1000
    before = dataclasses.replace(result, measures=(Finding("deletion", "ok", 0.5, "as once"),))
    before.save(str(tmp_path / "before.npz"))  # as files without controls have it
    assert tf1_ig.load_attribution(str(tmp_path / "before.npz")).measures == before.measures
    assert "as once" in before.to_html()


@pytest.mark.parametrize("field, value", [
    ("rows", "many"), ("positions", [["a"]]), ("curves", [[[1], [1, 2], [1], [1]]]), ("interval", [1, 2, 3]),
    ("evaluations", -1), ("stages", [["x", "y"]])])
def test_verdicts_that_somebody_changed_are_refused(tmp_path, field, value):
    with tf1_ig.IntegratedGradients(small.model_of(small.linear), "y", inputs="x") as explainer:
        feed = {"x:0": np.ones((1, 4), np.float32)}
        report = tf1_ig.evaluate(explainer, feed, 0, ["deletion"])
        dataclasses.replace(explainer.explain(feed, 0), measures=tuple(report)).save(str(tmp_path / "m.json"))
    tree = json.load(open(str(tmp_path / "m.json")))
    tree["measures"][0][field] = value
    with open(str(tmp_path / "m.json"), "w") as file:
        json.dump(tree, file)
    with pytest.raises(ResultFileError):
        tf1_ig.load_attribution(str(tmp_path / "m.json"))


@pytest.mark.parametrize("words, told", [
    (["--against", "gradients"], "--against 'gradients' is none of integrated_gradients"),
    (["--removal", "pad"], "--removal 'pad' is none of baseline, cut"),
    (["--sha256", "0" * 64], "has the digest"),
    (["--out", "m.docx"], "'m.docx' does not end in .html, .json, .npz;")])
def test_a_word_that_means_nothing_is_refused_before_anything_is_measured(words, told, spec, capsys, monkeypatch):
    monkeypatch.setattr(evaluate_command, "evaluate", None)  # it is not called
    assert cli.main(["evaluate", "--spec", spec, "--text", SENTENCE, "--measure", "signs"] + words) in (1, 2)
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1 and told in said[0]


def test_a_place_that_cannot_be_written_and_a_seed_that_is_none_are_told_before_anything_runs(spec, tmp_path, capsys,
                                                                                             monkeypatch):
    monkeypatch.setattr(gt, "load", None)  # whoever loads a model fails otherwise
    nowhere = str(tmp_path / "nowhere" / "found.json")
    asked = ["--spec", spec, "--text", "A good film.", "--out", nowhere]
    for command in (["explain"], ["evaluate"], ["interactions"], ["conductance", "--layer", "x"]):
        assert cli.main(command + asked) == 1
        said = capsys.readouterr().err
        assert re.match("error: no folder '.*nowhere' to save the result in; create it first\n$", said)
    for seed in ("-5", "x", "1.5", str(2 ** 32)):
        assert cli.main(["evaluate", "--spec", spec, "--text", "a", "--seed", seed]) == 2
        assert "--seed: '%s' is not a whole number from 0 to 4294967295" % seed in capsys.readouterr().err
