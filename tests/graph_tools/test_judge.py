"""What counts as an output of a graph when it is judged, and what as data that is fed."""

import pytest

from graph_tools import _tf
from graph_tools.safety import disarm, judge
from tests.attacks import harms
from tests.attacks.body import DOUBLE, Dtype, F, S, empty
from tests.models.hostile import Place

PLACE = Place("target", "secret", 1)


def meta_of(body):
    meta_graph = _tf.tf.MetaGraphDef()
    meta_graph.graph_def.CopyFrom(body.graph)
    return meta_graph


def hopeless(meta_graph):
    return judge.hopeless(meta_graph, judge.judge(meta_graph.graph_def))


@pytest.fixture
def writing():
    body = empty()
    harms.HARMS["write_file"].build(body, PLACE)
    body.add("out", "Identity", "safe", "^harm", T=F)
    return meta_of(body)


def test_outputs_are_those_of_signatures_but_of_the_initialising_one(writing):
    writing.signature_def["__saved_model_init_op"].outputs["__saved_model_init_op"].name = "harm"
    writing.signature_def["serving_default"].outputs["y"].name = "safe:0"
    assert hopeless(writing) is None
    writing.signature_def["serving_default"].outputs["y"].name = "out:0"
    assert hopeless(writing).node == "harm"


@pytest.mark.parametrize("given, hope", ((True, True), (False, False)))
def test_a_file_whose_name_is_fed_is_data(given, hope):
    """A picture that is read by its path may be fed instead; a path in the file itself is the file's choice."""
    body = empty()
    name = body.add("name", "Placeholder", dtype=S) if given else body.const("name", "secret")
    body.add("content", "ReadFile", name)
    body.add("length", "StringLength", "content")
    body.add("score", "Cast", "length", SrcT=Dtype(3), DstT=F)
    meta_graph = meta_of(body)
    meta_graph.signature_def["serve"].outputs["y"].name = "score:0"
    assert (hopeless(meta_graph) is None) == hope


def test_another_reader_of_a_fed_name_is_refused():
    body = empty()
    body.add("name", "Placeholder", dtype=S)
    body.add("content", "RestoreV2", "name", body.const("keys", ["a"]), body.const("slices", [""]), dtypes=[F])
    body.add("score", "Tanh", "content", T=F)
    meta_graph = meta_of(body)
    meta_graph.signature_def["serve"].outputs["y"].name = "score:0"
    assert hopeless(meta_graph).node == "content"


def test_what_is_cut_out_keeps_its_types_and_its_number_of_outputs():
    body = empty()
    body.add("many", "RestoreV2", body.const("path", "secret"), body.const("keys", ["a", "b"]),
             body.const("slices", ["", ""]), dtypes=[F, Dtype(DOUBLE)])
    body.add("none", "WriteFile", "path", body.const("text", ""))
    assert set(disarm.disarm(body.graph)) == {"many", "none"}
    nodes = {node.name: node for node in body.graph.node}
    assert nodes["none"].op == "NoOp" and nodes["many"].op == "IdentityN"
    assert list(nodes["many"].attr["T"].list.type) == [F, DOUBLE]
    kinds = [nodes[entry].attr["dtype"].type for entry in nodes["many"].input]
    assert kinds == [F, DOUBLE] and all(nodes[entry].op == "Placeholder" for entry in nodes["many"].input)
