"""Inputs as a spec calls them: a placeholder of ids, of strings or of sparse numbers stands for its lookups."""

from typing import Any, Container, List, Sequence

import graph_tools as gt
from graph_tools.graph import names
from tf1_ig.errors import SpecError


def tensors_of(model: Any, output: str, inputs: Sequence[Any], fed: Container[str], sparse: Container[str],
               what: str) -> List[Any]:
    """What is attributed to: tensors that have a gradient as they are, else the lookups that they go into.

    Args:
      model: the loaded model; output: what is explained.
      inputs: tensors by name, or candidates.
      fed: the placeholders of the spec; ``sparse``: those that hold the numbers of sparse rows, which have no row of
        their own in them.
      what: the place in the spec, for messages.

    Raises:
      SpecError: a placeholder without a gradient goes into no lookup.
    """
    found: List[Any] = []
    for given in inputs:
        name = names.tensor_name(given)
        dtype = model.outline.get_tensor_by_name(name).dtype.base_dtype
        if name not in fed or dtype.is_floating and name not in sparse:
            found.append(given)
            continue
        lookups = [one for one in gt.find_embeddings(model, output=output) if one not in found and any(
            comes_from(model, part, name) for part in (one.ids, one.weights) if part)]
        if not lookups:
            raise SpecError("%s: %s (%s) has no gradient, and goes into no lookup that %s is computed from; name "
                            "another tensor, or take it out" % (what, name, dtype.name, output))
        found += lookups
    return found


def comes_from(model: Any, tensor: str, fed: str) -> bool:
    """Whether a tensor is another one, or computed from it."""
    if tensor == fed:
        return True
    upstream = model.index.ancestors([tensor], control=False)
    # The components of a queue are several outputs of one node: the lookup says which.
    return names.parse(fed).port == 0 and names.parse(fed).node in upstream or any(
        str(ref) == fed for node in upstream for ref in model.index.data_inputs(node))
