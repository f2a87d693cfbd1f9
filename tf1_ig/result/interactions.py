"""What pairs of tokens do together: a record of numpy arrays, judged and drawn without TensorFlow."""

import dataclasses
from typing import Any, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from graph_tools.errors import some
from graph_tools.report import Finding, Report
from tf1_ig.errors import package
from tf1_ig.result import entries
from tf1_ig.result.attribution import class_text

CLOSE, ROUGH = 0.01, 0.05  # of what is compared: within the first it holds, beyond the second it does not
STRONGEST = 5              # pairs of a row that are compared with single removals


class Pair(NamedTuple):
    """Two tokens of a row, by their places, and what they do together (both entries of the matrix)."""

    first: int
    second: int
    value: float
    discrete: float


@dataclasses.dataclass(frozen=True, eq=False)
class Interactions:
    """Integrated Hessians of one batch of examples (Janizek, Sturmfels, Lee: Explaining Explanations: Axiomatic
    Feature Interactions for Deep Networks, JMLR 22:104, 2021), by token.

    Row sums are Integrated Gradients, and all of a matrix sums to ``score - baseline_score``, up to ``delta``.

    Attributes:
      values: for every row a symmetric float64 array ``[tokens, tokens]``; tokens of several inputs stand one input
        after another. The diagonal is what a token does by itself. The effect of a pair is both its entries.
      tokens: for every row float64 ``[tokens]``, the sums of the matrix's rows.
      score, baseline_score: float64 ``[rows]``.
      delta: float64 ``[rows]``, ``Σ values − (score − baseline_score)``.
      asymmetry: float64 ``[rows]``, the largest ``|Γij − Γji|`` before the matrix was made symmetric: an estimate of
        the numerical error that owes nothing to the sums.
      error_estimate: float64 ``[rows]``, what the entries may be off, added up: on smooth models the larger of how much
        the measured matrix was changed so that its rows sum to Integrated Gradients, and half of how far its two
        orders are apart; where gradients jump, what finer intervals and other second derivatives may change.
      converged: bool ``[rows]``: ``delta`` and ``error_estimate`` are within the tolerance.
      steps, evaluations: int ``[rows]``, points of the path, and gradients that were taken for the row.
      label: as ``Attribution.label`` has it.
      output: name of the explained tensor.
      inputs: names of the attributed tensors, in the order of their tokens.
      token_counts: int ``[rows, inputs]``, how many tokens each input has in a row.
      token_texts: one list of texts a row: those that were given, else what the graph and the feed tell.
      pairs: for every row its strongest pairs, with what a discrete removal says of them (Tsang, Rambhatla, Liu: How
        does this interaction affect me?, arXiv 2006.10965): score with both, less the scores with one of them, plus the
        score with none.
      notes: what the reader must know, one sentence each.

    Example:
      >>> found = explainer.interactions({"ids:0": ids}, label="top")                        # doctest: +SKIP
      >>> found.values[0].sum() - (found.score - found.baseline_score)[0]                    # doctest: +SKIP
      1e-05
    """

    values: List[np.ndarray]
    tokens: List[np.ndarray]
    score: np.ndarray
    baseline_score: np.ndarray
    delta: np.ndarray
    asymmetry: np.ndarray
    error_estimate: np.ndarray
    converged: np.ndarray
    steps: np.ndarray
    evaluations: np.ndarray
    label: np.ndarray
    output: str
    inputs: Tuple[str, ...]
    token_counts: np.ndarray
    token_texts: Optional[List[List[str]]] = None
    pairs: Tuple[Tuple[Pair, ...], ...] = ()
    tolerance: float = CLOSE
    notes: Tuple[str, ...] = ()

    @property
    def finite(self) -> np.ndarray:
        """Which rows are explained, bool ``[rows]``: of the others a number is NaN or infinite."""
        return np.isfinite(self.delta)

    def texts(self, row: int) -> List[str]:
        """The tokens of a row in words: its texts, else their inputs and places there."""
        found = [one for name, count in zip(self.inputs, self.token_counts[row])
                 for one in entries.numbered((), name, (int(count),))]
        given = self.token_texts[row][:len(found)] if self.token_texts is not None else []
        return list(given) + found[len(given):]

    def label_text(self, row: int, class_names: Optional[Sequence[str]] = None) -> str:
        """The explained class of a row for people; nothing without classes, and for a weighted sum of them."""
        return class_text(self.label, row, class_names)

    def check(self) -> Report:
        """Whether the matrices can be believed: sums, symmetry, and the strongest pairs against discrete removals."""
        return Report(tuple(_findings(self)))

    def to_frame(self) -> Any:
        """A pandas DataFrame with a line a pair: row, both tokens, value (both entries of a pair off the diagonal)."""
        pandas, lines = package("pandas", "for a frame", "pandas"), []
        for row, matrix in enumerate(self.values):
            texts = self.texts(row)
            for first in range(len(matrix)):
                for second in range(first, len(matrix)):
                    lines.append((row, first, second, texts[first], texts[second],
                                  matrix[first, second] * (1 if first == second else 2)))
        return pandas.DataFrame(lines, columns=["row", "first", "second", "first_text", "second_text", "value"])

    def __str__(self) -> str:
        lines = []
        for row, pairs in enumerate(self.pairs):
            if not self.finite[row]:
                lines.append("row %d: not explained: not finite (score %.4g)" % (row, self.score[row]))
                continue
            texts = self.texts(row)
            lines.append("row %d: score %.4g, baseline %.4g, delta %.2g" % (
                row, self.score[row], self.baseline_score[row], self.delta[row]))
            lines += ["    %s × %s %+.4g (discrete %+.4g)" % (texts[pair.first], texts[pair.second], pair.value,
                                                             pair.discrete) for pair in pairs]
        return "\n".join(lines)


