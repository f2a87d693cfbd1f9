"""Channels before pixels: a layout of GPUs, which TensorFlow's kernels for CPUs do not compute.

Where there is no GPU, an op in that layout is computed in the other one, between two transpositions: equal but for
rounding, differentiable, its tensors as they were for whoever reads them.
"""

from typing import Any, Dict, List, NamedTuple, Tuple

from graph_tools.graph import nodes
from graph_tools.graph.nodes import constant


class _Layout(NamedTuple):
    """What is computed instead, and where each of its axes is in the other: there and back."""

    last: bytes
    there: Tuple[int, ...]
    back: Tuple[int, ...]


_LAYOUTS = {b"NCHW": _Layout(b"NHWC", (0, 2, 3, 1), (0, 3, 1, 2)),
            b"NCDHW": _Layout(b"NDHWC", (0, 2, 3, 4, 1), (0, 4, 1, 2, 3))}
# The input with the pixels; an op of several outputs has them in its first. A BiasAdd is computed in any layout, and
# calls axes of any rank NCHW.
_PIXELS: Dict[str, int] = {
    "Conv2D": 0, "DepthwiseConv2dNative": 0, "Conv2DBackpropInput": 2, "Conv3D": 0, "Conv3DBackpropInputV2": 2,
    "MaxPool": 0, "AvgPool": 0, "MaxPool3D": 0, "AvgPool3D": 0, "FusedBatchNorm": 0, "FusedBatchNormV2": 0,
    "FusedBatchNormV3": 0, "SpaceToDepth": 0, "DepthToSpace": 0}
_BY_AXIS = ("strides", "ksize", "dilations")
_INSIDE = "channels_last"


def channels_first(graph_def: Any) -> List[Any]:
    """The nodes that compute with channels before pixels."""
    return [node for node in graph_def.node if node.op in _PIXELS and "data_format" in node.attr
            and node.attr["data_format"].s in _LAYOUTS]


def channels_last(graph_def: Any) -> None:
    """Computes them with channels behind pixels, in place; the nodes keep their names."""
    turned = channels_first(graph_def)
    inside = {node.name: _turn(graph_def, node) for node in turned}
    for node in graph_def.node if turned else ():
        for place, entry in enumerate(node.input):
            name, _, port = entry.partition(":")
            if name in inside and port not in ("", "0"):  # the statistics of a batch norm have one axis
                node.input[place] = "%s:%s" % (inside[name], port)


def _turn(graph_def: Any, node: Any) -> str:
    """Makes a node the transposition of a new one; returns the name of that."""
    layout, slot = _LAYOUTS[node.attr["data_format"].s], _PIXELS[node.op]
    scope = "%s/%s" % (node.name, _INSIDE)
    pixels, kind = node.input[slot], node.attr["T"].type
    # Made where the pixels are: in a loop or a branch a constant without that would be outside.
    beside = ["^" + pixels.partition(":")[0]]

    def add(op: str, name: str, inputs: List[str], **attrs: Any) -> str:
        return nodes.add(graph_def, op, "%s/%s" % (scope, name), inputs, **attrs).name

    there, back = (add("Const", name, beside, **constant(list(axes), "int32"))
                   for name, axes in (("there", layout.there), ("back", layout.back)))
    inner = nodes.copied(graph_def, node)
    inner.name = scope
    inner.attr["data_format"].s = layout.last
    inner.input[slot] = add("Transpose", "in", [pixels, there], T=kind, Tperm="int32")
    if slot == 2:  # of a transposed convolution the sizes of what comes out are given
        axis = add("Const", "axis", beside, **constant(0, "int32"))
        inner.input[0] = add("GatherV2", "sizes", [node.input[0], there, axis], Tparams=_sizes_type(node),
                             Tindices="int32", Taxis="int32")
    for name in _BY_AXIS:
        if len(inner.attr[name].list.i) == len(layout.there):
            _reorder(inner.attr[name].list.i, [(axis,) for axis in layout.there])
    if inner.attr["explicit_paddings"].list.i:
        _reorder(inner.attr["explicit_paddings"].list.i, [(2 * axis, 2 * axis + 1) for axis in layout.there])
    for name in [name for name in inner.attr if inner.attr[name].WhichOneof("value") is None]:
        del inner.attr[name]  # looked for, and so made
    nodes.become(node, "Transpose", [scope, back], T=kind, Tperm="int32")
    return scope


def _sizes_type(node: Any) -> Any:
    return node.attr["Tshape"].type or "int32"


def _reorder(numbers: Any, groups: List[Tuple[int, ...]]) -> None:
    found = [numbers[place] for group in groups for place in group]
    del numbers[:]
    numbers.extend(found)
