"""When the affine beginning is used at all, how strictly it must prove itself, and how a batch is sliced."""

from types import SimpleNamespace

import numpy as np
import pytest

from tf1_ig.engine import affine, prefix
from tf1_ig.engine.failed_run import RunFailed
from tf1_ig.engine.packing import FIXED_BATCH, PACKED, Running


def optional(growth=0.0, products=True, built=True, fits=True):
    """A prefix whose frontier and growth are known, and what was asked of it."""
    asked = []
    found = prefix.OptionalPrefix(None, None)
    made = SimpleNamespace(fits=lambda runner, fed, adaptive: asked.append("fits") or fits)
    frontier = affine.Frontier(["h:0"], frozenset(["h"]), frozenset(["m"] if products else []))
    found._find = lambda: asked.append("find") or frontier
    found._growth = lambda runner: growth
    found._build = lambda: asked.append("build") or (made if built else None)
    return found, made, asked


def work(count, mode=PACKED):
    return SimpleNamespace(count=count, running=Running(mode))


@pytest.mark.parametrize("count, steps, worth", [
    (10, 100, True), (10, 99, False), (999, 1, False), (1000, 1, True), (34, None, True), (33, None, False)])
def test_a_thousand_evaluations_are_worth_a_second_session(count, steps, worth):
    """An adaptive run takes some thirty for a row."""
    found, made, asked = optional()
    assert found.for_work(work(count), {}, steps) is (made if worth else None)
    assert bool(asked) == worth
    assert found.for_work(work(count, FIXED_BATCH), {}, steps) is None


@pytest.mark.parametrize("products, steps, growth, used", [
    (True, 100, 8.0, True), (True, 100, 8.1, False), (True, None, 1.0, True), (True, None, 1.1, False),
    (False, 100, 0.5, True), (False, 100, 0.6, False), (False, None, 0.5, True), (False, None, 0.6, False)])
def test_a_frontier_may_be_wider_where_products_are_spared(products, steps, growth, used):
    found, made, asked = optional(growth, products)
    assert found.for_work(work(5000), {}, steps) is (made if used else None)
    assert ("build" in asked) == used


def test_it_is_looked_for_and_built_once():
    found, made, asked = optional()
    assert [found.for_work(work(5000), {}, 1) for _ in range(3)] == [made] * 3
    assert asked == ["find", "build", "fits", "fits", "fits"]
    for more in ({"built": False}, {"fits": False}):
        assert optional(**more)[0].for_work(work(5000), {}, 1) is None
    nowhere, _, asked = optional()
    nowhere._find = lambda: asked.append("find")
    assert [nowhere.for_work(work(5000), {}, 1) for _ in range(2)] == [None, None] and asked == ["find"]


@pytest.mark.parametrize("axis, more, looked", [(0, 0, True), (0, 1, False), (1, 0, False), (None, 0, False)])
def test_graphs_it_is_looked_for_in(monkeypatch, axis, more, looked):
    """Those that are small enough to be imported twice, 52 million weights, and whose rows lie along the first axis."""
    monkeypatch.setattr(affine, "frontier", lambda index, inputs, output: (index, inputs, output))
    monkeypatch.setattr(prefix.held, "weights", lambda index: 52428800 + more)
    plain = SimpleNamespace(batch_axis=axis, inputs=[SimpleNamespace(tensor="x:0")], output_name="y:0")
    found = prefix.OptionalPrefix(SimpleNamespace(index="index"), plain)._find()
    assert found == (("index", ["x:0"], "y:0") if looked else None)


def test_what_ran_behind_it_is_counted():
    found = prefix.OptionalPrefix(None, None)
    assert found.evaluations == 0
    found._prefix = SimpleNamespace(engine=SimpleNamespace(evaluations=7))
    assert found.evaluations == 7


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_rows_that_only_fill_a_run_are_no_entries_of_the_examples(alpha):
    """Two examples of three entries each in a run of four rows, of which the last two fill it, and one more example."""
    def run(rows, *arrays):
        return SimpleNamespace(rows=SimpleNamespace(example=np.zeros(rows, int)), points=SimpleNamespace(
            actual=arrays, baseline=[-array for array in arrays], entry=[np.arange(len(array)) for array in arrays],
            feeds={}))

    found = prefix.Slice.__new__(prefix.Slice)
    found._engine = SimpleNamespace(from_sources=lambda arrays, feeds: [2.0 * array for array in arrays])
    first, second = np.arange(12.0), np.arange(3.0) + 20.0
    found._runs = lambda: iter([(np.arange(2), run(4, first)), (np.array([2]), run(1, second))])
    way = 2.0 if alpha else -2.0
    np.testing.assert_array_equal(found._carry(alpha), [way * np.concatenate([first[:6], second])])
    for torn in (first[:10], first[:0]):
        found._runs = lambda torn=torn: iter([(np.arange(2), run(4, torn))])
        with pytest.raises(prefix.NotByRows):
            found._carry(alpha)


def test_how_many_times_as_many_floats_there_are():
    """Three points of four floats, of which the frontier has the same and one tensor of six."""
    points = SimpleNamespace(entry=[np.arange(3), np.arange(0)], actual=[np.zeros((3, 4)), np.zeros((0, 2))])
    plain = SimpleNamespace(inputs=[SimpleNamespace(tensor="x:0"), SimpleNamespace(tensor="z:0")], run_tensors=lambda
                            tensors, at: [np.zeros((1, 6)) for _ in tensors])
    found = prefix.OptionalPrefix(None, plain)
    runner = SimpleNamespace(packed=lambda rows: SimpleNamespace(points=points) if len(rows.example) == 1 else None)
    for tensors, growth in ((["x:0", "h:0"], 18 / 12), (["h:0"], 0.5), (["x:0"], 1.0), (["h:0", "g:0"], 1.0)):
        found._frontier = affine.Frontier(tensors, frozenset(), frozenset())
        assert found._growth(runner) == growth
    points.entry[0] = np.arange(0)
    found._frontier = affine.Frontier(["h:0"], frozenset(), frozenset())
    assert found._growth(runner) == 6.0


