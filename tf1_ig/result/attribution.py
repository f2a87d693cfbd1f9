"""The result of an explanation: a plain record of numpy arrays, saved and loaded without pickle or TensorFlow.

The methods that draw (``to_html``, ``to_frame``, ``save`` as ``.html``) are doors to ``tf1_ig.show``: they import it
when they are called, so that the record itself depends on numpy alone.
"""

import dataclasses
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

import numpy as np

from graph_tools.report import Finding
from tf1_ig.result import entries, storage
from tf1_ig.result.claims import EXACT, NONE, finite, is_finite
from tf1_ig.result.features import Feature

Values = Union[np.ndarray, List[np.ndarray]]


@dataclasses.dataclass(frozen=True, eq=False)
class Attribution:
    """Integrated Gradients of one batch of examples, and what is needed to judge and to show them.

    ``delta = Σ values − (score − baseline_score)`` per row; 0 is a complete attribution (Sundararajan, Taly, Yan:
    Axiomatic Attribution for Deep Networks, ICML 2017, proposition 1).

    Attributes:
      values: by input tensor name, float ``[batch, …, dim]``, or for sparse lookups a list with one
        ``[occurrences, dim]`` array per row.
      score, baseline_score, delta: float64 ``[batch]``; both scores were taken under the same other feeds.
      label: int64 ``[batch]`` (-1: the output has no classes, or a weighted sum was explained), or ``[batch, k]`` where
        an index tuple was explained.
      steps: int ``[batch]``, nodes of the rule that were used.
      evaluations: int ``[batch]``, rows sent forward and backward through the model.
      converged: bool ``[batch]``, true where the completeness error is within ``tolerance``, or within what float32 can
        tell of scores and attributions. Of the tokens, whose errors may cancel, it is no proof.
      output: name of the explained tensor.
      method: name of the quadrature rule, or ``"adaptive"``.
      tolerance: relative completeness error that was asked for; ``None`` when the steps were fixed.
      baseline: what the path starts from, in words (``"zero"``).
      prediction: int64 ``[batch]`` or ``[batch, k]``, the top class of each row where the output has classes.
      outputs: the model's output rows at the real input.
      baseline_output: the model's output rows at the baseline.
      token_texts: one list of texts per row.
      running: how points were run: ``"packed"``, ``"fixed batch"``, ``"in company"`` or ``"one at a time"``.
      coupled: whether rows of a batch influence each other, so that each was explained in the company of the feed's;
        ``None`` in results saved by releases that did not say.
      held_fixed: names of the other feeds, which kept their values along the path.
      notes: what the reader must know, one sentence each.
      error_estimate: float ``[batch]``, estimated absolute error of the integral.
      path: one ``(alphas, scores)`` pair of float arrays per row: the score along the path.
      ids: by input tensor name, the id behind each entry: ``[batch, …]``, or a list with one array per row.
      strings: by input tensor name, the string behind each entry where the graph hashes or looks up strings: one list
        of texts per row.
      features: what each category of each feature column contributed, one list of ``Feature`` per row; ``None`` where
        no input belongs to a feature column (``tf1_ig.result.features.totals`` sums them).
      raw_texts: by input tensor name, the text of each row that the graph cut into this input's tokens (bytes that are
        no UTF-8 as lone surrogates); ``None`` where the graph cuts no text.
      spans: by input tensor name, the bytes ``(start, stop)`` of the raw text that each entry came from, one list per
        row; ``None`` for an entry that has no place there, or none that is certain.
      output_kind: ``"softmax"``, ``"sigmoid"``, ``"logits"``, … where the graph told; ``None`` where it did not.
      logits: name of the tensor that a softmax or a sigmoid was computed from, where the graph told.
      actual: by input tensor name, the attributed values themselves, like ``values`` in shape: for inputs that are the
        caller's own numbers (pixels, samples, columns), not for rows of a table.
      baseline_feed_score: float64 ``[batch]`` where the baseline is given as a feed (``{"ids:0": 0}``): the score under
        that whole feed. It differs from ``baseline_score`` by what the replaced feeds do past the attributed tensors
        (a mask, a length), which no attribution along the path can account for.
      path_errors: one float array per row, the integration error of each interval of ``path``; ``None`` for fixed
        steps, whose error is known as a whole (``delta``) only.
      called: ``(input tensor name, names)``: what is fed there as the caller knows it (a feature's key, a signature's
        key, a placeholder), one name for all entries or one for each (``tf1_ig.result.entries``).
      replaced: where a queue was swapped, ``(name here, name that the caller knows)`` of each of its tensors.
      not_finite_at: the first op that produced a NaN or an infinity, in words, and the feeds that held one in that row;
        ``""`` when all numbers are finite.
      fed_not_finite: by tensor name, for each row whether it is not ``finite`` and was fed a NaN or an infinity there;
        ``None`` where no row was.
      graph_findings: what the graph says against explanations of this output (``IntegratedGradients.findings``).
      technique: what was computed, for people: ``"Integrated Gradients"``, ``"Expected gradients"``, …
        (``tf1_ig.variants``).
      completeness: ``"exact"``: the values sum to the score difference, up to the error of the integral; ``"in
        expectation"``: so they do on the average over random draws, and ``error_estimate`` is the standard error of
        ``delta``; ``"none"``: their sum claims nothing, and ``baseline_score`` and ``delta`` are NaN.
      standard_error, token_standard_error: shaped like ``values`` and like ``tokens``, where these are means over
        several paths: the standard errors of the means.
      weights: where weighted sums of outputs were explained, for every row a list of ``(index tuple, weight)``.
      rows, positions: int64 ``[batch]`` where every row of the result is one position of an example's output: the
        example's row in the feed, and the position.
      measures: what ``tf1-ig evaluate`` found of all rows that were judged, a ``Measured`` each, where it was.

    >>> attribution.values["embedding/lookup:0"].shape                                    # doctest: +SKIP
    (2, 40, 64)
    >>> attribution.tokens["embedding/lookup:0"].shape, attribution.converged             # doctest: +SKIP
    ((2, 40), array([ True,  True]))
    """

    values: Dict[str, Values]
    score: np.ndarray
    baseline_score: np.ndarray
    delta: np.ndarray
    label: np.ndarray
    steps: np.ndarray
    evaluations: np.ndarray
    converged: np.ndarray
    output: str
    method: str
    tolerance: Optional[float] = None
    baseline: str = "zero"
    prediction: Optional[np.ndarray] = None
    outputs: Optional[np.ndarray] = None
    baseline_output: Optional[np.ndarray] = None
    token_texts: Optional[List[List[str]]] = None
    running: str = "packed"
    coupled: Optional[bool] = None
    held_fixed: Tuple[str, ...] = ()
    notes: Tuple[str, ...] = ()
    error_estimate: Optional[np.ndarray] = None
    path: Optional[List[Tuple[np.ndarray, np.ndarray]]] = None
    output_kind: Optional[str] = None
    logits: Optional[str] = None
    ids: Optional[Dict[str, Values]] = None
    strings: Optional[Dict[str, List[List[str]]]] = None
    features: Optional[List[List[Feature]]] = None
    raw_texts: Optional[Dict[str, List[str]]] = None
    spans: Optional[Dict[str, List[List[Optional[Tuple[int, int]]]]]] = None
    actual: Optional[Dict[str, Values]] = None
    baseline_feed_score: Optional[np.ndarray] = None
    path_errors: Optional[List[np.ndarray]] = None
    called: entries.Called = ()
    replaced: Tuple[Tuple[str, str], ...] = ()
    not_finite_at: str = ""
    fed_not_finite: Optional[Dict[str, List[bool]]] = None
    graph_findings: Tuple[Finding, ...] = ()

    technique: str = "Integrated Gradients"
    completeness: str = EXACT
    standard_error: Optional[Dict[str, Values]] = None
    token_standard_error: Optional[Dict[str, Values]] = None
    weights: Optional[List[List[Tuple[Tuple[int, ...], float]]]] = None
    rows: Optional[np.ndarray] = None
    positions: Optional[np.ndarray] = None
    measures: Tuple[Finding, ...] = ()

    @property
    def tokens(self) -> Dict[str, Values]:
        """The values summed over their last axis: ``[batch, …]`` arrays, or lists of ``[occurrences]`` arrays.

        An input with a single number per row (or per occurrence) has nothing to sum and stays as it is.
        """
        return token_sums(self.values)

    @property
    def finite(self) -> np.ndarray:
        """Which rows are explained, bool ``[batch]``: of the others a number is NaN or infinite."""
        return finite(self)

    def known_as(self, name: str) -> str:
        """A tensor as the caller knows it: ``"batch:1 (fed as batch/component_1:0)"`` where a queue was swapped."""
        old = dict(self.replaced).get(name)
        return name if old is None else "%s (fed as %s)" % (old, name)

    def texts(self, name: str, row: int) -> Optional[List[str]]:
        """What to call the entries of one input in one row: the given tokens, the strings or the ids behind them.

        ``None`` where the result knows none of these.
        """
        return entries.texts(name, row, self.token_texts, self.strings, self.ids)

    def names(self, name: str, row: int) -> List[str]:
        """What each entry of one input in one row is called: its text, else what is fed with its place:
        ``["age"]``, ``["pixels[0]", "pixels[1]"]``."""
        return entries.names(self, name, row)

    def input_name(self, name: str) -> str:
        """An input as the caller knows it: what is fed there, where that is one thing; else the tensor's name."""
        return entries.input_name(self.called, name)

    @property
    def relative_delta(self) -> np.ndarray:
        """``|delta| / |score − baseline_score|`` per row: float64 ``[batch]``, 0 where both are 0, else infinite."""
        size, difference = np.abs(self.delta), np.abs(np.asarray(self.score) - self.baseline_score)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where((size == 0) & (difference == 0), 0.0, size / difference)

    def label_text(self, row: int, class_names: Optional[Sequence[str]] = None) -> str:
        """The explained label of a row for people: ``"3"``, ``"(4, 1)"``, a class name, ``"2 rather than 0"`` for a
        contrast, ``""`` without classes."""
        if self.weights is not None:
            return _weights_text(self.weights[row], class_names)
        return class_text(self.label, row, class_names)

    def scores_text(self, row: int) -> str:
        """Score and baseline score of a row, and how well its integral closed; or that it is not explained."""
        if not is_finite(self, row):
            fed = [name for name, rows in (self.fed_not_finite or {}).items() if rows[row]]
            return "not explained: not finite%s (score %.6g)" % (
                " as fed (%s)" % ", ".join(fed) if fed else "", self.score[row])
        return "score %.6g%s" % (self.score[row], "" if self.completeness == NONE else (
            ", baseline %.6g, delta %+.2g (%s), %d steps" % (
                self.baseline_score[row], self.delta[row], "converged" if self.converged[row] else "NOT converged",
                self.steps[row])))

    def prediction_text(self, row: int, class_names: Optional[Sequence[str]] = None) -> str:
        """The predicted class of a row for people; ``""`` where the output has no classes, or is not finite."""
        if self.outputs is not None and not np.isfinite(self.outputs[row]).all():
            return ""
        return class_text(self.prediction, row, class_names)

    @property
    def main_label(self) -> np.ndarray:
        """``label``, with the element of largest weight in place of -1 where weighted sums were explained."""
        if self.weights is None:
            return np.asarray(self.label)
        main = [max(row, key=lambda term: abs(term[1]))[0] for row in self.weights]
        return np.array(main, np.int64).reshape(np.shape(self.label))

    def __len__(self) -> int:
        return len(self.score)

    def __getitem__(self, row: Union[int, slice, Sequence[int]]) -> "Attribution":
        """The same result for one row (still with a batch axis, of length 1), a slice, or a list of rows."""
        rows = np.arange(len(self))[row]
        return _select(self, [int(number) for number in np.atleast_1d(rows)])

    def __str__(self) -> str:
        lines = ["%s of %s, %s, baseline %s (%s, %d example%s)" % (
            self.technique, self.output, ", ".join(self.values), self.baseline, self.method, len(self),
            "s" * (len(self) != 1))]
        for row in range(min(len(self), 10)):
            label = self.label_text(row)
            lines.append("  [%d] %s%s" % (row, "label %s, " % label if label else "", self.scores_text(row)))
        if len(self) > 10:
            lines.append("  … and %d more" % (len(self) - 10))
        return "\n".join(lines + ["  note: " + note for note in self.notes])

    __repr__ = __str__

    def save(self, path: Any, **shown: Any) -> None:
        """Writes the result: ``.npz`` (exact), ``.json`` (strict JSON) or ``.html`` (a page), by suffix.

        A file that is there is replaced as a whole, or left as it was.

        Args:
          path: the file to write.
          **shown: what a page shows, the options of ``to_html``; files of numbers do not need it.

        Raises:
          ResultFileError: another suffix, or a place that cannot be written.
          ResultFileMissingError: there is no such folder.
        """
        storage.save(self, path, **shown)

    def to_frame(self) -> Any:
        """A ``pandas.DataFrame`` with one line per token: example, input, position, token, attribution, label, score.

        Raises:
          MissingPackageError: pandas is not installed.
        """
        from tf1_ig.show.table import frame

        return frame(self)

    def to_html(self, tokens: Optional[Sequence[Any]] = None, **options: Any) -> str:
        """One self-contained HTML page (see ``tf1_ig.show.report.page`` for the options).

        Args:
          tokens: texts of the tokens, a list per row (or one list when there is one row); ``None`` takes
            ``token_texts``, else positions.
        """
        from tf1_ig.show.report import page

        return page(self, tokens=tokens, **options)

    def to_figure(self, row: int = 0, **options: Any) -> Any:
        """One example as a ``matplotlib`` figure, for papers (see ``tf1_ig.show.figure.of_result`` for the options).

        Raises:
          MissingPackageError: matplotlib is not installed.
        """
        from tf1_ig.show.figure import of_result

        return of_result(self, row, **options)

    def view(self, **options: Any) -> Any:
        """What a notebook shows of the result, with options: class_names, tokens, images, palette, join, fold, scale.

        They are those of ``to_html``; returns an ``IPython.display.HTML``.

        >>> attribution.view(class_names=["negative", "positive"])                        # doctest: +SKIP
        """
        from IPython.display import HTML

        from tf1_ig.show.report import fragment

        return HTML(fragment(self, **options))

    def _repr_html_(self) -> str:
        from tf1_ig.show.report import fragment

        return fragment(self)


