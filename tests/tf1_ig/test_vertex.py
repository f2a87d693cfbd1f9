"""Vertex AI's and AI Platform's metadata as specs: the same attributions as by hand, and nothing dropped unseen.

The metadata is written from the published tables of fields: ``explanation_metadata.json`` of AI Platform (names with
underscores, encodings in lower case) and the ``ExplanationMetadata`` and ``ExplanationSpec`` of Vertex AI.
"""

import json

import numpy as np
import pytest

import tf1_ig
from graph_tools import _tf
from tests.models.small import model_of
from tf1_ig import cli
from tf1_ig.errors import RowError, SpecError
from tf1_ig.rows import vertex
from tf1_ig.rows.spec import ExplanationSpec

RANDOM = np.random.RandomState(7)
WEIGHTS, TABLE = RANDOM.normal(size=(3, 2)).astype(np.float32), RANDOM.normal(size=(20, 3)).astype(np.float32)
COLOURS = RANDOM.normal(size=(4 * 4 * 3, 2)).astype(np.float32)


def census():
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 3], "x")
    tf.nn.softmax(tf.matmul(tf.nn.relu(x), tf.constant(WEIGHTS)) / 10, name="probabilities")


def words():
    tf = _tf.tf
    ids = tf.placeholder(tf.int32, [None, 5], "ids")
    rows = tf.nn.embedding_lookup(tf.constant(TABLE, name="table"), ids, name="rows")
    tf.nn.softmax(tf.matmul(tf.tanh(tf.reduce_mean(rows, 1)), tf.constant(WEIGHTS)), name="probabilities")


def picture():
    tf = _tf.tf
    pixels = tf.placeholder(tf.float32, [None, 4, 4, 3], "pixels")
    flat = tf.reshape(pixels, [-1, 48])
    tf.nn.softmax(tf.matmul(tf.square(flat), tf.constant(COLOURS)), name="probabilities")


OUTPUTS = {"scores": {"output_tensor_name": "probabilities:0"}}
ROW_OF = {
    "census": [{"age": 40, "hours": 38.5, "gain": 2}, {"age": "25", "hours": "10", "gain": "0"}],
    "words": [{"sentence": [3, 4, 5, 6, 7]}, {"sentence": [1, 2, 0, 0, 0]}],
    "picture": [{"photo": RANDOM.uniform(size=(4, 4, 3)).tolist()}],
}
FEED_OF = {
    "census": {"x:0": np.array([[40, 38.5, 2], [25, 10, 0]], np.float32)},
    "words": {"ids:0": np.array([[3, 4, 5, 6, 7], [1, 2, 0, 0, 0]], np.int32)},
    "picture": {"pixels:0": np.array([ROW_OF["picture"][0]["photo"]], np.float32)},
}
BUILD = {"census": (census, "x:0"), "words": (words, "rows:0"), "picture": (picture, "pixels:0")}
INPUTS = {
    "census": {"person": {
        "input_tensor_name": "x:0", "encoding": "bag_of_features", "modality": "numeric",
        "index_feature_mapping": ["age", "hours", "gain"], "input_baselines": [[30, 40, 0]],
        "feature_value_domain": {"min": 0, "max": 100, "original_mean": 1.5}}},
    "words": {"sentence": {
        "input_tensor_name": "ids:0", "encoding": "concat_embedding", "modality": "text",
        "encoded_tensor_name": "rows:0", "encoded_baselines": [0.25], "group_name": "all"}},
    "picture": {"photo": {
        "input_tensor_name": "pixels:0", "encoding": "identity", "modality": "image", "input_baselines": [0.5, 1],
        "visualization": {"type": "outlines", "polarity": "positive"}}},
}
BASELINES = {"census": [{"x:0": [30, 40, 0]}], "words": [{"rows:0": 0.25}], "picture": [
    {"pixels:0": 0.5}, {"pixels:0": 1}]}
LEFT_OUT = {"census": "inputs.person.feature_value_domain", "words": "inputs.sentence.group_name",
            "picture": "inputs.photo.visualization"}


