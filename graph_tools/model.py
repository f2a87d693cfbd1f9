"""A TensorFlow-1 model as a value: a MetaGraphDef and the values of its variables, whatever file it came from."""

import contextlib
import dataclasses
import re
from typing import Any, Callable, Dict, FrozenSet, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Set, Tuple

import numpy as np

from graph_tools import _tf, collector, control_flow, held, save, variables
from graph_tools.errors import (
    BlockedRunError,
    GraphToolsError,
    ModelFormatError,
    ReleaseError,
    StateError,
    UnsafeModelError,
    one_line,
)
from graph_tools.feature_columns.column import Column, stored
from graph_tools.graph import functions, names, nodes, ops, wiring
from graph_tools.graph.kept import Kept
from graph_tools.graph.walk import GraphIndex
from graph_tools.releases import kernels, layouts
from graph_tools.running import forks
from graph_tools.safety import disarm, judge

# How TensorFlow says that a placeholder was not fed: for us, also, that a node was refused.
_UNFED = re.compile("placeholder tensor '([^']+?)(?:/%s_[0-9]+)?'" % disarm.SCOPE)

# Formats whose tables are filled by what the file holds alone.
_FROM_FILES = ("frozen", "saved_model", "meta_graph")
_TOGETHER = 1 << 22  # bytes of variables that are set in one run


