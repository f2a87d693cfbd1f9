"""Watching feature columns at work while a model function builds its graph."""

import contextlib
import dataclasses
from typing import Any, Dict, Iterator, List, Optional, Tuple

from graph_tools import _tf
from graph_tools.errors import NoCandidateError
from graph_tools.feature_columns import kinds, patch, structure
from graph_tools.feature_columns.column import Column, CrossPart, Sparse


@contextlib.contextmanager
def watch_feature_columns() -> Iterator["Watch"]:
    """Harvests the tensors of every feature column that is built inside the ``with`` block.

    It covers ``tf.feature_column.input_layer`` and ``linear_model``, ``DenseFeatures``, ``SequenceFeatures``,
    contrib's ``sequence_input_layer``, canned Estimators, and columns of both generations and of the user's own
    classes, however their builders were imported. The graph that is built is byte for byte the one that would be
    built without a watch. What is patched meanwhile is put back on every exit, when the last watch of the process
    leaves. A watch sees what its own thread builds, and what other threads build in the same graph.

    Yields:
      a ``Watch``; its ``columns`` can be read inside the block and after it.

    Raises:
      NoCandidateError: on leaving without an exception, when no feature column was built in a graph.

    >>> with gt.watch_feature_columns() as watch:                                         # doctest: +SKIP
    ...     net = tf.feature_column.input_layer(features, columns)
    >>> watch.columns["word_embedding"].rows                                              # doctest: +SKIP
    <tf.Tensor 'input_layer/word_embedding/.../embedding_lookup:0' shape=(?, 16) dtype=float32>
    """
    watch = Watch()
    with watching(watch):
        yield watch
    if not watch.graphs:
        raise NoCandidateError(watch.why_empty())


@contextlib.contextmanager
def watching(watch: "Watch") -> Iterator["Watch"]:
    """The patch in place for one watch, which may see nothing."""
    patch.add(watch)
    try:
        yield watch
    finally:
        patch.remove(watch)


class Watch:
    """What one watch saw.

    Attributes:
      graphs: the graphs in which columns were built, in order.
    """

    def __init__(self) -> None:
        self.graphs: List[Any] = []
        self.home: List["Watch"] = []
        self._uses: List[patch.Use] = []
        self._eager = 0
        # In eager mode this is the thread's own empty default graph: nobody builds there by accident.
        self._started_in = _tf.tf.get_default_graph()

    @property
    def columns(self) -> Dict[str, Column]:
        """Columns by name, with live tensors, of the graph that was built last.

        A column that is at work in several layers of a graph (wide and deep) is there once per layer: under its name
        for the first layer that concatenates it, as ``"name@scope of the layer"`` for the others.
        """
        return self.columns_of(self.graphs[-1]) if self.graphs else {}

    def columns_of(self, graph: Any) -> Dict[str, Column]:
        """The same for any of ``graphs``."""
        return harvest([use for use in self._uses if _graph(use) is graph])

    def follows(self, graph: Any) -> bool:
        """Whether another thread that builds in ``graph`` builds for this watch."""
        return graph is self._started_in or any(graph is seen for seen in self.graphs)

    def record(self, use: patch.Use) -> None:
        """Takes in one column's work (called by the patch)."""
        graph = _graph(use)
        if graph is None:
            self._eager += 1
            return
        self._uses.append(use)
        if not any(graph is seen for seen in self.graphs):
            self.graphs.append(graph)

    def why_empty(self) -> str:
        """The reason why nothing was harvested, with what to do."""
        if self._eager:
            return ("watch_feature_columns saw %d feature columns, all computed eagerly: there is no graph to explain; "
                    "build the model inside 'with tf.Graph().as_default():'" % self._eager)
        return ("watch_feature_columns saw no feature column at work; call input_layer, linear_model, DenseFeatures or "
                "the Estimator's model function inside the with block and in its thread; a graph that is already "
                "built is searched with find_embeddings")


def _tensors(result: Any) -> List[Any]:
    """The tensors in what a method gave: a tensor, a ``SparseTensor`` or a named pair of them."""
    if isinstance(result, _tf.tf.SparseTensor):
        return [result.values]
    if isinstance(result, tuple):
        return [tensor for part in result for tensor in _tensors(part)]
    return [result] if isinstance(result, _tf.tf.Tensor) else []


def _graph(use: patch.Use) -> Optional[Any]:
    for tensor in _tensors(use.result):
        # Reading the graph of an eager tensor raises: what has a buffer on the device has no graph.
        if not hasattr(tensor, "numpy") or not _tf.tf.executing_eagerly():
            return tensor.graph
    return None


def harvest(uses: List[patch.Use]) -> Dict[str, Column]:
    """Columns by name from what a watch saw in one graph; columns of a linear model after the others."""
    uses = sorted(uses, key=lambda use: use.kind == "linear")
    layers: List[Tuple[List[int], structure.Layer]] = []
    found = [_harvest_one(use) for use in uses]
    for log in {id(use.log): use.log for use in uses}.values():
        for summed in (False, True):
            members = [number for number, use in enumerate(uses)
                       if use.log is log and use.kind != "sparse" and (use.kind == "linear") == summed]
            taken = {layer.op for _, layer in layers}
            layer = structure.find_layer([_part(uses[number]) for number in members], summed, taken)
            if layer is not None:
                layers.append((members, layer))
                _join(found, members, layer, summed)
    return _by_name(_shared(found))


