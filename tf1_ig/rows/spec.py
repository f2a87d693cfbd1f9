"""The explanation spec: one small file that says how rows become feeds, and what is asked of which model."""

import contextlib
import copy
import dataclasses
import json
import os
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

import graph_tools as gt
from graph_tools import whole_files
from graph_tools.errors import TensorNotFoundError
from graph_tools.graph import names
from tf1_ig.errors import RowError, SpecError, SpecFileMissingError
from tf1_ig.explainer import IntegratedGradients
from tf1_ig.result.attribution import Attribution
from tf1_ig.rows import attributed, dtypes, fingerprint, json_text, labels, readers, schema, told
from tf1_ig.rows.encoders import by_tensor, encoders_of
from tf1_ig.rows.files import Files
from tf1_ig.rows.record import Cut, Encoded, Encoder, Row

VERSION = 1
# Where a path stands in a spec: made relative to the folder that a spec is saved to.
PATHS = (("model", "path"), ("classes",), ("feed", "*", "vocabulary", "file"), ("feed", "*", "tokenizer", "file"),
         ("feed", "*", "tokenizer", "merges"), ("feed", "*", "categories"))


@dataclasses.dataclass(frozen=True, eq=False)
class ExplanationSpec:
    """How a row, a mapping of column to value, becomes the feed of a model, and what is asked of it.

    Attributes:
      tree: the content of the file; it is not changed.
      folder: the folder that its paths are relative to.
      allow_code: tokenizers of the user's (``module:function``) may be imported.
      name: the file, for messages.
      classes: names of the classes; ``None`` where the spec gives none.

    Raises:
      SpecError: the tree is not a spec, or names a file that is not there; the message says where in it.

    >>> spec = tf1_ig.load_spec("spec.json")                                              # doctest: +SKIP
    >>> feed, tokens = spec.feed([{"text": "A wonderful film."}])                         # doctest: +SKIP
    >>> with spec.open() as explainer:                                                    # doctest: +SKIP
    ...     explainer.explain(feed, label=spec.label, tokens=tokens)
    """

    tree: Mapping[str, Any]
    folder: str = "."
    allow_code: bool = False
    name: str = "the spec"
    classes: Optional[Tuple[str, ...]] = dataclasses.field(init=False, default=None, repr=False)
    _files: Files = dataclasses.field(init=False, repr=False)
    _encoders: Dict[str, Encoder] = dataclasses.field(init=False, repr=False)
    _options: Dict[str, Any] = dataclasses.field(init=False, repr=False)
    _typed: Dict[str, Encoder] = dataclasses.field(init=False, default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        version = self.tree.get("version") if isinstance(self.tree, Mapping) else None
        if isinstance(version, int) and version > VERSION:
            raise SpecError("%s: version: %d is not %d; a later tf1-ig wrote it: update this one, or write the spec "
                            "again with tf1-ig inspect MODEL --spec FILE" % (self.name, version, VERSION))
        schema.check(self.tree, schema.load(), self.name)
        own = copy.deepcopy(dict(self.tree))
        files = Files(os.path.abspath(self.folder), self.name, (), self.allow_code)
        feed = by_tensor(own["feed"], files)
        listed = own.get("classes")
        classes = None if listed is None else tuple(map(str, files.listed(listed, "classes")))
        for field, value in (("tree", own), ("_files", files), ("_options", feed),
                             ("_encoders", encoders_of(feed, files)), ("classes", classes)):
            object.__setattr__(self, field, value)
        self.label  # noqa: B018 a name that is no class is told now
        labels.check_variant(own, files)

    def __reduce__(self) -> Tuple[Any, ...]:
        return type(self), (self.tree, self._files.folder, self.allow_code, self.name)

    # -- what is asked -----------------------------------------------------------------------------------------------

    @property
    def model_path(self) -> str:
        """Where the model is."""
        return self._files.path(self.tree["model"]["path"])

    def path(self, named: str) -> str:
        """The path that a name in the spec means."""
        return self._files.path(named)

    @property
    def output(self) -> str:
        """The tensor that is explained."""
        return self.tree["output"]

    @property
    def inputs(self) -> Any:
        """The tensors that are attributed to, or ``"auto"``."""
        return self.tree.get("inputs", "auto")

    @property
    def label(self) -> Any:
        """What ``explain`` takes as ``label``: class numbers for names, ranks as they are, ``{class: weight}`` for a
        contrast."""
        return labels.label_of(self.tree, self.classes, self._files)

    @property
    def baseline(self) -> Any:
        """What ``explain`` takes as ``baseline``."""
        baseline = self.tree.get("baseline", "zero")
        return np.asarray(baseline) if isinstance(baseline, list) else copy.deepcopy(baseline)

    @property
    def variant(self) -> Optional[Tuple[str, Dict[str, Any]]]:
        """Another method than Integrated Gradients from one baseline: its name and its options."""
        given = copy.deepcopy(self.tree.get("variant"))
        return None if given is None else (given.pop("name"), given)

    @property
    def tolerance(self) -> float:
        """Relative completeness error to reach."""
        return self.tree.get("tolerance", 0.01)

    @property
    def steps(self) -> Optional[int]:
        """A fixed number of points; ``None``: as many as the tolerance needs."""
        return self.tree.get("steps")

    @property
    def batch_axis(self) -> Optional[int]:
        """The axis of the rows; ``None``: a feed is one row."""
        return self.tree.get("batch_axis", 0)

    @property
    def guesses(self) -> Dict[str, str]:
        """What was guessed when the spec was written: the reason by the key it is about."""
        return dict(self.tree.get("guesses", {}))

    @property
    def columns(self) -> Tuple[str, ...]:
        """The columns that a row needs, in the order of the feed."""
        return tuple(dict.fromkeys(column for one in self._encoders.values() for column in one.columns))

    @property
    def placeholders(self) -> Dict[str, Encoder]:
        """How each placeholder is filled."""
        return dict(self._encoders)

    @property
    def filling(self) -> Dict[str, Encoder]:
        """The same, in the dtypes of the model's placeholders where the spec says none."""
        if not self._typed:
            feed = dtypes.with_declared(self._options, self.load)
            self._typed.update(self._encoders if feed == self._options else encoders_of(feed, self._files))
        return self._typed

    def arguments(self) -> Dict[str, Any]:
        """What the spec says of ``explain``'s arguments: label, baseline, tolerance, steps."""
        return dict(label=self.label, baseline=self.baseline, tolerance=self.tolerance, steps=self.steps)

    def ask(self, explainer: IntegratedGradients, feed: Mapping[str, Any], **options: Any) -> Attribution:
        """Explains a feed as the spec says, by the variant that it names.

        Args:
          explainer: one that ``open`` returned.
          feed: as ``feed`` returns it.
          **options: arguments of ``explain`` that replace those of the spec.
        """
        asked = dict(self.arguments(), **options)
        if self.variant is None:
            return explainer.explain(feed, **asked)
        if self.tree.get("baseline") is None and "baseline" not in options:
            del asked["baseline"]  # most variants take none
        name, more = self.variant
        return explainer.explain_variant(name, feed, **dict(asked, **more))

    # -- rows --------------------------------------------------------------------------------------------------------

    def feed(self, rows: Sequence[Row]) -> Tuple[Dict[str, np.ndarray], Optional[List[List[str]]]]:
        """The feed of rows, and the tokens of their text.

        Args:
          rows: mappings of column to value.

        Returns:
          arrays by placeholder; and one list of texts a row, entry by entry as they are fed (for words of characters
          the words), ``None`` where no text is cut into ids.

        Raises:
          RowError: a row cannot become a feed; it names row (from 1) and column. ``encode`` leaves such rows out.
        """
        found = self.encode(rows)
        if found.bad:
            raise found.bad[0]
        return found.feed, found.tokens

    def encode(self, rows: Sequence[Row]) -> Encoded:
        """The feed of those rows that can become one, and what is wrong with the others."""
        if isinstance(rows, (Mapping, str, bytes)):
            raise RowError("rows are a list of mappings of column to value, not %s; give [row]" % type(rows).__name__)
        cells: List[Dict[str, Any]] = []
        kept, bad = [], []
        for place, row in enumerate(rows):
            try:
                cells.append(self._alike(self.read(row), cells))
                kept.append(place)
            except RowError as wrong:
                bad.append(wrong.at(place + 1))
        return self.together(cells, kept, bad)

    def together(self, cells: Sequence[Mapping[str, Any]], kept: Optional[Sequence[int]] = None,
                 bad: Sequence[RowError] = ()) -> Encoded:
        """The feed of rows that ``read`` has read.

        Args:
          cells: what ``read`` returned for each row.
          kept: the places of these rows among all that were given, from 0; ``None``: they are all.
          bad: what is wrong with the others.
        """
        if self.batch_axis is None and len(cells) != 1 and not bad:
            raise RowError("the model takes one row at a time (batch_axis is null), and %d were given" % len(cells))
        feed = {tensor: self._laid_out(one.array([row[tensor] for row in cells]), one)
                for tensor, one in self.filling.items()} if cells else {}
        cuts = {tensor: [row[tensor] for row in cells] for tensor, one in self._encoders.items() if one.kind == "text"}
        return Encoded(feed, self._tokens(cuts), tuple(range(len(cells)) if kept is None else kept), tuple(bad), cuts)

    def _tokens(self, cuts: Mapping[str, List[Cut]]) -> Optional[List[List[str]]]:
        """Tokens of the first text, entry by entry."""
        for tensor, rows in cuts.items():
            found = [list(cut.tokens if cut.words is None else cut.words) for cut in rows]
            if self._encoders[tensor].left and rows:
                size = max(self._options[tensor].get("length") or 0, *map(len, found))
                found = [[""] * (size - len(row)) + row for row in found]
            return found
        return None

    def read(self, row: Row) -> Dict[str, Any]:
        """What one row gives for each placeholder, before it is put beside others.

        Raises:
          RowError: the row cannot become a feed.
        """
        if not isinstance(row, Mapping):
            raise RowError("%r is not a mapping of column to value; give {\"%s\": …}" % (
                row, (self.columns or ("column",))[0]))
        readers.refuse_unreadable(row)
        found = {tensor: one.read(row) for tensor, one in self.filling.items() if not one.of}
        found.update((tensor, found[one.of]) for tensor, one in self.filling.items() if one.of)
        return found

    def _alike(self, cells: Dict[str, Any], before: List[Dict[str, Any]]) -> Dict[str, Any]:
        """The cells of a row whose arrays have the shape that those of the first row have."""
        for tensor, found in cells.items():
            first, one = before[0][tensor] if before else found, self.filling[tensor]
            if isinstance(found, np.ndarray) and found.shape[one.ragged:] != first.shape[one.ragged:]:
                raise RowError("is of shape %s, and the first row's is %s; give rows of one shape%s" % (
                    list(found.shape), list(first.shape), ", or let the spec say what fills them up: \"padding\": 0"
                    if one.kind == "signal" else ""), one.columns[0])
        return cells

    def _laid_out(self, array: np.ndarray, one: Encoder) -> np.ndarray:
        """The array as the placeholder has its axes."""
        if one.kind == "constant" or self.batch_axis is None:
            return array if one.kind == "constant" else array[0]
        return np.moveaxis(array, 0, self.batch_axis) if array.ndim > self.batch_axis else array

    # -- the model ---------------------------------------------------------------------------------------------------

    def load(self, trusted: bool = False) -> Any:
        """The model, in inference mode if the spec says so, after a look whether it is the one it was written for.

        Args:
          trusted: as for ``gt.load``; a spec cannot say it of its own model.

        Raises:
          SpecError: it is another, or lacks a tensor of the spec.
        """
        own, path = self.tree["model"], self.model_path
        if not os.path.exists(path) and not os.path.exists(path + ".index"):
            raise SpecFileMissingError("%s: there is no model %r; paths are relative to the spec's folder" % (
                self._files.place("model.path"), path))
        model = gt.load(path, tags=own.get("tags"), signature=own.get("signature"), trusted=trusted)
        digest = fingerprint.of(model, path) if own.get("sha256") else ""
        if digest != own.get("sha256", ""):
            raise SpecError("%s: the model %r is not the one that the spec was written for: its sha256 is now %s; "
                            "write the spec again, or take this key out" % (
                                self._files.place("model.sha256"), path, digest))
        self.check_model(model)
        return gt.inference_mode(model)[0] if own.get("inference_mode") else model

    def check_model(self, model: Any, output: Any = None) -> None:
        """Refuses a model that lacks a tensor of the spec; another ``output`` than the spec's may be asked for.

        Raises:
          SpecError: a tensor is not there, or the classes are not as many as the output's.
        """
        if output is not None:
            return
        tensors = [("output", self.output)] + [("feed", tensor) for tensor in self._encoders]
        tensors += [] if self.inputs == "auto" else [("inputs", tensor) for tensor in self.inputs]
        for key, tensor in tensors:
            try:
                names.in_outline(model, tensor)
            except TensorNotFoundError as wrong:
                raise SpecError("%s: %s" % (self._files.place(key), wrong)) from None
        shape = names.in_outline(model, self.output).shape
        sizes = shape.as_list() if shape.ndims is not None else []
        if self.classes is not None and len(sizes) > 1 and sizes[-1] not in (None, 1, len(self.classes)):
            raise SpecError("%s: %d classes are named, and the output %s has %d" % (
                self._files.place("classes"), len(self.classes), self.output, sizes[-1]))

    def open(self, model: Any = None, trusted: bool = False, **options: Any) -> IntegratedGradients:
        """An explainer of the model, output and inputs of the spec.

        Args:
          model: a model that is loaded already; ``None`` loads the spec's.
          trusted: as for ``gt.load``, where the model is loaded here.
          **options: further arguments of ``IntegratedGradients``.

        Raises:
          SpecError: the model is not the one the spec was written for.
        """
        options = dict(dict(batch_axis=self.batch_axis, class_names=self.classes), **options)
        model = self.load(trusted) if model is None else model
        return IntegratedGradients(model, self.output, self.attributed(model, self.output, self.inputs), **options)

    def attributed(self, model: Any, output: str, inputs: Any) -> Any:
        """What an explainer takes for inputs as the spec calls them: a placeholder of ids stands for its lookups."""
        if isinstance(inputs, str):
            return inputs
        sparse = [tensor for tensor, options in self._options.items() if options.get("sparse")]
        return attributed.tensors_of(model, output, inputs, self._encoders, sparse, self._files.place("inputs"))

    def explain(self, rows: Sequence[Row], explainer: Optional[IntegratedGradients] = None,
                **options: Any) -> Attribution:
        """Explains rows; the result knows their words, their texts and where in these the words stand.

        Args:
          rows: mappings of column to value.
          explainer: one that ``open`` returned; ``None`` opens one for these rows.
          **options: arguments of ``IntegratedGradients.explain`` that replace those of the spec.

        Raises:
          RowError: a row cannot become a feed.
        """
        encoded = self.encode(rows)
        if encoded.bad:
            raise encoded.bad[0]
        with contextlib.ExitStack() as opened:
            explainer = opened.enter_context(self.open()) if explainer is None else explainer
            result = self.ask(explainer, encoded.feed, **options)
            return told.annotate(result, self, encoded, explainer)

    # -- the file ----------------------------------------------------------------------------------------------------

    def save(self, path: Any) -> None:
        """Writes the spec; its paths are relative to the folder that it is written to.

        Raises:
          SpecError: the file cannot be written.
        """
        path = os.fspath(path)
        folder = os.path.dirname(os.path.abspath(path))
        tree = copy.deepcopy(dict(self.tree))
        if os.path.normpath(folder) != self._files.folder:
            for place in PATHS:
                self._files.move(tree, place, folder)
        try:
            with whole_files.writing(path, "w", encoding="utf-8") as file:
                file.write(json.dumps(tree, indent=1, ensure_ascii=False) + "\n")
        except OSError as wrong:
            raise SpecError("the spec %r cannot be written (%s)" % (path, wrong.strerror or wrong)) from wrong

    def __str__(self) -> str:
        lines = ["%s: %s of %s" % (self.name, self.output, self.tree["model"]["path"])]
        lines += ["  %s  %s%s" % (tensor, one.kind, " from %s" % ", ".join(map(repr, one.columns)) if one.columns else
                                  " of %s" % one.of if one.of else "") for tensor, one in self._encoders.items()]
        return "\n".join(lines)


def load_spec(path: Any, allow_code: bool = False) -> ExplanationSpec:
    """Reads an explanation spec, a JSON file (``tf1_ig/spec.schema.json`` is its schema).

    Args:
      path: the file; the paths in it are relative to its folder.
      allow_code: a tokenizer of the user's own, ``module:function``, may be imported.

    Raises:
      SpecFileMissingError: there is no such file, or one that it names is not there.
      SpecError: it is not a spec; the message names the place in the file.
    """
    path = os.fspath(path)
    try:
        tree = json_text.load(path)
    except FileNotFoundError:
        raise SpecFileMissingError("no spec %r; tf1-ig inspect MODEL --spec FILE writes one" % path) from None
    except (OSError, ValueError) as wrong:
        raise SpecError("the spec %r cannot be read (%s); give a file as tf1-ig inspect MODEL --spec FILE writes it" % (
            path, getattr(wrong, "strerror", None) or wrong)) from wrong
    return ExplanationSpec(tree, os.path.dirname(os.path.abspath(path)), allow_code, os.path.basename(path))
