"""How points become runs: sizes, memory, packing, and nothing of one example in another."""

import itertools

import numpy as np
import pytest

import tf1_ig
from graph_tools import _tf
from tests.models import small
from tests.tf1_ig.brute_force import integrated_gradients
from tf1_ig.engine import path
from tf1_ig.engine.packing import PointRunner
from tf1_ig.engine.run_sizes import RunLimits, RunSizes
from tf1_ig.engine.target import Terms
from tf1_ig.errors import ClosedError, MethodError, OutOfMemoryError

RANDOM = np.random.RandomState(11)
X = RANDOM.normal(size=(9, 4)).astype(np.float32)


def explainer_of(build, output="y", inputs="x", **more):
    return tf1_ig.IntegratedGradients(small.model_of(build), output, inputs=inputs, **more)


def simulate(sizes, rows, cost):
    """Runs ``rows`` rows that take ``cost(size)`` seconds a row; returns the sizes of the runs."""
    made = []
    while rows:
        size = sizes.next(rows)
        sizes.took(size, cost(size) * size)
        made.append(size)
        rows -= size
    return made


def test_sizes_climb_to_where_a_row_is_cheapest():
    sizes = RunSizes(4096)
    assert sum(simulate(sizes, 60000, lambda size: 1e-3 + 1.0 / size)) == 60000
    assert sizes.best >= 4 * RunSizes.FIRST
    small_is_best = RunSizes(4096)
    simulate(small_is_best, 60000, lambda size: 1.0 + size)
    assert RunSizes.LEAST <= small_is_best.best < 2 * RunSizes.LEAST
    flat = RunSizes(4096)
    simulate(flat, 60000, lambda size: 1.0)
    assert flat.best == RunSizes.FIRST


def test_a_slow_start_does_not_speak_for_small_runs():
    """A session's first runs take several times as long, whatever their size."""
    left = iter([9.0, 6.0, 4.0, 3.0] + 1000 * [1.0])
    sizes = RunSizes(RunSizes.FIRST)
    simulate(sizes, 60000, lambda size: (1.0 + 100.0 / size) * next(left))
    assert sizes.best == RunSizes.FIRST


def test_rows_that_get_shorter_do_not_speak_for_either_size():
    sizes, run = RunSizes(RunSizes.FIRST), itertools.count()
    simulate(sizes, 60000, lambda size: (1.0 + 50.0 / size) * 0.85 ** next(run))  # 160 rows take 14 % more
    assert sizes.best == RunSizes.FIRST
    sizes, run = RunSizes(RunSizes.FIRST), itertools.count()
    simulate(sizes, 60000, lambda size: (1.0 + size / 1500.0) * 0.85 ** next(run))  # 160 rows take 9 % less
    assert sizes.best < RunSizes.FIRST


def test_no_tail_runs_as_a_tiny_batch():
    fixed = RunSizes(4096, RunLimits(256))
    made = simulate(fixed, 258, lambda size: 1.0)
    assert made == [129, 129]
    assert max(simulate(RunSizes(100), 1000, lambda size: 1.0)) <= 100


