"""Heads are found best first; losses, metrics, attention, gates, summaries and training ops are not among them."""

import time

import numpy as np
import pytest

import graph_tools as gt
from graph_tools import _tf
from graph_tools.errors import AmbiguousCandidateError, NoCandidateError
from graph_tools.find.inputs import placeholders
from graph_tools.find.outputs import arms
from graph_tools.find.view import View
from graph_tools.model import Model
from tests.models import small
from tests.models.many_heads import MANY_HEADS
from tests.models.outputs import HEADS, model_of, with_signatures
from tests.models.training_heads import TRAINING_HEADS

ALL = dict(HEADS, **TRAINING_HEADS)
SEVERAL = {"followed": ("worth:0", "copied:0"), "two_tasks": ("topic:0", "click:0"), "auxiliary": ("main:0", "side:0"),
           "crf_decoded_in_a_loop": ("logits:0", "best_score:0"), "lengths_of_capsules": ("length:0", "again:0"),
           "hanging": ("kinds:0", "size:0"), "mixed": ("worth:0", "others:0", "of_between:0")}


@pytest.mark.dealt
@pytest.mark.parametrize("name", list(ALL))
def test_heads(name):
    heads = ALL[name]
    found = gt.find_outputs(model_of(heads))
    assert tuple((one.tensor, one.kind) for one in found) == heads.expected, str(found)
    misses = {miss.name: miss.why for miss in found.misses}
    for tensor, reason in heads.rejected:
        assert reason in misses.get(tensor, ""), str(found)
    assert not any(tensor in misses for tensor, _ in heads.expected)
    for one in found:
        assert one.dtype == "float32" and one.why and one.nodes


def test_one_prediction_a_position_is_said():
    found = gt.find_outputs(model_of(HEADS["tagger"]))
    assert found[0].shape == (None, None, 3) and "index tuple" in found[0].why


def test_transitions_of_a_crf_are_named():
    assert "transitions transitions:0" in gt.find_outputs(model_of(HEADS["crf_tagger"]))[0].why


def test_signatures_come_first_under_their_own_names():
    found = gt.find_outputs(with_signatures())
    assert [(one.tensor, one.kind) for one in found] == [
        ("exported:0", "softmax"), ("activity:0", "signature"), ("logits:0", "logits")]
    assert found[0].signatures == ("predict/scores",) and found[0].logits == "logits:0"
    misses = {miss.name: miss.why for miss in found.misses}
    assert "no gradient" in misses["class:0"] and "not in the graph" in misses["not_there:0"]


@pytest.mark.dealt
@pytest.mark.parametrize("name", list(ALL))
def test_functions_of_one_logit_are_one_head(name):
    found = gt.find_outputs(model_of(ALL[name]))
    expected = SEVERAL.get(name, (ALL[name].expected[0][0],))
    assert tuple(one.tensor for one in found.distinct()) == expected, str(found)
    assert found.likely().tensor == expected[0]
    if len(expected) == 1:
        assert found.only() == found[0]


@pytest.mark.parametrize("name", list(MANY_HEADS))
def test_heads_that_share_much_and_are_one_or_several(name):
    many = MANY_HEADS[name]
    found = gt.find_outputs(model_of(many))
    assert tuple(one.tensor for one in found.distinct()) == many.heads, str(found)
    assert {one.tensor: one.same_as for one in found if one.same_as} == many.repeated, str(found)


def test_a_part_of_all_probabilities_is_no_other_head():
    model = model_of(MANY_HEADS["canned_binary"])
    with model.new_graph().as_default() as graph:
        _tf.tf.squeeze(graph.get_tensor_by_name("probabilities:0")[:, 1:], 1, name="score")
    signed = model.with_graph_def(graph.as_graph_def())
    signed.meta_graph.signature_def["serve"].outputs["score"].name = "score:0"
    assert gt.find_outputs(signed).only().tensor == "score:0"


def test_what_a_checkpoint_lacks_comes_last():
    """Half of a pair of networks was saved: the head of the other half can be computed."""
    tf = _tf.tf
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None, 4], "x")
        for name in ("judge", "maker"):
            kernel = tf.get_variable(name + "_kernel", [4, 1], use_resource=False)
            (tf.sigmoid if name == "judge" else tf.tanh)(tf.matmul(x, kernel), name=name)
    meta_graph = tf.MetaGraphDef(graph_def=graph.as_graph_def())
    both = {name + "_kernel": np.ones((4, 1), np.float32) for name in ("judge", "maker")}
    assert gt.find_outputs(gt.Model(meta_graph, "both", both))[0].tensor == "judge:0"
    half = gt.Model(meta_graph, "half", {"maker_kernel": both["maker_kernel"]})
    assert gt.find_outputs(half)[0].tensor == "maker:0"


