"""Where nodes are asked next, against the same rules written out plainly, interval by interval."""

import itertools
import math

import numpy as np
import pytest

from tf1_ig import halves, paths, quadrature, refine

TOKENS = 3


def curve(seed):
    """A score along the path, its derivative, and the parts of three tokens of it."""
    random = np.random.RandomState(seed)
    waves, sizes, bend = random.uniform(0.5, 12, TOKENS), random.normal(size=TOKENS), random.uniform(0.2, 0.8)

    def score(a):
        return float((sizes * np.sin(waves * a) / waves).sum() + 2.0 * max(0.0, a - bend) * (seed % 2))

    def parts(a):
        found = sizes * np.cos(waves * a)
        found[0] += 2.0 * (a > bend) * (seed % 2)
        return found

    return score, parts


def path_of(seed, nodes, size=0.0, without=()):
    score, parts = curve(seed)
    path = paths.Path([score(0.0), score(1.0)], size)
    for alpha in nodes:
        at = parts(alpha)
        path.add(alpha, score(alpha), math.nan if alpha in without else at.sum(), np.append(at, alpha), at)
    return path


def plain_runs(errors):
    groups = itertools.groupby([error for error in errors if error], key=lambda error: error > 0)
    return math.sqrt(sum(sum(group) ** 2 for _, group in groups))


@pytest.mark.parametrize("seed", range(20))
def test_errors_of_one_sign_add_and_runs_of_them_in_squares(seed):
    errors = np.random.RandomState(seed).randint(-3, 4, size=seed).astype(float).tolist()
    assert paths.by_runs(errors) == pytest.approx(plain_runs(errors))


def plain_middles(nodes, errors, until, room):
    ends, left, wanted = [0.0] + list(nodes) + [1.0], list(range(len(errors))), []
    while left and len(wanted) < room:
        rest = math.sqrt(max(0.0, sum(errors[place] ** 2 for place in left)))
        worst = max(left, key=lambda place: (errors[place], -place))
        if (wanted and rest <= until + 1e-15) or ends[worst + 1] - ends[worst] < 1e-6:
            break
        wanted.append((ends[worst] + ends[worst + 1]) / 2)
        left.remove(worst)
    return wanted


@pytest.mark.parametrize("seed", range(40))
def test_the_middles_of_the_worst_intervals(seed):
    random = np.random.RandomState(seed)
    nodes = np.sort(random.uniform(size=random.randint(1, 9)))
    if seed % 3 == 0:
        nodes = np.sort(np.append(nodes, nodes[0] + 5e-7))  # an interval that is not cut
    errors = random.choice([0.0, 1.0, 2.0, 5.0], size=len(nodes) + 1) * random.choice([1.0, 2.0 ** -10])
    until = random.choice([0.0, 0.5, 2.0, 6.0, 1e9]) * errors.max()
    room = random.randint(1, 12)
    assert halves.middles(nodes, errors, until, room) == plain_middles(nodes, errors.tolist(), until, room)
    assert halves.middles(nodes, errors, until, 0) == []


def test_errors_whose_squares_are_too_large_are_halved_as_others():
    nodes, errors = np.array([0.25, 0.5]), np.array([1e200, 3e200, 2e200])
    assert halves.middles(nodes, errors, 1e199, 2) == halves.middles(nodes, errors / 1e200, 0.1, 2) == [0.375, 0.75]


def plain_orders(nodes, slopes, rises):
    """Weights and errors by interval: of the order whose errors are least thereabouts, and of the one below it."""
    orders, intervals = (0, 1, 3, 5), range(len(rises))
    laid = {}
    for number, order in enumerate(orders):
        used, weights = quadrature.between(nodes, order)
        laid[number] = np.zeros((len(rises), len(nodes)))
        for place in intervals:
            laid[number][place, used[place]] = weights[place]
    errors = {number: laid[number] @ slopes - rises for number in laid}
    best = []
    for place in intervals:
        near = [sum(count * abs(errors[number][other]) for count, other in ((1, place - 1), (2, place), (1, place + 1))
                    if other in intervals) for number in (1, 2, 3)]
        best.append(1 + int(np.argmin(near)))
    return ([laid[number][place] for place, number in enumerate(best)],
            [laid[number - 1][place] for place, number in enumerate(best)],
            [errors[number][place] for place, number in enumerate(best)],
            [errors[number - 1][place] for place, number in enumerate(best)])