@dataclasses.dataclass(frozen=True, eq=False)
class Model:
    """One model: the graph with its collections and signatures, and where its variables' values are.

    A value: no function changes a Model, editing returns a new one.

    Attributes:
      meta_graph: the ``MetaGraphDef`` (graph, versions, function library, collections, signatures, saver). Read only.
      source: where it came from, for people (``"frozen GraphDef seg.pb"``).
      variables: values by the name of the variable's node; a lazy mapping when they are in a checkpoint.
      assets: path of the file by the name of the tensor that must hold it (vocabulary files of a SavedModel).
      initializers: nodes to run once in a new session (table initialisers); nothing else of the graph runs at start.
      warnings: what a load had to repair or could not bring over, one sentence each.
      format: ``"frozen"``, ``"saved_model"``, ``"meta_graph"``, ``"session"`` or ``"estimator"``.
      trusted: its author is trusted: nothing is cut out before TensorFlow sees the graph. So are live sessions.
      sha256: the digest of the frozen file that it was read from, in the one go; "" for what is no single file.
    """

    meta_graph: Any = dataclasses.field(repr=False)
    source: str
    variables: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    assets: Mapping[str, str] = dataclasses.field(default_factory=dict)
    initializers: Tuple[str, ...] = ()
    warnings: Tuple[str, ...] = ()
    format: str = ""
    trusted: bool = False
    sha256: str = ""
    _kept: Kept = dataclasses.field(default_factory=Kept, init=False, repr=False)

    def once(self, make: Callable[..., Any], *given: Any) -> Any:
        """``make(model, *given)``, made at the first call and kept; every thread gets the same, a pickled model makes
        it anew.

        >>> model.once(View)  # doctest: +SKIP
        """
        return self._kept.get((make,) + given, lambda: make(self, *given))

    @property
    def graph_def(self) -> Any:
        """A copy of the GraphDef; changing it does not change the model."""
        copy = _tf.tf.GraphDef()
        copy.CopyFrom(self.meta_graph.graph_def)
        return copy

    @property
    def index(self) -> GraphIndex:
        """The GraphDef indexed for walking (made once)."""
        return self.once(_indexed)

    @property
    def signatures(self) -> Dict[str, Any]:
        """Signatures by name, as ``SignatureDef`` messages (empty for a frozen graph)."""
        return dict(self.meta_graph.signature_def)

    @property
    def columns(self) -> Dict[str, Column]:
        """Feature columns by name, where the model came from ``from_estimator``; they hold tensor names."""
        return stored(self.meta_graph)

    @property
    def graph(self) -> Any:
        """The graph, imported once, control-flow contexts restored, finalized: for reading and for sessions."""
        return self.once(_imported).graph

    @property
    def outline(self) -> Any:
        """To read names, shapes and types from: ``graph`` without control-flow contexts and large constants' values."""
        return self.once(_outlined)

    def read_as(self, whole: "Model") -> None:
        """Takes the outline of a model, if made, of which this one holds some nodes: consumers there may be others'."""
        self._kept.take((_outlined,), whole._kept)

    @property
    def held(self) -> FrozenSet[str]:
        """The constants that are variables in a graph imported ``light``: large ones, of which nothing is folded."""
        return self.once(_held)

    def new_graph(self) -> Any:
        """A fresh, mutable ``tf.Graph`` of the same model, in which ``tf.gradients`` works."""
        graph = _tf.tf.Graph()
        self.import_into(graph)
        return graph

    def import_into(self, graph: Any, input_map: Optional[Mapping[str, Any]] = None, light: bool = False,
                    contexts: bool = True) -> None:
        """Imports the graph under its own names into ``graph`` and restores its control-flow contexts.

        Args:
          graph: a ``tf.Graph``; names of this model must be free in it.
          input_map: replaces tensors for their consumers, ``{"a/b:0": tf.Tensor}``; the producer stays.
          light: large constants become variables, which ``prepare_restore`` gives their values.
          contexts: whether gradients will be taken, for which loops and branches need their contexts.
        """
        with collector.waits():
            self._import(graph, self.once(_light) if light or not self.held else _importable(self), input_map or {})
            if contexts:
                control_flow.restore_control_flow(graph)

    def _import(self, graph: Any, graph_def: Any, input_map: Mapping[str, Any]) -> None:
        with graph.as_default(), graph.device(None):
            try:
                _tf.tf.import_graph_def(graph_def, input_map=dict(input_map), name="")
            except (ValueError, _tf.tf.errors.OpError) as problem:
                if isinstance(problem, GraphToolsError):
                    raise
                raise self._refused_graph(problem) from problem

    def _refused_graph(self, problem: Exception) -> GraphToolsError:
        """The error for a graph that TensorFlow does not import: what is wrong with the file, where that is known."""
        fault = wiring.fault(self.meta_graph.graph_def, _tf.registered_ops())
        if fault:
            return ModelFormatError("%s: %s; the file is damaged or was edited by hand, export it again" % (
                self.source, fault))
        return ReleaseError("%s: TensorFlow %s refuses the graph: %s; load it with the release that wrote it" % (
            self.source, _tf.tf.__version__, one_line(problem)))

    @property
    def imported_index(self) -> GraphIndex:
        """``index``, but of what TensorFlow sees: placeholders where ops are refused."""
        if not self.refused:
            return self.index
        graph_def = self.graph_def
        self.disarm(graph_def)
        return GraphIndex(graph_def)

    @property
    def refused(self) -> Mapping[str, judge.Refusal]:
        """Nodes that could do more than compute, and are kept from TensorFlow; none in a trusted model."""
        return self.once(_refused)

    def disarm(self, graph_def: Any) -> None:
        """Cuts out of a GraphDef of this model, in place, what must not reach TensorFlow; asked before every import."""
        if not self.trusted:
            disarm.disarm(graph_def, self.initializers)

    def prepare_restore(self, graph: Any, light: bool = False) -> Callable[[Any], None]:
        """Adds assignment ops to a graph of this model (before it is finalized); returns ``restore(session)``.

        ``light``: it was imported so.

        Values come straight from ``variables``: no restore op, no initialiser of the model's own is run but the
        table initialisers listed in ``initializers``.
        """
        assignments = []
        with graph.as_default(), graph.device(None), _tf.tf.name_scope("graph_tools_restore"):
            for node_name in self.variables:
                assignments.append((self.variables.__getitem__, node_name) + _assignment(graph, node_name))
            for node_name in sorted(self.held) if light else ():
                assignments.append((self._constant, node_name) + _assignment(graph, held.variable_of(node_name)))

        def restore(session: Any) -> None:
            _assign(session, assignments)
            if self.initializers:
                try:
                    session.run(list(self.initializers), dict(self.assets))
                except _tf.tf.errors.OpError as problem:
                    raise StateError("%s: a lookup table cannot be initialised (%s); mend its vocabulary file, or feed "
                                     "the ids behind the table" % (self.source, one_line(problem, 300))) from problem

        return restore

    def _constant(self, node_name: str) -> Any:
        return held.value(self.index.nodes[node_name])

    @contextlib.contextmanager
    def open_session(self, config: Any = None) -> Iterator[Any]:
        """A ready ``tf.Session`` on ``model.graph``: variables restored, tables initialised; closed on exit.

        Args:
          config: ``tf.ConfigProto``; ``None`` takes ``_tf.session_config()`` and lets no run wait for more than five
            minutes (``operation_timeout_in_ms``), as one on an empty queue would for ever.

        Raises:
          StateError: what was run in it needs a variable or a table that has no value.
          BlockedRunError: a run did not end; it names what may have been waited for.
        """
        if config is None:
            config = kernels.config_for(self.index, _tf.session_config())
            config.operation_timeout_in_ms = 300000
        forks.refuse_in_child()
        with _tf.tf.Session(graph=self.graph, config=config) as session:
            self.once(_imported).restore(session)
            try:
                yield session
            except _tf.tf.errors.DeadlineExceededError as problem:
                waiting = self.index.names_of(ops.WAITING)
                raise BlockedRunError(
                    "%s: a run did not end within %g s%s; replace what it waits for by a placeholder (graph_tools."
                    "swap_inputs), feed it, or give more time by operation_timeout_in_ms in config" % (
                        self.source, config.operation_timeout_in_ms / 1000.0, ", and the graph takes data from %s" % (
                            ", ".join(map(repr, waiting[:3]))) if waiting else "")) from problem
            except _tf.tf.errors.InvalidArgumentError as problem:
                unfed = _UNFED.search(str(problem))
                self.refuse([unfed.group(1)] if unfed else ())
                raise
            except _tf.tf.errors.FailedPreconditionError as problem:
                lost = sorted(self.index.ancestors([problem.op.name]).intersection(self.missing)) if problem.op else ()
                raise StateError("%s: %s; feed a tensor behind it" % (
                    self.source, "variable %r has no value" % lost[0] if lost else
                    "what was run needs state that the model does not have (%s)" % one_line(problem, 300))) from problem

    @property
    def missing(self) -> Tuple[str, ...]:
        """Nodes of variables that have no value."""
        return tuple(name for name in self.index.names_of(ops.VARIABLES) if name not in self.variables)

    def require(self, outputs: Any, fed: Any = ()) -> None:
        """Checks, before anything runs, that the graph can compute some tensors and does nothing else meanwhile.

        Args:
          outputs: tensors to be run (names, ``tf.Tensor`` or candidates).
          fed: tensors that will be fed; what lies behind them does not run.

        Raises:
          StateError: a variable among their ancestors has no value, or a lookup table no content.
          UnsafeModelError: among their ancestors are ops that could do more than compute, and the model is not trusted
            (a live session's own are its caller's, and pass).
          ReleaseError: the running TensorFlow has no kernel for one of them.
        """
        ancestors = self.index.running([names.tensor_name(tensor) for tensor in outputs],
                                       {names.tensor_name(tensor) for tensor in fed})
        missing = sorted(ancestors.intersection(self.missing))
        if missing:
            raise StateError("variable %r%s has no value in %s, and the output depends on it; load a checkpoint that "
                             "holds it, or feed a tensor behind it" % (
                                 missing[0], " (and %d more)" % (len(missing) - 1) if len(missing) > 1 else "",
                                 self.source))
        reads = [name for name in ancestors if self.index.op(name) in ops.TABLE_READS]
        empty = variables.empty_tables(self.index, reads, self.initializers) if self.format in _FROM_FILES else ()
        if empty:
            raise StateError("lookup table %r, which the output depends on, is filled by nothing that is there in %s; "
                             "put its vocabulary file in place (load with assets={NAME: FILE}, --asset NAME=FILE), or "
                             "feed the ids behind it" % (empty[0], self.source))
        self._refuse(ancestors)
        kernels.require(self.index, ancestors.difference(self.refused), self.source)

    def refuse(self, outputs: Any, fed: Any = ()) -> None:
        """The second half of ``require`` alone: raises ``UnsafeModelError`` when computing some tensors is refused."""
        if self.refused:
            self._refuse(self.index.running([names.tensor_name(tensor) for tensor in outputs],
                                            {names.tensor_name(tensor) for tensor in fed}))

    def _refuse(self, running: Set[str]) -> None:
        refusal = judge.first_of(self.refused, running)
        if refusal is not None:
            raise UnsafeModelError("%s: the output depends on %s; feed a tensor behind it, or, %s" % (
                self.source, refusal, judge.TRUST), argument="trusted", value="True")

    def save(self, path: Any) -> None:
        """Writes the model: one frozen file (``.pb``, or ``.pbtxt`` in text), or else a SavedModel folder.

        A frozen file holds the variables as constants; a SavedModel keeps them, with its assets and a main op that
        initialises the tables. Plain TensorFlow of every release that knows the ops loads what is written.

        Raises:
          ModelFormatError: the folder is there and not empty.
          EditError: one file cannot hold the model (more than 2 GB).

        >>> model.save("model.pb")  # doctest: +SKIP
        """
        save.write(self, path)

    def with_graph_def(self, graph_def: Any) -> "Model":
        """The same model over an edited GraphDef (variables that are gone from it are dropped)."""
        meta_graph = _tf.tf.MetaGraphDef()
        meta_graph.CopyFrom(self.meta_graph)
        meta_graph.graph_def.CopyFrom(graph_def)
        kept = {node.name for node in graph_def.node}
        return dataclasses.replace(
            self, meta_graph=meta_graph,
            variables=variables.Lazy([name for name in self.variables if name in kept], self.variables.__getitem__),
            assets={name: path for name, path in self.assets.items() if names.parse(name).node in kept},
            initializers=tuple(name for name in self.initializers if name in kept))


