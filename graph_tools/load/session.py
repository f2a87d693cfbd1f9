"""A live session, of a training job for instance: its graph and a copy of its values, taken without disturbing it."""

from typing import Any, Dict, List, NamedTuple, Optional, Set, Tuple

from graph_tools import _tf, variables
from graph_tools.errors import ModelFormatError, StateError
from graph_tools.graph import names, ops, walk
from graph_tools.load import build
from graph_tools.model import Model

# What may lie between a variable and a tensor that is fetched as its value: nothing with an effect.
_HARMLESS = frozenset(("Identity", "NoOp", "Const"))


def from_session(session: Any) -> Model:
    """The model in a live session: its graph, and the values its variables have now.

    Nothing is added to the graph, finalized or not; no hook, queue or training step runs; all values are fetched in
    one run, so that the copy is as consistent as one ``session.run`` is. (Between two steps, as in a
    ``SessionRunHook``, that is exactly; while other threads train asynchronously, TensorFlow itself lets single
    variables be newer than others.) The model is independent of the session from then on.

    Args:
      session: a ``tf.Session``, ``MonitoredSession``, ``MonitoredTrainingSession``, a Supervisor's managed session, or
        ``run_context.session`` in a hook.

    Returns:
      A ``Model``. Variables that are not initialised, and tables whose content cannot be copied, are left out; its
      ``warnings`` name them.

    Raises:
      ModelFormatError: it is no session.
      StateError: the session is closed, or its graph is empty.

    >>> model = from_session(session)  # doctest: +SKIP
    """
    session = _plain(session)
    meta_graph = _meta_graph(session.graph)
    if not meta_graph.graph_def.node:
        raise StateError("the session's graph is empty; pass the session that the model was built in")
    index = walk.GraphIndex(meta_graph.graph_def)
    wanted, unreadable = _readers(index)
    values, uninitialized = _fetch(session, wanted)
    tables, lost = _tables(session, index)
    values.update(tables)
    warnings = tuple("variable %r cannot be copied: no op of the graph reads it and does nothing else" % name
                     for name in unreadable) + lost
    return build.model(meta_graph, "session", "session", lambda: values, warnings=warnings, trusted=True,
                       no_value="is not initialised in the session" if uninitialized else "has no value")


def _plain(session: Any) -> Any:
    """The ``tf.Session`` inside monitored and wrapped sessions: running it triggers no hook."""
    given = session
    for _ in range(10):
        if isinstance(session, _tf.tf.Session) or isinstance(session, _tf.tf.InteractiveSession):
            break
        session = _tf.inner_session(session)
    else:
        session = None
    if session is None:
        raise ModelFormatError("from_session needs an open tf.Session or MonitoredSession, not %r" % (given,))
    if _tf.is_closed(session):
        raise StateError("the session is closed and its values are gone; pass it while it is open, or load the "
                         "checkpoint")
    return session


def _meta_graph(graph: Any) -> Any:
    """The graph and those of its collections that can be written down."""
    tf = _tf.tf
    meta_graph = tf.MetaGraphDef()
    meta_graph.meta_info_def.tensorflow_version = tf.__version__
    meta_graph.graph_def.CopyFrom(graph.as_graph_def())
    for key in graph.get_all_collection_keys():
        items = graph.get_collection(key)
        to_proto = _tf.collection_writer(key)
        if not isinstance(key, str) or not items:
            continue
        if to_proto is not None:
            with graph.as_default():  # a TF 2 thread is eager until told otherwise, and refuses
                protos = [to_proto(item) for item in items]
            meta_graph.collection_def[key].bytes_list.value.extend(
                proto.SerializeToString() for proto in protos if proto is not None)
        elif all(isinstance(item, (tf.Tensor, tf.Operation)) for item in items):
            meta_graph.collection_def[key].node_list.value.extend(item.name for item in items)
        elif all(isinstance(item, (bytes, str)) for item in items):
            meta_graph.collection_def[key].bytes_list.value.extend(
                item if isinstance(item, bytes) else item.encode("utf-8") for item in items)
    return meta_graph


class _Reader(NamedTuple):
    """How the value of a variable is fetched, and how one asks whether it has one (empty: cannot be asked)."""

    variable: str
    value: str
    initialized: str