def load_attribution(path: Any, max_bytes: Optional[int] = None) -> Attribution:
    """Reads a result that ``Attribution.save`` wrote as ``.npz`` or ``.json``; nothing in the file is run.

    Args:
      path: the file.
      max_bytes: most bytes that its arrays may take once unpacked; ``None``: half a gigabyte, or 8 times the file.

    Raises:
      ResultFileMissingError: there is no such file.
      ResultFileError: the file is not such a result, or a field of it is not what it must be.
    """
    return Attribution(**storage.load(path, max_bytes))


def token_sums(values: Dict[str, Values]) -> Dict[str, Values]:
    """Values summed over their last axis where that is not the only one beside the batch."""
    with np.errstate(invalid="ignore"):  # Inf − Inf is a NaN, and check says so
        return {name: [row if np.ndim(row) < 2 else np.sum(row, axis=-1) for row in value]
                if isinstance(value, list) else value if np.ndim(value) < 2 else np.sum(value, axis=-1)
                for name, value in values.items()}


def row_sums(value: Values) -> np.ndarray:
    """The sum of all values of each row of one input, float64 ``[batch]``."""
    if isinstance(value, list):
        return np.array([np.sum(row) for row in value], np.float64)
    return value.reshape((len(value), -1)).sum(axis=1).astype(np.float64)


