"""Many nodes along a path: intervals are halved, with polynomials of low order between nodes. Plain numpy.

Between the nodes polynomials are laid through the nearest ones: on each stretch the order whose known errors are least.
Where that is not enough the worst intervals are cut. What tokens gain and others lose does not show in the score, so
two rules are compared on the parts of the derivative, and where parts jump between two nodes it counts how much the
place of the jump would change: of that polynomials say nothing, they all put it into the middle. Widths are graded.
"""

import itertools
import math
from typing import Container, Iterable, List, NamedTuple, Optional, Sequence

import numpy as np

from tf1_ig import quadrature
from tf1_ig.paths import AT_ONCE, SILENT, Known, Path, runs_of, told

ORDERS = (0, 1, 3, 5)
LEAST_WIDTH = 1e-6    # of an interval that is cut
# Times as wide as one beside it an interval may be: what goes and comes back between two nodes shows at neither, and
# where a path had to be cut into small pieces there is little reason to trust a large one beside them.
GRADED = 8.0
_CUTS = (0.5, 0.375, 0.625, 0.25, 0.75)  # where an interval is cut: the first where nothing was asked before


class Laid(NamedTuple):
    """Polynomials through the nearest nodes, by interval: of the order of least known errors thereabouts, and of the
    one below it. ``used`` are nodes ``[intervals, order + 1]``, ``taken`` and ``lower`` their weights."""

    used: np.ndarray
    taken: np.ndarray
    lower: np.ndarray
    errors: np.ndarray      # signed
    of_lower: np.ndarray


def lay(its: Known) -> Laid:
    """For each path its polynomials; paths have more nodes than the highest order, or all the same few."""
    rules = [quadrature.between(its.nodes, order, its.counts) for order in ORDERS]
    used, every = rules[-1][0].T, np.arange(len(its.rises))
    weights = np.zeros((len(rules),) + used.shape)  # the nodes of a lower order are among those of the highest
    for order, (nearest, of_nearest) in enumerate(rules):
        weights[order, nearest.T - used[0], every] = of_nearest.T
    errors = (weights * its.slopes[used]).sum(axis=1) - its.rises
    starts, near = its.starts, np.abs(errors[1:])
    before, behind = np.roll(near, 1, axis=1), np.roll(near, -1, axis=1)
    before[:, starts] = behind[:, starts + its.counts] = 0.0
    best = 1 + np.argmin(before + 2.0 * near + behind, axis=0)
    return Laid(used.T, weights[best, :, every], weights[best - 1, :, every], errors[best, every],
                errors[best - 1, every])


def halve(paths: Sequence[Path], its: Known, max_steps: int) -> List[Optional[List[float]]]:
    """Polynomials through the nearest nodes: the middles of the worst intervals, none where all will do."""
    laid, starts = lay(its), its.starts
    errors = np.abs(laid.errors)
    weights = np.bincount(laid.used.ravel(), laid.taken.ravel(), len(its.nodes)).astype(np.float64)
    along, net = runs_of(laid.errors, starts), np.abs(np.add.reduceat(laid.errors, starts))
    found: List[Optional[List[float]]] = []
    seen = []  # paths of which the score says nothing any more
    for number, (path, first, start, count) in enumerate(zip(
            paths, its.firsts.tolist(), starts.tolist(), its.counts.tolist())):
        own, room = slice(start, start + count + 1), max_steps - len(path.score)
        path.errors = laid.errors[own]
        path.weights, path.beyond = weights[first:first + count], float(along[number] / (its.path[number] + 1e-300))
        if along[number] > its.path[number]:
            found.append(middles(path.nodes, errors[own], its.path[number] / 2.0, room, path.score))
        elif net[number] > its.net[number]:
            found.append(middles(path.nodes, errors[own], 0.5 * float(np.linalg.norm(errors[own])), room, path.score))
        else:
            seen.append(number)
            found.append([])
    if seen:
        spread = _spread(paths, its, laid, weights, np.isin(np.arange(len(paths)), seen))
        for number, one in zip(seen, spread):
            path, start, count = paths[number], starts[number], its.counts[number]
            # How much of a disagreement is error is seen on the score, where errors are known; as that is a single
            # number, only its root is believed.
            own = slice(start, start + count + 1)
            believed = told(errors[own].sum(), np.abs(laid.of_lower[own]).sum(), SILENT * one.added)
            off = math.hypot(one.added * math.sqrt(believed), one.jumps)
            allowed = max(its.share * one.size, its.rounding[number])
            if off > allowed:
                by_interval = np.hypot(one.by_interval * math.sqrt(believed), one.jumps_by_interval)
                path.beyond, until = off / (allowed + 1e-300), float(np.linalg.norm(by_interval)) * allowed / off
                found[number] = middles(path.nodes, by_interval, until, max_steps - len(path.score), path.score)
    for number, path in enumerate(paths):
        asked, room, wide = found[number] or [], max_steps - len(path.score), _far_wider(path.nodes)
        if wide.any():
            found[number] = list(dict.fromkeys(asked + middles(path.nodes, wide, 0.0, room, path.score)))[:max(0, room)]
    return found


