"""Removal by cutting out: the tokens behind a removed one move up, and the length that is fed falls."""

from typing import Any, Dict, List, Tuple

import numpy as np

from graph_tools.graph import names
from tf1_ig.errors import MethodError
from tf1_ig.evaluate.record import Scene

CUT = "cut"
ROWS = 256   # that are fed at once


def is_cut(removal: Any) -> bool:
    """Whether tokens are cut out rather than replaced."""
    return isinstance(removal, str) and removal == CUT


def places(scene: Scene) -> List[np.ndarray]:
    """By row the tokens that can be cut out: all within the length that is fed.

    Raises:
      MethodError: no feed has a column for each token.
    """
    columns, lengths, width = _feeds(scene)
    del columns
    if lengths is None:
        return [np.arange(width) for _ in range(len(scene.at))]
    return [np.arange(int(length)) for length in np.asarray(scene.feed[lengths])]


def outputs(scene: Scene, shares: List[np.ndarray]) -> np.ndarray:
    """Output rows ``[points, rows, …]`` without the tokens whose share is 0; NaN where none is left.

    Args:
      shares: for every row ``[points, tokens]``, 1 or 0.
    """
    columns, lengths, width = _feeds(scene)
    kept = {(point, row): np.flatnonzero(each[point]) for row, each in enumerate(shares) for point in range(len(each))}
    if lengths is not None:  # what is past the length is padding
        within = np.asarray(scene.feed[lengths])
        kept = {(point, row): own[own < within[row]] for (point, row), own in kept.items()}
    by_width: Dict[int, List[Tuple[int, int]]] = {}
    for job, own in kept.items():
        if len(own):
            by_width.setdefault(len(own) if lengths is None else width, []).append(job)
    found: Any = None
    for wide, jobs in by_width.items():
        for first in range(0, len(jobs), ROWS):
            part = jobs[first:first + ROWS]
            made = np.asarray(scene.explainer.outputs(_fed(scene, columns, lengths, [
                (row, kept[point, row]) for point, row in part], wide), **_as_fed(scene)))
            if found is None:
                found = np.full((len(shares[0]), len(shares)) + made.shape[1:], np.nan)
            for (point, row), one in zip(part, made):
                found[point, row] = one
    return np.full((len(shares[0]), len(shares), 1), np.nan) if found is None else found


def scores(scene: Scene, shares: List[np.ndarray]) -> np.ndarray:
    """Scores ``[points, rows]`` without those tokens; NaN where none is left."""
    return np.stack([scene.at.scores_of(each) for each in outputs(scene, shares)])


# -- how ---------------------------------------------------------------------------------------------------------------

def _as_fed(scene: Scene) -> Dict[str, Any]:
    return {name: scene.asked[name] for name in ("shared_feeds", "row_feeds") if name in scene.asked}


def _feeds(scene: Scene) -> Tuple[List[Any], Any, int]:
    """Feeds with a column for each token, that of the lengths (``None`` where there is none), and how many columns."""
    counts = scene.at.token_counts
    rows, width = len(scene.at), int(counts[0, 0])
    values = {key: np.asarray(value) for key, value in scene.feed.items()}
    shared = {names.tensor_name(key) for key in scene.asked.get("shared_feeds", ())}
    own = {key: value for key, value in values.items() if names.tensor_name(key) not in shared}
    columns = [key for key, value in own.items() if value.ndim >= 2 and value.shape[:2] == (rows, width)]
    if counts.shape[1] != 1 or (counts != width).any() or not columns:
        raise MethodError("tokens of %s cannot be cut out: no feed has a column for each of them; use "
                          "{argument}=\"baseline\" or a padding id such as {\"ids:0\": 0}" % ", ".join(scene.at.inputs),
                          argument="removal")
    lengths = [key for key, value in own.items() if value.shape == (rows,) and value.dtype.kind in "iu"
               and (value >= 1).all() and (value <= width).all()]
    if len(lengths) > 1:
        raise MethodError("tokens cannot be cut out: %s may each be their lengths; use {argument}=\"baseline\"" % (
            " and ".join(names.tensor_name(key) for key in lengths)), argument="removal")
    return columns, lengths[0] if lengths else None, width


def _fed(scene: Scene, columns: List[Any], lengths: Any, jobs: List[Tuple[int, np.ndarray]], wide: int
         ) -> Dict[Any, Any]:
    """The feed with a row for each job: a row of the caller's, and the tokens of it that are kept."""
    rows = np.array([row for row, _ in jobs])
    shared = {names.tensor_name(key) for key in scene.asked.get("shared_feeds", ())}
    found: Dict[Any, Any] = {}
    for key, value in scene.feed.items():
        array = np.asarray(value)
        if key in columns:
            made = np.zeros((len(jobs), wide) + array.shape[2:], array.dtype) if array.dtype != object else np.full(
                (len(jobs), wide) + array.shape[2:], type(array.flat[0])(), object)
            for place, (row, own) in enumerate(jobs):
                made[place, :len(own)] = array[row][own]
            found[key] = made
        elif key is lengths:
            found[key] = np.array([len(own) for _, own in jobs], array.dtype)
        else:
            by_row = array.ndim and len(array) == len(scene.at) and names.tensor_name(key) not in shared
            found[key] = array[rows] if by_row else value
    return found