def joined(parts: Sequence[Attribution]) -> Attribution:
    """Results of the same question for several sets of rows as one."""
    changes: Dict[str, Any] = {}
    for field in dataclasses.fields(Attribution):
        values = [getattr(part, field.name) for part in parts]
        if isinstance(values[0], dict):
            changes[field.name] = {name: _together([value[name] for value in values]) for name in values[0]}
        elif isinstance(values[0], (np.ndarray, list)):
            changes[field.name] = _together(values)
    return dataclasses.replace(parts[0], **changes)


def _together(values: Sequence[Any]) -> Any:
    return sum(values, []) if isinstance(values[0], list) else np.concatenate(values)


def _weights_text(weights: Sequence[Tuple[Tuple[int, ...], float]], class_names: Optional[Sequence[str]]) -> str:
    """``"2 rather than 0"``; for other weights ``"1 × 2 − 0.5 × 0"``; a position that all have in common said once."""
    lead = weights[0][0][:-1]
    common = len(weights) > 1 and lead != () and all(index[:-1] == lead for index, _ in weights)
    names = [class_text(np.array([index[-1:] if common else index]), 0, class_names) for index, _ in weights]
    sizes = [weight for _, weight in weights]
    if len(sizes) == 2 and sizes[0] == -sizes[1] != 0:
        text = "%s rather than %s" % (tuple(names) if sizes[0] > 0 else tuple(names[::-1]))
    else:
        terms = ["%s %.4g × %s" % ("−" if size < 0 else "+", abs(size), name) for size, name in zip(sizes, names)]
        text = " ".join(terms)
        text = text[2:] if text.startswith("+") else "−" + text[2:]
    return text if not common else "%s at %s" % (text, ", ".join(map(str, lead)))


