"""Gradients of TensorArray ops that do not depend on TF 2's control-flow switch.

TensorFlow's own gradients build a ``tf.TensorArray``, and with control flow v2 on (the default of TF 2) that is a list
of another kind, which the ops of a TF 1 loop cannot read. Those below are the same sums written with the ops
themselves: a read is undone by a write into the gradient array of the call, a write by a read from it, and so on for
scatter and gather, split and concat. They are attached to the ops of one graph; no global changes.
"""

from typing import Any

from graph_tools import _tf


def use_version_1(graph: Any) -> None:
    """Lets every TensorArray op of a graph be differentiated as TF 1 does, whatever TF 2's switches say."""
    for op in graph.get_operations():
        gradient = GRADIENTS.get(op.type)
        if gradient is not None:
            _tf.set_gradient_function(op, gradient)


def _taking(put: str, where: str) -> Any:
    """The gradient of an op that takes entries of an array: they are put into the gradient array."""
    def gradient(op: Any, grad: Any) -> Any:
        array, flow = _gradient_array(op.inputs[0], op.inputs[2], grad)
        return None, None, getattr(_tf.tf.raw_ops, put)(
            handle=array, value=grad, flow_in=flow, **{where: op.inputs[1]})
    return gradient


def _putting(take: str, where: str) -> Any:
    """The gradient of an op that puts entries into an array: they are taken from the gradient array."""
    def gradient(op: Any, flow_grad: Any) -> Any:
        array, flow = _gradient_array(op.inputs[0], flow_grad, flow_grad)
        value = getattr(_tf.tf.raw_ops, take)(
            handle=array, flow_in=flow, dtype=op.get_attr("T"), **{where: op.inputs[1]})
        return None, None, value, flow_grad
    return gradient


def _concat(op: Any, grad: Any, _: Any) -> Any:
    array, flow = _gradient_array(op.inputs[0], op.inputs[1], grad)
    lengths = _tf.tf.cast(op.outputs[1], _tf.tf.int64)
    return None, _tf.tf.raw_ops.TensorArraySplitV3(handle=array, value=grad, lengths=lengths, flow_in=flow)


def _split(op: Any, flow_grad: Any) -> Any:
    array, flow = _gradient_array(op.inputs[0], flow_grad, flow_grad)
    value = _tf.tf.raw_ops.TensorArrayConcatV3(handle=array, flow_in=flow, dtype=op.get_attr("T"))[0]
    return None, value, None, flow_grad


GRADIENTS = {
    "TensorArrayReadV3": _taking("TensorArrayWriteV3", "index"),
    "TensorArrayWriteV3": _putting("TensorArrayReadV3", "index"),
    "TensorArrayGatherV3": _taking("TensorArrayScatterV3", "indices"),
    "TensorArrayScatterV3": _putting("TensorArrayGatherV3", "indices"),
    "TensorArrayConcatV3": _concat,
    "TensorArraySplitV3": _split,
}


def _gradient_array(handle: Any, flow: Any, grad: Any) -> Any:
    """The array in which one call of ``tf.gradients`` collects the gradient of a TensorArray, and its flow."""
    tf = _tf.tf
    with handle.graph.colocate_with(handle.op):
        array, _ = tf.raw_ops.TensorArrayGradV3(handle=handle, source=_tf.gradient_source(grad), flow_in=flow)
        with tf.control_dependencies([array]):
            return array, tf.identity(flow, name="gradient_flow")
