"""A result of the benchmark as bars: time over raw gradient cost, with quartiles over turns."""

from typing import Any, Dict, Optional

import numpy as np

TICKS = (0.5, 1, 2, 5, 10, 20, 50)


def over_raw(found: Dict[str, Any], raw: Optional[Dict[str, Any]], result: Dict[str, Any],
             what: str = "seconds") -> np.ndarray:
    """Time of each turn over that of the raw gradient at the asked number of evaluations (seconds without one).

    An adaptive rule is charged for what it took altogether. ``what``: of the clock, or ``"cpu_seconds"``.
    """
    took = np.array(found[what])
    if not raw:
        return took
    return took / np.array(raw[what]) * raw["evaluations"] / (result["rows"] * result["steps"])


def draw(result: Dict[str, Any], path: str) -> None:
    """Writes the bars of every network, shortest first."""
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot

    networks = result["networks"]
    rows = max(len(part["libraries"]) for part in networks.values())
    figure, axes = pyplot.subplots(1, len(networks), figsize=(6.5 * len(networks), 0.8 + 0.36 * rows), squeeze=False)
    for axis, (network, part) in zip(axes[0], networks.items()):
        raw = part["libraries"].get("raw gradient")
        quartiles = {library: np.percentile(over_raw(found, raw, result), (25, 50, 75))
                     for library, found in part["libraries"].items() if library != "raw gradient"}
        order = sorted(quartiles, key=lambda library: -quartiles[library][1])
        low, middle, high = np.array([quartiles[library] for library in order]).T
        axis.barh(order, middle, xerr=[middle - low, high - middle], ecolor="#666666",
                  color=["#0072b2" if library.startswith("tf1_ig") else "#bbbbbb" for library in order])
        for place, value in enumerate(high):
            axis.text(value * 1.05, place, "%.2f" % middle[place], va="center", fontsize=8)
        axis.axvline(1.0, color="black", linewidth=0.8)
        axis.set_xscale("log")
        axis.set_xticks(TICKS)
        axis.set_xticklabels(["%g" % tick for tick in TICKS])
        axis.minorticks_off()
        axis.set(xlim=(0.3, max(high) * 2), title=network,
                 xlabel="time over raw gradient cost (%d steps, %d rows)" % (result["steps"], result["rows"]))
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)
