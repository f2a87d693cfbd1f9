"""The integral on closed forms, without TensorFlow."""

import numpy as np
import pytest

from tf1_ig import integrate, paths, quadrature, refine
from tf1_ig.integrate import Evaluated, Evaluator


class Curve(Evaluator):
    """Scores ``F(alpha)`` of examples whose gradient is ``direction * f(alpha)`` with ``sum(direction) == 1``."""

    direction = np.array([0.75, 0.5, -0.25])

    def __init__(self, *curves):
        self.curves = curves
        self.count = len(curves)
        self.asked = []

    def scores(self, rows):
        return np.array([self.curves[example][0](alpha) for example, alpha in zip(rows.example, rows.alpha)])

    def gradients(self, rows):
        self.asked += list(zip(rows.example.tolist(), rows.alpha.tolist()))
        slopes = np.array([self.curves[example][1](alpha) for example, alpha in zip(rows.example, rows.alpha)])
        parts = [self.direction * slope for slope in slopes]
        return Evaluated(self.scores(rows), slopes, parts, parts)

    def weighted(self, rows, weights):
        found = self.gradients(rows)
        totals = [sum(weight * gradient for owner, weight, gradient in zip(rows.example, weights, found.gradient)
                      if owner == example) for example in range(self.count)]
        return found.score, totals


SMOOTH = (lambda a: np.tanh(3 * a), lambda a: 3 / np.cosh(3 * a) ** 2)
EARLY = (lambda a: 1 - np.exp(-40 * a), lambda a: 40 * np.exp(-40 * a))
KINK = (lambda a: max(0.0, a - 0.37), lambda a: float(a > 0.37))
FALLING = (lambda a: 5 - 2 * a ** 3, lambda a: -6 * a ** 2)
WAVES = (lambda a: a + np.sin(20 * a), lambda a: 1 + 20 * np.cos(20 * a))
ROOT = (np.sqrt, lambda a: np.inf if a == 0 else 0.5 / np.sqrt(a))
UNDEFINED = (lambda a: 2 * a, lambda a: np.nan if a == 0 else 2.0)
CURVES = [SMOOTH, EARLY, KINK, FALLING, WAVES]


@pytest.mark.parametrize("tolerance", [0.1, 0.01, 1e-4])
def test_adaptive_meets_the_tolerance_and_knows_its_error(tolerance):
    curve = Curve(*CURVES)
    found = integrate.adaptive(curve, tolerance, 4096)
    for example, (score, _) in enumerate(CURVES):
        rise = score(1.0) - score(0.0)
        error = abs(found.gradient[example].sum() - rise)
        assert error <= tolerance * abs(rise)
        assert error <= found.error_estimate[example] + 1e-12
        assert (found.score[example], found.baseline_score[example]) == (score(1.0), score(0.0))


@pytest.mark.parametrize("power", [400, -40])
def test_the_nodes_do_not_depend_on_the_size_of_the_score(power):
    """Far beyond float32, in which nothing may be kept that came as float64."""
    size = 2.0 ** power

    def scaled(curve):
        return (lambda a: size * curve[0](a)), (lambda a: size * curve[1](a))

    plain = integrate.adaptive(Curve(*CURVES), 1e-3, 4096)
    found = integrate.adaptive(Curve(*map(scaled, CURVES)), 1e-3, 4096)
    assert found.steps.tolist() == plain.steps.tolist()
    for gradient, expected in zip(found.gradient, plain.gradient):
        np.testing.assert_allclose(gradient, size * expected, rtol=1e-12)


def test_adaptive_uses_every_evaluation_once():
    curve = Curve(*CURVES)
    found = integrate.adaptive(curve, 1e-3, 4096)
    assert len(curve.asked) == len(set(curve.asked)) == found.evaluations.sum()
    for example, (alphas, scores) in enumerate(found.path):
        asked = sorted(alpha for owner, alpha in curve.asked if owner == example)
        assert [0.0] + asked + [1.0] == alphas.tolist()  # of the ends only the score is asked
        assert scores.tolist() == [CURVES[example][0](alpha) for alpha in alphas]