@pytest.mark.parametrize("how", [{"steps": 20}, {"tolerance": 1e-4}])
def test_packing_changes_nothing(how):
    with explainer_of(small.quadratic) as explainer, explainer_of(small.masked_text, "scores", "embedding") as text:
        feed = {"ids:0": RANDOM.randint(0, 20, (5, 6)), "lengths:0": [6, 3, 2, 5, 4], "temperature:0": 1.0}
        for one, given, more in ((explainer, {"x:0": X}, {}), (text, feed, {"label": 1})):
            found = [one.explain(given, batch_size=size, **dict(how, **more)) for size in (1, 7, 64, None)]
            for other in found[1:]:
                np.testing.assert_array_equal(other.evaluations, found[0].evaluations)
                for name, values in other.values.items():
                    np.testing.assert_allclose(values, found[0].values[name], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("how", [{"steps": 50}, {"tolerance": 1e-4}])
def test_a_run_that_does_not_fit_is_halved_and_gives_the_same_numbers(how, monkeypatch):
    with explainer_of(small.quadratic) as explainer:
        expected = explainer.explain({"x:0": X}, **how)
        prepared, refused = explainer._engine._prepared, []
        run, rows = prepared.run, explainer._engine._target.rows.name

        def cramped(fetches, feed):
            if feed.get(rows, 0) > 10:
                refused.append(feed[rows])
                raise _tf.tf.errors.ResourceExhaustedError(None, None, "no memory for so many rows")
            return run(fetches, feed)

        monkeypatch.setattr(prepared, "run", cramped)
        found = explainer.explain({"x:0": X}, **how)
    assert refused
    np.testing.assert_allclose(found.values["x:0"], expected.values["x:0"], rtol=1e-6)
    np.testing.assert_array_equal(found.evaluations, expected.evaluations)


def test_a_row_that_fits_nowhere_is_an_error(monkeypatch):
    with explainer_of(small.quadratic) as explainer:
        explainer.explain({"x:0": X}, steps=2)
        run = explainer._engine._prepared.run

        def full(fetches, feed):
            if explainer._engine._lines[0].weight.name in feed:
                raise _tf.tf.errors.ResourceExhaustedError(None, None, "no memory at all")
            return run(fetches, feed)

        monkeypatch.setattr(explainer._engine._prepared, "run", full)
        with pytest.raises(OutOfMemoryError, match="no memory at all.*fewer rows"):
            explainer.explain({"x:0": X}, steps=2)


@pytest.mark.parametrize("how", [{"steps": 3, "method": "trapezoid"}, {}])
def test_what_is_not_finite_in_one_row_stays_there(how):
    """The length of a vector has no gradient at zero: one row at the baseline itself must not touch the others."""
    with explainer_of(small.norm) as explainer:
        clean = explainer.explain({"x:0": X[1:]}, baseline=0.5, **how)
        spoilt = explainer.explain({"x:0": X}, baseline=np.concatenate([[[np.nan] * 4], np.full((8, 4), 0.5)]), **how)
    assert np.isnan(spoilt.values["x:0"][0]).any()
    np.testing.assert_allclose(spoilt.values["x:0"][1:], clean.values["x:0"], rtol=1e-5)


def test_explaining_adds_no_op():
    with explainer_of(small.quadratic) as explainer:
        before = len(explainer._engine.graph.get_operations())
        for count in range(1, 5):
            explainer.explain({"x:0": X[:count]})
            explainer.explain({"x:0": X[:count]}, steps=count)
        assert len(explainer._engine.graph.get_operations()) == before


def test_points_and_sums_are_the_same_as_products_and_as_gathers(monkeypatch):
    feed = {"ids:0": RANDOM.randint(0, 20, (5, 6)), "lengths:0": [6, 3, 2, 5, 4], "temperature:0": 1.0}
    with explainer_of(small.masked_text, "scores", "embedding") as explainer:
        found = []
        for most in (path.PRODUCT_ENTRIES, 0):
            monkeypatch.setattr(path, "PRODUCT_ENTRIES", most)
            found.append(explainer.explain(feed, label=1, steps=20, batch_size=64).values["embedding:0"])
    np.testing.assert_allclose(found[0], found[1], rtol=2e-5, atol=1e-7)
    assert np.abs(found[0]).max() > 1e-3


@pytest.mark.parametrize("sizes, ways", [([], 1), ([path.PLAIN_NUMBERS], 1), ([path.PLAIN_NUMBERS + 1], 2),
                                         ([8, path.PLAIN_NUMBERS], 2), ([None], 2), (None, 2)])
def test_points_of_few_numbers_are_made_one_way_only(sizes, ways):
    tf = _tf.tf
    with tf.Graph().as_default() as graph:
        line = path.build(tf.placeholder(tf.float32, None if sizes is None else [None] + sizes), 0)
        path.differentiated(line, tf.identity(line.interpolated))
    assert (line.as_product is not None) == (ways == 2)
    assert any("as_product" in op.name for op in graph.get_operations()) == (ways == 2)


@pytest.mark.parametrize("width", [2, path.PLAIN_NUMBERS + 2])
def test_a_gradient_that_is_not_finite_stays_in_its_row(width):
    """Both rows share runs and are few enough for matrix products; the gradient of a root at 0 is infinite."""
    def root():
        x = _tf.tf.placeholder(_tf.tf.float32, [None, width], "x")
        _tf.tf.reduce_sum(_tf.tf.sqrt(x), 1, name="y")

    rows = np.ones((2, width))
    rows[:, :2] = [[4.0, 0.0], [1.0, 9.0]]
    with explainer_of(root) as explainer:
        found = explainer.explain({"x:0": rows}, steps=2000, method="midpoint")
    assert not np.isfinite(found.values["x:0"][0, 1])
    np.testing.assert_allclose(found.values["x:0"][1, :2], [1.0, 3.0], rtol=0.02)


@pytest.mark.parametrize("how", [{"steps": 20}, {"tolerance": 1e-3}])
def test_runs_stay_within_a_limit_of_memory(monkeypatch, how):
    feed = {"ids:0": RANDOM.randint(0, 20, (40, 6)), "lengths:0": np.tile([6, 3, 2, 5], 10), "temperature:0": 1.0}
    packed, made = PointRunner.packed, []
    monkeypatch.setattr(PointRunner, "packed", lambda self, *rows: made.append(packed(self, *rows)) or made[-1])
    with explainer_of(small.masked_text, "scores", "embedding") as explainer:
        free = explainer.explain(feed, label=1, **how)
        largest = max(len(run.taken) for run in made)
        limit, made[:] = 30000, []
        bounded = explainer.explain(feed, label=1, memory_limit=limit, **how)
        of_runs = [explainer._engine.traced_bytes(run.points, None, Terms.single(np.ones(len(run.taken))), run.share)
                   for run in made if len(run.taken) > 8]
        assert 8 < max(len(run.taken) for run in made) < largest and of_runs
        assert 0.5 * limit < max(of_runs) <= limit
        np.testing.assert_allclose(bounded.values["embedding:0"], free.values["embedding:0"], rtol=1e-5, atol=1e-7)
        with pytest.raises(MethodError, match="less than a run of a single row takes"):
            explainer.explain(feed, label=1, memory_limit=10, **how)


def test_a_closed_explainer_says_so():
    with explainer_of(small.quadratic) as explainer:
        pass
    with pytest.raises(ClosedError, match="make another one"):
        explainer.explain({"x:0": X})


def _two(x, s):
    return _tf.tf.add_n([x, s])


OF_FIXED_BATCH = {
    "squares": lambda x, s: _tf.tf.square(_two(x, s)),
    "a size": lambda x, s: _tf.tf.square(_two(x, s)) / _tf.tf.cast(_tf.tf.shape(s)[0] + 1, _tf.tf.float32),
    "joined": lambda x, s: _tf.tf.tanh(_tf.tf.concat([x, s], 1)) * _tf.tf.concat([s, x], 1),
    "another feed": lambda x, s: _tf.tf.square(_two(x, s)) * _tf.tf.placeholder(_tf.tf.float32, [None, 4], "u"),
    "product": lambda x, s: _tf.tf.tanh(x * s),
}


@pytest.mark.dealt
@pytest.mark.parametrize("how", [{"steps": 60}, {"tolerance": 1e-3}])
@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("name", OF_FIXED_BATCH)
def test_a_graph_of_a_fixed_batch_gets_that_many_rows_whatever_its_ops_would_take(name, rows, how):
    tf = _tf.tf

    def fixed():
        x, s = (tf.placeholder(tf.float32, [rows, 4], key) for key in "xs")
        tf.reduce_sum(OF_FIXED_BATCH[name](x, s), 1, name="y")

    model = small.model_of(fixed)
    feed = {"x:0": X[:rows], "s:0": np.cos(X[:rows])}
    if name == "another feed":
        feed["u:0"] = 1 + 0.5 * X[:rows]
    with tf1_ig.IntegratedGradients(model, "y", inputs="x") as explainer:
        found = explainer.explain(feed, **how)
    assert (np.abs(found.delta) <= 2e-3 * np.abs(found.score - found.baseline_score) + 1e-6).all()
    for row in range(rows):
        expected, score, _ = integrated_gradients(model, ["x:0"], "y:0", row, feed)
        np.testing.assert_allclose(found.score[row], score, rtol=1e-5)
        np.testing.assert_allclose(found.values["x:0"][row], expected[0][row], rtol=5e-3, atol=1e-4)
