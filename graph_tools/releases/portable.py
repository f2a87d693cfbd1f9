"""Make a graph readable by other releases than the one that wrote it."""

from typing import Any, Dict, List, Optional

import numpy as np

from graph_tools import _tf
from graph_tools.graph import functions, names, nodes, ops
from graph_tools.releases import newer


def strip(graph_def: Any) -> None:
    """Drops, in place, what keeps other releases from reading a graph and says nothing about what it computes.

    Attributes that came after TensorFlow 1.15 and are at their default, recorded shapes, colocation with nodes that
    are gone, devices of the machine that trained the model. ``ParseExampleV2`` becomes ``ParseExample`` where it does
    the same.
    """
    table = newer.attributes()
    _first_parsers(graph_def)
    for node in functions.all_nodes(graph_def):
        for name in [name for name in node.attr if (node.op, name) in table]:
            if newer.is_default(node.attr[name], table[node.op, name][0]):
                del node.attr[name]
    there = {node.name for node in graph_def.node}
    for node in functions.all_nodes(graph_def):
        node.attr.pop("_output_shapes", None)
        _clear(node, "experimental_type")
        node.ClearField("device")
    for function in graph_def.library.function:
        for argument in list(function.signature.input_arg) + list(function.signature.output_arg):
            _clear(argument, "experimental_full_type")
    for node in graph_def.node:
        if "_class" in node.attr:
            kept = [entry for entry in node.attr["_class"].list.s
                    if not entry.startswith(b"loc:@") or names.text(entry[5:]) in there]
            del node.attr["_class"].list.s[:]
            node.attr["_class"].list.s.extend(kept)
            if not kept:
                del node.attr["_class"]


def _first_parsers(graph_def: Any) -> None:
    """``ParseExampleV2`` of a vector of protos, without ragged features, as 1.15 has it: a scalar for each key."""
    by_name = {node.name: node for node in graph_def.node}
    for node in [node for node in graph_def.node if node.op == "ParseExampleV2"]:
        protos, names_, sparse, dense, _ = node.input[:5]
        keys = [texts for texts in (_strings(by_name.get(entry)) for entry in (sparse, dense)) if texts is not None]
        if node.attr["ragged_value_types"].list.type or len(keys) < 2 or not _is_vector(by_name.get(protos)):
            continue
        entries = [protos, names_]
        for kind, texts in zip(("sparse", "dense"), keys):
            for number, text in enumerate(texts):
                entries.append(nodes.add(graph_def, "Const", "%s/%s_key_%d" % (node.name, kind, number),
                                         **nodes.constant(np.array(text, object))).name)
        entries += node.input[5:]
        node.op, node.input[:] = "ParseExample", entries
        for name in ("num_sparse", "ragged_value_types", "ragged_split_types"):
            node.attr.pop(name, None)
        node.attr["Nsparse"].i, node.attr["Ndense"].i = len(keys[0]), len(keys[1])


def _strings(node: Any) -> Optional[List[bytes]]:
    """What a constant vector of strings holds; ``None`` when the node is none."""
    if node is None or node.op != "Const":
        return None
    return list(_tf.make_ndarray(node.attr["value"].tensor).ravel())


def _is_vector(node: Any) -> bool:
    """Whether a tensor is a placeholder of one axis: the older parser takes nothing else."""
    return node is not None and node.op in ops.PLACEHOLDERS and len(
        node.attr["shape"].shape.dim) == 1


def needs(graph_def: Any) -> List[str]:
    """What keeps older releases from reading a graph, once ``strip`` is done: a sentence for each release needed."""
    table = newer.attributes()
    found: Dict[str, Dict[str, str]] = {}
    releases = {op: release for release, ops in newer.OPS.items() for op in ops}
    for node in functions.all_nodes(graph_def):
        if node.op in releases:
            found.setdefault(releases[node.op], {}).setdefault("op " + node.op, node.name)
        for name in node.attr:
            default, release = table.get((node.op, name), (None, ""))
            if release and not newer.is_default(node.attr[name], default):
                found.setdefault(release, {}).setdefault("attribute %s of op %s" % (name, node.op), node.name)
    return ["only TensorFlow %s or newer can read this: %s" % (release, "; ".join(
        "%s (node %r)" % entry for entry in list(why.items())[:4])) for release, why in sorted(found.items())]


def _clear(message: Any, field: str) -> None:
    """Clears a field that only newer releases have: an older one cannot read it in text form."""
    if field in message.DESCRIPTOR.fields_by_name:
        message.ClearField(field)
