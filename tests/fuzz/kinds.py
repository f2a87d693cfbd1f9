"""What is damaged: one whole file of each kind, the ways to damage it, and what reads it."""

import glob
import json
import os
import shutil
from typing import Any, Callable, Dict, NamedTuple, Tuple

import numpy as np

import graph_tools as gt
import tf1_ig
from graph_tools import _tf
from graph_tools.errors import GraphToolsError
from tests.fuzz import damage
from tests.models import formats
from tests.tf1_ig.results import result
from tests.tf1_ig.test_spec import EVERY_KIND, TREE
from tests.tf1_ig.test_vertex import OUTPUTS
from tf1_ig.commands import feed_file
from tf1_ig.rows import vertex
from tf1_ig.show import terminal


class Kind(NamedTuple):
    """A kind of file.

    Attributes:
      file: the file that is damaged, below the folder of whole files.
      ways: how.
      read: reads what stands in a folder; only errors of ours (and TensorFlow's about a run) may come out.
      beside: other files that are copied along, by pattern.
    """

    file: str
    ways: Tuple[Callable[[bytes, Any], bytes], ...]
    read: Callable[[str], None]
    beside: Tuple[str, ...] = ()


def write_whole(folder: str) -> None:
    """The whole files that are damaged later."""
    written = formats.write_style(__import__("pathlib").Path(folder), "file")
    for name, path in (("frozen.pb", written.frozen), ("frozen.pbtxt", written.frozen_text)):
        shutil.copy(path, os.path.join(folder, name))
    shutil.copytree(written.saved_model, os.path.join(folder, "served"))
    os.makedirs(os.path.join(folder, "training"))
    for path in glob.glob(written.checkpoint + ".*"):
        shutil.copy(path, os.path.join(folder, "training", "model" + path[len(written.checkpoint):]))
    for path in glob.glob(os.path.join(os.path.dirname(written.checkpoint), "*.txt")):
        shutil.copy(path, os.path.join(folder, "training"))
    with open(os.path.join(folder, "training", "checkpoint"), "w", encoding="utf-8") as file:
        file.write('model_checkpoint_path: "model"\nall_model_checkpoint_paths: "model"\n')
    whole = result(token_texts=[["a", "b", "c"], ["d", "e", "f"]], notes=("One.",))
    whole.save(os.path.join(folder, "result.npz"))
    whole.save(os.path.join(folder, "result.json"))
    _write_texts(folder)


def _write_texts(folder: str) -> None:
    demo = os.path.dirname(tf1_ig.__file__) + "/demo/"
    shutil.copy(demo + "model.pb", folder)
    shutil.copy(demo + "vocab.txt", folder)
    trees = {"spec.json": TREE, "every.json": dict(TREE, feed=EVERY_KIND),
             "vertex.json": {"inputs": {"x": {"input_tensor_name": "ids:0", "encoding": "identity"}},
                             "outputs": OUTPUTS, "framework": "tensorflow"},
             "feed.json": {"words:0": [["the", {"b64": "ZmlsbQ=="}]], "lengths:0": [2], "x:0": [[1.5, 2.0]]}}
    for name, tree in trees.items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            json.dump(tree, file)
    np.savez(os.path.join(folder, "feed.npz"), **formats.FEED)


def _model(path: str) -> None:
    """All that is asked of a model; a run may fail as TensorFlow says."""
    model = gt.load(path)
    found = [candidate.tensor for candidate in gt.find_outputs(model)][:1] or [formats.PROBABILITIES]
    for step in (lambda: model.graph, lambda: gt.find_inputs(model), lambda: gt.find_embeddings(model),
                 lambda: gt.swap_inputs(model), lambda: gt.prune(model, found),
                 lambda: gt.freeze(model, found), lambda: _ran(model, found)):
        try:
            step()
        except (GraphToolsError, _tf.tf.errors.OpError):
            pass


def _ran(model: Any, found: list) -> None:
    config = _tf.session_config()
    config.operation_timeout_in_ms = 5000
    model.require(found, list(formats.FEED))
    with model.open_session(config) as session:
        known = {name: value for name, value in formats.FEED.items() if name[:-2] in model.index}
        try:
            session.run(found, known)
        except (ValueError, TypeError, KeyError):  # the feed does not fit: TensorFlow's words to its caller
            pass


def _result(path: str) -> None:
    one = tf1_ig.load_attribution(path)
    report = tf1_ig.check(one)
    for text in (terminal.summary(one, report), one.to_html(), str(report)):
        if not text:
            raise AssertionError("nothing to show")


def _spec(path: str) -> None:
    spec = tf1_ig.load_spec(path)
    spec.feed([{"text": "a good film"}])


def _vertex(path: str) -> None:
    vertex.convert(path, os.path.dirname(path), os.path.join(os.path.dirname(path), "model.pb"))


def _vocabulary(path: str) -> None:
    feed_file.read_lines(path)
    _spec(os.path.join(os.path.dirname(path), "spec.json"))


def _at(name: str, read: Callable[[str], None]) -> Callable[[str], None]:
    return lambda folder: read(os.path.join(folder, name))


BYTES = (damage.of_bytes,)


def _message(kind: str) -> tuple:
    """Half by bytes, half by what it says (most of a graph is the numbers of constants, which no byte flip breaks)."""
    return BYTES + (lambda data, random: damage.of_message(
        _tf.SavedModel if kind == "SavedModel" else getattr(_tf.tf, kind))(data, random),) * 2


KINDS: Dict[str, Kind] = {
    "frozen graph": Kind("frozen.pb", _message("GraphDef"), _at("frozen.pb", _model), ("*.txt",)),
    "frozen graph in text": Kind("frozen.pbtxt", BYTES + (lambda data, random: damage.of_text_message(
        _tf.tf.GraphDef)(data, random),), _at("frozen.pbtxt", _model), ("*.txt",)),
    "SavedModel": Kind("served/saved_model.pb", _message("SavedModel"), _at("served", _model), ("served/**",)),
    "graph of a checkpoint": Kind("training/model.meta", _message("MetaGraphDef"), _at("training", _model),
                                  ("training/*",)),
    "index of a checkpoint": Kind("training/model.index", BYTES, _at("training", _model), ("training/*",)),
    "values of a checkpoint": Kind("training/model.data-00000-of-00001", BYTES, _at("training", _model),
                                   ("training/*",)),
    "file checkpoint": Kind("training/checkpoint", BYTES, _at("training", _model), ("training/*",)),
    "result (.npz)": Kind("result.npz", BYTES, _at("result.npz", _result)),
    "result (.json)": Kind("result.json", BYTES + (damage.of_json,) * 3, _at("result.json", _result)),
    "spec": Kind("spec.json", BYTES + (damage.of_json,) * 3, _at("spec.json", _spec), ("model.pb", "vocab.txt")),
    "spec of every kind": Kind("every.json", BYTES + (damage.of_json,) * 3, _at("every.json", _spec),
                               ("model.pb", "vocab.txt")),
    "feed (.npz)": Kind("feed.npz", BYTES, _at("feed.npz", feed_file.read_feed)),
    "feed (.json)": Kind("feed.json", BYTES + (damage.of_json,) * 3, _at("feed.json", feed_file.read_feed)),
    "vocabulary": Kind("vocab.txt", BYTES, _at("vocab.txt", _vocabulary), ("spec.json", "model.pb")),
    "Vertex metadata": Kind("vertex.json", BYTES + (damage.of_json,) * 3, _at("vertex.json", _vertex), ("model.pb",)),
}
