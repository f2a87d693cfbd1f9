"""Example feeds whose inputs have leading sizes of their own, and how the rows are told that they hold together."""

import functools
import shlex

import numpy as np
import pytest

import graph_tools as gt
import tf1_ig
from tests.models import examples, leading, small
from tf1_ig import cli
from tf1_ig.commands import inspect
from tf1_ig.question import example_feeds
from tf1_ig.question.proposal import propose


def _model(build, *args, **how):
    build = functools.partial(build, *args, **how)
    build.__name__ = "leading"
    return small.model_of(build)


def _proposal(model):
    output = next(one for one in gt.find_outputs(model) if one.tensor == "y:0")
    return propose(model, output, gt.find_embeddings(model))


def _shapes(found):
    return {name: sample.array.shape for name, sample in found.samples}


NUMBERS = {"ids:0": (18,), "numbers:0": (6, 2)}


@pytest.mark.dealt
@pytest.mark.parametrize("build, args, shapes, rows, fixed, axis, label", [
    (leading.entries_of_rows, (), NUMBERS, 6, True, 0, None), (leading.joined, (), NUMBERS, 6, True, 0, None),
    (leading.entries_of_rows, ("shared",), dict(NUMBERS, **{"place:0": (1, 4)}), 6, True, 0, None),
    (leading.entries_of_rows, ("looked up",), dict(NUMBERS, **{"place:0": (1,)}), 6, True, None, "0,0"),
    (leading.entries_of_rows, ("", None), {"ids:0": (3,), "numbers:0": (1, 2)}, 1, False, 0, None),
    (leading.sides, (), {"one:0": (3, 2), "other:0": (4, 2)}, 1, False, None, "0,0")],
    ids=["entries", "joined", "shared", "one for all", "any rows", "sides"])
def test_each_input_has_the_leading_size_that_it_is_reshaped_to(build, args, shapes, rows, fixed, axis, label):
    model = _model(build, *args)
    found = _proposal(model)
    assert not found.obstacle, found.obstacle
    assert _shapes(found) == shapes
    assert (found.rows, found.fixed, found.batch_axis, found.label) == (rows, fixed, axis, label)
    assert dict(found.leading) == {name: shape[0] for name, shape in shapes.items()
                                   if name != "place:0" and shape[0] != rows}
    feed = {name: sample.array for name, sample in found.samples}
    with tf1_ig.IntegratedGradients(model, "y:0", batch_axis=axis) as explainer:
        result = explainer.explain(feed, label=(0, 0) if label else 1)
        assert tf1_ig.check(result, explainer)["completeness"].verdict == "ok"
    assert all(any(np.any(row) for row in value) for value in result.values.values())


def test_entries_of_a_row_are_attributed_to_it():
    """Sums over entries, from nothing at all: what a number contributes is itself times its weight."""
    model = _model(leading.entries_of_rows)
    feed = {name: sample.array for name, sample in _proposal(model).samples}
    with tf1_ig.IntegratedGradients(model, "y:0") as explainer:
        result = explainer.explain(feed, label=1)
    entries = np.tanh(leading.TABLE[feed["ids:0"].reshape(leading.ROWS, leading.EACH)]) @ leading.HEAD[:leading.WIDE, 1]
    np.testing.assert_allclose([np.sum(row) for row in result.values["looked_up:0"]], entries.sum(1), atol=2e-2)
    np.testing.assert_allclose(np.stack(list(result.values["numbers:0"])).reshape(leading.ROWS, 2),
                               feed["numbers:0"] * leading.HEAD[leading.WIDE:, 1], atol=1e-5)


@pytest.mark.dealt
@pytest.mark.parametrize("build, shapes", [
    (leading.common, {"ids:0": (6,), "numbers:0": (6, 2)}), (examples.baked_in_unsaid, {"x:0": (6, 12)}),
    (examples.rank_by_product, {"x:0": (1, 12)}),
    (examples.states_of_layers, {"x:0": (1, 12), "states:0": (2, 1, 12)})])
def test_where_a_common_number_goes_together_nothing_else_is_asked(build, shapes, monkeypatch):
    monkeypatch.setattr(example_feeds, "leading", None)  # whose call would fail
    found = _proposal(_model(build))
    assert not found.obstacle and _shapes(found) == shapes and not found.leading


def test_what_neither_says_alone_stands_in_the_way():
    found = _proposal(_model(leading.nothing_said))
    assert "requested shape has 28" in found.obstacle and not found.leading and not found.fixed
    assert _shapes(found) == {"one:0": (1, 4), "other:0": (1, 4)}


def test_no_size_is_asked_when_the_time_is_over(monkeypatch):
    asked = []
    model = _model(leading.entries_of_rows)
    plan = example_feeds.Plan(model, "y:0", gt.find_embeddings(model), 0)
    monkeypatch.setattr(plan._fitting, "refusal", lambda shapes, refusal=plan._fitting.refusal: (
        asked.append(shapes) or refusal(shapes)))
    for most in (0, 1, 3):
        del asked[:]
        assert example_feeds.leading(plan._fitting, "y:0", {"ids:0": (1,), "numbers:0": (1, 2)}, ["ids:0", "numbers:0"],
                                     lambda most=most: len(asked) < most) is None
        assert len(asked) == most


@pytest.mark.parametrize("place, said", [("looked up", True), ("shared", True), (None, False)])
def test_the_lines_that_are_printed_explain_it(place, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (_model(leading.entries_of_rows, place) if place else _model(leading.common)).save("model.pb")
    found = inspect.inspect("model.pb")
    assert not found.obstacle
    told = [warning for warning in found.warnings if "leading sizes differ" in warning]
    assert told == ["leading sizes differ: 6 rows stand beside 18 of ids:0; feed as many, as the example does"] * said
    command = inspect.next_command(found)
    assert ("--batch-axis none" in command) == (place == "looked up")
    np.savez("feed.npz", **{name: sample.array for name, sample in found.proposal.samples})
    words = shlex.split(command)[1:]
    words = words[:words.index("--out")] + ([] if "--label" in words else ["--label", "1"])
    assert cli.main(words) == 0
    assert "checks" in capsys.readouterr().out