def _camel(tree):
    """The same in Vertex AI's spelling."""
    if isinstance(tree, list):
        return [_camel(each) for each in tree]
    if not isinstance(tree, dict):
        return tree
    def spelt(key):
        first, *rest = key.split("_")
        return first + "".join(part.capitalize() for part in rest)
    return {spelt(key): value.upper() if key == "encoding" else _camel(value) for key, value in tree.items()}


def _metadata(name, form):
    tree = {"inputs": INPUTS[name], "outputs": OUTPUTS}
    if form == "AI Platform":
        return dict(tree, framework="Tensorflow")
    tree = _camel(tree)
    tree["outputs"]["scores"]["indexDisplayNameMapping"] = ["no", "yes"]
    if form == "Vertex AI":
        return tree
    return {"metadata": tree, "parameters": {"integratedGradientsAttribution": {
        "stepCount": 50, "smoothGradConfig": {"noiseSigma": 0.1}}, "topK": 1}}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    found = {}
    for name, (build, _) in BUILD.items():
        found[name] = tmp_path_factory.mktemp(name)
        model_of(build).save(str(found[name] / "model"))
    return found


@pytest.mark.parametrize("form", ["AI Platform", "Vertex AI", "Vertex AI with parameters"])
@pytest.mark.parametrize("name", list(BUILD))
def test_attributions_are_those_by_hand(name, form, folders, tmp_path, capsys):
    path = folders[name] / "model" / "explanation_metadata.json"
    path.write_text(json.dumps(_metadata(name, form)), encoding="utf-8")
    assert cli.main(["spec", "--from-vertex", str(path), "--out", str(tmp_path / "s.json")]) == 0
    printed = capsys.readouterr().out
    assert "not honoured: " in printed and LEFT_OUT[name].rpartition(".")[2] in printed.replace(
        "groupName", "group_name").replace("featureValueDomain", "feature_value_domain")
    spec = tf1_ig.load_spec(tmp_path / "s.json")
    feed, _ = spec.feed(ROW_OF[name])
    for tensor, array in FEED_OF[name].items():
        assert np.array_equal(feed[tensor], array) and feed[tensor].dtype == array.dtype
    found = spec.explain(ROW_OF[name])
    steps = {"steps": 50} if "parameters" in form else {}
    with tf1_ig.IntegratedGradients(model_of(BUILD[name][0]), "probabilities:0", BUILD[name][1]) as explainer:
        by_hand = [explainer.explain(FEED_OF[name], label="top", baseline=one, **steps) for one in BASELINES[name]]
    assert set(found.values) == {BUILD[name][1]}
    assert np.allclose(found.values[BUILD[name][1]], np.mean([one.values[BUILD[name][1]] for one in by_hand], axis=0),
                       atol=1e-6)
    assert np.allclose(found.baseline_score, np.mean([one.baseline_score for one in by_hand], axis=0))
    assert not steps or set(found.steps) == {50}
    assert spec.classes == (None if form == "AI Platform" else ("no", "yes"))


def sparse_bag():
    tf = _tf.tf
    bag = tf.sparse_placeholder(tf.float32, [None, 3], "bag")
    tf.nn.softmax(tf.sparse_tensor_dense_matmul(bag, tf.constant(WEIGHTS)), name="probabilities")