def test_nodes_gather_where_the_score_changes():
    alphas, _ = integrate.adaptive(Curve(EARLY), 1e-3, 4096).path[0]
    assert np.mean(alphas[1:-1] < 0.25) > 0.7  # the ends are not chosen


def test_errors_of_opposite_sign_do_not_cancel():
    """A score that rises and falls back: by symmetry every coarse grid is complete, and the attributions are wrong."""
    bump = (lambda a: np.sin(2 * np.pi * a) + 0.05 * a, lambda a: 2 * np.pi * np.cos(2 * np.pi * a) + 0.05)

    class TwoFeatures(Curve):
        """The first feature fades out along the path while the second fades in: each integrates to 0.025."""

        def gradients(self, rows):
            found = super().gradients(rows)
            parts = [slope * np.array([1.0 - alpha, alpha]) for slope, alpha in zip(found.slope, rows.alpha)]
            return found._replace(gradient=parts, parts=parts)

    found = integrate.adaptive(TwoFeatures(bump), 0.01, 4096)
    np.testing.assert_allclose(found.gradient[0], [0.025, 0.025], atol=0.02)
    assert found.steps[0] > len(refine.FIRST_NODES)


def test_errors_add_by_runs_of_one_sign():
    assert paths.by_runs(np.array([])) == 0.0
    assert paths.by_runs(np.array([1.0, 1.0, 1.0])) == pytest.approx(3.0)
    assert paths.by_runs(np.array([1.0, -1.0, 1.0, -1.0])) == pytest.approx(2.0)
    assert paths.by_runs(np.array([3.0, 0.0, 1.0, -3.0])) == pytest.approx(5.0)
    assert paths.by_runs([3.0, 0.0, -4.0]) == pytest.approx(5.0)  # a zero between them cancels nothing


def test_gradients_that_do_not_exist_at_the_baseline_are_not_used():
    for curve in (UNDEFINED, ROOT):
        found = integrate.adaptive(Curve(curve), 0.01, 4096)
        assert np.isfinite(found.gradient[0]).all()
        assert found.gradient[0].sum() == pytest.approx(curve[0](1.0), rel=0.01)


def test_max_steps_is_never_passed_and_the_open_error_is_told():
    found = integrate.adaptive(Curve(WAVES, SMOOTH), 1e-6, 17)
    assert found.steps.max() <= 17
    assert found.error_estimate[0] > 1e-6 * abs(WAVES[0](1.0) - WAVES[0](0.0))


def test_a_score_that_does_not_change_is_done_at_once():
    found = integrate.adaptive(Curve((lambda a: 3.0, lambda a: 0.0)), 0.01, 4096)
    assert found.steps[0] == 3 and not found.gradient[0].any()


def test_tokens_that_do_not_change_at_first():
    """Three nodes see the same as one, and seven see what lies between."""
    def bump(a):
        return np.where(np.abs(np.abs(a - 0.5) - 0.215) < 0.03, 50.0, 0.0)

    def score(a):
        return 1.5 * np.clip(a - 0.255, 0, 0.06) / 0.06 + 1.5 * np.clip(a - 0.685, 0, 0.06) / 0.06

    found = integrate.adaptive(Curve((score, lambda a: float(bump(a)) / 2)), 0.01, 4096)
    np.testing.assert_allclose(found.gradient[0], 3.0 * Curve.direction, rtol=0.05)


def test_a_score_that_is_not_finite_ends_and_stays_visible():
    found = integrate.adaptive(Curve((lambda a: np.nan, lambda a: np.nan), SMOOTH), 0.01, 4096)
    assert np.isnan(found.score[0]) and np.isfinite(found.gradient[1]).all()


class Shared(Curve):
    """Tells which examples shared a run, and who was said to be done."""

    def __init__(self, count, floats=1, magnitude=None):
        super().__init__(*[CURVES[number % len(CURVES)] for number in range(count)])
        self.floats, self.runs, self.done, self._magnitude = floats, [], 0, magnitude

    @property
    def magnitude(self):
        return self._magnitude

    def gradients(self, rows):
        self.runs.append(set(rows.example.tolist()))
        return super().gradients(rows)

    def example_done(self):
        self.done += 1


