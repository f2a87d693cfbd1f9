"""Stability when a word is exchanged for its nearest neighbour in the table."""

from typing import Any, Dict, List, Optional, Tuple

import numpy as np

import graph_tools as gt
from graph_tools.errors import GraphToolsError
from tf1_ig.evaluate.noise import changes_at
from tf1_ig.evaluate.record import Scene, mean
from tf1_ig.result.measured import Measured

WORDS = 4          # of each row that are exchanged, one at a time: those that are said to be worth most
AT_ONCE = 1 << 24  # products that are compared together


def neighbours(scene: Scene) -> Measured:
    """Largest relative change of the token attributions when one word is exchanged for its nearest neighbour in the
    table (by the angle between their rows); control: how far the score itself moves then, as a share of its rise."""
    tables = {name: _table(scene, name) for name in scene.at.inputs}
    if all(table is None for table in tables.values()):
        return Measured("neighbours", "ok", None, "no table of words is known for %s" % ", ".join(scene.at.inputs))
    moved = [_exchanged(scene, tables, place) for place in range(WORDS)]
    rows = changes_at(scene, moved).max(axis=0)
    scores = np.stack([scene.at.scores(entries) for entries in moved])
    with np.errstate(divide="ignore", invalid="ignore"):
        control = mean(np.abs((scores - scene.ends[1]) / scene.rise).max(axis=0))
    value = mean(rows)
    steady = not np.isfinite(value) or value <= max(0.5, 2 * control)
    return Measured("neighbours", "ok" if steady else "warn", value, "" if steady else "a word of nearly the same row "
                    "changes the explanation far more than the score", control=control, rows=rows)


def _exchanged(scene: Scene, tables: Dict[str, Any], place: int) -> Dict[str, Any]:
    """The entries with one word of each row exchanged: that of the ``place``-th largest attribution."""
    found: Dict[str, Any] = {}
    first = np.zeros(len(scene.at), int)
    for column, (name, entries) in enumerate(scene.at.entries.items()):
        table, made = tables[name], []
        for row, own in enumerate(entries):
            count = int(scene.at.token_counts[row, column])
            value = np.array(own, np.float64)
            if table is not None:
                flat = value.reshape(count, -1)
                sizes = np.abs(scene.tokens[row][first[row]:first[row] + count])
                moving = np.flatnonzero(sizes > 0)
                order = moving[np.argsort(-sizes[moving], kind="stable")]
                if place < len(order):
                    flat[order[place]] = _nearest(table, flat[order[place]])
            first[row] += count
            made.append(value)
        found[name] = made if isinstance(entries, list) else np.stack(made)
    return found


def _nearest(table: np.ndarray, row: np.ndarray) -> np.ndarray:
    """The row of the table with the smallest angle to this one, this one itself left out."""
    best: Tuple[float, Optional[np.ndarray]] = (-np.inf, None)
    together = max(1, AT_ONCE // table.shape[1])
    for start in range(0, len(table), together):
        part = np.asarray(table[start:start + together], np.float64)
        sizes = np.sqrt((part ** 2).sum(axis=1) * (row ** 2).sum())
        near = np.where(sizes > 0, part @ row / np.where(sizes > 0, sizes, 1.0), -np.inf)
        near[np.abs(part - row).max(axis=1) <= 1e-6 * max(np.abs(row).max(), 1e-30)] = -np.inf
        at = int(np.argmax(near))
        if near[at] > best[0]:
            best = float(near[at]), part[at]
    return row if best[1] is None else best[1]


def _table(scene: Scene, name: str) -> Optional[np.ndarray]:
    """The rows ``[words, dim]`` that an input is looked up in; ``None`` where there is none, or it takes a feed."""
    resolved = scene.explainer.resolved
    tensor = {one.name: one.attributed.tensor for one in resolved.inputs}[name]
    known: List[Any] = [one for one in gt.find_embeddings(resolved.model) if one.tensor == tensor and one.table]
    if not known or len(known[0].parts) > 1:
        return None
    try:
        with resolved.model.open_session() as session:
            table = np.asarray(session.run(known[0].table))
    except (GraphToolsError, ValueError, RuntimeError):
        return None
    return table if table.ndim == 2 and table.shape[1] == np.shape(scene.at.entries[name][0])[-1] else None
