"""The operated graph and its session: interpolation, score, gradient and weighted sum inside TensorFlow.

Only ids, labels, weights and alphas go in; only scores and sums come out. Explaining a thousand times adds no op.
"""

import itertools
import os
import time
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

import numpy as np

from graph_tools import _tf
from graph_tools.errors import BlockedRunError, FeedError, GradientError, TensorNotFoundError
from graph_tools.graph import names
from graph_tools.graph.ops import MUST_BE_FED, PLACEHOLDERS
from graph_tools.graph.walk import reached
from graph_tools.releases import kernels
from graph_tools.running import forks, prepared, runs
from tf1_ig.engine import failed_run, lean, nonfinite, path, records, target
from tf1_ig.engine.failed_run import RunFailed
from tf1_ig.engine.feeds import as_fed, describe, unpack_sparse
from tf1_ig.errors import ClosedError, OutOfMemoryError

# Seconds that a run may take: the first, any, and how many times as long as the longest before it.
FIRST_LIMIT, LEAST_LIMIT, SLOWER = 600.0, 60.0, 200.0


class AttributedInput(NamedTuple):
    """A tensor to attribute to; ``owner`` names the tensor that says which row each entry belongs to (ragged rows)."""

    tensor: str
    owner: Optional[str] = None


class PathPoints(NamedTuple):
    """One run: for each attributed input its entries and the points to interpolate; and the rows that they make."""

    actual: Sequence[np.ndarray]
    baseline: Sequence[np.ndarray]
    entry: Sequence[np.ndarray]
    alpha: Sequence[np.ndarray]
    rows: int
    feeds: Mapping[str, np.ndarray]