@pytest.mark.dealt
@pytest.mark.parametrize("floats, how, most", [
    (1, {}, 128), (1 << 16, {}, 64), (1 << 21, {}, 2), (1 << 22, {}, 1), (1 << 30, {}, 1), (1, {"together": 7}, 7)])
def test_so_many_examples_share_runs_as_memory_should_hold(floats, how, most):
    """At 16 nodes of each 64 million floats; one that is done makes room for the next at once."""
    curve, told = Shared(140, floats), []
    found = integrate.adaptive(curve, 0.01, 4096, on_progress=told.append, **how)
    begun = set()
    for run in curve.runs:
        begun |= run
        # Where there is no room for all that is held, some wait.
        assert len(run) == most or len(run) < most and (len(begun) == 140 or floats > 1)
    assert len(curve.runs[0]) == most
    assert sum(told) == found.evaluations.sum() == len(curve.asked) and curve.done == 140
    assert Curve(SMOOTH).floats == 1 and Curve(SMOOTH).magnitude is None


def test_examples_wait_so_that_runs_are_full_and_that_changes_nothing():
    class Full(Curve):
        at_once, rows = 1, ()

        def gradients(self, rows):
            self.rows += (len(rows.alpha),)
            return super().gradients(rows)

    plain, full = Full(*CURVES * 12), Full(*CURVES * 12)
    full.at_once = 100
    reference, found = (integrate.adaptive(curve, 1e-3, 4096) for curve in (plain, full))
    np.testing.assert_array_equal(found.steps, reference.steps)
    np.testing.assert_allclose(found.gradient, reference.gradient, rtol=1e-12)

    def runs(curve):
        return sum(-(-rows // 100) for rows in curve.rows)

    assert runs(full) < runs(plain) and all(rows % 100 == 0 or rows % 100 > 90 for rows in full.rows if rows > 100)


@pytest.mark.parametrize("at_once, asked", [(1, {0, 1, 2, 3}), (4, {0, 1, 3}), (6, {1, 3, 0}), (3, {1, 3, 0}),
                                            (10, {0, 1, 2, 3}), (11, {0, 1, 2, 3}), (9, {1, 3, 0})])
def test_those_that_have_furthest_to_go_fill_the_runs(at_once, asked):
    """Example 3 is new; of the others the errors are 5, 50 and 2 times what they may be; 10 nodes are wanted."""
    made = {example: paths.Path((0.0, 1.0)) for example in range(3)}
    for path, beyond in zip(made.values(), (5.0, 50.0, 2.0)):
        path.beyond = beyond
    wanted = {0: [0.1, 0.2, 0.3], 1: [0.1, 0.2], 2: [0.1, 0.2, 0.3, 0.4], 3: [0.5]}
    found = integrate._full_runs(wanted, made, at_once)
    assert set(found) == asked and all(found[example] == wanted[example] for example in found)


def test_what_alone_is_more_than_whole_runs_hold_does_not_wait():
    assert integrate._full_runs({0: [0.1] * 7}, {}, 4) == {0: [0.1] * 7}


def test_rounding_is_a_share_of_what_an_example_is_made_of():
    """Of a score that is the small rest of large numbers nothing finer can be known."""
    plain = integrate.adaptive(Shared(5), 1e-4, 4096)
    found = integrate.adaptive(Shared(5, magnitude=np.array([0.0, 0, 0, 0, 1e9])), 1e-4, 4096)
    assert found.steps[:4].tolist() == plain.steps[:4].tolist()
    assert found.steps[4] == len(refine.FIRST_NODES) < plain.steps[4]


@pytest.mark.parametrize("run", [lambda curve: integrate.adaptive(curve, 1e-4, 4096), lambda curve: integrate.by_rule(
    curve, *quadrature.nodes_and_weights("gausslegendre", 5))])
def test_rounding_is_a_share_of_what_the_last_bits_of_the_entries_move(run):
    """The sum of |gradient * entry|, however short the path; the gradients here add up to 1.5 times the slope."""
    class Beside(Curve):
        def entries(self, example):
            return [None, np.full(3, 7.0), np.full(3, np.inf), np.zeros(3)][example]

    found = run(Beside(*[(lambda a: 2e-3 * a, lambda a: 2e-3)] * 4))
    np.testing.assert_allclose(found.size, [0.0, 7 * 3e-3, 0.0, 0.0], atol=1e-12)
    assert integrate.joined([found, found]).size.tolist() == found.size.tolist() * 2


def test_what_rounding_makes_of_a_score_is_not_refined():
    """Scores whose noise is a hundredth of their rise, at entries so large that their last bits make as much."""
    def score(a):
        return 1e-3 * a + 1e-5 * np.sin(1e4 * a)

    class Beside(Curve):
        def entries(self, example):
            return np.full(3, 1e5) if example else None

    found = integrate.adaptive(Beside((score, lambda a: 1e-3), (score, lambda a: 1e-3)), 1e-3, 500)
    assert found.steps[0] > 100 and found.steps[1] == len(refine.FIRST_NODES)


def test_a_cliff_under_the_middle_node_is_not_rounding():
    """Its gradient there is 2,500 times that of the rest of the path, and what it alone would move is half the rise."""
    def score(a):
        return 0.1 * a + 1 / (1 + np.exp(-1e3 * (a - 0.5)))

    class Beside(Curve):
        def entries(self, example):
            return np.full(3, 1200.0)

    found = integrate.adaptive(Beside((score, lambda a: 0.1 + 250 / np.cosh(500 * (a - 0.5)) ** 2)), 1e-3, 4096)
    np.testing.assert_allclose(found.size, 1.5 * 1200 * 0.1)
    np.testing.assert_allclose(found.gradient[0].sum(), 1.1, rtol=1e-3)


def plainly(value):
    """Nested arrays as nested lists."""
    return [plainly(one) for one in value] if isinstance(value, (list, tuple)) else (
        None if value is None else value.tolist())


@pytest.mark.parametrize("run", [lambda curve: integrate.adaptive(curve, 1e-3, 4096), lambda curve: integrate.by_rule(
    curve, *quadrature.nodes_and_weights("gausslegendre", 5))])
def test_slices_of_the_examples_make_one_integral(run):
    whole = run(Curve(*CURVES))
    found = integrate.joined([run(Curve(*CURVES[:2])), run(Curve(*CURVES[2:3])), run(Curve(*CURVES[3:]))])
    assert plainly(found) == plainly(whole)
    assert plainly(integrate.joined([run(Curve(*CURVES[:2])), run(Curve(*CURVES[2:]))])) == plainly(whole)
    assert plainly(integrate.joined([whole])) == plainly(whole)


def test_ends_that_are_known_are_not_asked_again():
    alphas, weights = quadrature.nodes_and_weights("midpoint", 2)
    found = integrate.by_rule(Curve(SMOOTH, FALLING), alphas, weights, ends=np.array([[7.0, 8.0], [9.0, 6.0]]))
    assert found.baseline_score.tolist() == [7.0, 9.0] and found.score.tolist() == [8.0, 6.0]
    assert [scores[[0, -1]].tolist() for _, scores in found.path] == [[7.0, 8.0], [9.0, 6.0]]


@pytest.mark.parametrize("together", [1, 2, 64])
def test_how_many_examples_are_refined_together_changes_nothing(together):
    reference = integrate.adaptive(Curve(*CURVES), 1e-3, 4096)
    found = integrate.adaptive(Curve(*CURVES), 1e-3, 4096, together=together)
    np.testing.assert_array_equal(found.steps, reference.steps)
    np.testing.assert_allclose(found.gradient, reference.gradient, rtol=1e-12)


def test_gradients_that_are_kept_have_room_and_change_nothing(monkeypatch):
    """Kinked examples that all want more nodes than there is room for: some wait until others are done."""
    kept = []

    class Counted(paths.Path):
        def __init__(self, *given):
            super().__init__(*given)
            kept.append(self)

        def result(self):
            kept.remove(self)
            return super().result()

    most = []
    monkeypatch.setattr(integrate, "Path", Counted)
    monkeypatch.setattr(Curve, "example_done", lambda self: most.append(sum(len(one.score) for one in kept)))
    many = [KINK, WAVES, EARLY] * 8
    reference = integrate.adaptive(Curve(*many), 1e-4, 512)
    unbounded, largest = max(most), reference.steps.max()
    monkeypatch.setattr(integrate, "_HELD", 400)
    most.clear()
    found = integrate.adaptive(Curve(*many), 1e-4, 512)
    assert max(most) <= 400 + largest < unbounded
    np.testing.assert_array_equal(found.steps, reference.steps)
    np.testing.assert_allclose(found.gradient, reference.gradient, rtol=1e-12)


@pytest.mark.parametrize("room, asked", [(100, [2, 1, 0]), (18, [2, 1, 0]), (17, [2, 1]), (16, [2, 1]), (15, [2]),
                                         (12, [2]), (3, [2]), (0, [2])])
def test_who_holds_most_goes_on_where_there_is_no_room_for_all(room, asked):
    """Seven are held, by the last example most; the examples want 3, 4 and 5 more, then 2."""
    def path(held):
        made = paths.Path((0.0, 1.0))
        made.score = dict.fromkeys(range(held), 0.0)
        return made

    wanted = {0: [0.1, 0.2], 1: [0.1, 0.2, 0.3, 0.4], 2: [0.1, 0.2, 0.3, 0.4, 0.5]}
    found = integrate._that_fit(wanted, {1: path(2), 2: path(5)}, room)
    assert list(found) == asked and all(found[example] == wanted[example] for example in found)


@pytest.mark.parametrize("method", sorted(quadrature.RULES))
def test_a_fixed_rule_is_the_weighted_sum_over_its_nodes(method):
    alphas, weights = quadrature.nodes_and_weights(method, 7)
    found = integrate.by_rule(Curve(SMOOTH, FALLING), alphas, weights)
    for example, (score, slope) in enumerate([SMOOTH, FALLING]):
        mean = sum(weight * slope(alpha) for alpha, weight in zip(alphas, weights))
        np.testing.assert_allclose(found.gradient[example], Curve.direction * mean, rtol=1e-12)
        assert found.evaluations[example] == found.steps[example] == 7
        assert (found.score[example], found.baseline_score[example]) == (score(1.0), score(0.0))
        along, scores = found.path[example]
        assert along.tolist() == sorted({0.0, 1.0} | set(alphas.tolist()))
        assert scores.tolist() == [score(alpha) for alpha in along]
    assert found.error_estimate is None and found.path_errors is None


def test_tokens_that_trade_places_are_seen_although_the_score_is_a_straight_line():
    """Parts that cancel in the sum: completeness holds with any nodes, the attributions do not."""

    class Trade(Curve):
        def gradients(self, rows):
            swap = 3.0 * np.sin(9.0 * rows.alpha)
            parts = [np.array([0.5 + one, 0.5 - one]) for one in swap]
            return Evaluated(self.scores(rows), np.ones(len(rows.alpha)), parts, parts)

    found = integrate.adaptive(Trade((lambda a: a, lambda a: 1.0)), 0.01, 4096)
    moved = 3.0 * (1.0 - np.cos(9.0)) / 9.0
    np.testing.assert_allclose(found.gradient[0], [0.5 + moved, 0.5 - moved], atol=0.01)
    assert found.steps[0] > len(refine.FIRST_NODES)


@pytest.mark.parametrize("order, most", [(5, 3), (11, 7), (23, 15)])
def test_polynomials_take_the_nodes_that_gauss_would_take_and_few_more(order, most):
    """Of a polynomial of this degree the rule is exact with ``most`` nodes; the next level proves it."""
    power = (lambda a: a + (2 * a - 1) ** (order + 1), lambda a: 1 + 2 * (order + 1) * (2 * a - 1) ** order)
    found = integrate.adaptive(Curve(power), 1e-3, 4096)
    assert found.steps[0] <= 2 * most + 1
    np.testing.assert_allclose(found.gradient[0], Curve.direction, atol=1e-3)


def test_a_gradient_that_does_not_exist_in_the_middle_of_the_path_is_left_out():
    def slope(a):
        return np.nan if a == 0.5 else 3 * a ** 2

    found = integrate.adaptive(Curve((lambda a: a ** 3, slope)), 1e-3, 4096)
    np.testing.assert_allclose(found.gradient[0], Curve.direction, rtol=2e-3)
    assert found.path[0][0].shape == (len(found.path_errors[0]) + 1,)


@pytest.mark.parametrize("at, most", [(0.3, 0.02), (0.72, 0.06)])
def test_a_gradient_that_does_not_exist_where_an_interval_is_cut_ends_nothing(at, most):
    """Beside it lies what the score shows, a kink, and what it does not: tokens that trade places at ``at``, of which
    no more is known than of anything that the score hides: 5 tolerances and 1 % (docs/benchmarks.md)."""

    class Halves(Curve):
        def gradients(self, rows):
            parts = [np.full(3, np.nan) if alpha == 0.5 else np.array([1.0, -1.0, 0.3]) + np.array([0.0, 2.0, 0.0]) * (
                alpha > 0.4) + np.array([5.0, -5.0, 0.0]) * (alpha > at) for alpha in rows.alpha]
            return Evaluated(self.scores(rows), np.array([one.sum() for one in parts]), parts, parts)

    found = integrate.adaptive(Halves((lambda a: 0.3 * a + 2.0 * max(0.0, a - 0.4), None)), 0.01, 1024)
    expected = np.array([1.0 + 5.0 * (1.0 - at), -1.0 + 2.0 * 0.6 - 5.0 * (1.0 - at), 0.3])
    assert found.steps[0] > len(quadrature.nested(2).alphas)
    assert np.abs(found.gradient[0] - expected).sum() <= most * np.abs(expected).sum()
    assert abs(found.gradient[0].sum() - 1.5) <= 0.015


@pytest.mark.parametrize("score", [0.0, 0.3])
@pytest.mark.parametrize("noise", [0.0, 1e-7])
def test_a_score_that_stays_while_tokens_oppose_is_done_when_the_tokens_are_known(score, noise):
    """Of their rounding no number of points makes an end."""
    random = np.random.RandomState(3)

    class Opposed(Curve):
        def gradients(self, rows):
            parts = [np.array([one, -one]) * (1.0 + noise * random.normal(size=2))
                     for one in 1.0 + 40.0 * (rows.alpha > 0.37)]
            return Evaluated(self.scores(rows), np.array([one.sum() for one in parts]), parts, parts)

    found = integrate.adaptive(Opposed((lambda a: score, None)), 0.01, 1024)
    assert found.steps[0] < 60
    np.testing.assert_allclose(found.gradient[0], [26.2, -26.2], rtol=5 * 0.01 + 0.01)


@pytest.mark.parametrize("seed", range(8))
def test_tokens_are_within_the_tolerance_where_kinks_lie_thick_and_parts_trade_places(seed):
    """Oracle: the closed form of sums of ramps, of which each token has its own."""
    random = np.random.RandomState(seed)
    at, height = random.uniform(size=(5, 6)), random.normal(size=(5, 6))

    class Ramps(Curve):
        def gradients(self, rows):
            parts = [(height * (alpha > at)).sum(axis=1) for alpha in rows.alpha]
            return Evaluated(self.scores(rows), np.array([one.sum() for one in parts]), parts, parts)

    expected = (height * (1 - at)).sum(axis=1)
    found = integrate.adaptive(Ramps((lambda a: (height * np.maximum(a - at, 0)).sum(), None)), 0.01, 4096)
    assert np.abs(found.gradient[0] - expected).sum() <= 0.02 * np.abs(expected).sum()
