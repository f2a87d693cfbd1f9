"""What an explanation of an example costs; fewer rows than a graph takes, where all of them would take long."""

import json
import shlex

import numpy as np
import pytest

import graph_tools as gt
import tf1_ig
from tests.models import fixed_batch, small
from tf1_ig import cli
from tf1_ig.commands import inspect
from tf1_ig.question import few_rows, pace, proposal, samples, trial

_SLOW = (10.0, 20.0)  # seconds of a trial, and of the run that is timed behind it


@pytest.fixture
def takes(monkeypatch):
    """Says how long the trial and the run behind it took."""
    def set_times(*seconds):
        left = list(seconds)
        monkeypatch.setattr(few_rows, "timed", lambda run: (run(), left.pop(0)))
        return left

    monkeypatch.setattr(proposal, "_SECONDS", 120.0)
    monkeypatch.setattr(pace, "_SLOW", 120.0)  # of a busy machine
    return set_times


def proposed(build):
    model = small.model_of(build)
    output = next(one for one in gt.find_outputs(model) if one.tensor == "y:0")
    return model, proposal.propose(model, output)


def shapes(found):
    return {name: sample.array.shape for name, sample in found.samples}


def test_few_rows_are_proposed_where_all_take_long(takes, tmp_path):
    left = takes(*_SLOW)
    model, found = proposed(fixed_batch.rows_apart)
    assert not found.obstacle and not left
    assert shapes(found) == {"x:0": (8, 12)} and (found.rows, found.fixed, found.cost.takes) == (8, True, 24)
    takes(1.0)
    whole = dict(proposed(fixed_batch.rows_apart)[1].samples)["x:0"].array
    few = dict(found.samples)["x:0"].array
    assert whole.shape == (24, 12) and np.array_equal(few, whole[:8])
    exec(samples.line(found.samples, 0, str(tmp_path / "feed.npz")), {})  # noqa: S102 the line that is printed
    with np.load(tmp_path / "feed.npz") as file:
        assert np.array_equal(file["x:0"], few)
    with tf1_ig.IntegratedGradients(model, "y:0") as explainer:
        result = explainer.explain({"x:0": few}, label=1)
    np.testing.assert_allclose(result.score, np.tanh(few) @ fixed_batch.WEIGHTS[:, 1], rtol=1e-4)


@pytest.mark.parametrize("seconds", [(2.9,), (10.0, 1.4)])
def test_all_rows_stay_where_they_are_quick(takes, seconds):
    """A trial that was quick has nothing run behind it; the run behind a slow one may be quick."""
    left = takes(*seconds)
    found = proposed(fixed_batch.rows_apart)[1]
    assert shapes(found) == {"x:0": (24, 12)} and not left
    assert few_rows.told_of_rows(found.rows, found.cost) == (
        "the graph takes exactly 24 rows: feed as many, as the example does")
    assert not few_rows.told_of_time(found.cost)


@pytest.mark.parametrize("build", [fixed_batch.rows_together, fixed_batch.few_already, fixed_batch.steps_first])
def test_all_rows_stay_where_fewer_would_be_explained_otherwise(takes, build):
    takes(*_SLOW)
    found = proposed(build)[1]
    whole = tuple(small.model_of(build).outline.get_tensor_by_name("x:0").shape.as_list())
    assert not found.obstacle and shapes(found) == {"x:0": whole} and found.cost.takes == 0
    fewer = build is not fixed_batch.rows_together
    line, = few_rows.told_of_time(found.cost)
    assert "--steps 16" in line and line.endswith("or feed fewer rows") is fewer


def test_all_rows_stay_where_the_first_have_other_outputs(takes, monkeypatch):
    takes(*_SLOW)
    monkeypatch.setattr(few_rows, "_first", lambda sample, first=few_rows._first: first(
        samples.Sample(sample.text, sample.array + 0.1)))
    assert shapes(proposed(fixed_batch.rows_apart)[1]) == {"x:0": (24, 12)}


def test_what_differs_from_run_to_run_may_differ_as_much(takes):
    takes(*_SLOW)
    found = proposed(fixed_batch.drawn_anew)[1]
    assert not found.obstacle and shapes(found) == {"x:0": (8, 12)}


def test_a_large_graph_of_which_nothing_was_explained_is_left_alone(takes, monkeypatch):
    monkeypatch.setattr(trial, "_LARGE", 1)
    takes(10.0)
    found = proposed(fixed_batch.rows_apart)[1]
    assert not found.tried and found.cost is None and shapes(found) == {"x:0": (24, 12)}


def test_one_row_that_takes_long_is_told(takes):
    takes(*_SLOW)
    found = proposed(fixed_batch.any_rows)[1]
    assert shapes(found) == {"x:0": (1, 12)}
    assert few_rows.told_of_time(found.cost) == [  # four points were timed together
        "to explain the example takes about 3 minutes: pass --steps 16 (about 80 seconds)"]
    takes(1.0)
    assert proposed(fixed_batch.any_rows)[1].cost is None


def test_sizes_and_switches_stay_as_the_graph_wants_them_and_what_is_printed_runs(takes, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    takes(*_SLOW)
    small.model_of(fixed_batch.with_a_switch_and_a_size).save("model.pb")
    found = inspect.inspect("model.pb")
    assert shapes(found.proposal) == {"x:0": (8, 12), "bias:0": (8,), "count:0": (), "training:0": ()}
    fed = dict(found.proposal.samples)
    assert fed["count:0"].array == 24 and not fed["training:0"].array
    assert found.warnings == (
        "the graph takes exactly 24 rows, and to explain as many takes about 13 minutes: the example has 8, and runs "
        "are filled up with copies of the last one",
        "to explain the example takes about 4 minutes: pass --steps 16 (about 110 seconds), or feed fewer rows")
    exec(shlex.split(inspect.feed_example(found))[2], {})  # noqa: S102 the line that is printed
    words = shlex.split(inspect.next_command(found))[1:]
    assert cli.main(words[:words.index("--out")]) == 0
    assert "8 of the 24 rows that the graph takes were fed" in capsys.readouterr().out
    tree = json.loads(inspect.as_json(found))
    assert tree["feed"] == inspect.feed_example(found) and tree["warnings"] == list(found.warnings)


def test_times_are_told_in_round_words():
    assert [few_rows._spoken(seconds) for seconds in (0.2, 64, 119, 130, 480, 7100, 9000)] == [
        "10 seconds", "60 seconds", "120 seconds", "2 minutes", "8 minutes", "118 minutes", "2 hours"]