class Engine:
    """Owns the operated graph of one (model, output, inputs) and its session; use as a context manager.

    ``sources`` are tensors from which the inputs are computed; gradients can be pulled back to them. ``leaner``:
    gradients may take sizes for known that follow from how the graph computes them (see ``tf1_ig.engine.lean``).
    ``ordered``: runs say in which order the axes of the output are to be taken (always with another batch axis than 0).
    ``slopes`` false: outputs alone can be run, no gradient is built. ``products`` false: points are made one
    way only, which takes longer to run and less to be made.
    ``evaluations``: rows that were run, whatever for. ``pace``: of its runs, where somebody waits for a trial.
    """
    pace: Any = None

    def __init__(self, model: Any, output: str, inputs: Sequence[AttributedInput], batch_axis: Optional[int],
                 config: Any = None, time_limit: Optional[float] = None, sources: Sequence[str] = (),
                 leaner: bool = True, ordered: bool = False, slopes: bool = True, products: bool = True):
        self.batch_axis, self.ordered = batch_axis, ordered or bool(batch_axis)
        self.output_name = output
        self.inputs = list(inputs)
        self.leaner, self.slopes = leaner, slopes
        self._known_sizes: Set[Any] = set()
        self.graph, self._scope = _tf.tf.Graph(), _free_scope(model)
        plain = model.outline
        with self.graph.as_default(), _tf.tf.name_scope(self._scope):
            self._lines = [path.build(plain.get_tensor_by_name(spec.tensor), batch_axis, products)
                           for spec in self.inputs]
        model.import_into(self.graph, {spec.tensor: one.point for spec, one in zip(self.inputs, self._lines)},
                          light=True, contexts=slopes)
        # What each input is under a feed, and the owners of its entries where rows are ragged.
        self._values = [self.graph.get_tensor_by_name(spec.tensor) for spec in self.inputs]
        self._owners = [self.graph.get_tensor_by_name(spec.owner) if spec.owner else None for spec in self.inputs]
        self.output = self.graph.get_tensor_by_name(output)
        with self.graph.as_default(), _tf.tf.name_scope(self._scope + "/target"):
            self._build_target(model)
            self._build_pull_back(sources)
        self._own = self._placeholders()
        self._restore, self._refuse = model.prepare_restore(self.graph, light=True), model.refuse
        self.graph.finalize()
        self._dependencies: Dict[Tuple[str, frozenset], Set[Any]] = {}
        self._consumed: Dict[frozenset, Set[str]] = {}
        self._config = kernels.config_for(model.index, config or _tf.session_config())
        self._time_limit, self._longest = time_limit, 0.0
        self._closed, self.evaluations, self.session = False, 0, self._open()

    @property
    def hasty(self) -> bool:
        """Whether a run was so slow that none is made that can be spared."""
        return bool(self.pace and self.pace.hasty)

    def _open(self) -> Any:
        forks.refuse_in_child()
        self._process = os.getpid()
        session = _tf.tf.Session(graph=self.graph, config=self._config)
        try:
            self._restore(session)
        except BaseException:
            session.close()
            raise
        self._prepared: Any = prepared.PreparedRuns(session)
        return session

    def close(self) -> None:
        """Closes the session for good."""
        self._closed = True
        self._drop_session()

    def _drop_session(self) -> None:
        self._prepared = None
        if self.session is not None:
            self.session.close()

    def _build_target(self, model: Any) -> None:
        tf = _tf.tf
        order = None
        if self.ordered:
            order = tf.placeholder_with_default(tf.range(tf.rank(self.output)), [None], "output_order")
        self._output_order = order
        if not self.slopes:
            self._target, self._slopes = target.build(self.output, [], order), []
            return
        if self.leaner:
            self._known_sizes = lean.prepare(self.graph, model.imported_index, self.output, {
                spec.tensor: one.point for spec, one in zip(self.inputs, self._lines)}).known
        self._target = target.build(self.output, [one.interpolated for one in self._lines], order)
        for spec, one, gradient in zip(self.inputs, self._lines, self._target.gradients):
            if gradient is None:
                raise GradientError("no gradient path from output %s to input %s: %s" % (
                    self.output_name, spec.tensor, target.cut(self.output, one.interpolated)))
        self._slopes = [path.differentiated(*each) for each in zip(self._lines, self._target.gradients)]

    def _build_pull_back(self, sources: Sequence[str]) -> None:
        tf, values = _tf.tf, self._values
        self._sources = [self.graph.get_tensor_by_name(name) for name in sources]
        self._cotangents, self._pulled = [], []
        if sources:
            self._cotangents = [tf.placeholder(value.dtype, value.shape, "cotangent") for value in values]
            self._pulled = target.gradients("the affine beginning", values, self._sources, self._cotangents)

    # -- feeding -----------------------------------------------------------------------------------------------------

    def prepare_feed(self, feed: Mapping[Any, Any]) -> Dict[str, np.ndarray]:
        """The caller's feed by tensor name, cast without loss, and complete for everything that will be run.

        Raises:
          FeedError: an unknown or twice-fed tensor, a value that does not fit, or a missing placeholder.
        """
        if not isinstance(feed, Mapping):
            raise FeedError("the feed is a %s; pass a dict of {tensor name: array}" % type(feed).__name__)
        values: Dict[str, np.ndarray] = {}
        for key, value in feed.items():
            for name, part in unpack_sparse(key, value):
                tensor = self.find_tensor(name)
                if tensor.name in values:
                    raise FeedError("tensor %s is fed twice (by name and as an object?); feed it once" % tensor.name)
                if not self.graph.is_feedable(tensor):
                    raise FeedError("tensor %s cannot be fed (%s)" % (tensor.name, tensor.op.type))
                values[tensor.name] = self.fed_value(tensor, part)
        self._require(values)
        return values

    def knows_otherwise(self, fed: Iterable[str]) -> bool:
        """Whether one of these tensors is computed by the graph, and gradients rely on the size that it has then."""
        ops = (self.graph.get_tensor_by_name(name).op for name in fed)
        return any(op.name in self._known_sizes and op.type not in PLACEHOLDERS for op in ops)

    def fed_value(self, tensor: Any, value: Any) -> np.ndarray:
        """A value as it will be fed to a tensor of the graph, cast without loss."""
        dtype, shape = _numpy_dtype(tensor), _static_shape(tensor)
        array = as_fed(tensor.name, value, dtype, shape)
        if dtype is object:
            records.check(describe(tensor.name, dtype, shape), tensor, array)
        return array

    def fetch(self, tensor: Any, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Any tensor under a feed."""
        return np.asarray(self._run(tensor, dict(values)))

    def fetch_all(self, tensors: Sequence[Any], values: Mapping[str, np.ndarray]) -> List[np.ndarray]:
        """Several tensors in one run under a feed."""
        return self._run(list(tensors), dict(values))

    def find_tensor(self, name: Any) -> Any:
        """The tensor of that name in the operated graph; the error for a wrong one shows the nearest names."""
        name = names.tensor_name(name)
        try:
            return self.graph.get_tensor_by_name(name)
        except (KeyError, ValueError):
            theirs = (op.outputs[0].name for op in self.graph.get_operations()
                      if op.outputs and not op.name.startswith(self._scope + "/"))
            wrong = names.unknown_tensor(name, theirs, "the graph")
            fed = [op.outputs[0].name for op in self.graph.get_operations()
                   if op.type in MUST_BE_FED and op.outputs[0].name not in self._own]
            raise TensorNotFoundError("%s%s" % (wrong, " (its placeholders: %s)" % ", ".join(fed) if fed else "")
                                      ) from None

    def _require(self, values: Mapping[str, np.ndarray]) -> None:
        upstream = sorted(self._upstream("all", self._all_fetches(), values), key=lambda op: op.name)
        lacking = [op.outputs[0] for op in upstream if op.type in MUST_BE_FED and op.outputs[0].name not in values
                   and op.outputs[0].name not in self._own]
        if lacking:
            self._refuse([tensor.name for tensor in lacking])  # what was cut out looks like a placeholder
            raise FeedError("the feed lacks %s, which %s depends on; add it to the feed" % (
                ", ".join(describe(tensor.name, _numpy_dtype(tensor), _static_shape(tensor)) for tensor in lacking),
                self.output_name))

    def _all_fetches(self) -> List[Any]:
        owners = [owner for owner in self._owners if owner is not None]
        return [self._target.score, *self._values, *owners] + [slope.parts for slope in self._slopes]

    def _upstream(self, kind: str, fetches: Sequence[Any], fed: Iterable[str]) -> Set[Any]:
        """Ops that a run of the fetches executes when these tensors are fed, fed tensors' producers left out."""
        fed = frozenset(fed)
        found = self._dependencies.get((kind, fed))
        if found is None:
            found = set(reached((tensor.op for tensor in fetches if tensor.name not in fed), lambda op: itertools.chain(
                (tensor.op for tensor in op.inputs if tensor.name not in fed), op.control_inputs)))
            self._dependencies[kind, fed] = found
        return found

    def path_feeds(self, values: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:
        """The part of the feed that the path depends on (ids that are only looked up need not be repeated)."""
        consumed = self._consumed.get(frozenset(values))
        if consumed is None:
            used = self._upstream("path", [self._target.score] + [one.parts for one in self._slopes], values)
            consumed = {tensor.name for op in used for tensor in op.inputs}
            consumed |= {tensor.name for op in used for before in op.control_inputs for tensor in before.outputs}
            self._consumed[frozenset(values)] = consumed
        return {name: value for name, value in values.items() if name in consumed or name == self.output.name}

    def path_ops(self, values: Mapping[str, np.ndarray]) -> Set[str]:
        """Types of the ops that a run of the path executes."""
        return {op.type for op in self._upstream(
            "path", [self._target.score] + [one.parts for one in self._slopes], values)}

    def static_shapes(self, feed_names: Iterable[str]) -> Dict[str, Any]:
        return {name: _static_shape(self.graph.get_tensor_by_name(name)) for name in feed_names}

    def _placeholders(self) -> Set[str]:
        """Names of our own placeholders."""
        own = [self._target.rows, self._target.label, self._target.weight, self._target.share]
        own += ([] if self._output_order is None else [self._output_order]) + self._cotangents
        return {tensor.name for tensor in sum([one.placeholders for one in self._lines], own)}

    # -- running -----------------------------------------------------------------------------------------------------

    def read(self, values: Mapping[str, np.ndarray]) -> Tuple[List[np.ndarray], List[Optional[np.ndarray]]]:
        """The attributed tensors under a feed, and the owners of their entries where rows are ragged."""
        fetches = [(value, owner if owner is not None else ()) for value, owner in zip(self._values, self._owners)]
        found = self._run(fetches, values)
        return [value for value, _ in found], [None if isinstance(owner, (tuple, list)) else owner
                                               for _, owner in found]

    def from_sources(self, sources: Sequence[np.ndarray], feeds: Mapping[str, np.ndarray]) -> List[np.ndarray]:
        """The attributed tensors computed from the sources."""
        return self._run(self._values, self._with_sources(sources, feeds))

    def pull_back(self, gradients: Sequence[np.ndarray], sources: Sequence[np.ndarray],
                  feeds: Mapping[str, np.ndarray]) -> List[np.ndarray]:
        """Gradients by the attributed tensors as gradients by the sources."""
        feed = self._with_sources(sources, feeds)
        feed.update((tensor.name, gradient) for tensor, gradient in zip(self._cotangents, gradients))
        return self._run(self._pulled, feed)

    def _with_sources(self, sources: Sequence[np.ndarray], feeds: Mapping[str, np.ndarray]) -> Dict[str, Any]:
        feed = dict(feeds)
        feed.update((tensor.name, array) for tensor, array in zip(self._sources, sources))
        return feed

    def run_outputs(self, points: PathPoints, order: Optional[Sequence[int]]) -> np.ndarray:
        """Output rows ``[rows, elements]`` at the given points."""
        return self._run(self._target.outputs, self._feed(points, order))

    def run_tensors(self, tensors: Sequence[str], points: PathPoints) -> List[np.ndarray]:
        """Any tensors at the given points."""
        return self._run(list(tensors), self._feed(points, None))

    def run_raw_output(self, points: PathPoints) -> np.ndarray:
        """The output as the model shapes it."""
        found = self._run(self.output, self._feed(points, None))
        if self.batch_axis is not None and found.ndim > self.batch_axis:  # a whole feed, its rows not yet told apart
            self.evaluations += found.shape[self.batch_axis] - points.rows
        return found

    def run_scores(self, points: PathPoints, order: Any, label: target.Terms) -> np.ndarray:
        return self._run(self._target.score, self._feed(points, order, label))

    def run_gradients(self, points: PathPoints, order: Any, label: target.Terms, share: np.ndarray) -> Any:
        """Scores ``[rows]``, and for every input parts ``[points, tokens]`` and gradients ``[points, …]``."""
        return self._run((self._target.score, [(one.parts, one.gradient) for one in self._slopes]),
                         self._feed(points, order, label, share), True)

    def traced_bytes(self, points: PathPoints, order: Any, label: target.Terms, share: np.ndarray) -> int:
        """Bytes of all tensors that a run with gradients makes, each counted although it is soon let go."""
        tf, metadata = _tf.tf, _tf.tf.RunMetadata()
        feed = self._feed(points, order, label, share)
        self.session.run([self._target.score] + [one.gradient for one in self._slopes], feed,
                         options=tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE), run_metadata=metadata)
        return sum(output.tensor_description.allocation_description.requested_bytes
                   for device in metadata.step_stats.dev_stats for node in device.node_stats for output in node.output)

    def run_weighted(self, points: PathPoints, order: Any, label: target.Terms, share: np.ndarray,
                     weights: Sequence[np.ndarray]) -> Any:
        """Scores ``[rows]``, and for every input weighted gradient sums ``[entries, …]``."""
        feed = self._feed(points, order, label, share)
        feed.update((one.weight.name, weight) for one, weight in zip(self._lines, weights))
        fetches = (self._target.score, [one.total for one in self._slopes])
        score, totals = self._run(fetches, feed, True)
        doubted = [one.as_product.name for one in self._lines if one.as_product is not None]
        if doubted and not all(np.isfinite(total).all() for total in totals):
            # In a matrix product one example's NaN reaches the sums of the others; without it, it does not.
            feed.update(dict.fromkeys(doubted, False))
            score, totals = self._run(fetches, feed, True)
        return score, totals

    def traced(self, points: PathPoints, order: Any, label: target.Terms, share: np.ndarray) -> nonfinite.Traced:
        """What is looked into where the score or the gradient of these points is not as it should be."""
        given = {}
        for spec, one in zip(self.inputs, self._lines):
            given[one.actual.name] = "the input %s itself" % spec.tensor
            given[one.baseline.name] = "the baseline of %s itself" % spec.tensor
        return nonfinite.Traced(lambda what, feed: self._run(what, feed, True), self._target.score, [
            one.gradient for one in self._slopes], self._feed(points, order, label, share), given)

    def _feed(self, points: PathPoints, order: Any, label: Any = None, share: Any = None) -> Dict[Any, Any]:
        feed: Dict[Any, Any] = dict(points.feeds)
        for one, *arrays in zip(self._lines, points.actual, points.baseline, points.entry, points.alpha):
            feed.update(path.feed(one, *arrays))
        feed[self._target.rows.name] = points.rows
        if self._output_order is not None and order is not None:
            feed[self._output_order.name] = order
        if label is not None:
            feed[self._target.label.name], feed[self._target.weight.name] = label.index, label.weight
        if share is not None:
            feed[self._target.share.name] = share
        return feed

    def _fed_shapes(self, feed: Mapping[Any, Any]) -> Dict[Any, str]:
        """What was fed, as the caller knows it, by tensor: for the message of an error."""
        told = {}
        for key, value in feed.items():
            tensor = self.graph.get_tensor_by_name(key if isinstance(key, str) else key.name)
            if tensor.name not in self._own:
                told[tensor] = "%s, fed as %s" % (describe(tensor.name, _numpy_dtype(tensor), _static_shape(tensor)),
                                                  list(np.shape(value)))
        told.update((tensor, spec.tensor) for spec, one in zip(self.inputs, self._lines)
                    for tensor in one.placeholders)
        return {tensor.name: words for tensor, words in told.items()}

    def _run(self, fetches: Any, feed: Any, slopes: bool = False) -> Any:
        if self._closed:
            raise ClosedError("this explainer is closed (its with block has ended?); make another one")
        forks.refuse_elsewhere(self._process)
        self.session = self.session or self._open()  # a run that did not end took the last one with it
        limit = self._time_limit or (max(LEAST_LIMIT, SLOWER * self._longest) if self._longest else FIRST_LIMIT)
        limit = min(limit, self.pace.begin(slopes, self._target.rows.name in feed)) if self.pace else limit
        begun = time.perf_counter()
        try:
            found = runs.run_or_close(self.session, fetches, feed, limit, self._prepared.run)
            self._longest = max(self._longest, time.perf_counter() - begun)
            self.evaluations += int(feed.get(self._target.rows.name, 0))
            if self.pace and self._target.rows.name in feed and self.pace.ended(slopes):
                runs.run_or_close(self.session, fetches, feed, self.pace.begin(slopes), self._prepared.run)
                self.pace.ended(slopes)
            return found
        except (BlockedRunError, KeyboardInterrupt):
            self._drop_session()
            self.session = None
            raise
        except _tf.tf.errors.ResourceExhaustedError as full:
            raise OutOfMemoryError("a run does not fit into memory (%s); explain fewer rows at once, or pass a smaller "
                                   "{argument}" % failed_run.one_line(full, self._scope),
                                   argument="batch_size") from full
        except _tf.tf.errors.OpError as failed:
            told = failed_run.one_line(failed, self._scope, self._fed_shapes(feed), self.graph, feed)
            raise RunFailed(told) from failed
        except UnicodeDecodeError as failed:
            raise RunFailed("TensorFlow refused a value, and quotes bytes that are no text; check the strings of the "
                            "feed") from failed


def _free_scope(model: Any) -> str:
    taken = {name.partition("/")[0] for name in model.index.nodes}
    scope = "tf1_ig"
    while scope in taken:
        scope += "_"
    return scope


def _numpy_dtype(tensor: Any) -> Any:
    dtype = tensor.dtype.base_dtype
    return object if dtype in (_tf.tf.string, _tf.tf.resource, _tf.tf.variant) else dtype.as_numpy_dtype


def _static_shape(tensor: Any) -> Optional[Tuple[Optional[int], ...]]:
    return None if tensor.shape.ndims is None else tuple(tensor.shape.as_list())