def class_text(classes: Optional[np.ndarray], row: int, class_names: Optional[Sequence[str]]) -> str:
    """A row's class for people: its number or name, an index tuple, or nothing where there are no classes."""
    if classes is None:
        return ""
    numbers = [int(number) for number in np.atleast_1d(np.asarray(classes)[row])]
    if not numbers or numbers[-1] < 0:
        return ""
    last = numbers[-1]
    known = list(class_names or ())
    texts = [str(number) for number in numbers[:-1]] + [str(known[last] if 0 <= last < len(known) else last)]
    return texts[0] if len(texts) == 1 else "(%s)" % ", ".join(texts)


def rows_of(value: Any, rows: List[int]) -> Any:
    """A field of a result, or of one by input, for some rows; what has no rows stays as it is."""
    if isinstance(value, dict):
        return {name: _rows(each, rows) for name, each in value.items()}
    return _rows(value, rows) if isinstance(value, (np.ndarray, list)) else value


def _select(attribution: Attribution, rows: List[int]) -> Attribution:
    return dataclasses.replace(attribution, **{
        field.name: rows_of(getattr(attribution, field.name), rows) for field in dataclasses.fields(attribution)})


def _rows(value: Any, rows: List[int]) -> Any:
    return [value[row] for row in rows] if isinstance(value, list) else value[rows]
