"""Every way into a graph: placeholders, queues, iterators, staging areas, readers, parsers, Python functions.

What mechanisms there are, and which ops they have, is ``graph.ops.INPUTS``. A new one is a record there and a module
here whose ``inputs(index)`` yields an ``Input`` for every occurrence.
"""

import dataclasses
import importlib
from typing import Any, Callable, Container, Iterable, Iterator, List, Optional, Sequence, Set, Tuple

from graph_tools.find import dataflow, own as own_data
from graph_tools.find.candidates import Candidates, Miss
from graph_tools.find.inputs import lookalikes, own, production
from graph_tools.find.inputs.record import Component, Input, mark_used
from graph_tools.find.inputs.sparse import open_components
from graph_tools.find.inputs.switches import find_switches, of_data
from graph_tools.graph import names, ops
from graph_tools.graph.ops import IDENTITIES, SWITCHES
from graph_tools.graph.walk import GraphIndex
from graph_tools.model import Model

__all__ = ["MECHANISMS", "Component", "Input", "find_inputs", "scan"]

# In the order tried. Each takes a GraphIndex and yields an Input for every occurrence.
MECHANISMS: Tuple[Callable[[GraphIndex], Iterable[Input]], ...] = tuple(
    importlib.import_module("graph_tools.find.inputs." + mechanism.finder).inputs for mechanism in ops.INPUTS) + (
        own.inputs,)
# Kinds whose output does not depend, through tensors, on another input of the model.
SOURCES = ops.PLACEHOLDER_KINDS + ops.WAITING_KINDS + own.KINDS


def find_inputs(model: Model, output: Any = None) -> Candidates:
    """Finds where data enters a graph.

    Args:
      model: a ``Model``.
      output: keep the inputs that this tensor depends on; ``None`` keeps those that anything but input production
        (filling a queue, a summary) depends on.

    Returns:
      ``Candidates`` of ``Input``: those that must be fed first, then those with a default, then switches (keep
      probabilities, training flags: see ``Input.switch``); ``misses`` tells of
      placeholders that nothing reads, producers behind a queue, and constants or variables that look like an input
      that was frozen in.

    Raises:
      TensorNotFoundError: the output is not in the graph.

    Example:
      >>> gt.find_inputs(model).only(kind="queue").tensors  # doctest: +SKIP
      ('batch:0', 'batch:1')
    """
    if output is not None:
        output = names.tensor_name(output)
        names.refuse_unknown(model, output)
    return model.once(_find_inputs, output)


def _find_inputs(model: Model, output: Optional[str]) -> Candidates:
    index = model.index
    found = scan(index)
    taken, misses = _sort_out(index, found, output)
    taken = [own.shaped(model, one) if one.kind in own.KINDS else one for one in taken]
    switches = find_switches(index, [output] if output is not None else [])
    drawn = index.ancestors(own_data.flow_of(index).own, control=False) if switches else ()
    taken = [_as_switch(one, switches.get(one.tensor), drawn) for one in taken]
    taken.sort(key=lambda one: (bool(one.switch), one.default is not None, one.shape == ()))
    return Candidates(taken, misses + list(lookalikes.misses(index, output)), "input")


def _as_switch(one: Input, switch: Any, drawn: Container[str]) -> Input:
    if switch is None:
        return one
    switch = of_data(switch, drawn)
    return dataclasses.replace(one, why="%s; %s" % (one.why, switch.why), switch=switch.role, inference=switch.value,
                               calms=switch.calms)


def scan(index: GraphIndex) -> List[Input]:
    """Every occurrence of every mechanism, used or not, in the order of MECHANISMS; made once for an index."""
    return list(index.once(_scan))


def _scan(index: GraphIndex) -> List[Input]:
    return [open_components(index, one) for mechanism in MECHANISMS for one in mechanism(index)]


def needed_nodes(index: GraphIndex, found: Sequence[Input], output: Optional[str] = None,
                 sources: Sequence[Input] = ()) -> Set[str]:
    """Nodes on the model's side of the sources: ancestors of the output, or of anything that is not production.

    Args:
      index: the graph.
      found: all its inputs.
      output: a tensor name, or ``None``.
      sources: inputs that count as sources besides those whose kind is in SOURCES (a parser that will be replaced).
    """
    sources = [one for one in found if (one.kind in SOURCES or one in sources) and not in_the_middle(index, one)]
    handovers = {node for one in sources for node in one.nodes}
    if output is None:
        needed = production.model_side(index, handovers)
    else:
        needed = _deciding(index, output, handovers)
    # What a dequeue reads (its batch size, say) is needed by the input pipeline, not by the model.
    return needed - {node for one in sources if one.kind not in ops.PLACEHOLDER_KINDS for node in one.nodes}


def in_the_middle(index: GraphIndex, one: Input) -> bool:
    """Whether it is a placeholder whose default is computed from another input: that one is what must be fed."""
    if one.default is None:
        return False
    behind = index.ancestors([one.default], control=False)
    return any(index.op(name) in dataflow.SOURCES and not name == one.node for name in behind)


def _deciding(index: GraphIndex, output: str, handovers: Set[str]) -> Set[str]:
    """What decides about an output: by value, and as the predicate of a branch that holds nothing but constants."""
    needed: Set[str] = set()
    todo = {output}
    while todo:
        found = index.ancestors(todo, control=False, stop=handovers.__contains__) - needed
        needed |= found
        controls = {ref.node for name in found for ref in index.inputs(name) if ref.is_control}
        todo = {name for name in controls - needed if index.op(name) in IDENTITIES and any(
            index.op(ref.node) in SWITCHES for ref in index.data_inputs(name))}
    return needed


def _sort_out(index: GraphIndex, found: List[Input], output: Optional[str]) -> Tuple[List[Input], List[Miss]]:
    needed = needed_nodes(index, found, output)
    taken, misses = [], []
    for one in found:
        marked = mark_used(one, needed.__contains__, output)
        if _names_a_checkpoint(index, one):
            misses.append(Miss(one.tensor, "%s, but it names the checkpoint file of the saver" % one.why))
        elif in_the_middle(index, one):
            misses.append(Miss(one.tensor, "%s, and that is computed from another input; it can be fed instead of what "
                               "is computed" % one.why))
        elif any(component.used for component in marked.components):
            taken.append(marked)
        else:
            misses += _why_unused(index, one, output)
    return taken, misses


def _names_a_checkpoint(index: GraphIndex, one: Input) -> bool:
    if one.kind != "placeholder" or one.dtype != "string":
        return False
    readers = index.descendants(one.consumers, control=False, stop=lambda name: (
        index.op(name) in production.CHECKPOINTING))
    return any(index.op(name) in production.CHECKPOINTING for name in readers)


def _why_unused(index: GraphIndex, one: Input, output: Optional[str]) -> Iterator[Miss]:
    if output is not None:
        yield Miss(one.tensor, "%s, but %r does not depend on it" % (one.why, output))
    elif not one.consumers:
        yield Miss(one.tensor, "%s, but nothing reads it" % one.why)
    else:
        ends = sorted(name for name in index.descendants(one.consumers, control=False) if index.op(name) in ops.FILLS)
        where = ("only feeds the input pipeline (%s)" % ", ".join(repr(name) for name in ends[:3]) if ends else
                 "only serves summaries or initialisers")
        yield Miss(one.tensor, "%s, but it %s" % (one.why, where))
