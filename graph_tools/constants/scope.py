"""The nodes of a graph or of one function, and where in them a variable travels."""

from typing import Any, Dict, List, NamedTuple, Set, Tuple

from graph_tools import _tf
from graph_tools.constants import nodes
from graph_tools.constants.nodes import Held
from graph_tools.graph import names, ops
from graph_tools.graph.nodes import forget
from graph_tools.graph.walk import GraphIndex, reached

_REF_PASSES = {"RefIdentity": "Identity", "RefEnter": "Enter", "RefSwitch": "Switch", "RefMerge": "Merge",
               "RefExit": "Exit", "RefNextIteration": "NextIteration"}
_HANDLE_PASSES = frozenset(("Identity", "IdentityN", "Enter", "Switch", "Merge", "Exit", "NextIteration"))
READS = frozenset(("ReadVariableOp", "ResourceGather", "ResourceGatherNd", "VariableShape", "VarIsInitializedOp"))
ASSIGNS = frozenset(op for op in ops.ASSIGNS if op.endswith("VariableOp"))
REF_ASSIGNS = ops.ASSIGNS - ASSIGNS
# For each op that calls functions: the attributes that name them, the types of what goes in and comes out, and the
# input at which the arguments begin.
_CALLS = {
    "PartitionedCall": (("f",), "Tin", "Tout", 0), "StatefulPartitionedCall": (("f",), "Tin", "Tout", 0),
    "If": (("then_branch", "else_branch"), "Tin", "Tout", 1),
    "StatelessIf": (("then_branch", "else_branch"), "Tin", "Tout", 1),
    "Case": (("branches",), "Tin", "Tout", 1), "StatelessCase": (("branches",), "Tin", "Tout", 1),
    "While": (("cond", "body"), "T", "T", 0), "StatelessWhile": (("cond", "body"), "T", "T", 0),
}
_RESOURCE = 20  # DT_RESOURCE
# Saving and restoring makes no sense without variables.
_SAVERS = ops.SAVES | ops.RESTORES

Tensor = Tuple[str, int]


class Finished(NamedTuple):
    """Nodes that were changed, the assignments among them; and, left alone, assignments with a read behind each."""

    changed: List[str]
    dropped: List[str]
    torn: List[Tuple[str, str]]


