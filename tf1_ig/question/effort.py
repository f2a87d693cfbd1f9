"""The question to a model as one record: the feed, the label, and how exactly it is to be answered."""

from typing import Any, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from tf1_ig import integrate, quadrature
from tf1_ig.engine.run_sizes import RunLimits
from tf1_ig.errors import MethodError


class Effort(NamedTuple):
    """How exactly to integrate, and how large runs may be.

    ``rule`` are nodes and weights of a fixed number of steps; ``None``: as many as ``tolerance`` needs.
    """

    rule: Optional[Tuple[np.ndarray, np.ndarray]]
    method: str
    steps: Optional[int]
    tolerance: float
    max_steps: int
    limits: RunLimits

    def integral(self, evaluator: integrate.Evaluator, ends: Optional[np.ndarray]) -> integrate.Integral:
        """The integral along the paths of an evaluator, given the scores at their ends where they are known."""
        if self.rule is None:
            return integrate.adaptive(evaluator, self.tolerance, self.max_steps)
        return integrate.by_rule(evaluator, *self.rule, ends=ends)


class Question(NamedTuple):
    """One call of the caller's: everything but the method and its options."""

    feed: Mapping[Any, Any]
    label: Any
    effort: Effort
    positions: Any = None
    shared_feeds: Sequence[Any] = ()
    row_feeds: Sequence[Any] = ()
    tokens: Any = None
    progress: Any = False


def effort(method: str = "gausslegendre", steps: Optional[int] = None, tolerance: float = 0.01, max_steps: int = 1024,
           batch_size: Optional[int] = None, memory_limit: Optional[int] = None) -> Effort:
    """The effort that the caller asks for.

    Raises:
      MethodError: an unknown rule, or a number that is none.
    """
    limits = RunLimits(batch_size, memory_limit).checked()
    if method in quadrature.GRIDS and steps is None:
        raise MethodError("method %r reproduces the numbers of another library, which had a fixed number of nodes; "
                          "pass {argument} as it was there" % method, argument="steps", value="NUMBER")
    if method not in quadrature.RULES:
        quadrature.nodes_and_weights(method, steps or 2)
    if not isinstance(tolerance, (int, float, np.floating)) or not tolerance > 0:
        raise MethodError("tolerance must be a number above 0 such as 0.01 (one per cent), not %r" % (tolerance,))
    if steps is None and (not isinstance(max_steps, (int, np.integer)) or max_steps < 3):
        raise MethodError("{argument} must be a whole number of at least 3, not %r" % (max_steps,),
                          argument="max_steps")
    rule = None if steps is None else quadrature.nodes_and_weights(method, steps)
    return Effort(rule, method, steps, tolerance, max_steps, limits)
