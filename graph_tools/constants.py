"""Variables turned into constants: a pure rewrite of a GraphDef, loops, branches and functions included.

A ``Const`` takes the place and the name of each variable. What read the variable reads the constant; what changed it
is dropped, with what depended on the change. A resource handle that travels through a loop, a branch or into a
function becomes the value itself, and the function is copied for it.
"""

from typing import Any, Dict, List, Mapping, NamedTuple, Set, Tuple

from graph_tools import _tf, functions, names, variables
from graph_tools.errors import EditError

_REF_PASSES = {"RefIdentity": "Identity", "RefEnter": "Enter", "RefSwitch": "Switch", "RefMerge": "Merge",
               "RefExit": "Exit", "RefNextIteration": "NextIteration"}
_HANDLE_PASSES = frozenset(("Identity", "IdentityN", "Enter", "Switch", "Merge", "Exit", "NextIteration"))
_READS = frozenset(("ReadVariableOp", "ResourceGather", "ResourceGatherNd", "VariableShape", "VarIsInitializedOp"))
# For each op that calls functions: the attributes that name them, the types of what goes in and comes out, and the
# input at which the arguments begin.
_CALLS = {
    "PartitionedCall": (("f",), "Tin", "Tout", 0), "StatefulPartitionedCall": (("f",), "Tin", "Tout", 0),
    "If": (("then_branch", "else_branch"), "Tin", "Tout", 1),
    "StatelessIf": (("then_branch", "else_branch"), "Tin", "Tout", 1),
    "Case": (("branches",), "Tin", "Tout", 1), "StatelessCase": (("branches",), "Tin", "Tout", 1),
    "While": (("cond", "body"), "T", "T", 0), "StatelessWhile": (("cond", "body"), "T", "T", 0),
}
# Output names of ops that become ones whose output is named "output".
_OUTPUT_NAMES = {"ReadVariableOp": "value", "VarIsInitializedOp": "is_initialized"}
# Saving and restoring makes no sense without variables.
_SAVERS = frozenset(("SaveV2", "SaveSlices", "Save", "RestoreV2", "RestoreSlice", "Restore", "MergeV2Checkpoints"))

Tensor = Tuple[str, int]


class Frozen(NamedTuple):
    """A GraphDef without the variables whose values were given, and the nodes that were dropped for it."""

    graph_def: Any
    dropped: Tuple[str, ...]


def freeze(graph_def, values: Mapping[str, Any], keep=(), prefer=()) -> Frozen:
    """Replaces variables by constants.

    Args:
      graph_def: the graph; it is not changed.
      values: array by the name of the variable's node.
      keep: names of tensors or nodes that must survive.
      prefer: names of tensors or nodes that survive where they can.

    Raises:
      EditError: something in ``keep`` depends on a change of a variable, or the graph would exceed 2 GB.
    """
    result = _tf.tf.GraphDef()
    result.CopyFrom(graph_def)
    library = _Library(result)
    held: Dict[Tensor, "_Held"] = {}
    total = 0
    for node in result.node:
        if node.name in values and node.op in variables.VARIABLES:
            kind = "handle" if node.op == "VarHandleOp" else "ref"
            held[node.name, 0] = _Held(kind, node.attr["dtype"].type)
            value = values[node.name]
            total += value.nbytes
            if total > 2 ** 31 - 2 ** 20:
                raise EditError("the variables are more than 2 GB, which no GraphDef can hold; save a SavedModel "
                                "folder instead of one file")
            _make_constant(node, value)
    scope = _Scope(list(result.node), library, _graph_tensor)
    gone = scope.rewrite(scope.spread(held))
    wanted = {names.parse(name).node for name in keep}
    lost = sorted(wanted & gone)
    if lost:
        raise EditError("%r cannot be kept: it depends on an op that changes a variable; give outputs= without it" % (
            lost[0],))
    gone = _with_dead_ends(result.node, scope.added, gone, wanted | {names.parse(name).node for name in prefer})
    return Frozen(_assemble(result, scope, gone), tuple(node.name for node in graph_def.node if node.name in gone))


def of_model(model, keep=()) -> Frozen:
    """The graph of a model with its variables frozen; signatures and table initialisers survive where they can."""
    outputs = [info.name for signature in model.meta_graph.signature_def.values()
               for info in list(signature.outputs.values()) + list(signature.inputs.values()) if info.name]
    graph_def = model.graph_def
    values = {node.name: model.variables[node.name] for node in graph_def.node
              if node.op in variables.VARIABLES and node.name in model.variables}
    return freeze(graph_def, values, keep, outputs + list(model.initializers) + list(model.assets))


class _Held(NamedTuple):
    """What a tensor stands for: a variable by reference (``"ref"``) or by resource (``"handle"``), and its dtype."""

    kind: str
    dtype: int