@pytest.mark.parametrize("form", ["AI Platform", "Vertex AI"])
def test_a_sparse_bag_of_features_is_fed(form, tmp_path):
    """The same table as a dense product: Integrated Gradients of each feature that is there."""
    model_of(sparse_bag).save(str(tmp_path / "model"))
    tree = {"inputs": {"bag": {
        "input_tensor_name": "bag/values:0", "indices_tensor_name": "bag/indices:0", "dense_shape_tensor_name":
            "bag/shape:0", "encoding": "bag_of_features_sparse", "index_feature_mapping": ["age", "hours", "gain"],
        "input_baselines": [0]}}, "outputs": OUTPUTS}
    (tmp_path / "model" / "m.json").write_text(json.dumps(_camel(tree) if form == "Vertex AI" else tree))
    read = vertex.convert(str(tmp_path / "model" / "m.json"), str(tmp_path))
    assert read.left_out == {} and read.tree["inputs"] == ["bag/values:0"]
    (tmp_path / "s.json").write_text(json.dumps(read.tree))
    spec = tf1_ig.load_spec(tmp_path / "s.json")
    rows = [{"age": 1.5, "gain": "2"}, {"hours": -1, "age": 0, "gain": None}]
    feed, _ = spec.feed(rows)
    assert feed["bag/values:0"].tolist() == [1.5, 2, -1] and feed["bag/values:0"].dtype == np.float32
    assert feed["bag/indices:0"].tolist() == [[0, 0], [0, 2], [1, 1]] and feed["bag/shape:0"].tolist() == [2, 3]
    found, = spec.explain(rows).tokens.values()

    def dense():
        tf = _tf.tf
        tf.nn.softmax(tf.matmul(tf.placeholder(tf.float32, [None, 3], "x"), tf.constant(WEIGHTS)), name="probabilities")

    with tf1_ig.IntegratedGradients(model_of(dense), "probabilities:0") as explainer:
        by_hand = explainer.explain({"x:0": [[1.5, 0, 2], [0, -1, 0]]}, label="top", tolerance=1e-4)
    assert np.allclose(np.concatenate(found), by_hand.values["x:0"][[0, 0, 1], [0, 2, 1]], atol=1e-3)
    with pytest.raises(RowError, match="row 1, column 'age': no column of age, hours, gain is in the row"):
        spec.feed([{"weight": 3}])
    with pytest.raises(RowError, match="row 1, column 'hours': 'x' .str. is not a number"):
        spec.feed([{"hours": "x"}])


def test_a_sparse_input_beside_others(tmp_path):
    """Sparse numbers and a dense input in one question, each named as the spec calls it; together they are complete."""
    def both():
        tf = _tf.tf
        bag = tf.sparse_placeholder(tf.float32, [None, 3], "bag")
        rows = tf.sparse_tensor_dense_matmul(bag, tf.constant(WEIGHTS)) + tf.placeholder(tf.float32, [None, 2], "x")
        tf.nn.softmax(rows + tf.reduce_sum(tf.nn.embedding_lookup(tf.constant(TABLE[:, :2]), tf.placeholder(
            tf.int32, [None, None], "ids")), 1), name="probabilities")

    model_of(both).save(str(tmp_path / "model"))
    tree = {"version": 1, "model": {"path": "model"}, "output": "probabilities", "inputs": ["bag/values", "x", "ids"],
            "feed": {"bag/values:0": {"kind": "numbers", "columns": ["a", "b", "c"], "sparse": True},
                     "bag/indices:0": {"kind": "sparse", "of": "bag/values:0", "part": "indices"},
                     "bag/shape:0": {"kind": "sparse", "of": "bag/values:0", "part": "shape"},
                     "x:0": {"kind": "numbers", "columns": ["d", "e"]},
                     "ids:0": {"kind": "signal", "column": "ids", "dtype": "int32", "padding": 0}}}
    rows = [{"a": 1, "c": -1, "d": 2, "e": .5, "ids": [3, 4]}, {"b": 2, "d": 0, "e": 1, "ids": [7]}]
    spec = ExplanationSpec(tree, str(tmp_path))
    found = spec.explain(rows, tolerance=1e-3)
    assert len(found.values) == 3 and "x:0" in found.values
    total = sum(np.sum(part[row]) for part in found.values.values() for row in [0])
    assert abs(total - (found.score - found.baseline_score)[0]) < 1e-3
    auto = ExplanationSpec(dict(tree, inputs="auto"), str(tmp_path)).explain(rows, tolerance=1e-3)
    assert set(auto.values) == set(found.values)
    unused = ExplanationSpec(dict(tree, inputs=["bag/shape"]), str(tmp_path))
    with pytest.raises(SpecError, match="inputs: bag/shape:0 .int64. has no gradient"):
        unused.explain(rows)


def _convert(tree, folder, tmp_path):
    path = folder / "model" / "metadata.json"
    path.write_text(json.dumps(tree), encoding="utf-8")
    return vertex.convert(str(path), str(tmp_path))


