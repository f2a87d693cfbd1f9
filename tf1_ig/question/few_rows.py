"""How long it takes to explain an example; fewer rows of one, where a graph that fixes many makes that long.

Nothing is run for it where the trial of the example was quick: an explanation asks for some twenty times as much.
"""

import time
from typing import Any, Callable, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from graph_tools.errors import GraphToolsError
from tf1_ig.engine import probe
from tf1_ig.engine.packing import FIXED_BATCH, IN_COMPANY, PACKED
from tf1_ig.question.pace import Pace
from tf1_ig.question.samples import Sample
from tf1_ig.question.trial import STEPS as TRIED

FEW = 8                              # rows of the example of a graph that fixes more
STEPS = 16                           # of a fixed rule, which is quicker
_SLOW = 3.0                          # seconds of a trial from which on it is measured what an explanation takes
_AGAIN = 3.0                         # seconds of an explanation from which on none is made to measure it
_LONG = 60.0                         # seconds of an explanation from which on fewer rows are proposed
_POINTS, _ROUNDS = 40, 8             # of a row that the adaptive rule asks for as a rule, and in how many goes
_SHARED = PACKED, FIXED_BATCH        # how rows run that do not notice one another
_AS_MUCH = 4.0                       # times that the same feed may differ from itself
_AT_ONCE = 4                         # points that are timed together where an example has fewer rows


class Cost(NamedTuple):
    """About how many seconds it takes to explain an example.

    Attributes:
      seconds: by the adaptive rule.
      by_rule: by ``STEPS`` points.
      fewer: whether the example has several rows, and fewer may be fed.
      takes: the rows that the graph takes, where the example has fewer; else 0.
      of_all: seconds that so many rows would take.
    """

    seconds: float
    by_rule: float
    fewer: bool
    takes: int = 0
    of_all: float = 0.0


class Example(NamedTuple):
    """An example that went through its trial, and how it is asked about.

    Attributes:
      samples: what is fed, by tensor name.
      rows: how many rows that holds.
      may_be_fewer: whether the graph fixes their number, and they are along the first axis of everything.
      explained: its result in some steps, as in the trial.
      outputs: its output rows, or those of another feed.
      running: how points of the example were run, in the words of a result.
      pace: of its runs, which tell what it costs where they were slow; ``None``: that is measured.
    """

    samples: Tuple[Tuple[str, Sample], ...]
    rows: int
    may_be_fewer: bool
    explained: Callable[..., Any]
    outputs: Callable[..., np.ndarray]
    running: str
    pace: Optional[Pace] = None


def timed(run: Callable[[], Any]) -> Tuple[Any, float]:
    """What comes of something, and the seconds of CPU time or of the clock, whichever are fewer: cores share the work,
    and others share the cores."""
    before = time.process_time(), time.perf_counter()
    found = run()
    return found, min(time.process_time() - before[0], time.perf_counter() - before[1])


def looked_at(example: Example, trial: float) -> Tuple[Tuple[Tuple[str, Sample], ...], Optional[Cost]]:
    """What to feed instead of an example, or the same, and what it costs to explain that; ``None``: not much.

    Args:
      example: the example.
      trial: seconds that its trial took.
    """
    hasty = example.pace is not None and example.pace.hasty
    if trial < _SLOW and not hasty:
        return example.samples, None
    rows = example.rows
    try:
        found, moved = _told(example) if hasty else _cost(example, trial)
        long = found.fewer and example.may_be_fewer and rows > FEW and found.seconds > _LONG
        few = _few(example) if long and moved else None
    except GraphToolsError:
        return example.samples, None  # that it went through says the trial
    if few is None:
        return example.samples, found
    # Runs of a fixed batch take as long as if they were full, and hold points of many rows.
    least = (_ROUNDS, 1) if example.running == FIXED_BATCH else (0, 0)
    one = found.seconds / _POINTS
    return tuple(few), Cost(one * max(_POINTS * FEW / rows, least[0]), one * max(STEPS * FEW / rows, least[1]), True,
                            rows, found.seconds)