def _part(use: patch.Use) -> Any:
    """The tensor that goes into the layer."""
    return use.result[0] if use.kind == "sequence" else use.result


def _join(found: List[Column], members: List[int], layer: structure.Layer, summed: bool) -> None:
    """Notes the layer, and each column's part of it, in the records."""
    slices = {} if summed else layer.slices()
    for member, slot in layer.places.items():
        number = members[member]
        part = layer.op.inputs[slot]
        if summed:
            # A dense column of a linear model is multiplied with its weights before the sum.
            part = part.op.inputs[0] if part.op.type == "MatMul" else part
        found[number] = dataclasses.replace(
            found[number], layer=layer.op.outputs[0], slice=slices.get(member), part=part)


def _harvest_one(use: patch.Use) -> Column:
    column = use.column
    chain = kinds.wrapped(column)
    # An indicator whose ids another column has read already finds them in the builder's cache.
    pair = use.sparse or next((use.log.sparse[one] for one in chain[1:]
                               if patch.hashable(one) and one in use.log.sparse), None)
    if use.kind == "sparse":
        pair = use.result
    raw = _raw(use)
    ids, weights = (_sparse(pair.id_tensor), pair.weight_tensor) if pair is not None else (None, None)
    combined = None if use.kind == "sparse" else use.inner if use.inner is not None else _part(use)
    width = kinds.width_of(column)
    if use.kind == "linear" and use.inner is None and combined is not None:
        width = combined.shape.as_list()[-1]
    sources = [tensor for value in list(raw.values()) + [ids] for tensor in _parts(value)]
    sources += [] if weights is None else list(_sparse(weights))
    found: Dict[str, Any] = {}
    if combined is not None and (ids is not None or kinds.kind_of(column) == "custom"):
        found = structure.find_lookup(combined, sources).fields()
        if found["rows"] is not None:
            found.setdefault("occurrences", ids)
    names = tuple(kinds.kind_of(one) for one in chain)
    return Column(
        name=column.name, kind=names[0], chain=names, feature=kinds.feature_name(column), raw=raw, combined=combined,
        ids=ids, weights=None if weights is None else weights.values,
        keys=None if ids is None else structure.find_keys(ids.values, [part for value in raw.values()
                                                                       for part in _parts(value)]),
        sequence_length=use.result[1] if use.kind == "sequence" else None, part=combined, width=width,
        categories=kinds.categories_of(column, width), cross=_cross(use, chain[-1], ids), **found)


def _cross(use: patch.Use, column: Any, ids: Optional[Sparse]) -> Tuple[CrossPart, ...]:
    """The parts of a crossed column; TensorFlow crosses its sparse parts first, then the dense ones."""
    if ids is None or kinds.kind_of(column) != "crossed":
        return ()
    leaves = kinds.crossed_leaves(column)
    dense = [leaf for leaf in leaves if isinstance(use.log.raw.get(leaf), _tf.tf.Tensor)]
    ordered = [leaf for leaf in leaves if leaf not in dense] + dense
    return tuple(CrossPart(indices, values, None if isinstance(leaf, str) else kinds.categories_of(leaf, None))
                 for leaf, (indices, values) in zip(ordered, structure.find_cross(ids.values)))


def _raw(use: patch.Use) -> Dict[str, Any]:
    """The features that the column read, as the model function was given them where those are tensors."""
    found = {}
    for key in use.reads:
        given = use.log.features.get(key)
        tensor = given if isinstance(given, (_tf.tf.Tensor, _tf.tf.SparseTensor)) else use.log.raw.get(key)
        found[key if isinstance(key, str) else key.name] = (
            _sparse(tensor) if isinstance(tensor, _tf.tf.SparseTensor) else tensor)
    return found


def _sparse(tensor: Any) -> Sparse:
    return Sparse(tensor.indices, tensor.values, tensor.dense_shape)


def _parts(value: Any) -> Tuple[Any, ...]:
    return () if value is None else tuple(value) if isinstance(value, Sparse) else (value,)


def _shared(found: List[Column]) -> List[Column]:
    """Notes, for each column, which others look up the same table."""
    return [dataclasses.replace(one, shared_with=tuple(sorted({other.name for other in found if one.table
                                                               and other.table == one.table} - {one.name})))
            for one in found]


def _by_name(found: List[Column]) -> Dict[str, Column]:
    columns: Dict[str, Column] = {}
    for column in found:
        key, place = column.name, column.layer if column.layer is not None else column.combined
        if key in columns and column.combined is None:
            continue  # ids read once more, outside of any layer
        if key in columns:
            key = "%s@%s" % (column.name, place.op.name.rpartition("/")[0])
        number = 2
        unique = key
        while unique in columns:
            unique, number = "%s#%d" % (key, number), number + 1
        columns[unique] = column
    return columns