def test_nothing_is_dropped_unseen(folders, tmp_path):
    read = _convert({"metadata": {
        "inputs": {"photo": dict(_camel(INPUTS["picture"])["photo"], aNewField=3, groupName="g")},
        "outputs": dict(_camel(OUTPUTS), other={"outputTensorName": "probabilities:0"}), "latentSpaceSource": "x"},
        "parameters": {"xraiAttribution": {"stepCount": 20, "blurBaselineConfig": {"maxBlurSigma": 3}}, "topK": 2,
                       "outputIndices": [0, 1], "examples": {"neighborCount": 3}}}, folders["picture"], tmp_path)
    assert set(read.left_out) == {
        "metadata.inputs.photo.a_new_field", "metadata.inputs.photo.group_name", "metadata.inputs.photo.visualization",
        "outputs.other", "metadata.latent_space_source", "parameters.xrai_attribution.blur_baseline_config",
        "parameters.top_k",
        "parameters.output_indices", "parameters.examples"}
    assert {"not honoured: " + place for place in read.left_out} <= set(read.tree["guesses"])
    assert read.tree["steps"] == 20 and read.tree["variant"] == {
        "name": "xrai", "baselines": [{"pixels:0": 0.5}, {"pixels:0": 1}]}


def two_inputs():
    tf = _tf.tf
    x, z = tf.placeholder(tf.float32, [None, 3], "x"), tf.placeholder(tf.float32, [None, 2], "z")
    tf.nn.softmax(tf.matmul(tf.tanh(x), tf.constant(WEIGHTS)) * z, name="probabilities")


TWO = {"a": {"inputTensorName": "x", "inputBaselines": [[1, 2, 3], 0, 0.5]},
       "b": {"inputTensorName": "z", "inputBaselines": [[1, -1]]}}
ROWS = [{"a": [.5, -1, 2], "b": [.5, 2]}, {"a": [0, 0, 1], "b": [1, 1]}]


def _spec(tree, tmp_path):
    model_of(two_inputs).save(str(tmp_path / "model"))
    tree = tree if "metadata" in tree else dict({"inputs": TWO, "outputs": {
        "y": {"outputTensorName": "probabilities"}}}, **tree)
    (tmp_path / "model" / "m.json").write_text(json.dumps(tree))
    assert cli.main(["spec", "--from-vertex", str(tmp_path / "model" / "m.json"), "--out", str(tmp_path / "s.json")]
                    ) == 0
    return tf1_ig.load_spec(tmp_path / "s.json")


def test_attributions_are_averaged_over_several_baselines(tmp_path, capsys):
    """The mean of three explanations, one a baseline, from the command line, too; one baseline of an input goes with
    each of another's."""
    spec = _spec({}, tmp_path)
    assert "not honoured" not in capsys.readouterr().out
    found = spec.explain(ROWS, tolerance=1e-4)
    with tf1_ig.IntegratedGradients(model_of(two_inputs), "probabilities", ["x", "z"]) as explainer:
        each = [explainer.explain(spec.feed(ROWS)[0], label="top", tolerance=1e-4, baseline={
            "x:0": one, "z:0": [1, -1]}) for one in ([1, 2, 3], 0, 0.5)]
    for name in ("x:0", "z:0"):
        assert np.allclose(found.values[name], np.mean([one.values[name] for one in each], axis=0), atol=1e-6)
    assert np.allclose(found.baseline_score, np.mean([one.baseline_score for one in each], axis=0))
    saved = str(tmp_path / "a.npz")
    words = ["explain", "--spec", str(tmp_path / "s.json"), "--tolerance", "0.0001", "--out", saved]
    words += [word for row in ROWS for word in ("--row", json.dumps(row))]
    assert cli.main(words) == 0
    assert np.allclose(tf1_ig.load_attribution(saved).values["x:0"], found.values["x:0"], atol=1e-6)
    assert cli.main(words + ["--variant", "idgi"]) == 0  # options win over the spec
    assert tf1_ig.load_attribution(saved).technique.startswith("Important-direction")


def test_baselines_that_go_with_no_other_are_told(tmp_path, capsys):
    spec = _spec({"inputs": dict(TWO, b=dict(TWO["b"], inputBaselines=[0, 1]))}, tmp_path)
    assert "not honoured: inputs: baselines of z:0: there are 2, and 3 of another" in capsys.readouterr().out
    assert [one["z:0"] for one in spec.variant[1]["baselines"]] == [0, 0, 0]


