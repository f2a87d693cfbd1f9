"""Which key of a checkpoint belongs to which variable, read off the graph's restore ops.

From each output of a ``RestoreV2`` through ``Identity`` and the like to the ``Assign`` that takes it, inside functions
too (TF 2 restores in a function that gets the variables as arguments). Nothing is run.
"""

from typing import Any, Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple

import numpy as np

from graph_tools import _tf, variables
from graph_tools.graph import functions, names, ops, walk


class Stored(NamedTuple):
    """Where a value is: a key of the checkpoint, and the slice of it (``"10 4 0,5:-"``, or empty for all)."""

    key: str
    slice: str = ""


def places(graph_def: Any, restore_op: str) -> Dict[str, List[Tuple[Stored, ...]]]:
    """Places by node name as the graph's restore ops have them, those behind the saver's own op first."""
    index = walk.GraphIndex(graph_def)
    found: Dict[str, List[Tuple[Stored, ...]]] = {}
    preferred = index.ancestors([restore_op]) if restore_op else set()
    everything = [node.name for node in graph_def.node]
    library = {function.signature.name: function for function in graph_def.library.function}
    for name in [name for name in everything if name in preferred] + [
            name for name in everything if name not in preferred]:
        node = index.nodes[name]
        if node.op in ops.RESTORES:
            _follow(index, node, found)
        elif library and any(called in library for called in functions.called(node)):
            arguments = [variables.root(index, ref) for ref in index.data_inputs(name)]
            _inside(library, functions.called(node), arguments, found, set())
    return found


def _follow(index: walk.GraphIndex, node: Any, found: Any) -> None:
    """From each output of a restore op forward to what is assigned from it."""
    tables: Dict[str, Dict[int, Stored]] = {}
    for port, stored in enumerate(_stored(node, lambda slot: _constant(index, index.data_inputs(node.name)[slot]))):
        todo = list(index.uses("%s:%d" % (node.name, port)))
        while todo:
            use = todo.pop()
            op = index.op(use.node)
            if op in variables.PASSES and (use.slot == 0 or op == "IdentityN"):
                todo.extend(index.uses("%s:%d" % (use.node, use.slot if op == "IdentityN" else 0)))
            elif op in ops.SETS and use.slot == 1:
                target = variables.root(index, index.data_inputs(use.node)[0])
                found.setdefault(target, []).append((stored,))
            elif op in ops.TABLE_IMPORTS and use.slot in (1, 2):
                target = variables.root(index, index.data_inputs(use.node)[0])
                tables.setdefault(target, {})[use.slot] = stored
    for target, slots in tables.items():
        if len(slots) == 2:
            found.setdefault(target, []).append((slots[1], slots[2]))


def _inside(library: Any, called: Iterable[str], arguments: List[str], found: Any, seen: Any) -> None:
    """The same within functions: TF 2 restores in a function that gets the variables as arguments."""
    for name in called:
        if name not in library or (name, tuple(arguments)) in seen:
            continue
        seen.add((name, tuple(arguments)))
        function = library[name]
        bound = {arg.name: arguments[number] for number, arg in enumerate(function.signature.input_arg)
                 if number < len(arguments)}
        nodes = {node.name: node for node in function.node_def}

        def source_of(entry: Any, nodes: Any = nodes, bound: Any = bound) -> Any:
            ref = functions.tensor_of(entry)
            while ref.node in nodes and nodes[ref.node].op in variables.PASSES and nodes[ref.node].input:
                source = nodes[ref.node]
                ref = functions.tensor_of(source.input[ref.index if source.op == "IdentityN" else 0])
            return ref if ref.node in nodes else bound.get(ref.node, "")

        tables: Dict[str, Tuple[Stored, ...]] = {}
        for node in function.node_def:
            inputs = [entry for entry in node.input if not entry.startswith("^")]
            if node.op in ops.SETS and len(inputs) > 1:
                place = _restored_inside(nodes, source_of(inputs[1]), source_of)
                if place and isinstance(source_of(inputs[0]), str):
                    found.setdefault(source_of(inputs[0]), []).append((place,))
            elif node.op in ops.TABLE_IMPORTS and len(inputs) > 2:
                pair = tuple(stored for stored in (_restored_inside(nodes, source_of(entry), source_of)
                                                   for entry in inputs[1:3]) if stored)
                if len(pair) == 2 and isinstance(source_of(inputs[0]), str):
                    tables[source_of(inputs[0])] = pair
            elif any(other in library for other in functions.called(node)):
                deeper = [source_of(entry) for entry in inputs]
                _inside(library, functions.called(node),
                        [name if isinstance(name, str) else "" for name in deeper], found, seen)
        for target, pair in tables.items():
            found.setdefault(target, []).append(pair)


def _restored_inside(nodes: Any, ref: Any, source_of: Any) -> Optional[Stored]:
    """Which stored value a tensor inside a function is, when a restore op of that function made it."""
    node = nodes.get(ref.node) if isinstance(ref, functions.Inside) else None
    if node is None or node.op not in ops.RESTORES:
        return None

    def constant(slot: Any) -> Any:
        source = source_of(node.input[slot])
        made = nodes.get(source.node) if isinstance(source, functions.Inside) else None
        return _tf.make_ndarray(made.attr["value"].tensor) if made is not None and made.op == "Const" else None

    places = list(_stored(node, constant))
    return places[ref.index] if ref.index < len(places) else None


def _stored(node: Any, constant: Any) -> Iterator[Stored]:
    """The key and slice of each output of a restore op; nothing when they are not constants."""
    keys = constant(1)
    slices = constant(2) if node.op != "Restore" else None
    if keys is None:
        return
    keys = [_text(key) for key in np.ravel(keys)]
    slices = [_text(part) for part in np.ravel(slices)] if slices is not None else [""] * len(keys)
    for key, part in zip(keys, slices):
        yield Stored(key, part.strip())


def _constant(index: walk.GraphIndex, ref: names.TensorRef) -> Optional[np.ndarray]:
    node = index.nodes.get(variables.root(index, ref))
    return _tf.make_ndarray(node.attr["value"].tensor) if node is not None and node.op == "Const" else None


def _text(value: Any) -> str:
    return names.text(value) if isinstance(value, bytes) else str(value)