def _told(example: Example) -> Tuple[Cost, bool]:
    """``_cost`` by the runs that were made, where they were slow."""
    shared, pace = example.running in _SHARED, example.pace
    each = example.rows if example.running == IN_COMPANY else 1
    one = 0.0 if pace is None else each * pace.of_a_point(shared or example.rows > FEW)
    return Cost(_POINTS * one, STEPS * one, shared and example.rows > 1), True


def _cost(example: Example, trial: float) -> Tuple[Cost, bool]:
    """What an example costs, and whether the first rows of it are attributed anything."""
    shared, answer = example.running in _SHARED, example.pace.answer if example.pace else 0.0
    if answer > _AGAIN:  # whatever is done for each of many rows: once is enough
        return Cost(_POINTS * answer / TRIED, STEPS * answer / TRIED, shared and example.rows > 1), True
    if not shared and example.rows > FEW:  # a run of all rows for each: the trial was little else
        return Cost(_POINTS * trial / TRIED, STEPS * trial / TRIED, False), True
    steps = -(-_AT_ONCE // example.rows) if shared else 1
    found, seconds = timed(lambda: example.explained(steps))
    one = seconds / steps
    moved = any(np.any(row) for value in found.values.values() for row in value[:FEW])
    return Cost(_POINTS * one, STEPS * one, shared and found.running in _SHARED and example.rows > 1), moved


def _few(example: Example) -> Optional[List[Tuple[str, Sample]]]:
    """The first rows of an example; ``None`` where they would not be explained as they are among all: rows that notice
    one another are refused, and others have the outputs that they have there."""
    few = [(name, _first(sample) if sample.array.ndim and len(sample.array) == example.rows else sample)
           for name, sample in example.samples]
    if example.pace is not None:
        example.pace.extend()
    whole, feed = example.outputs(), {name: sample.array for name, sample in few}
    try:
        outputs = example.outputs(feed)
        if probe.agree(outputs, whole[:FEW], whole):
            return few
        # Something that is drawn anew for each run differs as much where all is fed once more.
        again = example.outputs({name: sample.array for name, sample in example.samples})
    except GraphToolsError:
        return None
    return few if outputs.shape == whole[:FEW].shape and np.max(np.abs(outputs - whole[:FEW])) <= _AS_MUCH * np.max(
        np.abs(again - whole)) else None


def _first(sample: Sample) -> Sample:
    """The first rows of a sample: numbers that are drawn for another one stay those that they are."""
    return Sample(("%s[:%d]" if sample.text.endswith(")") else "(%s)[:%d]") % (sample.text, FEW), sample.array[:FEW])


# -- in words --------------------------------------------------------------------------------------------------------

def told_of_rows(rows: int, cost: Optional[Cost]) -> str:
    """That a graph fixes its rows, and how many the example has of them."""
    if cost is None or not cost.takes:
        return "the graph takes exactly %d row%s: feed as many, as the example does" % (rows, "s" * (rows != 1))
    return ("the graph takes exactly %d rows, and to explain as many takes about %s: the example has %d, and runs are "
            "filled up with copies of the last one" % (cost.takes, _spoken(cost.of_all), rows))


def told_of_time(cost: Optional[Cost]) -> Sequence[str]:
    """That an explanation of the example takes long, and what to type for a shorter one; nothing where it does not."""
    if cost is None or cost.seconds < 2 * _LONG:
        return []
    return ["to explain the example takes about %s: pass --steps %d (about %s)%s" % (
        _spoken(cost.seconds), STEPS, _spoken(cost.by_rule), ", or feed fewer rows" * cost.fewer)]


def _spoken(seconds: float) -> str:
    """A time in the roundest words: ``"80 seconds"``, ``"8 minutes"``, ``"3 hours"``."""
    for unit, size in (("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * size:
            return "%.0f %s" % (seconds / size, unit)
    return "%d seconds" % max(10, 10 * round(seconds / 10.0))
