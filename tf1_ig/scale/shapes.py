"""Explanations in the shapes that other tools take: a mapping and no more; none of the tools is imported."""

import json
import math
import os
from typing import Any, Dict, Iterable, List, Mapping, Tuple

import numpy as np

from graph_tools import whole_files
from tf1_ig.scale.aggregates import contributions

_SPACES = str.maketrans("\t\r\n", "   ")


def for_shap(rows: Iterable[Mapping[str, Any]]) -> Dict[str, Any]:
    """The arguments of ``shap.Explanation``; a matrix where all rows have the same names, else a list a row.

    Args:
      rows: rows of ``tf1_ig.scale.SCHEMA``; ``data`` is the names of a text's rows, and what the columns kept of a
        feature's name hold (NaN where none was kept).

    >>> shap.plots.beeswarm(shap.Explanation(**for_shap(rows)))                                    # doctest: +SKIP
    """
    rows = list(rows)
    base = np.array([row["baseline_score"] for row in rows], np.float64)
    names = [list(row["tokens"]) for row in rows]
    if rows and all(one == names[0] for one in names):
        kept = [json.loads(row["extra"]) for row in rows]
        numbers = [[float(one[name]) if isinstance(one.get(name), (int, float)) else math.nan for name in names[0]]
                   for one in kept]
        return {"values": np.array([row["attributions"] for row in rows], np.float64), "base_values": base,
                "data": np.array(numbers, np.float64), "feature_names": names[0]}
    values, data = np.empty(len(rows), object), np.empty(len(rows), object)
    for place, row in enumerate(rows):
        values[place], data[place] = np.array(row["attributions"], np.float64), np.array(names[place], object)
    return {"values": values, "base_values": base, "data": data, "feature_names": names}


def for_tfma(row: Mapping[str, Any]) -> Dict[str, Dict[str, np.ndarray]]:
    """What ``tfma.metrics.MeanAttributions`` reads of a row's extracts: ``{"attributions": {name: [number]}}``."""
    return {"attributions": {name: np.array([value]) for name, value in contributions(row, {}).items()}}


def write_projector(rows: Iterable[Mapping[str, Any]], folder: Any, most: int = 200) -> Tuple[str, str]:
    """Writes ``vectors.tsv`` and ``metadata.tsv`` for TensorBoard's projector: a point a row, a number a name.

    Args:
      rows: rows of ``tf1_ig.scale.SCHEMA``.
      folder: where the files go.
      most: names that become dimensions: those of the largest contributions in all.

    Returns:
      The two paths.
    """
    found: List[Tuple[Mapping[str, Any], Dict[str, float]]] = [(row, contributions(row, {})) for row in rows]
    sizes: Dict[str, float] = {}
    for _, own in found:
        for name, value in own.items():
            sizes[name] = sizes.get(name, 0.0) + abs(value)
    names = sorted(sizes, key=lambda name: (-sizes[name], name))[:most]
    points = ["\t".join(repr(own.get(name, 0.0)) for name in names) for _, own in found]
    columns = ("key", "label_name", "prediction_name", "score")
    told = ["\t".join(columns)] + ["\t".join(str(row[column]).translate(_SPACES) for column in columns)
                                   for row, _ in found]
    paths = []
    for name, lines in (("vectors.tsv", points), ("metadata.tsv", told)):
        paths.append(os.path.join(os.fspath(folder), name))
        with whole_files.writing(paths[-1], "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write("\n".join(lines) + "\n")
    return paths[0], paths[1]
