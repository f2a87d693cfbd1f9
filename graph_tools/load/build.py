"""The last step of every load: check, repair and complete a MetaGraphDef into a ``Model``."""

import functools
from typing import Any, Callable, List, Mapping, Optional, Tuple

import numpy as np

from graph_tools import _tf, constants, following, variables
from graph_tools.errors import ModelFormatError, UnsafeModelError, some
from graph_tools.graph import functions, names, ops, scan, walk
from graph_tools.load import initial, tables
from graph_tools.model import Model
from graph_tools.releases import fit as release
from graph_tools.safety import files, judge

_GRADIENT = "_gradient_op_type"
_NUMBERED = "CustomGradient-"  # and a number of the process: what tf.custom_gradient calls functions of Python's


def model(meta_graph: Any, source: str, kind: str, values: Callable[[], Mapping[str, Any]] = dict,
          assets: Optional[Mapping[str, str]] = None, signature: Optional[str] = None,
          warnings: Tuple[str, ...] = (), no_value: str = "has no value", trusted: bool = False,
          folder: Optional[str] = None) -> Model:
    """A Model from a MetaGraphDef that the caller owns (it is changed) and the values of its variables.

    Args:
      meta_graph: the ``MetaGraphDef``, parsed and not yet imported anywhere.
      source: what it is and where it came from, for people and for messages.
      kind: the format: ``"frozen"``, ``"saved_model"``, ``"meta_graph"``, ``"session"``, ``"estimator"``.
      values: asked for the values of variables by node name (may be lazy) once the graph is known to be whole.
      assets: file path by the name of the tensor that must hold it.
      signature: keep only this signature.
      warnings: what the format itself had to say.
      no_value: how to say that a variable has no value.
      trusted: whoever made the graph is trusted: it is not judged.
      folder: where the model's files are; one that is not trusted reads no others.

    Raises:
      UnsafeModelError: none of its outputs can be computed without a node that could do more than compute.
      ModelFormatError: the graph is torn, or there is no such signature.
      ReleaseError: the running TensorFlow is too old for it.
    """
    graph_def = meta_graph.graph_def
    scan.check(graph_def, source)
    held = values()
    finished = constants.finish(graph_def)
    if finished.changed:
        warnings += ("constants were still read as variables (%s): a freezing tool left it half done, and it was "
                     "finished%s" % (some(sorted(map(repr, finished.changed))), finished.dropped and (
                         "; what was assigned is dropped (%s)" % some(sorted(map(repr, finished.dropped)))) or ""),)
    if finished.torn:
        warnings += ("%r assigns to a constant and %r reads it after that: TensorFlow refuses the graph; freeze the "
                     "model again, without what changes variables" % finished.torn[0],)
    warnings += release.fit(meta_graph, source)
    index = walk.GraphIndex(graph_def)
    warnings += _judged(meta_graph, index, source, trusted) + _without_lost_gradients(graph_def, trusted)
    folder = None if trusted else folder
    states = initial.states(meta_graph, index, held) if kind == "meta_graph" else {}
    warnings, held = warnings + initial.told(states), _with(states, held)
    assets, elsewhere = _own_files(assets or {}, folder)
    found = tables.initializers(index, assets, held, folder)
    paths = tables.asset_variables(index, found.assets)
    if paths:
        held = _with({name: np.array(path.encode("utf-8"), object) for name, path in paths.items()}, held)
    missing = _missing(meta_graph, index, held, kind)
    if missing:
        warnings += ("variable %s %s, and what depends on it cannot be run" % (
            ", ".join(repr(name) for name in missing[:3]) + (
                " (and %d more)" % (len(missing) - 3) if len(missing) > 3 else ""), no_value),)
    _keep_signature(meta_graph, signature, source)
    return Model(meta_graph, source, variables=held, assets=found.assets, initializers=found.initializers,
                 warnings=warnings + elsewhere + found.warnings + _dangling(meta_graph), format=kind, trusted=trusted)


