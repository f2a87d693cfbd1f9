"""Published TF1 models, loaded: nobody here wrote them."""

import numpy as np
import pytest

import graph_tools as gt
from graph_tools import _tf
from graph_tools.errors import ReleaseError
from tests.real.packages import fetch_package

pytestmark = pytest.mark.real
SNIPPETS = (
    b"from os import path\n\n\nclass Reader(object):\n    def __init__(self, name):\n        self.name = name\n\n"
    b"    def lines(self):\n        with open(self.name) as file:\n            return [line.strip() for line in file]"
    b"\n",
    b"#include <stdio.h>\n#include <stdlib.h>\n\nint main(int argc, char **argv) {\n    int *p = malloc(sizeof(int));\n"
    b"    printf(\"%d\\n\", argc);\n    free(p);\n    return 0;\n}\n",
    b"SELECT name, COUNT(*) FROM users INNER JOIN orders ON users.id = orders.user_id\n"
    b"WHERE orders.total > 100 GROUP BY name ORDER BY name;\n")


def guesslang():
    return fetch_package("guesslang") / "guesslang" / "data" / "model"


def languages(model):
    with model.open_session() as session:
        probabilities, classes = session.run(["head/predictions/probabilities:0", "head/Tile:0"],
                                             {"Placeholder:0": list(SNIPPETS)})
    return probabilities, [classes[0][best] for best in probabilities.argmax(1)]


@pytest.mark.skipif(_tf.version < (2, 0), reason="TF 1.15 lacks an attribute that this model needs: see below")
def test_guesslang_loads_and_predicts(tmp_path):
    model = gt.load(guesslang())
    assert model.format == "saved_model" and model.warnings == () and model.missing == ()
    assert "serving_default" in model.signatures and len(model.variables) == 10
    probabilities, best = languages(model)
    assert best == [b"py", b"c", b"sql"]
    with _tf.tf.Graph().as_default(), _tf.tf.Session() as session:  # TensorFlow's own loader as the oracle
        _tf.tf.saved_model.loader.load(session, ["serve"], str(guesslang()))
        wanted = session.run("head/predictions/probabilities:0", {"Placeholder:0": list(SNIPPETS)})
    np.testing.assert_allclose(probabilities, wanted, atol=1e-6, rtol=0)
    frozen, _ = gt.freeze(model)
    np.testing.assert_allclose(languages(frozen)[0], wanted, atol=1e-6, rtol=0)
    for name in ("guesslang.pb", "guesslang"):
        model.save(str(tmp_path / name))
        np.testing.assert_allclose(languages(gt.load(str(tmp_path / name)))[0], wanted, atol=1e-6, rtol=0)


@pytest.mark.skipif(_tf.version >= (2, 0), reason="this release can load it")
def test_guesslang_on_an_old_release_is_one_clear_error():
    with pytest.raises(ReleaseError) as caught:
        gt.load(guesslang())
    for word in ("SparseSegmentMean", "Tsegmentids", "1.15", "2.5.0"):
        assert word in str(caught.value)


@pytest.mark.parametrize("key,pattern,tensor", (
    ("fool_seg", "seg.pb", "project/logits:0"), ("minlp", "b-fine-cnn-crf-an2cn.pb", "logits:0")))
def test_frozen_models_load_and_survive_saving(key, pattern, tensor, tmp_path):
    path, = fetch_package(key).rglob(pattern)
    model = gt.load(path)
    assert model.warnings == () and model.format == "frozen"
    ids = np.random.RandomState(0).randint(1, 500, (3, 7))
    inputs = [node.name + ":0" for node in model.graph_def.node if node.op == "Placeholder"]
    feed = {name: {"char_inputs:0": ids, "char_ids_batch:0": ids, "lengths:0": [7, 7, 7], "dropout:0": 1.0}[name]
            for name in inputs if name in ("char_inputs:0", "char_ids_batch:0", "lengths:0", "dropout:0")}
    model.save(str(tmp_path / "copy.pb"))
    values = []
    for each in (model, gt.load(str(tmp_path / "copy.pb"))):
        with each.open_session() as session:
            values.append(session.run(tensor, feed))
    assert values[0].shape[:2] == (3, 7)
    np.testing.assert_array_equal(values[0], values[1])