class _Imported(NamedTuple):
    """The imported graph, and what gives its variables and tables their values in a session."""

    graph: Any
    restore: Callable[[Any], None]


def _indexed(model: Model) -> GraphIndex:
    # Of a copy: reading a map field of a message by key can add the key to it. What is large is not copied.
    graph_def = model.meta_graph.graph_def
    large = {node.name for node in held.large(graph_def)}
    if not large:
        return GraphIndex(model.graph_def)
    copy = held.without(graph_def, large)
    copies = {node.name: node for node in copy.node}
    return GraphIndex(copy, [copies.get(node.name, node) for node in graph_def.node])


def _held(model: Model) -> FrozenSet[str]:
    return frozenset(held.not_folded(model.index, [node.name for node in held.large(model.meta_graph.graph_def)]))


def _outlined(model: Model) -> Any:
    graph = _tf.tf.Graph()
    model._import(graph, model.once(_light), {})
    graph.finalize()
    return graph


def _refused(model: Model) -> Dict[str, judge.Refusal]:
    return {} if model.trusted else {name: refusal for name, refusal in judge.judge(model.meta_graph.graph_def).items()
                                     if name not in model.initializers}


def _imported(model: Model) -> _Imported:
    graph = model.new_graph()
    found = _Imported(graph, model.prepare_restore(graph))
    graph.finalize()
    return found


