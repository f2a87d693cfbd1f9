"""Results made by hand, for tests of what comes after the integral (no TensorFlow)."""

import numpy as np

from tf1_ig.result.attribution import Attribution


def result(values=((0.25, -0.5, 1.0), (0.5, 0.0, 0.25)), name="embedding/lookup:0", **fields):
    """An Attribution of ``[rows, tokens, 2]`` whose token sums are ``values`` and which is complete and probable."""
    sums = np.array(values, np.float64)
    spread = np.stack([sums * 0.75, sums * 0.25], axis=-1) if sums.ndim > 1 else sums
    rows = len(sums)
    with np.errstate(invalid="ignore"):
        total = np.nansum(sums.reshape(rows, -1), axis=1)
    base = np.full(rows, 0.2)
    known = dict(
        values={name: spread}, score=base + total, baseline_score=base, delta=np.zeros(rows),
        label=np.ones(rows, np.int64), steps=np.full(rows, 8), evaluations=np.full(rows, 8),
        converged=np.ones(rows, bool), output="probabilities:0", method="adaptive", tolerance=0.01)
    known.update(fields)
    return Attribution(**known)
