"""How points become runs, on a model in numpy whose gradients are known in closed form; and the sizes of runs."""

import numpy as np
import pytest

from tests.tf1_ig.numpy_engine import NumpyEngine
from tf1_ig.engine import nonfinite
from tf1_ig.engine.feeds import FedTensor
from tf1_ig.engine.packing import (
    FIXED_BATCH,
    IN_COMPANY,
    ONE_AT_A_TIME,
    PACKED,
    Batch,
    KeptSizes,
    PointRunner,
    Running,
)
from tf1_ig.engine.run_sizes import NO_LIMITS, RunLimits, RunSizes
from tf1_ig.engine.target import Terms
from tf1_ig.errors import MethodError, OutOfMemoryError
from tf1_ig.integrate import Rows

RANDOM = np.random.RandomState(8)
COUNT = 5
X, Z, W = RANDOM.normal(size=(COUNT, 3)), RANDOM.normal(size=(COUNT * 2, 2)), RANDOM.normal(size=COUNT) + 3.0
X0, Z0 = RANDOM.normal(size=X.shape), np.zeros(Z.shape)
LABEL = Terms.single(np.array([0, 1, 1, 0, 1]))


def batch_of(count=COUNT):
    return Batch(count, [X[:count], Z[:count * 2]], [X0[:count], Z0[:count * 2]],
                 [np.arange(count), np.repeat(np.arange(count), 2)],
                 {"w": FedTensor("w", W[:count], block=1), "t": FedTensor("t", np.float64(2.0))})


def model(inputs, feeds):
    """Two scores a row: of one entry of the first input and of two of the second."""
    x, z, w = inputs[0], inputs[1].reshape(len(inputs[0]), 2, 2), feeds["w"]
    return np.stack([(x ** 2).sum(1) * w * feeds["t"], (z ** 2).sum((1, 2)) + x[:, 0] * w], 1)


def expected(example, alpha):
    """Score, parts and gradient in closed form."""
    x, z, w = X0[example] + alpha * (X - X0)[example], alpha * Z[2 * example:2 * example + 2], W[example]
    if LABEL.index[example] == 0:
        score, by_x, by_z = (x ** 2).sum() * w * 2.0, 4.0 * x * w, np.zeros_like(z)
    else:
        score, by_x, by_z = (z ** 2).sum() + x[0] * w, np.array([w, 0, 0]), 2 * z
    parts = np.concatenate([[(by_x * (X - X0)[example]).sum()], (by_z * Z[2 * example:2 * example + 2]).sum(1)])
    return score, parts, np.concatenate([by_x, by_z.ravel()])


def rows_of(number, seed=0):
    random = np.random.RandomState(seed)
    return Rows(random.randint(COUNT, size=number), random.uniform(size=number))


WAYS = [(Running(PACKED), RunLimits(size)) for size in (1, 3, 7, 64)] + [
    (Running(PACKED, least=2), RunLimits(1)), (Running(PACKED, least=4), RunLimits(3)),
    (Running(FIXED_BATCH, only=COUNT), RunLimits(64)), (Running(IN_COMPANY), RunLimits(64)),
    (Running(ONE_AT_A_TIME), RunLimits(64))]