class _Library:
    """The functions of the graph; makes copies that take values where the originals take handles."""

    def __init__(self, graph_def):
        self.functions = {function.signature.name: function for function in graph_def.library.function}
        self._returned: Dict[Tuple, Dict[int, _Held]] = {}
        self._made: Dict[Tuple, Tuple[str, Set[int]]] = {}
        self.new: List[Any] = []

    def returned(self, name: str, arguments: Dict[int, "_Held"]) -> Dict[int, "_Held"]:
        """Which outputs of a function are handles when these arguments are."""
        key = name, tuple(sorted(arguments.items()))
        if key not in self._returned:
            self._returned[key] = {}
            function = self.functions[name]
            scope, held = self._open(function, arguments)
            self._returned[key] = self._outputs(function, scope, held)
        return self._returned[key]

    def special(self, name: str, arguments: Dict[int, "_Held"]) -> Tuple[str, Set[int]]:
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

    def _specialise(self, function, arguments) -> Set[int]:
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
        kept = [_without_control(node, gone) for node in kept]
        for signal, node_name in list(function.control_ret.items()):
            if node_name in gone:
                del function.control_ret[signal]
                function.signature.control_output.remove(signal)
        lost = {number for number, output in enumerate(function.signature.output_arg)
                if functions.tensor_of(function.ret[output.name]).node in gone}
        copies = [type(node).FromString(node.SerializeToString()) for node in kept]
        del function.node_def[:]
        function.node_def.extend(copies)
        return lost

    def _open(self, function, arguments):
        scope = _Scope(list(function.node_def), self, _function_tensor(function, self), ":output:0")
        seeds = {(function.signature.input_arg[number].name, 0): what for number, what in arguments.items()}
        return scope, scope.spread(seeds)

    @staticmethod
    def _outputs(function, scope, held) -> Dict[int, "_Held"]:
        outputs = {}
        for number, output in enumerate(function.signature.output_arg):
            tensor = scope.tensor(function.ret[output.name])
            if tensor in held:
                outputs[number] = held[tensor]
        return outputs


class _Scope:
    """The nodes of a graph or of one function body, and how their inputs are written."""

    def __init__(self, nodes, library: _Library, tensor, first_output: str = ""):
        self.nodes, self.library, self.tensor, self.first_output = nodes, library, tensor, first_output
        self.by_name = {node.name: node for node in nodes}
        self.added: List[Any] = []
        self._uses: Dict[Tensor, List[str]] = {}
        for node in nodes:
            for entry in node.input:
                if not entry.startswith("^"):
                    self._uses.setdefault(tensor(entry), []).append(node.name)

    def spread(self, seeds: Dict[Tensor, _Held]) -> Dict[Tensor, _Held]:
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

    def _inputs(self, node, held) -> Dict[int, _Held]:
        return {slot: held[self.tensor(entry)] for slot, entry in enumerate(node.input)
                if not entry.startswith("^") and self.tensor(entry) in held}

    def _passes(self, node, held) -> Dict[Tensor, _Held]:
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
        outputs: Dict[Tensor, _Held] = {}
        for name, arguments in self._calls(node, inputs):
            if node.op not in ("While", "StatelessWhile") or name == node.attr["body"].func.name:
                outputs.update({(node.name, port): each
                                for port, each in self.library.returned(name, arguments).items()})
        return outputs

    def _calls(self, node, inputs: Dict[int, _Held]):
        """The functions that a node calls, with the arguments among its inputs (empty when it is no call)."""
        if node.op in self.library.functions:
            return [(node.op, inputs)]
        attrs, _, _, first = _CALLS.get(node.op, ((), "", "", 0))
        arguments = {slot - first: what for slot, what in inputs.items() if slot >= first}
        return [(func.name, arguments) for attr in attrs for func in _funcs(node.attr[attr])
                if func.name in self.library.functions]

    def rewrite(self, held: Dict[Tensor, _Held]) -> Set[str]:
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
                    _make_true(node)
                elif node.op in changing:
                    gone.add(node.name)
            elif node.op in _HANDLE_PASSES:
                _retype(node, inputs)
            elif node.op in _READS:
                self.added.extend(self._read(node, what.dtype))
            elif self._calls(node, inputs):
                gone_tensors |= {(node.name, port) for port in self._call(node, inputs, held)}
            else:
                gone.add(node.name)
        return self._behind(gone, gone_tensors)

    def _read(self, node, dtype: int) -> List[Any]:
        """Makes a read of a variable a read of a tensor, in place; returns nodes to add."""
        added = _read(node, dtype)
        for axis in added:
            indices, _ = self.tensor(node.input[1])
            if indices in self.by_name:  # puts the constant into the loop that the indices are in
                axis.input.append("^" + indices)
            node.input.insert(2, axis.name + self.first_output)
        return added

    def _call(self, node, inputs, held) -> Set[int]:
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
        node.attr.pop("_output_shapes", None)
        return lost

    def _behind(self, gone: Set[str], gone_tensors: Set[Tensor]) -> Set[str]:
        """The given nodes, and all that need a value of theirs."""
        gone = set(gone)
        todo = list(gone)
        for tensor in gone_tensors:
            todo.extend(self._uses.get(tensor, ()))
        consumers: Dict[str, List[str]] = {}
        for (producer, _), users in self._uses.items():
            consumers.setdefault(producer, []).extend(users)
        gone.update(todo)
        while todo:
            for name in consumers.get(todo.pop(), ()):
                if name not in gone:
                    gone.add(name)
                    todo.append(name)
        return gone


