"""A TensorFlow-1 model as a value: a MetaGraphDef and the values of its variables, whatever file it came from."""

import contextlib
import dataclasses
from typing import Any, Callable, Dict, Iterator, Mapping, Optional, Tuple

from graph_tools import _tf, control_flow, names
from graph_tools.errors import StateError
from graph_tools.walk import GraphIndex


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
    """

    meta_graph: Any
    source: str
    variables: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    assets: Mapping[str, str] = dataclasses.field(default_factory=dict)
    initializers: Tuple[str, ...] = ()
    warnings: Tuple[str, ...] = ()
    format: str = ""
    _cache: Dict[str, Any] = dataclasses.field(default_factory=dict, init=False, repr=False)

    @property
    def graph_def(self):
        """A copy of the GraphDef; changing it does not change the model."""
        copy = _tf.tf.GraphDef()
        copy.CopyFrom(self.meta_graph.graph_def)
        return copy

    @property
    def index(self) -> GraphIndex:
        """The GraphDef indexed for walking (made once)."""
        if "index" not in self._cache:
            # Of a copy: reading a map field of a message by key can add the key to it.
            self._cache["index"] = GraphIndex(self.graph_def)
        return self._cache["index"]

    @property
    def signatures(self) -> Dict[str, Any]:
        """Signatures by name, as ``SignatureDef`` messages (empty for a frozen graph)."""
        return dict(self.meta_graph.signature_def)

    @property
    def graph(self):
        """The graph, imported once, control-flow contexts restored, finalized: for reading and for sessions."""
        if "graph" not in self._cache:
            graph = _tf.tf.Graph()
            self.import_into(graph)
            self._cache["restore"] = self.prepare_restore(graph)
            graph.finalize()
            self._cache["graph"] = graph
        return self._cache["graph"]

    def new_graph(self):
        """A fresh, mutable ``tf.Graph`` of the same model, in which ``tf.gradients`` works."""
        graph = _tf.tf.Graph()
        self.import_into(graph)
        return graph

    def import_into(self, graph, input_map: Optional[Mapping[str, Any]] = None) -> None:
        """Imports the graph under its own names into ``graph`` and restores its control-flow contexts.

        Args:
          graph: a ``tf.Graph``; names of this model must be free in it.
          input_map: replaces tensors for their consumers, ``{"a/b:0": tf.Tensor}``; the producer stays.
        """
        with graph.as_default(), graph.device(None):
            _tf.tf.import_graph_def(self._importable(), input_map=dict(input_map or {}), name="")
        control_flow.restore_control_flow(graph)

    def _importable(self):
        """The GraphDef as any TensorFlow accepts it and can differentiate it (made once)."""
        if "importable" not in self._cache:
            graph_def = self.graph_def
            for node in _all_nodes(graph_def):
                # Stale shapes make TF 2 refuse a graph; colocation with pruned nodes makes TF 1.15 refuse it.
                node.attr.pop("_output_shapes", None)
                node.attr.pop("_class", None)
            self._cache["importable"] = control_flow.normalize(graph_def)
        return self._cache["importable"]

    def prepare_restore(self, graph) -> Callable[[Any], None]:
        """Adds assignment ops to a graph of this model (before it is finalized); returns ``restore(session)``.

        Values come straight from ``variables``: no restore op, no initialiser of the model's own is run but the
        table initialisers listed in ``initializers``.
        """
        assignments = []
        with graph.as_default(), graph.device(None), _tf.tf.name_scope("graph_tools_restore"):
            for node_name in self.variables:
                assignments.append((node_name,) + _assignment(graph, node_name))

        def restore(session) -> None:
            for node_name, placeholder, assign in assignments:
                session.run(assign, {placeholder: self.variables[node_name]})
            if self.initializers:
                session.run(list(self.initializers), dict(self.assets))

        return restore

    @contextlib.contextmanager
    def open_session(self, config=None) -> Iterator[Any]:
        """A ready ``tf.Session`` on ``model.graph``: variables restored, tables initialised; closed on exit.

        Args:
          config: ``tf.ConfigProto``; ``None`` takes ``_tf.session_config()``.
        """
        graph = self.graph
        with _tf.tf.Session(graph=graph, config=config or _tf.session_config()) as session:
            self._cache["restore"](session)
            yield session

    def with_graph_def(self, graph_def) -> "Model":
        """The same model over an edited GraphDef (variables that are gone from it are dropped)."""
        meta_graph = _tf.tf.MetaGraphDef()
        meta_graph.CopyFrom(self.meta_graph)
        meta_graph.graph_def.CopyFrom(graph_def)
        kept = {node.name for node in graph_def.node}
        return dataclasses.replace(
            self, meta_graph=meta_graph,
            variables=_Subset(self.variables, [name for name in self.variables if name in kept]),
            assets={name: path for name, path in self.assets.items() if names.parse(name).node in kept},
            initializers=tuple(name for name in self.initializers if name in kept))


class _Subset(Mapping):
    """Some keys of a lazy mapping, still lazy."""

    def __init__(self, values, keys):
        self._values, self._keys = values, dict.fromkeys(keys)

    def __getitem__(self, key):
        if key not in self._keys:
            raise KeyError(key)
        return self._values[key]

    def __iter__(self):
        return iter(self._keys)

    def __len__(self):
        return len(self._keys)


def _all_nodes(graph_def) -> Iterator[Any]:
    """Nodes of the graph and of the functions in its library."""
    for node in graph_def.node:
        yield node
    for function in graph_def.library.function:
        for node in function.node_def:
            yield node


def _assignment(graph, node_name: str):
    """A placeholder and the op that assigns it to a variable of the graph."""
    tf = _tf.tf
    variable = graph.get_operation_by_name(node_name)
    if variable.type == "VarHandleOp":
        value = tf.placeholder(tf.as_dtype(variable.get_attr("dtype")))
        return value, _tf.raw_assign_resource(variable.outputs[0], value)
    if variable.type in ("VariableV2", "Variable"):
        value = tf.placeholder(tf.as_dtype(variable.get_attr("dtype")))
        return value, _tf.raw_assign_ref(variable.outputs[0], value)
    raise StateError("node %r is a %s, not a variable; its value cannot be set" % (node_name, variable.type))
