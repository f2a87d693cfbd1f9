"""The door to TensorFlow: a table of private symbols, each looked up at first use, and no private name elsewhere."""

import ast
import pathlib

import pytest

import graph_tools as gt
from graph_tools import _tf
from graph_tools.errors import TensorFlowSymbolError
from tests.models import queues

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
_OF_PYTHON = {"_replace", "_asdict", "_fields", "_exit"}


@pytest.mark.parametrize("name", sorted(_tf.SYMBOLS))
def test_this_release_has_every_symbol(name):
    assert _tf._resolve(name, _tf.SYMBOLS[name]) is getattr(_tf, name)
    assert _tf.SYMBOLS[name].needed


def _without(monkeypatch, name):
    monkeypatch.setitem(_tf.SYMBOLS, name, _tf.SYMBOLS[name]._replace(places=("tensorflow.python.gone:nothing",)))
    monkeypatch.delitem(vars(_tf), name, raising=False)


def test_a_lost_symbol_is_one_named_error_of_what_needs_it(monkeypatch):
    """What needs it names it; everything else goes on."""
    model = queues.build(queues.fifo_dequeue_unknown).frozen
    for name in ("raw_save", "model_utils", "_column_base"):
        _without(monkeypatch, name)
    assert gt.find_inputs(model).only(kind="queue") and gt.find_embeddings(model).only(kind="gather")
    with pytest.raises(TensorFlowSymbolError, match="gone:nothing.*estimators.*checked: 1.15.5"):
        _tf.model_utils.get_export_outputs(None, None)
    with pytest.raises(ImportError, match="feature columns"):
        _tf.feature_column_bases()
    assert not hasattr(_tf, "no_such_symbol")


def test_a_second_place_is_tried(monkeypatch):
    symbol = _tf.SYMBOLS["control_flow_util"]
    places = ("tensorflow.python.gone:nothing",) + symbol.places
    assert _tf._resolve("control_flow_util", symbol._replace(places=places)) is _tf.control_flow_util


def _names_of_ours(trees):
    """Attributes and names with an underscore that the packages define themselves."""
    found = set()
    for tree in trees.values():
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                found.add(node.name)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found.add(node.id)
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
                found.add(node.attr)
            elif isinstance(node, ast.alias):
                found.add((node.asname or node.name).rpartition(".")[2])
    return found


def test_no_private_attribute_of_tensorflow_stands_elsewhere():
    trees = {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
             for package in ("graph_tools", "tf1_ig") for path in (ROOT / package).rglob("*.py")}
    del trees["graph_tools/_tf.py"]
    ours = _names_of_ours(trees) | _OF_PYTHON
    private = [(path, node.lineno, node.attr) for path, tree in trees.items() for node in ast.walk(tree)
               if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__")
               and node.attr not in ours]
    assert not private, "read it in graph_tools/_tf.py"
    strings = [(path, call.lineno, argument) for path, tree in trees.items() for call in ast.walk(tree)
               if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and len(call.args) > 1
               and call.func.id in ("getattr", "hasattr", "setattr")
               for argument in [getattr(call.args[1], "value", getattr(call.args[1], "s", None))]
               if isinstance(argument, str) and argument.startswith("_") and not argument.startswith("__")
               and argument not in ours]
    assert not strings, "read it in graph_tools/_tf.py"
