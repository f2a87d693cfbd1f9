"""Heads are found best first; losses, metrics, attention, gates, summaries and training ops are not among them."""

import pytest

import graph_tools as gt
from graph_tools.errors import AmbiguousCandidateError, NoCandidateError
from tests.models.outputs import HEADS, model_of, with_signatures


@pytest.mark.parametrize("name", list(HEADS))
def test_heads(name):
    heads = HEADS[name]
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


def test_only():
    found = gt.find_outputs(model_of(HEADS["two_tasks"]))
    assert found.only(kind="softmax").tensor == "topic:0"
    with pytest.raises(AmbiguousCandidateError, match="click:0.*topic_logits:0"):
        found.only()
    with pytest.raises(NoCandidateError, match="log_softmax"):
        found.only(kind="log_softmax")
    assert "topic:0" in str(found) and len(found[:2]) == 2