@pytest.mark.parametrize("running, limits", WAYS, ids=str)
def test_whatever_the_runs_the_numbers_are_those_of_each_point(running, limits):
    engine, told = NumpyEngine(model), []
    runner = PointRunner(engine, batch_of(), running, LABEL, RunSizes(64, limits), told.append)
    rows = rows_of(23)
    score, parts, gradient = zip(*map(expected, rows.example, rows.alpha))
    found = runner.gradients(rows)
    np.testing.assert_allclose(found.score, score, rtol=1e-9)
    np.testing.assert_allclose(found.slope, [one.sum() for one in parts], rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(found.gradient, gradient, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(found.parts, parts, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(runner.scores(rows), score, rtol=1e-9)
    outputs = runner.outputs(rows)
    np.testing.assert_allclose(outputs[np.arange(23), LABEL.index[rows.example, 0]], score, rtol=1e-9)
    weights = RANDOM.normal(size=23)
    scores, totals = runner.weighted(rows, weights)
    np.testing.assert_allclose(scores, score, rtol=1e-9)
    for example, total in enumerate(totals):
        wanted = sum((weight * one for weight, one, owner in zip(weights, gradient, rows.example) if owner == example),
                     np.zeros(7))
        np.testing.assert_allclose(total, wanted, rtol=1e-6, atol=1e-7)
    assert sum(told) == 2 * 23  # of gradients and sums; scores alone are not progress
    least = running.only or running.least
    whole = running.mode in (IN_COMPANY, ONE_AT_A_TIME)
    assert all(size == COUNT if whole else least <= size <= max(least, limits.batch_size) for size in engine.sizes)


def test_entries_in_any_order_belong_to_their_rows():
    owner = np.array([1, 0, 1, 0, 2])

    def ragged(inputs, feeds):
        return np.array([[(inputs[0] ** 2).sum()]])

    actual = RANDOM.normal(size=(5, 2))
    batch = Batch(3, [actual], [np.zeros((5, 2))], [owner], {})
    runner = PointRunner(NumpyEngine(ragged), batch, Running(PACKED), Terms.single(np.zeros(3)),
                         RunSizes(1, RunLimits(1)))
    found = runner.gradients(Rows(np.arange(3), np.full(3, 0.5)))
    for row in range(3):
        np.testing.assert_allclose(found.gradient[row], actual[owner == row].ravel(), rtol=1e-9)
        np.testing.assert_allclose(found.parts[row], (actual[owner == row] ** 2).sum(1), rtol=1e-9)


def test_long_rows_run_first_and_those_of_one_example_together():
    seen = []

    def watching(inputs, feeds):
        seen.append(feeds["w"].tolist())
        return model(inputs, feeds)

    runner = PointRunner(NumpyEngine(watching), batch_of(), Running(PACKED), LABEL, RunSizes(4, RunLimits(4)),
                         row_lengths=np.array([2, 9, 2, 5, 2]))
    rows = rows_of(16, seed=1)
    runner.weighted(rows, np.ones(16))
    ran = [one for run in seen for one in run]
    order = {float(W[example]): place for place, example in enumerate([1, 3, 0, 2, 4])}
    places = [order[one] for one in dict.fromkeys(ran)]
    assert places == sorted(places)
    seen.clear()
    runner.scores(rows)  # in the order in which they were asked
    assert [one for run in seen for one in run] == [float(W[example]) for example in rows.example]


def cramped(most):
    def run(inputs, feeds):
        if len(inputs[0]) > most:
            raise OutOfMemoryError("no room for %d" % len(inputs[0]))
        return model(inputs, feeds)
    return run


@pytest.mark.parametrize("most", [1, 3, 11])
def test_runs_that_do_not_fit_are_halved_until_they_do(most):
    runner = PointRunner(NumpyEngine(cramped(most)), batch_of(), Running(PACKED), LABEL, RunSizes(64, RunLimits(40)))
    rows = rows_of(40)
    np.testing.assert_allclose(runner.scores(rows), [expected(*row)[0] for row in zip(*rows)], rtol=1e-9)
    assert most / 2 <= runner.sizes.most <= most


@pytest.mark.parametrize("running", [Running(PACKED), Running(PACKED, least=2), Running(FIXED_BATCH, only=COUNT)])
def test_a_run_that_cannot_be_smaller_is_an_error(running):
    engine = NumpyEngine(cramped((running.only or running.least) - 1))
    runner = PointRunner(engine, batch_of(), running, LABEL, RunSizes(64, RunLimits(8)))
    with pytest.raises(OutOfMemoryError, match="no room for %d" % (running.only or running.least)):
        runner.scores(rows_of(20))


def test_sizes_are_learnt_from_work_along_paths_alone():
    for running, learnt in ((Running(PACKED), True), (Running(FIXED_BATCH, only=COUNT), False)):
        sizes, took = RunSizes(64), []
        sizes.took = lambda rows, seconds, took=took: took.append(rows)
        runner = PointRunner(NumpyEngine(model), batch_of(), running, LABEL, sizes)
        runner.scores(rows_of(9))
        assert took == []
        runner.weighted(rows_of(9), np.ones(9))
        assert bool(took) == learnt


def test_numbers_about_a_batch():
    runner = PointRunner(NumpyEngine(model), batch_of(), Running(PACKED), LABEL)
    assert runner.floats == 7 and runner.count == COUNT  # three of the first input, four of the second
    assert runner.magnitude.tolist() == [0.0] * COUNT
    unlabelled = PointRunner(NumpyEngine(model), batch_of(), Running(PACKED))
    assert unlabelled.magnitude is None
    other = runner.on(batch_of(2), None)
    assert other.count == 2 and not other.scored and other.running == runner.running and other.sizes is runner.sizes
    assert runner.on(batch_of(2), LABEL.take(np.arange(2)), Running(IN_COMPANY)).running.mode == IN_COMPANY
    empty = Batch(2, [np.zeros((0, 3))], [np.zeros((0, 3))], [np.zeros(0, int)], {})
    assert PointRunner(NumpyEngine(model), empty, Running(PACKED)).floats == 1


def test_who_waits_is_told_of_examples():
    class Told:
        done = 0

        def __call__(self, rows):
            pass

        def example_done(self):
            self.done += 1

    told = Told()
    PointRunner(NumpyEngine(model), batch_of(), Running(PACKED), LABEL, on_rows=told).example_done()
    PointRunner(NumpyEngine(model), batch_of(), Running(PACKED), LABEL).example_done()  # nobody waits
    assert told.done == 1


# -- sizes of runs -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("left, best, size", [(1, 320, 1), (320, 320, 320), (321, 320, 161), (640, 320, 320),
                                              (641, 320, 214), (5, 1, 1), (7, 3, 3), (8, 3, 3), (9, 3, 3), (10, 3, 3)])
def test_rows_that_are_left_are_spread_evenly(left, best, size):
    sizes, runs = RunSizes(1000, RunLimits(best)), []
    assert sizes.next(left) == size
    while sum(runs) < left:
        runs.append(sizes.next(left - sum(runs)))
    assert sum(runs) == left and len(runs) == int(np.ceil(left / best)) and max(runs) - min(runs) <= 1


def test_the_first_two_sizes_take_turns():
    sizes = RunSizes(4096)
    asked = []
    for _ in range(12):
        asked.append(sizes.next(10 ** 6))
        sizes.took(asked[-1], 1.0 * asked[-1])
    assert asked == [320, 160, 160, 320] * 3
    assert sizes.next(10 ** 6) == sizes.best == 320  # alike: the larger stays, and nothing else is tried
    assert RunSizes(63).next(10 ** 6) == 63 and RunSizes(64).next(10 ** 6) == 64


def test_what_is_not_the_size_that_is_tried_says_nothing():
    sizes = RunSizes(4096)
    sizes.took(7, 1.0)
    assert sizes.next(10 ** 6) == 320
    few = RunSizes(4096)
    assert few.next(100) == 100  # too few for the size that is tried
    few.took(320, 1.0)
    assert few.next(160) == 160 == few._trying[0] and few.next(159) == 159


@pytest.mark.parametrize("saved, better", [(0.04, False), (0.06, True)])
def test_a_size_is_better_that_saves_more_than_a_twentieth(saved, better):
    sizes = RunSizes(320)
    for size in [320, 160, 160, 320] * 3:
        sizes.took(size, size * (1.0 - saved if size == 160 else 1.0))
    assert sizes.best == (160 if better else 320)


def test_larger_runs_are_tried_where_the_smaller_one_is_slow():
    sizes = RunSizes(4096)
    for size in [320, 160, 160, 320] * 3:
        sizes.took(size, size * (1.2 if size == 160 else 1.0))
    assert [sizes.next(10 ** 6) for _ in range(1)] == [320] and sizes._rival == 640
    for size in [320, 640, 640, 320] * 3:
        sizes.took(size, size * (0.8 if size == 640 else 1.0))
    assert sizes.best == 640 and sizes._rival == 1280
    bounded = RunSizes(639)
    for size in [320, 160, 160, 320] * 3:
        bounded.took(size, size * (1.2 if size == 160 else 1.0))
    assert bounded._trying == [] and bounded.best == 320


@pytest.mark.parametrize("most, cost, asked, best", [
    (4096, lambda size: 1.0, [320, 160], 320), (4096, lambda size: 1 / size, [320, 160, 640, 1280, 2560], 2560),
    (4096, lambda size: size, [320, 160, 80, 40], 40), (640, lambda size: 1 / size, [320, 160, 640], 640),
    (171, lambda size: 1 + abs(np.log2(size / 85)), [171, 85, 42], 85), (64, lambda size: size, [64, 32], 32),
    (63, lambda size: size, [63], 63)])
def test_sizes_that_are_tried(most, cost, asked, best):
    """Halves while they pay, down to 32, or doubles while those do; half of 171 and twice that is not another size."""
    sizes, tried = RunSizes(most), []
    for _ in range(100):
        tried.append(sizes.next(2560 * 171 * 85 * 7))  # a multiple of each of them
        sizes.took(tried[-1], tried[-1] * cost(tried[-1]))
    assert list(dict.fromkeys(tried)) == asked and sizes.best == best == tried[-1]


@pytest.mark.parametrize("turn, seconds, better", [(0, 1e-9, False), (1, 1e-9, False), (2, 1e-9, True), (5, 1e-9, True),
                                                   (1, 99.0, False)])
def test_the_first_turn_sets_up_memory_and_does_not_count(turn, seconds, better):
    sizes, seen = RunSizes(320), 0
    for size in [320, 160, 160, 320] * 3:
        sizes.took(size, size * (seconds if size == 160 and seen == turn else 1.0))
        seen += size == 160
    assert sizes.best == (160 if better else 320)


@pytest.mark.parametrize("taken, fixed, each", [
    (lambda rows: 1000 + 50 * rows, 1000, 50), (lambda rows: 1000 + rows ** 2, 968, 12),
    (lambda rows: 7 * rows - 13, 0, 7), (lambda rows: 300, 300, 1), (lambda rows: 10 + rows * 5 // 2, 8, 3)])
def test_bytes_of_a_run_and_of_each_row_are_told_by_two_runs_of_the_longest(taken, fixed, each):
    """Four rows and eight; rounded up, and never nothing."""
    engine, seen = NumpyEngine(model), []
    engine.traced_bytes = lambda points, order, label, share: seen.append(points.feeds["w"]) or taken(points.rows)
    runner = PointRunner(engine, batch_of(), Running(PACKED), LABEL, row_lengths=np.array([2, 9, 2, 5, 3]))
    found = runner._bytes()
    assert found == (fixed, each)
    assert sorted(seen[0]) == sorted(W[[1, 3, 4, 0]]) and sorted(seen[1]) == sorted(W[[1, 3, 4, 0, 2, 1, 3, 4]])


def test_rows_with_most_entries_count_before_long_ones():
    engine, seen = NumpyEngine(model), []
    engine.traced_bytes = lambda points, order, label, share: seen.append(points.feeds["w"].tolist()) or 1
    owner = np.array([3, 3, 3, 1, 1, 0, 2, 4])
    batch = Batch(COUNT, [np.zeros((8, 2))], [np.zeros((8, 2))], [owner], batch_of().feeds)
    PointRunner(engine, batch, Running(PACKED), LABEL, row_lengths=np.array([9, 2, 8, 1, 7]))._bytes()
    assert seen[0] == W[[0, 1, 2, 3]].tolist()


def test_room_in_memory_bounds_the_runs_of_much_work():
    class Room:
        ran_rows = []

        def rows(self, size):
            return min(size, 5)

        def ran(self, size, seconds):
            self.ran_rows.append((size, seconds >= 0))

    assert RunSizes(64).room is not None and RunSizes(64, RunLimits(3)).room is None
    for running in (Running(PACKED), Running(FIXED_BATCH, only=COUNT + 1)):
        engine, sizes = NumpyEngine(model), RunSizes(64)
        sizes.room = Room()
        runner = PointRunner(engine, batch_of(), running, LABEL, sizes)
        runner.scores(rows_of(12))
        runner.weighted(rows_of(12), np.ones(12))
        assert engine.sizes == ([12, 5, 5, 2] if running.mode == PACKED else [COUNT + 1] * 4)
    assert Room.ran_rows == [(5, True), (5, True), (2, True)]


@pytest.mark.parametrize("bad, alphas, words", [
    (lambda x: np.abs(x) > 1.2, [0.1, 0.9, 1.0], "0.9"), (lambda x: np.abs(x) > 1.9, [0.1, 0.9, 1.0], "0.9"),
    (lambda x: np.abs(x) > 9.0, [0.1, 0.9], ""), (lambda x: np.abs(x) > 0.1, [0.0, 0.9], "0.0")])
def test_the_first_point_without_a_number_is_looked_into(monkeypatch, bad, alphas, words):
    """Where the score has none, or the gradient alone: a step of one half beside the point has none."""
    def of(inputs, feeds):
        return np.where(bad(inputs[0]), np.nan, inputs[0]).sum(1, keepdims=True)

    engine = NumpyEngine(of)
    engine.traced = lambda points, order, label, share: "%s" % points.alpha[0][share > 0][0]
    monkeypatch.setattr(nonfinite, "origin", lambda traced: traced)
    x = np.array([[0.0], [2.0 / 1.2], [0.0]])
    runner = PointRunner(engine, Batch(3, [x], [x * 0], [np.arange(3)], {}), Running(PACKED), Terms.single(np.zeros(3)),
                         RunSizes(1, RunLimits(1)))
    assert runner.first_not_finite(1, alphas) == words


def test_memory_that_a_caller_allows():
    for memory, fixed, each, most in ((1000, 100, 100, 9), (200, 100, 100, 1), (10 ** 6, 0, 1, 50)):
        sizes = RunSizes(50, RunLimits(None, memory))
        sizes.bound(fixed, each)
        assert sizes.most == most and sizes.best == most and sizes.memory is None
        sizes.bound(10 ** 9, 10 ** 9)  # known already
        assert sizes.most == most
    with pytest.raises(MethodError, match=r"200 bytes"):
        RunSizes(50, RunLimits(None, 199)).bound(100, 100)


def test_a_run_that_did_not_fit_bounds_all_later_ones():
    sizes = RunSizes(4096)
    sizes.exhausted(320)
    assert (sizes.most, sizes.best, sizes._trying) == (160, 160, [])
    sizes.exhausted(1)
    assert (sizes.most, sizes.best) == (1, 1)


@pytest.mark.parametrize("limits", [RunLimits(0), RunLimits(1.5), RunLimits(None, -1), RunLimits("8")])
def test_limits_are_whole_numbers(limits):
    with pytest.raises(MethodError, match="whole number of at least 1"):
        limits.checked()
    for fine in (RunLimits(1, 1), NO_LIMITS, RunLimits(np.int64(3))):
        assert fine.checked() is fine


def test_sizes_are_kept_for_rows_of_about_the_same_length():
    def rows(floats):
        return Batch(2, [np.zeros((2, floats))], [np.zeros((2, floats))], [np.arange(2)], {})

    kept = KeptSizes()
    assert kept.of(rows(4), NO_LIMITS) is kept.of(rows(7), NO_LIMITS)
    assert kept.of(rows(4), NO_LIMITS) is not kept.of(rows(8), NO_LIMITS)
    assert kept.of(rows(4), NO_LIMITS) is not kept.of(rows(4), NO_LIMITS, "behind")
    assert kept.of(rows(4), RunLimits(3)).best == 3 and kept.of(rows(4), NO_LIMITS).best == 320
    assert kept.of(rows(4), NO_LIMITS).most == 320
    assert kept.of(rows(1 << 20), NO_LIMITS).most == 2 and kept.of(rows(1 << 22), NO_LIMITS).most == 1
