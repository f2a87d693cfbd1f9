import dataclasses
import json
import os
import shlex
import subprocess
import sys

import numpy as np
import pytest

import graph_tools as gt
import tf1_ig
from tests.models import examples, small, training_heads
from tests.tf1_ig.html_reader import Page
from tf1_ig import cli, demo
from tf1_ig.commands import feed_file, inspect as inspect_command
from tf1_ig.question import trial

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(tf1_ig.__file__)))
DEMO = os.path.join(os.path.dirname(os.path.abspath(demo.__file__)), "model.pb")
IDS = np.array([[3, 1, 4], [1, 5, 9]], np.int32)


def _saved(tmp_path, build):
    path = str(tmp_path / ("%s.pb" % build.__name__))
    small.model_of(build).save(path)
    return path


def _feed(tmp_path, name="feed.npz", **feed):
    path = str(tmp_path / name)
    named = {key.replace("__", "/"): value for key, value in feed.items()}
    if name.endswith(".npz"):
        np.savez(path, **named)
    else:
        with open(path, "w", encoding="utf-8") as file:
            json.dump({key: np.asarray(value).tolist() for key, value in named.items()}, file)
    return path


def _text_case(tmp_path, name="feed.npz"):
    feed = _feed(tmp_path, name, ids=IDS, lengths=np.array([3, 2], np.int32), temperature=np.float32(1.5))
    return _saved(tmp_path, small.masked_text), feed


def _run(capsys, *words):
    status = cli.main([str(word) for word in words])
    told = capsys.readouterr()
    return status, told.out, told.err


def _error(capsys, *words):
    """The one line on stderr of a command that will not do."""
    status, _, err = _run(capsys, *words)
    assert status == 1, err
    assert err.startswith("error: ") and err.count("\n") == 1 and "Traceback" not in err
    return err


# -- inspect ---------------------------------------------------------------------------------------------------------

def test_inspect_as_json_has_the_keys_and_the_evidence(tmp_path, capsys):
    status, out, _ = _run(capsys, "inspect", _saved(tmp_path, small.masked_text), "--json")
    tree = json.loads(out)
    assert status == 0 and tree["format"] == "frozen"
    for key in ("inputs", "embeddings", "outputs"):
        assert tree[key] and all(found["tensor"] and found["kind"] and found["why"] for found in tree[key])
    assert {found["tensor"] for found in tree["inputs"]} == {"ids:0", "lengths:0", "temperature:0"}
    assert [found["tensor"] for found in tree["embeddings"]] == ["embedding:0"] and tree["embeddings"][0]["dim"] == 4
    assert tree["outputs"][0]["tensor"] == "scores:0" and tree["warnings"] == []


def test_inspect_as_text_names_everything_and_ends_with_the_next_command(tmp_path, capsys):
    path = _saved(tmp_path, small.masked_text)
    status, out, _ = _run(capsys, "inspect", path)
    assert status == 0
    for words in ("ids:0", "lengths:0", "embedding:0", "scores:0", "softmax", "table:0"):
        assert words in out
    command = "tf1-ig explain %s --feed feed.npz --output scores:0 --out why.html" % shlex.quote(path)
    assert out.rstrip().endswith(command)


@pytest.mark.dealt
@pytest.mark.parametrize("build", [
    small.masked_text, small.token_tagger, small.quadratic, small.whole_loss, small.one_hot_flat])
def test_what_inspect_says_to_type_next_works_as_it_stands(tmp_path, capsys, monkeypatch, build):
    path = _saved(tmp_path, build)
    lines = [line.strip() for line in _run(capsys, "inspect", path)[1].splitlines()]
    python, command = (shlex.split(next(line for line in lines if line.startswith(start)))
                       for start in ("python -c", "tf1-ig explain"))
    monkeypatch.chdir(tmp_path)
    exec(python[2], {})  # noqa: S102 the line that was printed
    status, out, err = _run(capsys, *command[1:])
    assert status == 0, err
    assert "score" in out and (tmp_path / "why.html").exists()


def test_inspect_claims_an_explanation_only_where_one_was_made(tmp_path, capsys, monkeypatch):
    path = _saved(tmp_path, small.masked_text)
    assert "scores:0 can be explained, a gradient reaches every input" in " ".join(
        _run(capsys, "inspect", path)[1].split())
    monkeypatch.setattr(trial, "_LARGE", 1)
    told = _run(capsys, "inspect", path)[1]
    assert "can be explained" not in told and "reaches every input" not in told
    assert "can be computed" in told and "no gradient was built and nothing was explained" in told