def proven(score, gradients, pulled):
    """Whether scores ``(behind, whole)`` and gradients of two points are taken for the same."""
    behind, whole = (SimpleNamespace(score=np.array(one), gradient=gradient) for one, gradient in zip(score, (
        None, gradients)))
    rows = []
    plain = SimpleNamespace(gradients=lambda asked: rows.append(asked) or whole)
    ends = SimpleNamespace(examples=np.array([7, 0, 7, 0, 7]), pull_back=lambda gradient: pulled, runner=lambda: (
        SimpleNamespace(gradients=lambda asked: rows.append(asked) or behind)))
    found = prefix._proven(ends, plain)
    assert rows[0].example.tolist() == [7, 0, 7, 0, 7] and rows[1].example.tolist() == [0, 1, 2, 3, 4]
    assert rows[0].alpha.tolist() == rows[1].alpha.tolist() and len(set(rows[0].alpha)) == 5
    assert 0 <= min(rows[0].alpha) and max(rows[0].alpha) <= 1
    return found


GRADIENT = [np.array([3.0, 4.0]), np.array([0.0, 0.0])]


@pytest.mark.parametrize("size", [1.0, 1e-3, 1e4])
@pytest.mark.parametrize("off, same", [(0.0, True), (1.9e-5, True), (-1.9e-5, True), (2.1e-5, False), (-2.1e-5, False),
                                       (np.nan, False), (1.0, False)])
def test_scores_must_be_the_same_to_two_hundred_thousandths_of_the_largest(size, off, same):
    whole = [size, -0.1 * size, 0.0]
    for place in range(3):
        behind = list(whole)
        behind[place] += off * size
        assert proven((behind, whole), GRADIENT, GRADIENT) is same


def test_nothing_equals_nothing():
    assert proven(([0.0, 0.0], [0.0, 0.0]), GRADIENT[1:], GRADIENT[1:])


@pytest.mark.parametrize("size", [1.0, 1e-3, 1e4])
@pytest.mark.parametrize("off, same", [(0.9e-4, True), (-0.9e-4, True), (1.1e-4, False), (-1.1e-4, False),
                                       (np.nan, False)])
def test_gradients_must_be_the_same_to_a_ten_thousandth_of_their_length(size, off, same):
    whole = [size * one for one in GRADIENT]
    for way in (np.array([1.0, 0.0]), np.array([0.6, 0.8])):
        assert proven(([1.0], [1.0]), whole, [whole[0] + off * 5.0 * size * way, whole[1]]) is same
    assert not proven(([1.0], [1.0]), whole, [whole[0], whole[1] + 1e-9])
    assert not proven(([1.0], [1.0]), whole, [whole[0], np.zeros(3)])


def test_the_first_and_the_last_example_are_compared(monkeypatch):
    seen = []
    found = prefix.Prefix.__new__(prefix.Prefix)
    found.engine = None
    monkeypatch.setattr(prefix, "Slice", lambda engine, runner, fed, examples: seen.append(examples) or examples)
    for outcome, fits in ((True, True), (False, False), (RunFailed("no"), False), (prefix.NotByRows("no"), False)):
        def judged(ends, plain, by_token, outcome=outcome):
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        monkeypatch.setattr(prefix, "_proven", judged)
        assert found.fits(work(9), {}) is fits
    for examples in seen:
        assert set(examples.tolist()) == {0, 8} and len(examples) == 5


@pytest.mark.parametrize("by_token, parts, same", [
    (False, [1.0, 2.0], True), (True, [3.0, 4.0], True), (True, [3.0, 4.1], False), (True, [7.0], False)])
def test_an_adaptive_rule_needs_the_tokens_parts(by_token, parts, same):
    whole = SimpleNamespace(score=np.ones(1), gradient=GRADIENT[:1], parts=[np.array([3.0, 4.0])])
    behind = SimpleNamespace(score=np.ones(1), gradient=None, parts=[np.array(parts)])
    ends = SimpleNamespace(examples=np.zeros(5, int), pull_back=lambda gradient: GRADIENT[:1], runner=lambda: (
        SimpleNamespace(gradients=lambda asked: behind)))
    assert prefix._proven(ends, SimpleNamespace(gradients=lambda asked: whole), by_token) is same


@pytest.mark.parametrize("floats, size", [(1 << 20, 16), (1 << 24, 1), (1 << 25, 1), (1 << 10, 1 << 14)])
def test_slices_hold_what_memory_should(monkeypatch, floats, size):
    """The first is of 128 examples; how many floats an example has is known after it."""
    found = prefix.Prefix.__new__(prefix.Prefix)
    found.engine = None
    monkeypatch.setattr(prefix, "Slice", lambda engine, runner, fed, examples: SimpleNamespace(
        examples=examples, floats=floats))
    made = [one.examples for one in found.slices(work(150), {})]
    np.testing.assert_array_equal(np.concatenate(made), np.arange(150))
    assert [len(one) for one in made] == [128] + [min(size, 22)] * (22 // min(size, 22)) + (
        [22 % min(size, 22)] if 22 % min(size, 22) else [])
