"""What there is to explain in one feed: the rows, their entries and baselines, and how they may be run."""

from typing import Any, Dict, List, NamedTuple, Optional, Tuple

import numpy as np

from tf1_ig import baselines
from tf1_ig.engine import feeds, probe
from tf1_ig.engine.packing import Batch


class Task(NamedTuple):
    """One feed, ready to be explained.

    ``row_shape`` is the shape of one output row, ``outputs`` the output rows ``[batch, elements]`` at the caller's
    input, ``values`` the whole feed by tensor name.
    """

    batch: Batch
    probed: probe.Probed
    row_shape: Tuple[int, ...]
    outputs: np.ndarray
    values: Dict[str, np.ndarray]
    # What baselines are made from.
    inputs: baselines.Inputs
    # By ragged input: the entries that are the example's own, not put in to fill an empty one and discarded later.
    own: List[Optional[np.ndarray]]
    # Where the baseline is given as a feed: all feeds of the path under it, masks and lengths included.
    baseline_feeds: Optional[Dict[str, Any]]
    # How every fed value belongs to the rows, also where the path does not depend on it.
    fed: Dict[str, feeds.FedTensor]
    # The rows of ``values`` where the feed was filled up to the number that the graph takes; else 0.
    filled: int = 0

    def at_rows(self, rows: np.ndarray) -> "Task":
        """The task with these of its rows, each as often as it is named; ``values`` stay those of the whole feed."""
        batch, count = self.batch, self.batch.count
        taken = [entries_of.take(rows) for entries_of in batch.entries_of]

        def of(arrays: Any) -> Any:
            return [array[entries] for array, (entries, _) in zip(arrays, taken)]

        actual, owner = of(batch.actual), [position for _, position in taken]
        fed = feeds.of_rows(self.fed, rows, count)
        return self._replace(
            batch=Batch(len(rows), actual, of(batch.baseline), owner, {name: fed[name] for name in batch.feeds}),
            outputs=self.outputs[rows], fed=fed,
            own=[own if own is None else own[entries] for own, (entries, _) in zip(self.own, taken)],
            inputs=self.inputs._replace(entries=actual, owner=owner, batch=len(rows), whole=(self.inputs, of)),
            baseline_feeds=self.baseline_feeds and {name: fed[name]._replace(value=value) for name, value in (
                feeds.take_rows(self.baseline_feeds, rows, count).items())})