def test_inspect_says_what_stands_in_the_way(tmp_path, capsys):
    path = _saved(tmp_path, small.argmax_cut)
    tree = json.loads(_run(capsys, "inspect", path, "--json")[1])
    assert any("x:0" in warning and "hot (OneHot)" in warning for warning in tree["warnings"]), tree["warnings"]
    assert "mend what stands in the way" in _run(capsys, "inspect", path)[1]


def test_what_comes_out_of_a_queue_and_is_a_label_is_told_from_data():
    model = small.model_of(training_heads.tutorial)
    queue, = inspect_command._told_apart(model, gt.find_inputs(model), gt.find_outputs(model))
    assert queue.why.endswith("; no output below depends on batch:1 (a label, as a rule)")
    head, = gt.find_outputs(model)
    loss = gt.Candidates([dataclasses.replace(head, tensor="total_loss:0")], (), "output")
    queue, = inspect_command._told_apart(model, gt.find_inputs(model), loss)  # the twin, which needs all
    assert "no output" not in queue.why


@pytest.mark.parametrize("fed, words", [(False, "it holds values"), (True, "name the one to explain")])
def test_inspect_says_of_a_graph_of_values_that_it_is_no_model(tmp_path, capsys, fed, words):
    def build():
        tf = gt._tf.tf
        tf.constant(small.WEIGHTS, name="weights")
        tf.shape(tf.placeholder(tf.float32, [None, 4], "x") if fed else tf.constant(small.TABLE), name="size")

    assert words in _run(capsys, "inspect", _saved(tmp_path, build))[1]