def _readers(index: walk.GraphIndex) -> Tuple[List[_Reader], List[str]]:
    """For each variable a tensor of the graph that is its value and has no effect; and variables without one."""
    found, without = [], []
    for name in index.names_of(ops.VARIABLES):
        users = [use.node for use in index.consumers(name, control=False)]
        asks = [user for user in users if index.op(user) in ops.INITIALIZED and _clean(index, user, name)]
        if index.op(name) != "VarHandleOp":
            value: Optional[str] = name + ":0"
        else:
            reads = [user for user in _reads(index, name) if _clean(index, user, name)]
            value = reads[0] + ":0" if reads else None
        if value is None:
            without.append(name)
        else:
            found.append(_Reader(name, value, asks[0] + ":0" if asks else ""))
    return found, without


def _reads(index: walk.GraphIndex, name: str) -> List[str]:
    """``ReadVariableOp`` nodes of a handle, through identities, those of another handle of the same variable too."""
    def users(one: str) -> List[str]:
        return [] if index.op(one) == "ReadVariableOp" else [
            use.node for use in index.consumers(one, control=False) if index.op(use.node) in (
                "ReadVariableOp", "Identity")]

    same = [other for other in index.names_of(["VarHandleOp"])
            if variables.identity(index.nodes[other]) == variables.identity(index.nodes[name])]
    return [one for one in walk.reached(same, users) if index.op(one) == "ReadVariableOp"]


def _clean(index: walk.GraphIndex, node_name: str, variable: str) -> bool:
    """Whether running a node does nothing but look at the variable."""
    return all(index.op(name) in _HARMLESS or index.op(name) == "VarHandleOp" or name in (node_name, variable)
               for name in index.ancestors([node_name]))


def _fetch(session: Any, readers: List[_Reader]) -> Tuple[Dict[str, Any], Set[str]]:
    """The values in one run, and the variables that have none."""
    asked = [reader for reader in readers if reader.initialized]
    answers = session.run([reader.initialized for reader in asked]) if asked else []
    uninitialized = {reader.variable for reader, answer in zip(asked, answers) if not answer}
    wanted = [reader for reader in readers if reader.variable not in uninitialized]
    while wanted:
        try:
            values = session.run([reader.value for reader in wanted])
            return {reader.variable: variables.as_array(value)
                    for reader, value in zip(wanted, values)}, uninitialized
        except _tf.tf.errors.FailedPreconditionError as problem:
            bad = _culprit(wanted, problem)
            if bad is None:
                return _one_by_one(session, wanted, uninitialized)
            uninitialized.add(bad)
            wanted = [reader for reader in wanted if reader.variable != bad]
    return {}, uninitialized


def _culprit(wanted: List[_Reader], problem: Any) -> Optional[str]:
    """The variable that an error of a run complains about, when it can be told."""
    blamed = {getattr(problem.op, "name", None), *[word.strip("',.:") for word in problem.message.split()]}
    for reader in wanted:
        if reader.variable in blamed or names.parse(reader.value).node in blamed:
            return reader.variable
    return None


def _one_by_one(session: Any, wanted: List[_Reader], uninitialized: Set[str]) -> Tuple[Dict[str, Any], Set[str]]:
    values = {}
    for reader in wanted:
        try:
            values[reader.variable] = variables.as_array(session.run(reader.value))
        except _tf.tf.errors.FailedPreconditionError:
            uninitialized.add(reader.variable)
    return values, uninitialized


def _tables(session: Any, index: walk.GraphIndex) -> Tuple[Dict[str, Any], Tuple[str, ...]]:
    """Content of mutable tables, by export ops that are in the graph already; and what cannot be copied."""
    values, lost = {}, []
    for name in index.names_of(ops.MUTABLE_TABLES):
        exports = [use.node for use in index.consumers(name, control=False)
                   if index.op(use.node) in ("LookupTableExport", "LookupTableExportV2")
                   and _clean(index, use.node, name)]
        if exports:
            values[name] = tuple(session.run([exports[0] + ":0", exports[0] + ":1"]))
        else:
            lost.append("lookup table %r cannot be copied: its graph has no op that exports it; feed a tensor behind "
                        "it, or save a checkpoint and load that" % name)
    return values, tuple(lost)
