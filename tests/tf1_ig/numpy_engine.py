"""Models in numpy in the place of an engine, so that how rows become runs is tried in milliseconds."""

import numpy as np


class NumpyEngine:
    """Does what ``tf1_ig.engine.operated.Engine`` does for a model that is a function of arrays.

    Args:
      model: ``(inputs, feeds) -> output`` as the model shapes it; ``inputs`` are the points of each attributed tensor.
      batch_axis: as the engine's.
      ops: types of the ops on the path.
    """

    pace, hasty = None, False  # nobody waits for a trial

    def __init__(self, model, batch_axis=0, ops=()):
        self.model, self.batch_axis, self.ops = model, batch_axis, set(ops)
        self.sizes = []  # rows of each run

    def path_ops(self, values):
        return self.ops

    def _points(self, points):
        return [baseline[entry] + (actual - baseline)[entry] * alpha.reshape((-1,) + (1,) * (actual.ndim - 1))
                for actual, baseline, entry, alpha in zip(*points[:4])]

    def _outputs(self, inputs, points, order):
        found = np.asarray(self.model(inputs, points.feeds))
        return (found if order is None else np.transpose(found, order)).reshape(points.rows, -1)

    def run_raw_output(self, points):
        return np.asarray(self.model(self._points(points), points.feeds))

    def run_outputs(self, points, order):
        self.sizes.append(points.rows)
        return self._outputs(self._points(points), points, order)

    def run_scores(self, points, order, label):
        return label.of(self.run_outputs(points, order))

    def run_gradients(self, points, order, label, share):
        """Gradients by central differences, which are exact for polynomials of degree 2."""
        inputs, found = self._points(points), []
        for array, actual, baseline, entry in zip(inputs, *points[:3]):
            gradient = np.zeros(array.shape)
            for place in np.ndindex(array.shape):
                kept = array[place]
                for step in (0.5, -0.5):
                    array[place] = kept + step
                    gradient[place] += np.sign(step) * (share * label.of(self._outputs(inputs, points, order))).sum()
                array[place] = kept
            found.append(((gradient * (actual - baseline)[entry]).sum(-1).reshape(len(gradient), -1), gradient))
        return self.run_scores(points, order, label), found

    def run_weighted(self, points, order, label, share, weights):
        score, by_input = self.run_gradients(points, order, label, share)
        totals = []
        for (_, gradient), actual, entry, weight in zip(by_input, points.actual, points.entry, weights):
            total = np.zeros(actual.shape)
            np.add.at(total, entry, gradient * weight.reshape((-1,) + (1,) * (gradient.ndim - 1)))
            totals.append(total)
        return score, totals
