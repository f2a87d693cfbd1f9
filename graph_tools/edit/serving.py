"""A signature for a model that has none, so that a server finds what to feed and what to fetch."""

import dataclasses
from typing import Any

from graph_tools import _tf
from graph_tools.graph import names, ops

KEY = "serving_default"


def with_signature(model: Any, outputs: Any, key: str = KEY) -> Any:
    """The same model with a signature of these outputs and of the placeholders that they need.

    Its keys are the names of the nodes (``"batch/component_0"``). Placeholders with a default are left to it.

    Args:
      model: the ``Model``; it is not changed.
      outputs: a tensor, or several.
      key: name of the signature; one of that name is replaced.

    Raises:
      TensorNotFoundError: an output is not in the graph.

    Example:
      >>> with_signature(model, "softmax:0").save("served")  # doctest: +SKIP
    """
    tf, index = _tf.tf, model.index
    fetched = names.tensor_names(outputs)
    names.refuse_unknown(model, *fetched)
    needed = index.ancestors(fetched)
    fed = [name + ":0" for name in index.names_of(ops.MUST_BE_FED) if name in needed]
    with model.outline.as_default():
        inputs, results = ({_key(name): model.outline.get_tensor_by_name(name) for name in tensors}
                           for tensors in (fed, fetched))
        signature = tf.saved_model.predict_signature_def(inputs=inputs, outputs=results)
    meta_graph = tf.MetaGraphDef()
    meta_graph.CopyFrom(model.meta_graph)
    meta_graph.signature_def[key].CopyFrom(signature)
    return dataclasses.replace(model, meta_graph=meta_graph)


def _key(tensor: str) -> str:
    ref = names.parse(tensor)
    return ref.node if not ref.port else "%s_%d" % (ref.node, ref.port)
