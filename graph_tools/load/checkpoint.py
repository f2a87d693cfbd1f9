"""Values of variables straight from a checkpoint, without running any op of the graph."""

import functools
import re
from typing import Any, Dict, List, Optional, Tuple

import numpy as np

from graph_tools import _tf, variables
from graph_tools.errors import ModelFileMissingError, ModelFormatError, one_line
from graph_tools.graph import names, ops
from graph_tools.load import restores, tables_on_disk
from graph_tools.load.restores import Stored
from graph_tools.running import forks

# What the reader raises besides errors of TensorFlow, depending on the release.
_READER_ERRORS = (ValueError, RuntimeError, LookupError, OSError, MemoryError)
OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"


class Checkpoint:
    """A checkpoint that was opened for reading (V1 or V2, name-based or object-based)."""

    def __init__(self, prefix: str):
        tf = _tf.tf
        self.prefix = prefix
        shards = "-?????-of-?????" if _shards(prefix, "-") else ""
        for path in _tables(prefix):
            tables_on_disk.refuse_outside(path)
        try:
            self._reader = tf.train.NewCheckpointReader(prefix + shards)
        except (tf.errors.OpError,) + _READER_ERRORS as problem:
            raise ModelFormatError("checkpoint %r cannot be read (%s); is a file of it missing or cut short? Copy "
                                   "its .index and all its .data files again" % (prefix, one_line(problem, 200))) from (
                problem)
        _check_shards(prefix)
        self.keys = self._reader.get_variable_to_shape_map()

    def __reduce__(self) -> Tuple[Any, ...]:
        return Checkpoint, (self.prefix,)  # TensorFlow's reader does not pickle: opened again where it arrives

    def full_names(self) -> Dict[str, str]:
        """Key by the name that the variable had, for an object-based (TF 2) checkpoint; else empty."""
        if OBJECT_GRAPH not in self.keys:
            return {}
        graph = _tf.TrackableObjectGraph()
        graph.ParseFromString(bytes(self._reader.get_tensor(OBJECT_GRAPH)))
        found: Dict[str, set] = {}
        for attribute in (attribute for node in graph.nodes for attribute in node.attributes):
            found.setdefault(attribute.full_name, set()).add(attribute.checkpoint_key)
        # TF 2 does not make names unique: one that several variables had says nothing.
        return {name: keys.pop() for name, keys in found.items() if name and len(keys) == 1}

    def read(self, stored: Stored) -> np.ndarray:
        """The value at a key, or the slice of it."""
        try:
            if stored.slice:
                return self._read_slice(stored)
            return variables.as_array(self._reader.get_tensor(stored.key))
        except (_tf.tf.errors.OpError,) + _READER_ERRORS as problem:
            raise ModelFormatError("checkpoint %r: the value of %r cannot be read (%s); copy the .data files "
                                   "again" % (self.prefix, stored.key, one_line(problem, 200))) from problem

    def _read_slice(self, stored: Stored) -> np.ndarray:
        """One part of a partitioned variable, read by a restore op of our own in a graph of its own."""
        tf = _tf.tf
        with tf.Graph().as_default(), tf.device("/cpu:0"):
            dtype = self._reader.get_variable_to_dtype_map()[stored.key]
            value = _tf.raw_restore(self.prefix, [stored.key], [stored.slice], [dtype])[0]
            forks.refuse_in_child()
            with tf.Session(config=_tf.session_config()) as session:
                return session.run(value)


def values(graph_def: Any, saver_def: Any, checkpoint: Checkpoint) -> variables.Lazy:
    """Values of the variables and mutable tables of a graph by node name, each read when it is asked for.

    The value of a mutable table is the pair ``(keys, values)``.

    Args:
      graph_def: the graph.
      saver_def: its ``SaverDef`` (may be empty); the restore op it names is followed first.
      checkpoint: the opened checkpoint.
    """
    wanted = [node for node in graph_def.node if node.op in ops.VARIABLES or node.op in ops.MUTABLE_TABLES]
    restored = restores.places(graph_def, saver_def.restore_op_name)
    named = checkpoint.full_names()
    shared = {}
    places = {}
    for node in wanted:
        place = _place(node, restored, named, checkpoint.keys)
        if place:
            places[node.name] = place
            shared[variables.identity(node)] = place
    for node in wanted:  # two handles may stand for one variable
        if node.name not in places and variables.identity(node) in shared:
            places[node.name] = shared[variables.identity(node)]
    shapes = {node.name: variables.shape(node) for node in wanted}
    return variables.Lazy(places, functools.partial(_value, checkpoint, places, shapes))