def _rename_outputs(function, nodes, before: Dict[str, str]) -> None:
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


def _graph_tensor(entry: str) -> Tensor:
    ref = names.parse(entry)
    return ref.node, ref.port


def _function_tensor(function, library: _Library):
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


def _funcs(value) -> List[Any]:
    """The function references in an attribute (one, or a list)."""
    return [value.func] if value.WhichOneof("value") == "func" else list(value.list.func)


def _changing_ops() -> frozenset:
    """Ops that take a variable by reference, which is to change it."""
    return frozenset(name for name, op in _tf.registered_ops().items() if any(arg.is_ref for arg in op.input_arg))


def _make_constant(node, value) -> None:
    dtype = node.attr["dtype"].type
    device, name = node.device, node.name
    node.Clear()
    node.name, node.device, node.op = name, device, "Const"
    node.attr["dtype"].type = dtype
    node.attr["value"].tensor.CopyFrom(_tf.tf.make_tensor_proto(value, dtype=_tf.tf.as_dtype(dtype).base_dtype))


def _make_true(node) -> None:
    controls = ["^" + names.parse(entry).node for entry in node.input]
    del node.input[:]
    node.input.extend(sorted(set(controls)))
    node.op = "Const"
    node.attr.clear()
    node.attr["dtype"].type = 10  # DT_BOOL
    node.attr["value"].tensor.CopyFrom(_tf.tf.make_tensor_proto(True))


def _retype(node, inputs: Dict[int, _Held]) -> None:
    if node.op == "IdentityN":
        for slot, what in inputs.items():
            node.attr["T"].list.type[slot] = what.dtype
    else:
        node.attr["T"].type = next(iter(inputs.values())).dtype
    for attr in ("_output_shapes", "_handle_shapes", "_handle_dtypes", "_class"):
        node.attr.pop(attr, None)


def _read(node, dtype: int) -> List[Any]:
    """Makes a read of a variable a read of a tensor, in place; returns nodes to add."""
    op, attrs = node.op, {name: type(value).FromString(value.SerializeToString()) for name, value in node.attr.items()}
    node.attr.clear()
    if op == "VarIsInitializedOp":
        _make_true(node)
        return []
    if op == "ReadVariableOp":
        node.op = "Identity"
        node.attr["T"].type = dtype
        return []
    if op == "VariableShape":
        node.op = "Shape"
        node.attr["T"].type = dtype
        node.attr["out_type"].type = attrs["out_type"].type if "out_type" in attrs else 3  # DT_INT32
        return []
    node.attr["Tparams"].type = dtype
    node.attr["Tindices"].CopyFrom(attrs["Tindices"])
    if op == "ResourceGatherNd":
        node.op = "GatherNd"
        return []
    node.op = "GatherV2"
    node.attr["Taxis"].type = 3  # DT_INT32
    batch_dims = attrs["batch_dims"].i if "batch_dims" in attrs else 0
    if batch_dims:
        node.attr["batch_dims"].i = batch_dims
    axis = type(node)(name=node.name + "/axis", op="Const", device=node.device)
    axis.attr["dtype"].type = 3
    axis.attr["value"].tensor.CopyFrom(_tf.tf.make_tensor_proto(batch_dims, dtype=_tf.tf.int32))
    return [axis]


def _without_control(node, gone: Set[str]):
    """The node without control edges from nodes that are gone (in place)."""
    kept = [entry for entry in node.input if not (entry.startswith("^") and entry[1:] in gone)]
    if len(kept) != len(node.input):
        del node.input[:]
        node.input.extend(kept)
    return node


def _with_dead_ends(nodes, added, gone: Set[str], wanted: Set[str]) -> Set[str]:
    """The nodes that go, and those that fed nothing but them: initial values, gradients, updates."""
    gone = set(gone)
    by_name = {node.name: node for node in list(nodes) + list(added)}
    left = {name: 0 for name in by_name}
    for node in by_name.values():
        for entry in node.input:
            left[names.parse(entry).node] += 1
    todo = list(gone)
    while todo:
        for entry in by_name[todo.pop()].input:
            name = names.parse(entry).node
            left[name] -= 1
            if left[name] == 0 and name not in gone and name not in wanted:
                gone.add(name)
                todo.append(name)
    return gone


def _assemble(result, scope: _Scope, gone: Set[str]):
    """The new GraphDef: nodes that stay, nodes that were added, the functions that are still called."""
    graph_def = _tf.tf.GraphDef()
    graph_def.versions.CopyFrom(result.versions)
    for node in scope.nodes + scope.added:
        if node.name not in gone:
            graph_def.node.add().CopyFrom(_without_control(node, gone))
    library = result.library
    library.function.extend(scope.library.new)
    called = {name for node in graph_def.node for name in functions.called(node)}
    alive = functions.reach(called, functions.calls(library))
    graph_def.library.function.extend(function for function in library.function if function.signature.name in alive)
    graph_def.library.gradient.extend(gradient for gradient in library.gradient if gradient.function_name in alive)
    return graph_def
