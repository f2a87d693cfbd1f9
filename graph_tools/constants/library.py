"""The functions of a graph: copies of them that take values where the originals take variables."""

from typing import Any, Dict, List, Set, Tuple

from graph_tools.constants.nodes import Held
from graph_tools.constants.scope import Scope, Tensor
from graph_tools.graph import functions
from graph_tools.graph.nodes import replace_all, without_control

# Output names of ops that become ones whose output is named "output".
_OUTPUT_NAMES = {"ReadVariableOp": "value", "VarIsInitializedOp": "is_initialized"}


class Library:
    """The functions of the graph; makes copies that take values where the originals take handles."""

    def __init__(self, graph_def: Any):
        self.functions = {function.signature.name: function for function in graph_def.library.function}
        self._returned: Dict[Tuple, Dict[int, Held]] = {}
        self._made: Dict[Tuple, Tuple[str, Set[int]]] = {}
        self.new: List[Any] = []

    def returned(self, name: str, arguments: Dict[int, Held]) -> Dict[int, Held]:
        """Which outputs of a function are handles when these arguments are."""
        key = name, tuple(sorted(arguments.items()))
        if key not in self._returned:
            self._returned[key] = {}
            function = self.functions[name]
            scope, held = self._open(function, arguments)
            self._returned[key] = self._outputs(function, scope, held)
        return self._returned[key]

    def special(self, name: str, arguments: Dict[int, Held]) -> Tuple[str, Set[int]]:
        """A copy of a function that takes values for these arguments; its name, and outputs that it lost."""
        key = name, tuple(sorted(arguments.items()))
        if key not in self._made:
            copy = type(self.functions[name])()
            copy.CopyFrom(self.functions[name])
            copy.signature.name = "%s_frozen_%d" % (name, len(self._made))
            self._made[key] = copy.signature.name, set()
            self._made[key] = copy.signature.name, self._specialise(copy, arguments)
            self.new.append(copy)
        return self._made[key]

    def _specialise(self, function: Any, arguments: Any) -> Set[int]:
        scope, held = self._open(function, arguments)
        outputs = self._outputs(function, scope, held)
        for number, what in arguments.items():
            function.signature.input_arg[number].type = what.dtype
            if number in function.arg_attr:
                del function.arg_attr[number]
        for number, what in outputs.items():
            function.signature.output_arg[number].type = what.dtype
        before = {node.name: node.op for node in scope.nodes}
        gone = scope.rewrite(held)
        _rename_outputs(function, scope.nodes, before)
        kept = [node for node in scope.nodes + scope.added if node.name not in gone]
        for node in kept:
            without_control(node, gone)
        for signal, node_name in list(function.control_ret.items()):
            if node_name in gone:
                del function.control_ret[signal]
                function.signature.control_output.remove(signal)
        lost = {number for number, output in enumerate(function.signature.output_arg)
                if functions.tensor_of(function.ret[output.name]).node in gone}
        replace_all(function.node_def, kept)
        return lost

    def _open(self, function: Any, arguments: Any) -> Any:
        scope = Scope(list(function.node_def), self, _function_tensor(function, self), ":output:0")
        seeds = {(function.signature.input_arg[number].name, 0): what for number, what in arguments.items()}
        return scope, scope.spread(seeds)

    @staticmethod
    def _outputs(function: Any, scope: Any, held: Any) -> Dict[int, Held]:
        outputs = {}
        for number, output in enumerate(function.signature.output_arg):
            tensor = scope.tensor(function.ret[output.name])
            if tensor in held:
                outputs[number] = held[tensor]
        return outputs


def _rename_outputs(function: Any, nodes: Any, before: Dict[str, str]) -> None:
    """In functions an output goes by its name in the op's definition, which differs where the op has changed."""
    old = {node.name: _OUTPUT_NAMES[before[node.name]] for node in nodes
           if before[node.name] in _OUTPUT_NAMES and before[node.name] != node.op}
    if not old:
        return

    def renamed(entry: str) -> str:
        ref = functions.tensor_of(entry)
        return "%s:output:0" % ref.node if old.get(ref.node) == ref.name and ref.name else entry

    for node in nodes:
        node.input[:] = [renamed(entry) for entry in node.input]
    for name in list(function.ret):
        function.ret[name] = renamed(function.ret[name])


def _function_tensor(function: Any, library: Library) -> Any:
    """Reads inputs of nodes in a function body as (node, flat output number); arguments have number 0."""
    nodes = {node.name: node for node in function.node_def}
    ports = {"Switch": ("output_false", "output_true"), "RefSwitch": ("output_false", "output_true"),
             "Merge": ("output", "value_index")}

    def tensor(entry: str) -> Tensor:
        ref = functions.tensor_of(entry)
        op = nodes[ref.node].op if ref.node in nodes else ""
        if op in library.functions:
            outputs = [output.name for output in library.functions[op].signature.output_arg]
            return ref.node, outputs.index(ref.name) if ref.name in outputs else ref.index
        return ref.node, ports[op].index(ref.name) if op in ports and ref.name in ports[op] else ref.index

    return tensor