def test_a_network_whose_reader_was_not_saved_ends_where_it_is_complete():
    """A generator alone: what its discriminator takes; with both there, what the discriminator says."""
    tf = _tf.tf
    with tf.Graph().as_default() as graph:
        kernels = [tf.get_variable(name, [4, 4], use_resource=False) for name in ("maker", "judge")]
        made = tf.tanh(tf.matmul(tf.placeholder(tf.float32, [None, 4], "noise"), kernels[0]), name="made")
        tf.sigmoid(tf.matmul(made, kernels[1]), name="judged")
    meta_graph, value = tf.MetaGraphDef(graph_def=graph.as_graph_def()), np.ones((4, 4), np.float32)
    alone = gt.find_outputs(gt.Model(meta_graph, "alone", {"maker": value}))
    assert alone[0].tensor == "made:0" and "'judge" not in alone[0].why and "no values" in alone[0].why
    both = gt.find_outputs(gt.Model(meta_graph, "both", {"maker": value, "judge": value}))
    assert [one.tensor for one in both.distinct()] == ["judged:0"]


def test_only():
    found = gt.find_outputs(model_of(HEADS["two_tasks"]))
    assert found.only(kind="softmax").tensor == "topic:0" and found.only(kind="sigmoid").tensor == "click:0"
    with pytest.raises(AmbiguousCandidateError, match="topic:0.*click:0") as wrong:
        found.only()
    assert "'topic_logits:0'" not in str(wrong.value)  # no head of its own
    with pytest.raises(NoCandidateError, match="log_softmax"):
        found.only(kind="log_softmax")
    with pytest.raises(NoCandidateError, match="total:0"):
        gt.find_outputs(model_of(HEADS["whole_training"]))[:0].likely()
    assert "topic:0" in str(found) and len(found[:2]) == 2


def test_thousands_of_switches_and_gathers_one_behind_the_other_are_looked_through_in_no_time():
    tf = _tf.tf
    graph_def = tf.GraphDef()

    def node(name, op, *inputs, **types):
        made = graph_def.node.add(name=name, op=op)
        made.input.extend(inputs)
        for key, value in types.items():
            made.attr[key].type = value.as_datatype_enum

    node("x", "Placeholder", dtype=tf.float32)
    node("flag", "Placeholder", dtype=tf.bool)
    node("indices", "Placeholder", dtype=tf.int64)
    node("values", "Placeholder", dtype=tf.float32)
    graph_def.node[2].attr["shape"].shape.CopyFrom(tf.TensorShape([None, 2]).as_proto())
    graph_def.node[3].attr["shape"].shape.CopyFrom(tf.TensorShape([None]).as_proto())
    before, gathered = "x", "indices"
    for number in range(4000):
        node("switch_%d" % number, "Switch", before, "flag", T=tf.float32)
        node("gather_%d" % number, "GatherV2", gathered, "row", "axis",
             Tparams=tf.int64, Tindices=tf.int32, Taxis=tf.int32)
        before, gathered = "switch_%d" % number, "gather_%d" % number
    for name in ("row", "axis"):
        node(name, "Const", dtype=tf.int32)
        graph_def.node[-1].attr["value"].tensor.CopyFrom(tf.make_tensor_proto([0] if name == "row" else 0, tf.int32))
    meta_graph = tf.MetaGraphDef()
    meta_graph.graph_def.CopyFrom(graph_def)
    view = View(Model(meta_graph, "chains"))
    begun = time.process_time()
    assert len(arms.inside(view)) == 4000
    assert placeholders.index_readers(view.index, "indices") == []
    assert time.process_time() - begun < 5


@pytest.mark.parametrize("heads", [3, 40])
def test_variables_without_values_are_looked_up_once_for_all_heads(heads, monkeypatch):
    def build():
        tf = _tf.tf
        x = tf.placeholder(tf.float32, [None, 3], "x")
        for number in range(heads):
            tf.sigmoid(tf.matmul(x, tf.constant(np.eye(3, dtype=np.float32) + number)), name="head_%d" % number)

    asked = []
    monkeypatch.setattr(Model, "missing", property(lambda model: asked.append(model) or ()))
    assert len(gt.find_outputs(small.model_of(build)).distinct()) == heads
    assert len(asked) == 2