def test_inspect_feeds_what_cuts_off_a_table_that_lost_its_words(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    whole = _saved(tmp_path, examples.words_with_buckets)
    graph_def = gt.load(whole).graph_def
    kept = [node for node in graph_def.node if not node.op.startswith(("LookupTableImport", "InitializeTable"))]
    del graph_def.node[:]
    graph_def.node.extend(kept)
    lost = tmp_path / "lost.pb"
    lost.write_bytes(graph_def.SerializeToString())
    ids, = [node.name + ":0" for node in kept if node.op in ("Select", "SelectV2")]
    for path, fed, said in ((whole, {"city:0", "x:0"}, 0), (str(lost), {ids, "x:0"}, 1)):
        tree = json.loads(_run(capsys, "inspect", path, "--json")[1])
        assert len(tree["warnings"]) == said and all(repr(ids) in one for one in tree["warnings"]), tree["warnings"]
        exec(shlex.split(tree["feed"])[-1], {})  # noqa: S102 the line that is printed
        with np.load("feed.npz") as file:
            feed = dict(file)
        assert set(feed) == fed
        assert _run(capsys, *shlex.split(tree["next"])[1:])[0] == 0
    with tf1_ig.IntegratedGradients(gt.load(str(lost)), "y:0") as explainer:
        result = explainer.explain(feed, label=1)
    row, = examples.TABLE[feed[ids]]  # of a sum of products: what an entry contributes is itself times its weight
    np.testing.assert_allclose(np.ravel(result.values[tree["embeddings"][0]["tensor"]][0]),
                               row * examples.WEIGHTS[:4, 1], rtol=1e-4, atol=1e-6)
    assert result.strings is None and [np.ravel(one).tolist() for one in result.ids.values()] == [feed[ids].tolist()]
    find, = [node.name + ":0" for node in kept if node.op.startswith("LookupTableFind")]
    behind = {"x:0": feed["x:0"], "city:0": np.array([b"elsewhere"]), find: np.array([-1])}
    with tf1_ig.IntegratedGradients(gt.load(str(lost)), "y:0") as explainer, pytest.raises(
            gt.errors.StateError, match="filled by nothing"):  # buckets begin behind the words: how many were they?
        explainer.explain(behind, label=1)


def test_inspect_on_several_heads_gives_each_a_command_and_the_likeliest_a_feed(tmp_path, capsys):
    path = _saved(tmp_path, _two_heads)
    tree = json.loads(_run(capsys, "inspect", path, "--json")[1])
    assert tree["explained"] == tree["outputs"][0]["tensor"] and "--output " + tree["explained"] in tree["next"]
    out = _run(capsys, "inspect", path)[1]
    assert "another prediction" in out and "--output topic:0" in out and "--output tone:0" in out and "np.savez" in out


def _two_towers():
    tf = small._tf.tf
    for number, name in enumerate(("anchor", "other")):
        x = tf.placeholder(tf.float32, [None, 4], name)
        tf.nn.softmax(tf.matmul(tf.tanh(x), tf.constant(small.WEIGHTS * (number + 1))), name="p_" + name)


def test_inspect_says_what_another_output_must_be_fed_beside_the_example(tmp_path, capsys):
    out = _run(capsys, "inspect", _saved(tmp_path, _two_towers))[1]
    first, = [line for line in out.splitlines() if "--output p_anchor:0" in line]
    second, = [line for line in out.splitlines() if "--output p_other:0" in line]
    assert sorted(("too" in line) for line in (first, second)) == [False, True]
    assert "# feed other:0, too" in second or "# feed anchor:0, too" in first
    assert ", too" not in _run(capsys, "inspect", _saved(tmp_path, _two_heads))[1]


def test_one_head_is_one_choice_although_its_logits_are_listed_too():
    found = gt.find_outputs(small.model_of(small.masked_text))
    assert len(found) > 1 and found.only().tensor == "scores:0"


# -- explain ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("suffix", ["npz", "json"])
def test_explain_gives_the_numbers_that_the_library_gives(tmp_path, capsys, suffix):
    model, feed = _text_case(tmp_path, "feed." + suffix)
    out = str(tmp_path / ("r." + suffix))
    status, printed, err = _run(capsys, "explain", model, "--feed", feed, "--label", "2", "--out", out)
    assert status == 0, err
    result = tf1_ig.load_attribution(out)
    with tf1_ig.IntegratedGradients(gt.load(model), "scores:0") as explainer:
        same = explainer.explain({"ids:0": IDS, "lengths:0": [3, 2], "temperature:0": 1.5}, label=2)
    np.testing.assert_allclose(result.values["embedding:0"], same.values["embedding:0"], rtol=1e-6, atol=1e-9)
    assert result.label.tolist() == [2, 2] and result.converged.all() and "[1] 2" in printed


def test_explain_writes_a_page_with_the_tokens_of_the_vocabulary_and_the_class_names(tmp_path, capsys):
    model, feed = _text_case(tmp_path)
    vocab, classes, out = (str(tmp_path / name) for name in ("vocab.txt", "classes.txt", "why.html"))
    with open(vocab, "w", encoding="utf-8") as file:
        file.write("\n".join("<w%d>" % number for number in range(20)))
    with open(classes, "w", encoding="utf-8") as file:
        file.write("sport\nnews\nart\n")
    status, printed, err = _run(capsys, "explain", model, "--feed", feed, "--label", "1", "--vocab", vocab,
                                "--classes", classes, "--out", out)
    assert status == 0, err
    with open(out, encoding="utf-8") as file:
        page = Page(file.read())
    assert [token.text for token in page.tokens] == ["<w3>", "<w1>", "<w4>", "<w1>", "<w5>", "<w9>"]
    assert "news" in printed and "<w4>" in printed and "Explained: news" in "".join(page.text)
    assert "--vocab" not in printed  # the table has 20 rows


def test_a_vocabulary_of_another_size_than_the_table_is_told(tmp_path, capsys):
    model, feed = _text_case(tmp_path)
    (tmp_path / "vocab.txt").write_text("\n".join("<w%d>" % number for number in range(5)), encoding="utf-8")
    _, printed, _ = _run(capsys, "explain", model, "--feed", feed, "--label", "1", "--vocab", str(
        tmp_path / "vocab.txt"))
    assert "note: --vocab has 5 lines, and the table behind embedding:0 20 rows; an id without a line is" in printed
    assert "<w1>" in printed and "[id 5]" in printed


def test_explain_takes_its_texts_from_a_file(tmp_path, capsys):
    model, feed = _text_case(tmp_path)
    (tmp_path / "a.txt").write_text("good film !\nbad film .\n", encoding="utf-8")
    (tmp_path / "a.json").write_text('[["good", "film", "!"], ["bad", "film", "."]]', encoding="utf-8")
    for name in ("a.txt", "a.json"):
        _, out, _ = _run(capsys, "explain", model, "--feed", feed, "--tokens", tmp_path / name)
        assert "good" in out and "bad" in out


def test_explain_takes_the_options_of_the_library(tmp_path, capsys):
    model, feed = _text_case(tmp_path)
    out = str(tmp_path / "r.npz")
    status, _, err = _run(capsys, "explain", model, "--feed", feed, "--output", "scores", "--input", "embedding",
                          "--steps", "7", "--method", "midpoint", "--baseline", '{"ids:0": 0}', "--label", "[0, 2]",
                          "--out", out)
    assert status == 0, err
    result = tf1_ig.load_attribution(out)
    assert result.steps.tolist() == [7, 7] and result.method == "midpoint" and result.label.tolist() == [0, 2]
    assert result.tolerance is None and "ids:0" in result.baseline


def test_a_tagger_asks_for_a_position_and_a_class(tmp_path, capsys):
    model, feed = _saved(tmp_path, small.token_tagger), _feed(tmp_path, ids=IDS)
    out = str(tmp_path / "r.npz")
    assert _run(capsys, "explain", model, "--feed", feed, "--label", "1,2", "--out", out)[0] == 0
    result = tf1_ig.load_attribution(out)
    assert result.label.tolist() == [[1, 2], [1, 2]] and np.allclose(result.tokens["embedding:0"][:, 2], 0)


def _flattened():
    tf = small._tf.tf
    x = tf.placeholder(tf.float32, [None, 4], "x")
    tf.reshape(tf.nn.softmax(tf.matmul(x, tf.constant(small.WEIGHTS))), [-1], name="y")


def test_classes_that_share_one_axis_with_the_rows_are_found(tmp_path, capsys):
    x, out = np.random.RandomState(0).normal(size=(2, 4)).astype(np.float32), str(tmp_path / "r.npz")
    model, feed = _saved(tmp_path, _flattened), _feed(tmp_path, x=x)
    status, _, err = _run(capsys, "explain", model, "--feed", feed, "--output", "y", "--out", out)
    assert status == 0, err
    assert tf1_ig.load_attribution(out).label.reshape(-1).tolist() == np.argmax(x @ small.WEIGHTS, axis=1).tolist()


def test_errors_name_the_options_of_the_command_line(tmp_path, capsys):
    model, feed = _saved(tmp_path, small.whole_loss), _feed(tmp_path, x=np.ones((2, 4), np.float32))
    assert "--batch-axis none" in _error(capsys, "explain", model, "--feed", feed, "--output", "loss")
    assert _run(capsys, "explain", model, "--feed", feed, "--output", "loss", "--batch-axis", "none")[0] == 0
    model, feed = _saved(tmp_path, small.squeezed), _feed(tmp_path, x=np.ones((2, 4), np.float32))
    assert _run(capsys, "explain", model, "--feed", feed, "--output", "y")[0] == 0


@pytest.mark.parametrize("more", [[], ["--shared-feed", "class_weights"]])
def test_a_feed_that_all_rows_share_is_shared(tmp_path, capsys, more):
    model, out = _saved(tmp_path, small.class_weighted), str(tmp_path / "r.npz")
    feed = _feed(tmp_path, x=np.ones((3, 4), np.float32), class_weights=np.array([1, 2, 3], np.float32))
    words = ["explain", model, "--feed", feed, "--output", "y", "--input", "x", "--label", "2", "--out", out]
    status, _, err = _run(capsys, *(words + more))
    assert status == 0, err
    expected = np.tanh(np.ones(4, np.float32) @ small.WEIGHTS)[2] * 3
    np.testing.assert_allclose(tf1_ig.load_attribution(out).score, [expected] * 3, rtol=1e-5)


def test_a_row_feed_that_is_none_is_refused_by_name(tmp_path, capsys):
    model = _saved(tmp_path, small.class_weighted)
    feed = _feed(tmp_path, x=np.ones((4, 4), np.float32), class_weights=np.array([1, 2, 3], np.float32))
    line = _error(capsys, "explain", model, "--feed", feed, "--output", "y", "--input", "x", "--label", "2",
                  "--row-feed", "class_weights")
    assert "class_weights:0" in line and "--row-feed" in line


def test_an_output_without_classes_needs_no_label(tmp_path, capsys):
    model, feed = _saved(tmp_path, small.quadratic), _feed(tmp_path, x=np.array([[1.0, 2.0, 3.0, 4.0]], np.float32))
    status, out, err = _run(capsys, "explain", model, "--feed", feed, "--output", "y")
    assert status == 0, err
    assert "score" in out


def _two_heads():
    tf = small._tf.tf
    ids = tf.placeholder(tf.int32, [None, 3], "ids")
    rows = tf.reduce_mean(tf.nn.embedding_lookup(tf.constant(small.TABLE, name="table"), ids, name="embedding"), 1)
    tf.nn.softmax(tf.matmul(rows, tf.constant(small.WEIGHTS)), name="topic")
    tf.nn.softmax(tf.matmul(tf.tanh(rows), tf.constant(small.WEIGHTS[:, ::-1])), name="tone")


def test_an_ambiguous_output_proposes_the_exact_missing_option(tmp_path, capsys):
    model, feed = _saved(tmp_path, _two_heads), _feed(tmp_path, ids=IDS)
    line = _error(capsys, "explain", model, "--feed", feed)
    assert "--output topic:0" in line and "--output tone:0" in line
    assert _run(capsys, "explain", model, "--feed", feed, "--output", "tone:0")[0] == 0


BAD_FEEDS = {
    "missing file": ([], "no feed file"),
    "not a feed": (b"hello", "cannot be read"),
    "missing placeholder": (dict(ids=IDS), "lengths:0"),
    "unknown tensor": (dict(idz=IDS, lengths=[3, 2], temperature=1.0), "ids:0"),
    "wrong dtype": (dict(ids=IDS + 0.5, lengths=[3, 2], temperature=1.0), "ids:0"),
    "wrong rank": (dict(ids=IDS[0], lengths=[3, 2], temperature=1.0), "ids:0"),
}


@pytest.mark.parametrize("case", sorted(BAD_FEEDS))
def test_a_feed_that_will_not_do_is_one_line_with_the_tensor(tmp_path, capsys, case):
    content, words = BAD_FEEDS[case]
    model, path = _saved(tmp_path, small.masked_text), str(tmp_path / "feed.npz")
    if isinstance(content, bytes):
        (tmp_path / "feed.npz").write_bytes(content)
    elif content:
        path = _feed(tmp_path, **content)
    assert words in _error(capsys, "explain", model, "--feed", path)


@pytest.mark.dealt
@pytest.mark.parametrize("options, words", [
    (["--output", "scorez"], "scores:0"), (["--input", "embeding"], "embedding:0"), (["--label", "9"], "out of range"),
    (["--label", "0,1,2"], "label"), (["--baseline", "nothing"], "no baseline"), (["--method", "simpson"], "midpoint"),
    (["--baseline", "{bad"], "baseline"), (["--vocab", "none.txt"], "none.txt"),
    (["--tokens", "none.json"], "none.json"),
    (["--out", "nowhere/x.html"], "nowhere"), (["--input", "ids"], "float")])
def test_options_that_the_graph_refuses_are_one_line_with_the_fix(tmp_path, capsys, options, words):
    model, feed = _text_case(tmp_path)
    assert words in _error(capsys, "explain", model, "--feed", feed, *(options + (
        ["--steps", "4"] if "--method" in options else [])))


@pytest.mark.parametrize("make", ["missing", "empty", "random", "truncated", "folder"])
def test_a_model_that_cannot_be_read_is_one_line_with_the_file(tmp_path, capsys, make):
    path = tmp_path / "m.pb"
    if make == "folder":
        path.mkdir()
    elif make != "missing":
        with open(DEMO, "rb") as file:
            path.write_bytes({"empty": b"", "random": np.random.RandomState(0).bytes(5000),
                              "truncated": file.read(100001)}[make])
    assert "m.pb" in _error(capsys, "inspect", path)


@pytest.mark.parametrize("words", [
    [], ["explode"], ["inspect"], ["explain", "m.pb"], ["inspect", "m.pb", "--jason"],
    ["edit", "m.pb", "--out", "x.pb"],
    ["explain", "m.pb", "--feed", "f.npz", "--steps", "0"], ["explain", "m.pb", "--feed", "f.npz", "--tolerance", "-1"],
    ["explain", "m.pb", "--feed", "f.npz", "--steps", "5", "--tolerance", "0.1"],
    ["explain", "m.pb", "--feed", "f.npz", "--label", "first"],
    ["explain", "m.pb", "--feed", "f.npz", "--out", "x.txt"],
    ["explain", "m.pb", "--feed", "f.npz", "--batch-axis", "x"]])
def test_wrong_usage_has_the_exit_status_two(capsys, words):
    status, _, err = _run(capsys, *words)
    line, = err.splitlines()
    assert status == 2 and line.startswith("error: ") and " --help" in line


@pytest.mark.parametrize("words", [
    ["spec", "s.json", "--no-model", "a.csv", "b.csv"], ["spec", "--no-model", "s.json", "a.csv", "b.csv"],
    ["spec", "s.json", "a.csv", "b.csv", "--no-model"], ["spec", "s.json", "a.csv", "--no-model", "b.csv"]])
def test_options_may_stand_anywhere(words):
    options = cli.parsed(words)
    assert (options.spec, options.files, options.no_model) == ("s.json", ["a.csv", "b.csv"], True)


def test_a_class_is_named_where_the_names_are_given(tmp_path, capsys):
    model, feed = _text_case(tmp_path)
    (tmp_path / "classes.txt").write_text("dull\nfine\nsuperb\n")
    words = ["explain", model, "--feed", feed, "--classes", tmp_path / "classes.txt", "--label"]
    status, printed, err = _run(capsys, *words, "fine")
    assert status == 0 and "[0] fine" in printed, err
    assert "or a class: dull, fine, superb" in _error(capsys, *words, "good")
    for names, said in (("dull\nfine\n", "names 2 classes"), ("name\ndull\nfine\nsuperb\n", "names 4 classes")):
        (tmp_path / "classes.txt").write_text(names)
        assert said + " and the output scores:0 has 3; give the name of each" in _error(capsys, *words, "top")


def test_a_feed_that_does_not_fit_is_told_what_does(tmp_path, capsys):
    model, _ = _text_case(tmp_path)
    rest = dict(lengths=np.array([3, 2], np.int32), temperature=np.float32(1.5))
    for feed, said in ((dict(rest, words=IDS), "its placeholders: "), (dict(rest, ids=IDS + 100), "ids from 0 to 19"),
                       (dict(rest, ids=IDS[:0], lengths=np.zeros(0, np.int32)), "holds no example")):
        assert said in _error(capsys, "explain", model, "--feed", _feed(tmp_path, **feed), "--output", "scores")


def test_the_version_is_told(capsys):
    status, printed, _ = _run(capsys, "--version")
    assert status == 0 and printed.split() == ["tf1-ig", tf1_ig.__version__]


def test_a_result_goes_nowhere_before_it_is_computed(tmp_path, capsys):
    model, feed = _text_case(tmp_path)
    (tmp_path / "folder.html").mkdir()
    for out, said in ((tmp_path / "folder.html", "is a folder"), (tmp_path / "none" / "x.html", "no folder")):
        assert said in _error(capsys, "explain", model, "--feed", feed, "--out", out)
        assert said in _error(capsys, "demo", "--out", out)
    assert ".html" in _error(capsys, "demo", "--out", tmp_path / "x.pdf")


def test_help_is_no_error(capsys):
    assert _run(capsys, "--help")[0] == 0 and _run(capsys, "explain", "--help")[0] == 0


# -- edit, demo, the process -----------------------------------------------------------------------------------------

def test_edit_writes_a_graph_whose_queue_is_a_placeholder(tmp_path, capsys):
    out = str(tmp_path / "swapped.pb")
    status, printed, err = _run(capsys, "edit", DEMO, "--swap-inputs", "--out", out)
    assert status == 0, err
    assert "feed " in printed and not any("Queue" in node.op for node in gt.load(out).graph_def.node)
    assert {one.kind for one in gt.find_inputs(gt.load(out))} == {"placeholder"}


def test_the_demo_explains_a_typed_sentence_and_writes_the_page(tmp_path, capsys):
    out = str(tmp_path / "demo.html")
    status, _, err = _run(capsys, "demo", "a wonderful film", "--out", out)
    assert status == 0, err
    with open(out, encoding="utf-8") as file:
        assert "wonderful" in [token.text for token in Page(file.read()).tokens]


def test_an_unexpected_error_is_one_line_too_and_debug_shows_where(capsys, monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError("deep inside")

    monkeypatch.setattr(gt, "load", broken)
    assert "ZeroDivisionError: deep inside" in _error(capsys, "inspect", "m.pb")
    with pytest.raises(ZeroDivisionError):
        cli.main(["inspect", "m.pb", "--debug"])


def test_the_process_prints_nothing_of_tensorflow(tmp_path):
    """In a process of its own: the answer on stdout, nothing at all on stderr."""
    done = subprocess.run([sys.executable, "-m", "tf1_ig", "inspect", DEMO, "--json"], cwd=ROOT, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=120, check=False,
                          env={name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"})
    assert done.returncode == 0 and done.stderr == b""
    assert json.loads(done.stdout.decode("utf-8"))["outputs"][0]["kind"] == "softmax"


@pytest.mark.dealt
def test_a_broken_feed_prints_one_line_and_no_traceback_in_its_own_process(tmp_path):
    model, _ = _text_case(tmp_path)
    for content in (b"", b"hello", b"PK\x03\x04 cut short"):
        (tmp_path / "broken.npz").write_bytes(content)
        command = [sys.executable, "-m", "tf1_ig", "explain", model, "--feed", str(tmp_path / "broken.npz")]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120,
                              check=False)
        told = done.stderr.decode("utf-8")
        assert done.returncode == 1 and told.startswith("error: ") and told.count("\n") == 1, told


@pytest.mark.parametrize("before, status", [(KeyboardInterrupt, 130), (ValueError, None)])
def test_ctrl_c_within_argparse_is_ctrl_c(before, status, capsys, monkeypatch):
    def parsed(words):
        try:
            raise before
        finally:
            raise AttributeError(words)  # what argparse does with an action that it has not come to

    monkeypatch.setattr(cli, "parsed", parsed)
    if status is None:
        with pytest.raises(AttributeError):
            cli.main(["inspect", "x.pb"])
    else:
        assert cli.main(["inspect", "x.pb"]) == status and capsys.readouterr().err == "interrupted\n"


def test_calling_main_from_a_program_changes_nothing_in_it(capsys, monkeypatch):
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    before = dict(os.environ)
    assert cli.main(["inspect", "nowhere.pb"]) == 1
    assert dict(os.environ) == before


# -- files -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("text, label", [
    ("top", "top"), ("none", None), ("3", 3), ("-1", -1), ("4,1", (4, 1)), ("(4, 1)", (4, 1)), ("[0,1,1]", [0, 1, 1]),
    ("[(0, 1), (2, 3)]", [(0, 1), (2, 3)])])
def test_labels_are_read_as_they_are_written(text, label):
    assert feed_file.parse_label(text) == label


@pytest.mark.parametrize("text", ["1.5", "one", "True", "[]", "()", "__import__('os')", "{1: 2}"])
def test_what_is_no_label_is_refused(text):
    with pytest.raises(gt.GraphToolsError, match="index tuple"):
        feed_file.parse_label(text)


def test_baselines_are_read_as_they_are_written(tmp_path):
    np.save(str(tmp_path / "b.npy"), np.arange(3.0))
    assert feed_file.parse_baseline("zero") == "zero" and feed_file.parse_baseline("0.5") == 0.5
    assert feed_file.parse_baseline('{"ids:0": 0}') == {"ids:0": 0}
    assert feed_file.parse_baseline("[1, 2]").tolist() == [1, 2]
    assert feed_file.parse_baseline(str(tmp_path / "b.npy")).tolist() == [0, 1, 2]
    with pytest.raises(gt.GraphToolsError, match="baseline"):
        feed_file.parse_baseline(str(tmp_path / "none.npy"))


def test_a_feed_of_strings_and_one_of_unequal_rows(tmp_path):
    path = tmp_path / "f.json"
    path.write_text('{"text:0": ["good", "bad"]}', encoding="utf-8")
    assert feed_file.read_feed(str(path))["text:0"].tolist() == ["good", "bad"]
    path.write_text('{"ids:0": [[1, 2], [3]]}', encoding="utf-8")
    with pytest.raises(gt.GraphToolsError, match="'ids:0' is not a regular array"):
        feed_file.read_feed(str(path))
    np.savez(str(tmp_path / "f.npz"), **{"text:0": np.array(["a", None], dtype=object)})
    with pytest.raises(gt.GraphToolsError, match="'text:0' holds something other than strings"):
        feed_file.read_feed(str(tmp_path / "f.npz"))


def test_ids_outside_of_the_vocabulary_are_shown_as_themselves():
    assert feed_file.decode(np.array([[0, 1, 7, -1]]), ["<pad>", "a"]) == [["<pad>", "a", "[id 7]", "[id -1]"]]