def _far_wider(nodes: Sequence[float]) -> np.ndarray:
    """Which intervals are far wider than one beside them, 1 and 0."""
    widths = np.diff([0.0, *nodes, 1.0])
    beside = np.minimum(np.append(np.inf, widths[:-1]), np.append(widths[1:], np.inf))
    return (widths > GRADED * beside).astype(np.float64)


class _Spread(NamedTuple):
    """How far two polynomials disagree on a path's tokens: added up over intervals as independent ones and over
    tokens, and by interval over tokens; the same of what single jumps leave unknown, which polynomials do not show; and
    the absolute sum of the tokens' parts."""

    added: float
    by_interval: np.ndarray
    jumps: float
    jumps_by_interval: np.ndarray
    size: float


def _spread(paths: Sequence[Path], its: Known, laid: Laid, weights: np.ndarray, chosen: np.ndarray) -> List[_Spread]:
    of_nodes, of_intervals = np.repeat(chosen, its.counts), np.repeat(chosen, its.counts + 1)
    used = (np.cumsum(of_nodes) - 1)[laid.used[of_intervals]].T
    apart, counts = (laid.taken - laid.lower)[of_intervals].T[:, :, None], its.counts[chosen]
    firsts, starts, weights = np.cumsum(counts) - counts, np.cumsum(counts + 1) - counts - 1, weights[of_nodes, None]
    parts = [path.parts[node] for path, one in zip(paths, chosen) if one for node in path.nodes]
    added, by_interval = np.zeros((2, len(counts))), np.zeros((2, len(used[0])))
    sizes, alphas = np.zeros(len(counts)), its.nodes[of_nodes]
    tokens = max(1, AT_ONCE // len(parts))
    with np.errstate(over="ignore"):  # what has no size is told by the score
        for token in range(0, len(parts[0]), tokens):
            some = np.concatenate([one[token:token + tokens] for one in parts]).reshape(len(parts), -1)
            spreads = sum(share * some[nodes] for share, nodes in zip(apart, used))
            for number, spread in enumerate((spreads, _jumps(some, alphas, counts))):
                by_interval[number] += np.abs(spread).sum(axis=1)
                # Kinks err independently, so spreads add in squares.
                added[number] += np.sqrt(np.add.reduceat(spread ** 2, starts)).sum(axis=1)
            sizes += np.abs(np.add.reduceat(weights * some, firsts)).sum(axis=1)
    by_path = [np.split(one, starts[1:]) for one in by_interval]
    return list(map(_Spread, added[0].tolist(), by_path[0], added[1].tolist(), by_path[1], sizes.tolist()))


def _jumps(parts: np.ndarray, nodes: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """What is unknown of parts ``[nodes, tokens]`` where they jump once, ``[intervals, tokens]``: the deviation of the
    integral, if the place is any of the interval.

    Symmetric polynomials all put a step into the middle and agree. What jumps between two nodes changes there more than
    in the intervals on both sides; 0 where it does not, and where there are not two sides.
    """
    paths = np.repeat(np.arange(len(counts)), counts)
    found = np.zeros((len(nodes) + len(counts), parts.shape[1]))
    inner = np.flatnonzero(paths[3:] == paths[:-3]) + 1  # the first of two nodes that have one more on either side
    widths = np.diff(nodes)[:, None]
    rises = np.diff(parts.astype(np.float64), axis=0)
    here, before, behind = (rises[some] / widths[some] for some in (inner, inner - 1, inner + 1))
    low, high = here - before, here - behind
    beyond = np.where(low * high > 0, np.where(np.abs(low) < np.abs(high), low, high), 0.0)
    found[inner + paths[inner] + 1] = beyond * widths[inner] ** 2 / math.sqrt(12.0)
    return found


def middles(nodes: Iterable[float], errors: np.ndarray, until: float, room: int, asked: Container[float] = ()
            ) -> List[float]:
    """The middles of the worst intervals, so many that the root of the rest's squares is at most ``until``.

    Where a middle was ``asked`` before and is no node, as there is no gradient, another point of the interval.
    """
    with np.errstate(over="ignore"):  # squares of what is too large for them are infinite
        squares = errors * errors
    ends, sizes, rest = [0.0, *nodes, 1.0], squares.tolist(), float(squares.sum())
    wanted: List[float] = []
    for count, place in enumerate(np.argsort(-errors, kind="stable").tolist()):
        low, high = ends[place], ends[place + 1]
        if (count and rest <= until * until) or len(wanted) >= room or high - low < LEAST_WIDTH:
            break
        cuts = ((1.0 - share) * low + share * high for share in _CUTS)
        wanted += itertools.islice((cut for cut in cuts if cut not in asked), 1)
        rest -= sizes[place]
    return wanted