def _without_lost_gradients(graph_def: Any, trusted: bool) -> Tuple[str, ...]:
    """Drops, in place, names of gradient functions that this process does not have (``tf.custom_gradient`` saves the
    name alone), so that what a node computes is differentiated; a warning where there were any."""
    lost: List[str] = []
    for node in functions.all_nodes(graph_def):
        if _GRADIENT in node.attr and _is_lost(names.text(node.attr[_GRADIENT].s), trusted):
            del node.attr[_GRADIENT]
            lost.append(repr(node.name))
    return () if not lost else (
        "custom gradients of %s are not in the file (tf.custom_gradient saves their names alone): what the ops compute "
        "is differentiated instead" % some(sorted(lost)),)


def _is_lost(gradient: str, trusted: bool) -> bool:
    """Whether a name of a gradient function means none here; the numbered ones of another process are not ours."""
    return gradient.startswith(_NUMBERED) and not trusted or not _tf.knows_gradient(gradient)


def _judged(meta_graph: Any, index: walk.GraphIndex, source: str, trusted: bool) -> Tuple[str, ...]:
    """Warnings about nodes that are kept from TensorFlow; an error where nothing would be left to compute."""
    if trusted:
        return ()
    found = judge.outlook(meta_graph, index, judge.judge(meta_graph.graph_def))
    if found.hopeless is not None:
        raise UnsafeModelError("%s: every output depends on %s; %s" % (source, found.hopeless, judge.TRUST),
                               argument="trusted", value="True")
    return judge.warnings(found.needed)


def _own_files(assets: Mapping[str, str], folder: Optional[str]) -> Tuple[Mapping[str, str], Tuple[str, ...]]:
    """The assets that are in the model's folder, and a warning for each that is not."""
    assets = {name: files.own(path, folder) for name, path in assets.items()}
    refused = {name: files.refusal(path, folder) for name, path in assets.items()}
    return ({name: path for name, path in assets.items() if not refused[name]},
            tuple(files.NotOwn("the file of %r is not read: %s; copy it there, or, %s" % (name, why, judge.TRUSTED))
                  for name, why in sorted(refused.items()) if why))


def _with(own: Mapping[str, Any], values: Mapping[str, Any]) -> Mapping[str, Any]:
    return variables.Lazy([*own, *values], functools.partial(_either, own, values)) if own else values


def _either(own: Mapping[str, Any], values: Mapping[str, Any], name: str) -> Any:
    return own[name] if name in own else values[name]


def _missing(meta_graph: Any, index: walk.GraphIndex, values: Any, kind: str) -> List[str]:
    """Variables without a value that some signature needs; without signatures all, of a checkpoint but those that only
    updates read."""
    missing = [node.name for node in meta_graph.graph_def.node if node.op in ops.VARIABLES and node.name not in values]
    outputs = following.served(meta_graph)
    if missing and outputs:
        needed = index.ancestors(outputs)
        missing = [name for name in missing if name in needed]
    elif missing and kind == "meta_graph":
        needed = initial.needed(index, values)
        missing = [name for name in missing if name in needed]
    return missing


def _keep_signature(meta_graph: Any, signature: Optional[str], source: str) -> None:
    """Drops every signature but the one that was asked for, in place."""
    if signature is None:
        return
    there = [key for key in meta_graph.signature_def if not key.startswith("__saved_model")]
    if signature not in meta_graph.signature_def:
        raise ModelFormatError("%s has no signature %r; it has %s" % (
            source, signature, ", ".join(repr(key) for key in sorted(there)) or "none"))
    for key in there:
        if key != signature:
            del meta_graph.signature_def[key]


def _dangling(meta_graph: Any) -> Tuple[str, ...]:
    """Signatures that name tensors which are not in the graph."""
    known = {node.name for node in meta_graph.graph_def.node}
    found = []
    for key, signature in sorted(meta_graph.signature_def.items()):
        lost = [info.name for info in list(signature.inputs.values()) + list(signature.outputs.values())
                if info.name and names.parse(info.name).node not in known]
        if lost:
            found.append("signature %r names %r, which is not in the graph" % (key, lost[0]))
    return tuple(found)