@pytest.mark.parametrize("seed", range(12))
def test_on_each_stretch_the_order_of_least_known_errors(seed):
    """Of three paths at once, as each would have it by itself."""
    random = np.random.RandomState(seed)
    of_paths = [np.sort(random.uniform(size=random.randint(6, 12))) for _ in range(3)]
    for some in (of_paths, [np.sort(random.uniform(size=4))]):
        known = paths.known([path_of(seed + number, nodes.tolist()) for number, nodes in enumerate(some)], 0.01, 0.5)
        found, expected = halves.lay(known), []
        for number, nodes in enumerate(some):
            score, parts = curve(seed + number)
            expected.append(plain_orders(nodes, np.array([parts(node).sum() for node in nodes]), np.diff(
                [score(0.0)] + [score(node) for node in nodes] + [score(1.0)])))
        taken, lower, errors, of_lower = zip(*expected)
        blocks = np.cumsum([0] + [len(nodes) for nodes in some])
        for weights, by_path in ((found.taken, taken), (found.lower, lower)):
            dense = np.zeros((len(weights), blocks[-1]))
            np.put_along_axis(dense, found.used, weights, axis=1)
            rows = np.concatenate([np.pad(one, ((0, 0), (first, blocks[-1] - last)))
                                   for one, first, last in zip(by_path, blocks, blocks[1:])])
            np.testing.assert_allclose(dense, rows, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(found.errors, np.concatenate(errors), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(found.of_lower, np.concatenate(of_lower), rtol=1e-9, atol=1e-12)


def plain_jumps(nodes, parts):
    """What the place of a jump between two nodes may change, where parts change more there than on both sides."""
    found = np.zeros((len(nodes) + 1, TOKENS))
    slopes = [(parts[i + 1] - parts[i]) / (nodes[i + 1] - nodes[i]) for i in range(len(nodes) - 1)]
    for i in range(1, len(slopes) - 1):
        for token in range(TOKENS):
            before, here, behind = (slopes[i + by][token] for by in (-1, 0, 1))
            if here > max(before, behind):
                jump = here - max(before, behind)
            else:
                jump = min(0.0, here - min(before, behind))
            found[i + 1, token] = jump * (nodes[i + 1] - nodes[i]) ** 2 / math.sqrt(12)
    return found


def plain_halve(path, seed, tolerance, max_steps):
    """What is asked next where intervals are halved: what errors say, then what is far wider than one beside it."""
    wanted, ends = plain_errors(path, seed, tolerance, max_steps), [0.0] + sorted(path.slope) + [1.0]
    widths = np.diff(ends)
    for place in range(len(widths)):
        beside = [widths[other] for other in (place - 1, place + 1) if 0 <= other < len(widths)]
        middle = (ends[place] + ends[place + 1]) / 2
        if widths[place] > 8 * min(beside) and middle not in wanted and len(wanted) + len(path.score) < max_steps:
            wanted.append(middle)
    return wanted


def plain_errors(path, seed, tolerance, max_steps):
    score, parts = curve(seed)
    nodes = np.array(sorted(path.slope))
    ways = [score(0.0)] + [score(node) for node in nodes] + [score(1.0)]
    rises, room = np.diff(ways), max_steps - len(path.score)
    rounding = 1e-6 * max(path.size, max(map(abs, ways)))
    taken, lower, errors, of_lower = map(np.array, plain_orders(nodes, np.array([path.slope[n] for n in nodes]), rises))
    of_nodes = np.array([parts(node) for node in nodes])
    path_bound = max(0.4 * tolerance * sum(map(abs, rises)), rounding)
    if plain_runs(errors) > path_bound:
        return plain_middles(nodes, np.abs(errors), path_bound / 2, room)
    if abs(errors.sum()) > max(tolerance * abs(ways[-1] - ways[0]), rounding):
        return plain_middles(nodes, np.abs(errors), math.sqrt((errors ** 2).sum()) / 2, room)
    spread = np.array([[((taken - lower)[i] * of_nodes[:, token]).sum() for token in range(TOKENS)]
                       for i in range(len(errors))])
    added = sum(math.sqrt((spread[:, token] ** 2).sum()) for token in range(TOKENS))
    silent = 1e-3 * added + 1e-30
    believed = math.sqrt(min(1.0, (np.abs(errors).sum() + silent) / (np.abs(of_lower).sum() + silent)))
    allowed = max(0.4 * tolerance * np.abs(taken.sum(0) @ of_nodes).sum(), rounding)
    jumps = plain_jumps(nodes, of_nodes)
    off = math.hypot(added * believed, sum(math.sqrt((jumps[:, token] ** 2).sum()) for token in range(TOKENS)))
    if off > allowed:
        by_tokens = np.hypot(np.abs(spread).sum(1) * believed, np.abs(jumps).sum(1))
        return plain_middles(nodes, by_tokens, math.sqrt((by_tokens ** 2).sum()) * allowed / off, room)
    return []


@pytest.mark.dealt
@pytest.mark.parametrize("seed", range(30))
def test_what_is_halved_next(seed):
    random = np.random.RandomState(seed)
    nodes = np.sort(random.uniform(size=random.randint(5, 40))).tolist()
    without = nodes[:1] if seed % 4 == 1 else ()
    size = 1e3 if seed % 5 == 2 else 0.0
    reached = set()
    for tolerance in (1e-5, 1e-3, 1e-2, 5e-2, 0.1, 0.3, 1.0):
        for max_steps in (len(nodes) + 3, 4096):
            path = path_of(seed, nodes, size, without)
            path.level = None
            wanted = refine.wanted([path], tolerance, max_steps)[0]
            np.testing.assert_allclose(wanted, plain_halve(path, seed, tolerance, max_steps), rtol=1e-12)
            reached.add(bool(wanted))
    assert any(reached) or size  # rounding of a large score forgives much


EXACT = {1: 1, 3: 5, 7: 11, 15: 23, 31: 47}  # up to which degree, by nodes


def plain_climb(path, seed, tolerance, max_steps):
    """What is asked next by the nested rules; ``None``: they are given up."""
    score, parts = curve(seed)
    rule, before = quadrature.nested(path.level), quadrature.nested(path.level - 1)
    nodes, few = rule.alphas.tolist(), before.alphas.tolist()
    ways = [score(0.0)] + [score(node) for node in nodes] + [score(1.0)]
    coarse = [score(0.0)] + [score(node) for node in few] + [score(1.0)]
    rounding = 1e-6 * max(path.size, max(map(abs, ways)))

    def integrals(one, at, token=None):
        return one.weights @ np.array([parts(node).sum() if token is None else parts(node)[token] for node in at])

    errors, of_few = integrals(rule, nodes) - np.diff(ways), integrals(before, few) - np.diff(coarse)
    whole = [integrals(rule, nodes, token).sum() for token in range(TOKENS)]
    change = sum(abs(whole[token] - integrals(before, few, token).sum()) for token in range(TOKENS))
    hidden = rounding + (0.05 if path.level == 1 else 1e-3) * change  # what cancels in the score
    net = min(1.0, (abs(errors.sum()) + hidden) / (abs(of_few.sum()) + hidden))
    by_degree = min(1.0, (np.abs(errors).sum() + rounding) / (np.abs(of_few).sum() + rounding)) ** (
        1.0 / (len(nodes) - len(few)))
    # How the tokens' Legendre coefficients fall from the middle of them to the last.
    series = np.abs(np.polynomial.legendre.legfit(
        2 * np.array(nodes) - 1, np.array([parts(node) for node in nodes]), len(nodes) - 1)).sum(axis=1)
    some, half = (len(nodes) + 1) // 4, (len(nodes) + 1) // 2
    by_degree = max(by_degree, min(1.0, max(series[-some:]) / max(series[half - some:half])) ** (
        2.0 / (len(nodes) - 1)))
    trust = 0.6 if path.level == 1 else 0.85
    decay = by_degree ** (trust * (EXACT[len(nodes)] - EXACT[len(few)]))
    left, hope = (max(net, decay if decay > slow else math.sqrt(net * decay)) for slow in (0.2, 0.5))
    allowed = max(0.5 * tolerance * np.abs(whole).sum(), rounding)
    off = max(change * left, 20.0 * (path.level <= 2) * (np.abs(errors).sum() - change - rounding))
    if off <= allowed and np.abs(errors).sum() <= 0.3 * np.abs(np.diff(ways)).sum() + rounding and (
            abs(errors.sum()) <= max(tolerance * abs(ways[-1] - ways[0]), rounding)):
        return []
    more = 2 * len(nodes) + 1
    if path.level == 4 or more > max_steps:
        return None
    coming = change * hope * hope ** (trust * (EXACT[more] - EXACT[len(nodes)]) / (EXACT[len(nodes)] - EXACT[len(few)]))
    if path.level > 1 and coming > allowed:
        return None
    following = quadrature.nested(path.level + 1).alphas.tolist()
    return [node for node in following if min(abs(node - one) for one in nodes) > 1e-9]


@pytest.mark.dealt
@pytest.mark.parametrize("seed", range(30))
def test_the_next_of_the_nested_rules(seed):
    for tolerance, max_steps in itertools.product((1e-6, 1e-4, 1e-2, 0.1), (6, 7, 15, 31, 4096)):
        score, parts = curve(seed)
        path = path_of(seed, refine.FIRST_NODES, size=1e3 if seed % 5 == 2 else 0.0)
        for _ in range(5):
            expected, level = plain_climb(path, seed, tolerance, max_steps), path.level
            wanted = refine.wanted([path], tolerance, max_steps)[0]
            if expected is None:
                assert path.level is None
                np.testing.assert_allclose(wanted, plain_halve(path, seed, tolerance, max_steps), rtol=1e-12)
                break
            np.testing.assert_allclose(wanted, expected, rtol=1e-12)
            assert path.level == level + bool(wanted)
            if not wanted:
                break
            for alpha in wanted:
                at = parts(alpha)
                path.add(alpha, score(alpha), at.sum(), np.append(at, alpha), at)
        assert len(path.score) <= max(max_steps, 3)


def cosines(phase):
    """Two tokens that swing against each other: their derivative and integral."""
    return (lambda a: np.cos(14.0 * a + phase)), lambda a: np.sin(14.0 * a + phase) / 14.0


def cliff(at):
    """What one token gains on a short stretch, the other loses."""
    return (lambda a: 0.5 + 0.5 * np.tanh(20.0 * (a - at))), lambda a: np.logaddexp(0.0, 40.0 * (a - at)) / 40.0


@pytest.mark.parametrize("tolerance", [0.01, 0.05])
@pytest.mark.parametrize("hidden", [cosines(0.0), cosines(1.0), cliff(0.2), cliff(0.6)])
def test_what_cancels_in_the_score_is_not_told_by_it(hidden, tolerance):
    """The score, 2 a + a ** 3 / 30, is known by three nodes; what moves between the tokens is not."""
    derivative, integral = hidden
    path = paths.Path((0.0, 2.0 + 1.0 / 30.0))
    wanted = refine.FIRST_NODES
    while wanted:
        for a in wanted:
            parts = 1.0 + 0.05 * a * a + np.array([1.0, -1.0]) * derivative(a)
            path.add(a, 2.0 * a + a ** 3 / 30.0, parts.sum(), parts, parts)
        wanted = refine.wanted([path], tolerance, 1024)[0]
    truth = 1.0 + 0.05 / 3.0 + np.array([1.0, -1.0]) * (integral(1.0) - integral(0.0))
    found = path.result()[0]
    assert abs(found.sum() - truth.sum()) <= tolerance * truth.sum()
    assert np.abs(found - truth).sum() <= (5.0 * tolerance + 0.01) * np.abs(truth).sum()


def integrated(parts, score, tolerance=0.01, nodes=refine.FIRST_NODES, level=1):
    """The path once nothing more is wanted."""
    path = paths.Path((score(0.0), score(1.0)))
    path.level, wanted = level, list(nodes)
    while wanted:
        for a in wanted:
            path.add(a, score(a), parts(a).sum(), parts(a), parts(a))
        wanted = refine.wanted([path], tolerance, 4096)[0]
    return path


def traded(at, smooth, size=0.2):
    """Parts of two tokens that trade at one point of the path, beside a smooth part; score and integral."""
    def parts(a):
        step = size * (a > at)
        return np.array([1.0 + step, 1.0 - 0.99 * step]) + smooth * np.array([a, a * a])

    def integral(a):
        step = size * max(0.0, a - at)
        return np.array([a + step, a - 0.99 * step]) + smooth * np.array([a * a / 2.0, a ** 3 / 3.0])

    return parts, lambda a: float(integral(a).sum()), integral(1.0) - integral(0.0)


@pytest.mark.parametrize("smooth", [0.0, 0.3])
@pytest.mark.parametrize("at", np.linspace(0.12, 0.88, 13).tolist())
def test_a_jump_at_which_tokens_trade_is_placed(at, smooth):
    """The score hardly shows it, and wherever it is between two nodes, symmetric polynomials put it into the middle."""
    parts, score, truth = traded(at, smooth)
    path = integrated(parts, score)
    assert np.abs(path.result()[0] - truth).sum() <= 0.01 * np.abs(truth).sum()


def gone_and_back(kinks):
    """Parts of three tokens: nothing, then one gains what another loses between two places where nothing moves, then
    many kinks; and score and integral."""
    random = np.random.RandomState(0)
    places, steps = np.sort(random.uniform(0.3, 0.99, kinks)), random.normal(size=(kinks, 3))
    steps -= steps.mean(axis=0)

    def parts(a):
        gained = np.array([2.0 * (0.176 < a < 0.229), -2.0 * (0.229 < a < 0.282), 0.0])
        return gained + (a > places) @ steps

    def integral(a):
        gained = np.array([2.0 * np.clip(a - 0.176, 0.0, 0.053), -2.0 * np.clip(a - 0.229, 0.0, 0.053), 0.0])
        return gained + np.maximum(a - places, 0.0) @ steps

    return parts, lambda a: float(integral(a).sum()), integral(1.0) - integral(0.0)


@pytest.mark.parametrize("kinks", [40, 80, 160])
def test_what_goes_and_comes_back_between_two_nodes_is_found(kinks):
    """A score that is the same at both, and parts that are nothing there: no error shows at any node."""
    parts, score, truth = gone_and_back(kinks)
    assert score(0.0) == score(0.1127) == pytest.approx(score(0.2829)) and not parts(0.1127).any()
    path = integrated(parts, score)
    assert np.abs(path.result()[0] - truth).sum() <= 0.02 * np.abs(truth).sum()


def test_a_jump_before_the_first_node_is_seen_in_the_score_alone():
    """Three nodes agree to the last bit; polynomials that do leave no error."""
    parts, score, truth = traded(0.08, 0.0, size=-1.0)
    path = integrated(parts, score)
    assert len(path.nodes) > 3
    assert np.abs(path.result()[0] - truth).sum() <= 0.01 * np.abs(truth).sum()


@pytest.mark.parametrize("bend", [0.5, 1.5, 2.0, 3.0])
def test_rounding_to_half_precision_is_no_hidden_error(bend):
    """More nodes leave as much of it, and where intervals are halved it takes all that there may be."""
    def half(value):
        return np.asarray(value, np.float16).astype(np.float64)

    path = integrated(lambda a: half([0.3 / np.cosh(bend * a) ** 2, 0.05]),
                      lambda a: float(half(0.5 + 0.3 * np.tanh(bend * a) / bend + 0.05 * a)))
    truth = np.array([0.3 * math.tanh(bend) / bend, 0.05])
    assert len(path.nodes) <= 15 and np.abs(path.result()[0] - truth).sum() <= 0.01 * truth.sum()


def test_smooth_parts_are_no_jumps():
    """Twice as many nodes leave an eighth at most; a jump leaves half."""
    def left(parts, count):
        nodes = (np.arange(count) + 0.5) / count
        return np.abs(halves._jumps(np.stack([parts(a) for a in nodes]), nodes, np.array([count]))).sum(axis=0).max()

    smooth, jumping = (lambda a: np.array([math.sin(5.0 * a), a ** 3])), (lambda a: np.array([float(a > 0.33), a]))
    assert left(smooth, 80) <= left(smooth, 40) / 8.0
    assert left(jumping, 80) == pytest.approx(left(jumping, 40) / 2.0) and left(jumping, 40) > 0.005


@pytest.mark.parametrize("tolerance", [1e-4, 1e-2, 0.1])
def test_paths_that_are_asked_together_want_what_each_wants_alone(tolerance):
    """Some by the nested rules, some halved, of many nodes and of few; one of them is given up."""
    def drawn_paths():
        made = []
        for seed in range(12):
            random = np.random.RandomState(seed)
            drawn = np.sort(random.uniform(size=(3, 9)[seed % 2] + seed // 4)).tolist()
            nodes = refine.FIRST_NODES if seed % 3 == 0 else drawn
            path = path_of(seed, nodes, 10.0 * (seed % 5 == 2), {4: nodes[2:3], 7: nodes}.get(seed, ()))
            path.level = 1 if seed % 3 == 0 else None
            made.append(path)
        return made

    together = drawn_paths()
    found = refine.wanted(together, tolerance, 40)
    for path, other, asked in zip(together, drawn_paths(), found):
        assert asked == refine.wanted([other], tolerance, 40)[0]
        np.testing.assert_allclose(path.errors, other.errors, rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(path.weights, other.weights, rtol=1e-12)
        assert path.level == other.level
    assert found[7] == [] and any(found)


def test_what_comes_out():
    nodes = [0.1, 0.4, 0.7, 0.9]
    path = path_of(3, nodes)
    path.level = None
    refine.wanted([path], 0.1, 100)
    gradient, score, baseline_score, steps, error, (alphas, scores), errors = path.result()
    of_score, parts = curve(3)
    taken, _, expected, _ = plain_orders(np.array(nodes), np.array([parts(node).sum() for node in nodes]),
                                         np.diff([of_score(a) for a in [0.0] + nodes + [1.0]]))
    np.testing.assert_allclose(gradient, np.sum(taken, 0) @ np.array([np.append(parts(a), a) for a in nodes]))
    assert (score, baseline_score, steps) == (of_score(1.0), of_score(0.0), 4)
    np.testing.assert_allclose(errors, expected, atol=1e-12)
    assert error == pytest.approx(max(plain_runs(expected), abs(sum(expected))))
    assert alphas.tolist() == [0.0] + nodes + [1.0] and scores.tolist() == [of_score(a) for a in alphas]


@pytest.mark.parametrize("without, done", [(0, False), (1, False), (2, False), (3, True), (4, True)])
def test_a_path_without_gradients_is_given_up(without, done):
    """Where more than half of the nodes have none."""
    nodes = [0.1, 0.4, 0.7, 0.9]
    path = path_of(3, nodes, without=nodes[:without])
    path.level = None
    assert (refine.wanted([path], 1e-6, 100) == [[]]) is done
    if done:
        gradient, _, _, steps, error, (alphas, _), errors = path.result()
        assert np.isnan(gradient).all() and gradient.shape == (4,) and steps == 4 and error == math.inf
        assert alphas.tolist() == [0.0] + nodes + [1.0] and errors.tolist() == [math.inf] * 5


def test_rounding_is_a_share_of_the_scores_where_nothing_else_is_said():
    """A score of 1e-9 is as good as any."""
    small, known = paths.Path((0.0, 1e-9)), paths.Path((0.0, 1e-9), 1.0)
    for path in (small, known):
        for alpha in refine.FIRST_NODES:
            path.add(alpha, 1e-9 * (alpha > 0.3), 0.0, np.zeros(1), np.zeros(1))
    wanted, nothing = refine.wanted([small, known], 0.01, 100)
    assert wanted and not nothing


@pytest.mark.parametrize("ends", [(math.nan, 1.0), (0.0, math.inf)])
def test_a_path_whose_scores_are_not_finite_is_given_up(ends):
    path = paths.Path(ends)
    for alpha in refine.FIRST_NODES:
        path.add(alpha, 0.0, 1.0, np.ones(2), np.ones(2))
    assert refine.wanted([path], 0.1, 100) == [[]] and np.isnan(path.result()[0]).all()


@pytest.mark.parametrize("tolerance, size, allowed", [(0.01, 10.0, 0.05), (0.01, 0.01, 1e-3)])
def test_half_of_the_tolerance_is_for_estimates(tolerance, size, allowed):
    """And never less than rounding of the scores, here of a thousand."""
    path = paths.Path((0.0, 1.0), 1e3)
    path.add(0.5, 0.5, 1.0, np.ones(1), np.ones(1))
    known = paths.known([path], tolerance, refine.HEADROOM)
    assert known.of_parts(np.array([size])).tolist() == [pytest.approx(allowed)]


def test_an_interval_is_cut_where_nothing_was_asked_before():
    """In the middle, else at three eighths from either end, else at a quarter; then no more."""
    asked, cuts = set(), []
    for _ in range(6):
        cut = halves.middles([], np.array([1.0]), 0.0, 9, asked)
        cuts += cut
        asked.update(cut)
    assert cuts == [0.5, 0.375, 0.625, 0.25, 0.75]


def test_how_far_a_path_has_to_go():
    """Not known after the first level, then a little; where intervals are halved, error over what is allowed."""
    path = path_of(3, refine.FIRST_NODES)
    more, = refine.climb([path], paths.known([path], 1e-9, refine.HEADROOM), 100)
    assert more and path.level == 2 and path.beyond == math.inf
    path = path_of(3, more)
    path.level = 2
    refine.climb([path], paths.known([path], 1e-9, refine.HEADROOM), 100)
    assert path.beyond == 1.0
    path.level = None
    its = paths.known([path], 1e-12, refine.HEADROOM_OF_HALVES)
    halves.halve([path], its, 100)
    assert path.beyond == pytest.approx(paths.by_runs(path.errors.tolist()) / its.path[0], rel=1e-9)
    assert path.beyond > 1.0
    still = paths.Path([0.0, 0.0])  # nothing is allowed where nothing changes
    for alpha in (0.25, 0.75):
        still.add(alpha, 0.0, 1.0, np.ones(1), np.ones(1))
    still.level = None
    its = paths.known([still], 0.01, refine.HEADROOM_OF_HALVES)
    assert halves.halve([still], its._replace(path=np.zeros(1)), 100)[0] and still.beyond > 1e6