def _value(checkpoint: Checkpoint, places: Dict[str, Tuple[Stored, ...]], shapes: Dict[str, Optional[tuple]],
           node_name: str) -> Any:
    place, shape = places[node_name], shapes[node_name]
    if len(place) == 2:
        return tuple(map(checkpoint.read, place))
    value = checkpoint.read(place[0])
    if shape is None or shape == value.shape:
        return value
    if int(np.prod(shape)) != value.size:
        raise ModelFormatError("checkpoint %r: %r has shape %s but variable %r needs %s; the checkpoint is of another "
                               "graph" % (checkpoint.prefix, place[0].key, list(value.shape), node_name, list(shape)))
    return value.reshape(shape)


def exists(prefix: str) -> bool:
    """Whether there is a checkpoint of that prefix, V2 (``.index``), V1 in one file, or V1 in shards."""
    files = _tf.tf.io.gfile
    return files.exists(prefix + ".index") or files.exists(prefix) and not files.isdir(prefix) or bool(
        _shards(prefix, "-"))


def _shards(prefix: str, between: str) -> Dict[int, int]:
    """The shards of a checkpoint that are there: how many there should be, by number."""
    folder, _, name = prefix.rpartition("/")
    files = _tf.tf.io.gfile
    shard = re.compile(re.escape(name + between) + r"(\d{5})-of-(\d{5})$")
    found = [shard.match(other) for other in files.listdir(folder or ".")] if files.isdir(folder or ".") else []
    return {int(match.group(1)): int(match.group(2)) for match in found if match}


def _tables(prefix: str) -> List[str]:
    """The files of a checkpoint that are tables: the index of a V2 one, all of a V1 one."""
    there = [prefix + ".index", prefix] + ["%s-%05d-of-%05d" % (prefix, number, count)
                                           for number, count in _shards(prefix, "-").items()]
    files = _tf.tf.io.gfile
    return [path for path in there if files.exists(path) and not files.isdir(path)]


def _check_shards(prefix: str) -> None:
    """Raises for a V2 checkpoint of which a data file is missing: TensorFlow would notice at the first value only."""
    if not _tf.tf.io.gfile.exists(prefix + ".index"):
        return
    shards = _shards(prefix, ".data-")
    count = max(list(shards.values()) + [1])
    missing = [number for number in range(count) if number not in shards]
    if missing:
        raise ModelFormatError("checkpoint %r lacks its file %s.data-%05d-of-%05d; copy it beside the .index" % (
            prefix, prefix, missing[0], count))


def has_parts(prefix: str) -> bool:
    """Whether any file with values is there, if not all."""
    return bool(_shards(prefix, "-") or _shards(prefix, ".data-"))


def open_checkpoint(prefix: str, what: str) -> Checkpoint:
    """Opens a checkpoint; ``what`` says in the error who needs it."""
    if not exists(prefix):
        raise ModelFileMissingError("%s has variables, but there is no checkpoint %r (no %s.index); copy it there" % (
            what, prefix, prefix))
    return Checkpoint(prefix)


def _fits(node: Any, shape: Any) -> bool:
    """Whether a value of that shape can be the variable's: a name alone is weak evidence."""
    wanted = variables.shape(node)
    return wanted is None or int(np.prod(wanted)) == int(np.prod(shape))


def _place(node: Any, restored: Any, named: Any, keys: Any) -> Optional[Tuple[Stored, ...]]:
    """Where the value of one variable or table is: by restore op, else by name."""
    for place in restored.get(node.name, ()):
        if all(stored.key in keys for stored in place):
            return place
    shared_name = names.text(node.attr["shared_name"].s) if "shared_name" in node.attr else ""
    for name in (node.name, shared_name):
        if node.op in ops.MUTABLE_TABLES:
            if name + "-keys" in keys and name + "-values" in keys:
                return Stored(name + "-keys"), Stored(name + "-values")
        for key in (name, named.get(name, "")):
            if key and key in keys and _fits(node, keys[key]):
                return (Stored(key),)
    return None