def _findings(found: Interactions) -> Iterator[Finding]:
    known = np.flatnonzero(found.finite)
    if len(known) < len(found.delta):
        yield Finding("finite numbers", "fail", len(found.delta) - len(known), "Rows %s are not explained: a score or "
                      "a gradient is not finite." % some(np.flatnonzero(~found.finite).tolist(), 8))
    rise, values = np.abs(found.score - found.baseline_score)[known], [found.values[row] for row in known]
    yield _largest("completeness", np.abs(found.delta)[known], rise,
                   "the interactions miss the difference of the scores; allow more points: max_steps=")
    total = np.array([np.abs(each).sum() for each in values])
    yield _largest("entries", found.error_estimate[known], total,
                   "so much may the entries be off together: read small ones with caution, or allow more points: "
                   "max_steps=", fails=False)
    largest = np.array([np.abs(each).max() if each.size else 0.0 for each in values])
    yield _largest("symmetry", found.asymmetry[known], largest,
                   "the effect of i on j differs from that of j on i; the model bends sharply near the path",
                   fails=False)
    least = CLOSE * float(np.max(rise, initial=1e-12))
    signs = [np.sign(pair.value) == np.sign(pair.discrete) for row, pairs in enumerate(found.pairs)
             if found.finite[row] for pair in pairs if abs(pair.discrete) > least]
    if signs:
        share = float(np.mean(signs))
        yield Finding("discrete removal", "ok" if share >= 0.5 else "warn", share,
                      "" if share >= 0.5 else "of the strongest pairs most act the other way when their tokens are "
                      "removed outright: what holds along the path does not hold at its end")


def _largest(name: str, errors: np.ndarray, sizes: np.ndarray, advice: str, fails: bool = True) -> Finding:
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.where(errors > 0, errors / np.maximum(sizes, np.finfo(np.float32).tiny), 0.0)
    worst = float(np.max(shares)) if len(shares) else 0.0
    verdict = "ok" if worst <= CLOSE else "warn" if worst <= ROUGH or not fails else "fail"
    if not np.isfinite(worst):
        verdict = "fail"
    return Finding(name, verdict, worst, "" if verdict == "ok" else advice)