class Scope:
    """The nodes of a graph or of one function body, and how their inputs are written."""

    def __init__(self, nodes: Any, library: Any, tensor: Any, first_output: str = ""):
        self.nodes, self.library, self.tensor, self.first_output = nodes, library, tensor, first_output
        self.by_name = {node.name: node for node in nodes}
        self.added: List[Any] = []
        self._uses: Dict[Tensor, List[str]] = {}
        for node in nodes:
            for entry in node.input:
                if not entry.startswith("^"):
                    self._uses.setdefault(tensor(entry), []).append(node.name)

    def spread(self, seeds: Dict[Tensor, Held]) -> Dict[Tensor, Held]:
        """All tensors that stand for a variable, given those that do to begin with."""
        held = dict(seeds)
        todo = list(seeds)
        while todo:
            for name in self._uses.get(todo.pop(), ()):
                for tensor, what in self._passes(self.by_name[name], held).items():
                    if tensor not in held:
                        held[tensor] = what
                        todo.append(tensor)
        return held

    def finish(self) -> Finished:
        """Reads of variables that somebody turned into constants, and the handles on the way, made values in place.

        What was assigned to them is no more, unless it is read: such a constant is left as it is.
        """
        held = self._constants()
        taken = {node.name: held[self.tensor(entry)] for node in self.nodes for entry in node.input[:1]
                 if self.tensor(entry) in held}
        reads, assigns = ([node for node in self.nodes if node.op in kind and node.name in taken
                           and not (node.op in REF_ASSIGNS and self._uses.get((node.name, 0)))]
                          for kind in (READS, ops.ASSIGNS))
        torn = self._read_after(assigns, held)
        left: Set[str] = set().union(*(taken.get(name, set()) for pair in torn for name in pair))
        finished = Finished([], [], torn)
        for node in reads + assigns:
            if taken[node.name] & left:
                continue
            finished.changed.append(node.name)
            if node.op in READS:
                self.added.extend(self._read(node, self._dtype(taken[node.name])))
            else:
                nodes.make_nothing(node)
                finished.dropped.append(node.name)
        for node in self.nodes:
            sources = held.get((node.name, 0), set()) if node.op in _HANDLE_PASSES else set()
            if sources and not sources & left and node.attr["T"].type == _RESOURCE:
                nodes.retype(node, {0: Held("handle", self._dtype(sources))})
                finished.changed.append(node.name)
        return finished

    def _constants(self) -> Dict[Tensor, Set[str]]:
        """The constants that each tensor may be."""
        held = {(node.name, 0): {node.name} for node in self.nodes if node.op == "Const"}
        todo = list(held)
        while todo:
            tensor = todo.pop()
            for node in map(self.by_name.__getitem__, self._uses.get(tensor, ())):
                if node.op in _HANDLE_PASSES and node.op != "IdentityN" and (
                        self.tensor(node.input[0]) == tensor or node.op == "Merge"):
                    for port in range(2 if node.op == "Switch" else 1):
                        found = held.setdefault((node.name, port), set())
                        if not held[tensor] <= found:
                            found |= held[tensor]
                            todo.append((node.name, port))
        return held

    def _read_after(self, assigns: Any, held: Dict[Tensor, Set[str]]) -> List[Tuple[str, str]]:
        """Each assignment with each reader of the same constant that waits for it."""
        index, torn = GraphIndex(None, self.nodes), []
        for assign in assigns:
            behind, own = index.descendants([assign.name]), held[self.tensor(assign.input[0])]
            torn += [(assign.name, node.name) for node in map(self.by_name.__getitem__, sorted(behind))
                     if node.op not in ops.ASSIGNS and any(
                         held.get(self.tensor(entry), set()) & own for entry in node.input if entry[:1] != "^")]
        return torn

    def _dtype(self, constants: Set[str]) -> int:
        return self.by_name[min(constants)].attr["dtype"].type

    def _inputs(self, node: Any, held: Any) -> Dict[int, Held]:
        return {slot: held[self.tensor(entry)] for slot, entry in enumerate(node.input)
                if not entry.startswith("^") and self.tensor(entry) in held}

    def _passes(self, node: Any, held: Any) -> Dict[Tensor, Held]:
        """Outputs of a node that stand for a variable because its inputs do."""
        inputs = self._inputs(node, held)
        if not inputs:
            return {}
        what = next(iter(inputs.values()))
        if node.op in _REF_PASSES if what.kind == "ref" else node.op in _HANDLE_PASSES:
            if node.op == "IdentityN":
                return {(node.name, slot): each for slot, each in inputs.items()}
            if node.op.endswith("Switch"):
                return {(node.name, 0): what, (node.name, 1): what}
            return {(node.name, 0): what} if node.op in _REF_PASSES or 0 in inputs or node.op == "Merge" else {}
        outputs: Dict[Tensor, Held] = {}
        for name, arguments in self._calls(node, inputs):
            if node.op not in ops.WHILES or name == node.attr["body"].func.name:
                outputs.update({(node.name, port): each
                                for port, each in self.library.returned(name, arguments).items()})
        return outputs

    def _calls(self, node: Any, inputs: Dict[int, Held]) -> Any:
        """The functions that a node calls, with the arguments among its inputs (empty when it is no call)."""
        if node.op in self.library.functions:
            return [(node.op, inputs)]
        attrs, _, _, first = _CALLS.get(node.op, ((), "", "", 0))
        arguments = {slot - first: what for slot, what in inputs.items() if slot >= first}
        return [(func.name, arguments) for attr in attrs for func in _funcs(node.attr[attr])
                if func.name in self.library.functions]

    def rewrite(self, held: Dict[Tensor, Held]) -> Set[str]:
        """Makes every consumer take values, in place; returns the names of nodes that have to go."""
        changing = _changing_ops() if held else frozenset()
        gone = {node.name for node in self.nodes if node.op in _SAVERS} if held else set()
        gone_tensors: Set[Tensor] = set()
        for node in self.nodes:
            inputs = self._inputs(node, held)
            if node.name in gone or not inputs:
                continue
            what = next(iter(inputs.values()))
            if what.kind == "ref":
                if node.op in _REF_PASSES:
                    node.op = _REF_PASSES[node.op]
                elif node.op == "IsVariableInitialized":
                    nodes.make_true(node)
                elif node.op in changing:
                    gone.add(node.name)
            elif node.op in _HANDLE_PASSES:
                nodes.retype(node, inputs)
            elif node.op in READS:
                self.added.extend(self._read(node, what.dtype))
            elif self._calls(node, inputs):
                gone_tensors |= {(node.name, port) for port in self._call(node, inputs, held)}
            else:
                gone.add(node.name)
        return self._behind(gone, gone_tensors)

    def _read(self, node: Any, dtype: int) -> List[Any]:
        """Makes a read of a variable a read of a tensor, in place; returns nodes to add."""
        added = nodes.read(node, dtype)
        for axis in added:
            indices, _ = self.tensor(node.input[1])
            if indices in self.by_name:  # puts the constant into the loop that the indices are in
                axis.input.append("^" + indices)
            node.input.insert(2, axis.name + self.first_output)
        return added

    def _call(self, node: Any, inputs: Any, held: Any) -> Set[int]:
        """Makes a call pass values; returns the outputs that the function lost by it."""
        lost: Set[int] = set()
        outputs = self._passes(node, held)
        if node.op in self.library.functions:
            node.op, lost = self.library.special(node.op, inputs)
            return lost
        attrs, types_in, types_out, first = _CALLS[node.op]
        arguments = {slot - first: what for slot, what in inputs.items() if slot >= first}
        for attr in attrs:
            for func in _funcs(node.attr[attr]):
                func.name, missing = self.library.special(func.name, arguments)
                lost |= missing if attr != "cond" else set()
        for number, what in arguments.items():
            node.attr[types_in].list.type[number] = what.dtype
        for (_, port), what in outputs.items():
            node.attr[types_out].list.type[port] = what.dtype
            if len(node.attr["output_shapes"].list.shape) > port:
                shape = node.attr["output_shapes"].list.shape[port]
                shape.Clear()
                shape.unknown_rank = True
        forget(node, ("_output_shapes",))
        return lost

    def _behind(self, gone: Set[str], gone_tensors: Set[Tensor]) -> Set[str]:
        """The given nodes, and all that need a value of theirs."""
        consumers: Dict[str, List[str]] = {}
        for (producer, _), users in self._uses.items():
            consumers.setdefault(producer, []).extend(users)
        lost = [name for tensor in gone_tensors for name in self._uses.get(tensor, ())]
        return set(reached([*gone, *lost], lambda name: consumers.get(name, ())))


def _changing_ops() -> frozenset:
    """Ops that take a variable by reference, which is to change it."""
    return frozenset(name for name, op in _tf.registered_ops().items() if any(arg.is_ref for arg in op.input_arg))


def _funcs(value: Any) -> List[Any]:
    """The function references in an attribute (one, or a list)."""
    return [value.func] if value.WhichOneof("value") == "func" else list(value.list.func)


def graph_tensor(entry: str) -> Tensor:
    ref = names.parse(entry)
    return ref.node, ref.port
