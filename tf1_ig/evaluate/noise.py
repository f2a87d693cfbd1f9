"""Measures that move the input a little: does the explanation stay, and does it say what the score then does."""

from typing import Any, Dict, List

import numpy as np

from graph_tools.graph import names
from tf1_ig.evaluate.bounds import judge
from tf1_ig.evaluate.record import Scene, mean
from tf1_ig.result.measured import Measured

DRAWS = 10
LEVEL = 0.02      # of the range of a row's own numbers; radius of max sensitivity, as captum's default


def stability(scene: Scene) -> Measured:
    """Largest relative change of the token attributions, asked again, under noise of 2 % of each row's range."""
    random = scene.random("stability")
    changes = _changes(scene, [_moved(scene, lambda own: _noise(own, random)) for _ in range(DRAWS)], by_token=True)
    rows = changes.max(axis=0)
    value = mean(rows)
    told = judge("stability", value, len(rows))
    return Measured("stability", told, value, "" if told == "ok" else "noise of 2 % changes the token attributions by "
                    "that much of their size: neighbours of this input are explained otherwise",
                    rows=rows)


def max_sensitivity(scene: Scene) -> Measured:
    """Largest relative change of the attributions within a cube of radius 0.02 (Yeh, Hsieh, Suggala, Inouye, Ravikumar:
    On the (In)fidelity and Sensitivity of Explanations, arXiv 1901.09392; ``sensitivity_max`` of captum)."""
    random = scene.random("max sensitivity")
    changes = _changes(scene, [_moved(scene, lambda own: own + random.uniform(-LEVEL, LEVEL, own.shape))
                               for _ in range(DRAWS)], by_token=False)
    rows = changes.max(axis=0)
    value = mean(rows)
    return Measured("max sensitivity", "ok" if np.isfinite(value) else "warn", value, rows=rows)


def infidelity(scene: Scene) -> Measured:
    """Mean of ``(Σ perturbation · attribution / (input - baseline) - (F(x) - F(x - perturbation)))²`` (arXiv
    1901.09392; ``infidelity`` of captum, with Gaussian perturbations of 2 % of each row's range), and beside it, as the
    control, what attributions of zero would give."""
    random = scene.random("infidelity")
    start = scene.at.start(scene.baseline)
    entries = scene.at.entries
    slopes = {name: _each(lambda value, own, base: _slope(value, own, base), scene.attribution.values[name], value,
                          start[name]) for name, value in entries.items()}
    errors, sizes = [], []
    for _ in range(DRAWS):
        moved = _moved(scene, lambda own: _noise(own, random))
        said = [sum(float(np.sum((np.asarray(entries[name][row], np.float64) - moved[name][row]) * slopes[name][row]))
                    for name in entries) for row in range(len(scene.at))]
        true = scene.ends[1] - scene.at.scores(moved)
        errors.append((np.array(said) - true) ** 2)
        sizes.append(true ** 2)
    rows, control = np.mean(errors, axis=0), np.mean(sizes, axis=0)
    value = mean(rows)
    told = "ok" if not np.isfinite(value) or value <= control.mean() else "warn"
    return Measured("infidelity", told, value, "" if told == "ok" else "attributions of zero would predict small "
                    "changes of the score better; with a far baseline that is common", control=mean(control),
                    rows=rows)


def changes_at(scene: Scene, moved: List[Dict[str, Any]]) -> np.ndarray:
    """Relative changes ``[moved, rows]`` of the token attributions at other entries."""
    return _changes(scene, moved, by_token=True)


# -- how ---------------------------------------------------------------------------------------------------------------

def _each(function: Any, *values: Any) -> Any:
    """A function of rows, row by row, whatever holds the rows."""
    found = [function(*(np.asarray(value[row], np.float64) for value in values)) for row in range(len(values[0]))]
    return found if isinstance(values[-1], list) else np.array(found)


def _slope(values: np.ndarray, own: np.ndarray, base: np.ndarray) -> np.ndarray:
    away = own - base
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(away != 0, values.reshape(away.shape) / np.where(away != 0, away, 1.0), 0.0)


def _noise(own: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    spread = float(own.max() - own.min()) if own.size else 0.0
    return own + LEVEL * spread * random.normal(size=own.shape)


def _moved(scene: Scene, function: Any) -> Dict[str, Any]:
    return {name: _each(function, value) for name, value in scene.at.entries.items()}


def _changes(scene: Scene, moved: List[Dict[str, Any]], by_token: bool) -> np.ndarray:
    """Relative changes ``[draws, rows]`` of what is explained at moved entries."""
    plain = _explained(scene, scene.at.entries, by_token)
    norm = (lambda vector: np.abs(vector).sum()) if by_token else (lambda vector: np.sqrt((vector ** 2).sum()))
    found = []
    for entries in moved:
        other = _explained(scene, entries, by_token)
        found.append([norm(one - own) / max(norm(own), np.finfo(np.float32).tiny) for one, own in zip(other, plain)])
    return np.array(found)


def _explained(scene: Scene, entries: Dict[str, Any], by_token: bool) -> List[np.ndarray]:
    """What the method that is judged says at some entries, by row: by token, or as one vector."""
    found = scene.explain(scene.explainer, _fed(scene, entries), scene.labels, baseline=scene.at.start(scene.baseline))
    return scene.at.by_token(found.values) if by_token else scene.at.vectors(found.values)


def _fed(scene: Scene, entries: Dict[str, Any]) -> Dict[Any, Any]:
    """The feed with the attributed tensors themselves in it, at these entries."""
    resolved, axis, arrays = scene.explainer.resolved, scene.explainer.batch_axis, scene.at.arrays(entries)
    keys = {resolved.renamed.get(names.tensor_name(key), names.tensor_name(key)): key for key in scene.feed}
    feed = dict(scene.feed)
    for spec in resolved.inputs:
        array, tensor = arrays[spec.name], spec.attributed.tensor
        feed[keys.get(tensor, tensor)] = array[0] if axis is None else np.moveaxis(array, 0, axis)
    return feed