def test_sampled_shapley_is_ours(tmp_path, capsys):
    tree = {"inputs": dict(TWO, a={"inputTensorName": "x", "inputBaselines": [0]}), "outputs": {
        "y": {"outputTensorName": "probabilities"}}}
    spec = _spec({"metadata": tree, "parameters": {"sampledShapleyAttribution": {"pathCount": 30}}}, tmp_path)
    assert "not honoured" not in capsys.readouterr().out and spec.variant == ("shapley", {"samples": 30})
    found = spec.explain(ROWS)
    with tf1_ig.IntegratedGradients(model_of(two_inputs), "probabilities", ["x", "z"]) as explainer:
        by_hand = explainer.explain_variant("shapley", spec.feed(ROWS)[0], "top", samples=30, baseline={
            "x:0": 0, "z:0": [1, -1]})
    assert np.array_equal(found.values["x:0"], by_hand.values["x:0"]) and found.technique == "Shapley values"


def test_a_variant_that_takes_no_such_option_is_told(tmp_path):
    tree = {"version": 1, "model": {"path": "m"}, "output": "y:0", "feed": {}}
    for variant, told in (({"name": "avaraged"}, "no variant 'avaraged'"), ({"name": "averaged"}, "needs baselines"),
                          ({"name": "shapley", "baselines": [0]}, "knows no baselines")):
        with pytest.raises(SpecError, match="variant: .*" + told):
            ExplanationSpec(dict(tree, variant=variant))


def test_what_is_honoured_is_not_told(folders, tmp_path):
    read = _convert({"metadata": {"inputs": {"person": {
        "inputTensorName": "x", "encoding": "BAG_OF_FEATURES", "indexFeatureMapping": ["a", "b", "c"],
        "inputBaselines": [0]}}, "outputs": {"y": {"outputTensorName": "probabilities"}}},
        "parameters": {"integratedGradientsAttribution": {"stepCount": 25}, "outputIndices": [1]}},
        folders["census"], tmp_path)
    assert read.left_out == {} and read.tree["label"] == 1 and read.tree["steps"] == 25
    assert read.tree["feed"] == {"x:0": {"kind": "numbers", "columns": ["a", "b", "c"], "dtype": "float32"}}


@pytest.mark.parametrize("tree, told", [
    ([], "is not a JSON object"), ({"inputs": {}}, "has no inputs"), ({"inputs": {"x": {}}}, "has no outputs"),
    ({"inputs": {"x": {}}, "outputs": {"y": {}}}, "outputs.y has no output_tensor_name"),
    ({"inputs": {"x": {}}, "outputs": {"y": {"output_tensor_name": "z"}}}, "outputs.y: no tensor 'z:0'"),
    ({"inputs": {"q": {}}, "outputs": OUTPUTS}, "inputs.q: no tensor 'q:0'"),
    ({"inputs": {"x": {}}, "outputs": OUTPUTS, "framework": "xgboost"}, "not for a TensorFlow model")])
def test_what_is_no_metadata(tree, told, folders, tmp_path):
    with pytest.raises(SpecError) as wrong:
        _convert(tree, folders["census"], tmp_path)
    assert told in str(wrong.value) and "\n" not in str(wrong.value)


def test_usage(tmp_path, capsys):
    (tmp_path / "m.json").write_text("{\"inputs\": {\"x\": {}}, \"outputs\": {\"y\": {}}}", encoding="utf-8")
    assert cli.main(["spec", "--from-vertex", str(tmp_path / "m.json")]) == 2
    assert "--out FILE" in capsys.readouterr().err
    assert cli.main(["spec", "--from-vertex", str(tmp_path / "m.json"), "--out", str(tmp_path / "s.json")]) == 1
    assert "name it with --model" in capsys.readouterr().err
    assert cli.main(["spec"]) == 2 and cli.main(["spec", "--from-vertex", str(tmp_path / "no.json"), "--out", "s.json"
                                                 ]) == 1