def _importable(model: Model, without: FrozenSet[str] = frozenset()) -> Any:
    """The GraphDef as any TensorFlow accepts it and can differentiate it; ``without`` the bytes of some constants."""
    graph_def = held.as_variables(model.meta_graph.graph_def, without) if without else model.graph_def
    for node in functions.all_nodes(graph_def):
        # Stale shapes make TF 2 refuse a graph; colocation with pruned nodes makes TF 1.15 refuse it; devices are those
        # of the machine that trained the model.
        nodes.forget(node)
        node.ClearField("device")
    model.disarm(graph_def)
    if layouts.channels_first(graph_def) and not kernels.has_accelerator():
        layouts.channels_last(graph_def)
    return control_flow.normalize(graph_def)


def _light(model: Model) -> Any:
    return _importable(model, model.held)


def _assign(session: Any, assignments: Iterable[Tuple[Callable[[str], Any], str, List[Any], Any]]) -> None:
    """Runs assignments, small ones together: a run of its own takes each a millisecond."""
    feed: Dict[Any, Any] = {}
    waiting: List[Any] = []
    size = 0
    for value_of, node_name, placeholders, assign in assignments:
        value = value_of(node_name)
        parts = value if isinstance(value, tuple) else (value,)
        size += sum(np.asarray(part).nbytes for part in parts)
        feed.update(zip(placeholders, parts))
        waiting.append(assign)
        if size > _TOGETHER:
            session.run(waiting, feed)
            feed, waiting, size = {}, [], 0
    if waiting:
        session.run(waiting, feed)


def _assignment(graph: Any, node_name: str) -> Tuple[List[Any], Any]:
    """Placeholders, and the op that gives their values to a variable (or to a table: keys, values) of the graph."""
    tf = _tf.tf
    node = graph.get_operation_by_name(node_name)
    if node.type in ops.MUTABLE_TABLES:
        content = [tf.placeholder(tf.as_dtype(node.get_attr(name))) for name in ("key_dtype", "value_dtype")]
        return content, _tf.raw_table_import(node.outputs[0], *content)
    if node.type not in ops.VARIABLES:
        raise StateError("node %r is a %s, not a variable; its value cannot be set" % (node_name, node.type))
    value = tf.placeholder(tf.as_dtype(node.get_attr("dtype")))
    assign = _tf.raw_assign_resource if node.type == "VarHandleOp" else _tf.raw_assign_ref
    return [value], assign(node.outputs[0], value)
