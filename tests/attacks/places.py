"""Where in a model harm may hide: a graph's own nodes, functions in every use, data sets, tables, savers, signatures.

A place writes a model into a folder and returns its path; ``out:0`` is what depends on the harm, ``safe:0`` does not.
"""

import os
from typing import Any, Callable, Dict, NamedTuple

from graph_tools import _tf
from tests.attacks.body import B, Body, F, Function, L, N, S, Shape, empty
from tests.attacks.harms import Harm
from tests.models.hostile import Place


class Where(NamedTuple):
    """How a place writes a model, how plain TensorFlow triggers it, and whether it needs the harm's own output."""

    write: Callable[[Harm, Place, str], str]
    trigger: str = "run"
    tensor: bool = False


PLACES: Dict[str, Where] = {}


def _frozen(body: Body, folder: str) -> str:
    path = os.path.join(folder, "model.pb")
    with open(path, "wb") as file:
        file.write(body.graph.SerializeToString())
    return path


def _graph_place(name: str, trigger: str = "run", tensor: bool = False):
    """Registers a function that completes a graph with a harm in it."""
    def taken(build: Callable[[Body, Harm, Place], None]):
        def write(harm: Harm, place: Place, folder: str) -> str:
            body = empty()
            build(body, harm, place)
            return _frozen(body, folder)
        PLACES[name] = Where(write, trigger, tensor)
        return build
    return taken


def _evil(body: Body, harm: Harm, place: Place, *arguments: int, name: str = "evil", flag: bool = False) -> Function:
    """A function that does the harm and returns its first argument, or one; or true."""
    inner = body.define(name, *arguments)
    harm.build(inner, place)
    if flag:
        inner.const("flag", True)
        inner.add("after", "Identity", "flag", "^harm", T=B)
        inner.returns("after", kind=10)
        return Function(name)
    inner.add("after", "Neg", "a0" if arguments else inner.const("one", 1.0), "^harm", T=F)  # not short-circuited
    inner.returns("after")
    return Function(name)


def _good(body: Body, *arguments: int, name: str = "good") -> Function:
    inner = body.define(name, *arguments)
    inner.add("after", "Identity", "a0" if arguments else inner.const("one", 1.0), T=F)
    inner.returns("after")
    return Function(name)


def _sum(body: Body, entry: Any) -> None:
    body.add("out", "Add", "safe", entry, T=F)


def _number(body: Body, entry: str, harm: Harm) -> str:
    """What a harm gives, as a float: its value, or the length of its string."""
    kind = harm.gives
    if kind == S:
        entry, kind = body.add("length", "StringLength", entry), N
    return body.add("number_", "Identity", entry, T=F) if kind == F else body.add(
        "number_", "Cast", entry, SrcT=kind, DstT=F)


@_graph_place("control input")
def _control(body: Body, harm: Harm, place: Place) -> None:
    harm.build(body, place)
    body.add("out", "Identity", "safe", "^harm", T=F)


@_graph_place("control input of a constant")
def _constant(body: Body, harm: Harm, place: Place) -> None:
    harm.build(body, place)
    body.add("one", "Const", "^harm", dtype=F)
    body.graph.node[-1].attr["value"].tensor.CopyFrom(_tf.tf.make_tensor_proto(1.0))
    _sum(body, "one")


@_graph_place("data", tensor=True)
def _data(body: Body, harm: Harm, place: Place) -> None:
    harm.build(body, place)
    _sum(body, _number(body, "harm", harm))


@_graph_place("shape at import", "import", tensor=True)
def _at_import(body: Body, harm: Harm, place: Place) -> None:
    harm.build(body, place)
    body.add("shape", "Shape", "harm", T=harm.gives, out_type=N)
    if harm.gives == S:  # the length of a string is not known without reading it
        body.add("length", "StringLength", "harm")
        body.add("shape2", "Reshape", "length", body.const("minus", [-1]), T=N, Tshape=N)
    body.add("out", "Fill", "shape2" if harm.gives == S else "shape", body.const("nought", 0.0), T=F)


@_graph_place("shape at import through a function", "import", tensor=True)
def _function_at_import(body: Body, harm: Harm, place: Place) -> None:
    inner = body.define("evil")
    harm.build(inner, place)
    inner.returns(_number(inner, "harm", harm))
    body.add("call", "PartitionedCall", Tin=[], Tout=[F], f=Function("evil"))
    body.add("whole", "Cast", "call", SrcT=F, DstT=N)
    body.add("dims", "Reshape", "whole", body.const("minus", [-1]), T=N, Tshape=N)
    body.add("out", "Fill", "dims", body.const("nought", 0.0), T=F)


@_graph_place("default of a placeholder", tensor=True)
def _default(body: Body, harm: Harm, place: Place) -> None:
    harm.build(body, place)
    body.add("held", "PlaceholderWithDefault", "harm", dtype=harm.gives, shape=Shape((-1,)))
    body.graph.node[-1].attr["shape"].shape.Clear()
    body.graph.node[-1].attr["shape"].shape.unknown_rank = True
    _sum(body, _number(body, "held", harm))


@_graph_place("stateful call")
def _call(body: Body, harm: Harm, place: Place) -> None:
    _sum(body, body.add("call", "StatefulPartitionedCall", Tin=[], Tout=[F], f=_evil(body, harm, place)))


@_graph_place("call")
def _plain_call(body: Body, harm: Harm, place: Place) -> None:
    _sum(body, body.add("call", "PartitionedCall", Tin=[], Tout=[F], f=_evil(body, harm, place)))


@_graph_place("function as an op")
def _as_op(body: Body, harm: Harm, place: Place) -> None:
    _evil(body, harm, place, 1, name="Innocent")
    _sum(body, body.add("call", "Innocent", "safe"))


@_graph_place("two functions deep")
def _nested(body: Body, harm: Harm, place: Place) -> None:
    evil = _evil(body, harm, place)
    outer = body.define("outer")
    outer.add("call", "StatefulPartitionedCall", Tin=[], Tout=[F], f=evil)
    outer.returns("call")
    _sum(body, body.add("call", "StatefulPartitionedCall", Tin=[], Tout=[F], f=Function("outer")))


@_graph_place("five functions deep")
def _deep(body: Body, harm: Harm, place: Place) -> None:
    inner = _evil(body, harm, place)
    for depth in range(4):
        outer = body.define("outer%d" % depth)
        outer.add("call", "PartitionedCall", Tin=[], Tout=[F], f=inner)
        outer.returns("call")
        inner = Function("outer%d" % depth)
    _sum(body, body.add("call", "PartitionedCall", Tin=[], Tout=[F], f=inner))


@_graph_place("gradient function that is called")
def _symbolic(body: Body, harm: Harm, place: Place) -> None:
    good, evil = _good(body, 1), _evil(body, harm, place, 1, 1)
    body.graph.library.gradient.add(function_name=good, gradient_func=evil)
    _sum(body, body.add("call", "SymbolicGradient", "safe", "safe", Tin=[F, F], Tout=[F], f=good))


@_graph_place("gradient function", "gradient")
def _gradient(body: Body, harm: Harm, place: Place) -> None:
    good, evil = _good(body, 1), _evil(body, harm, place, 1, 1)
    body.graph.library.gradient.add(function_name=good, gradient_func=evil)
    _sum(body, body.add("call", str(good), "safe"))


def _branch(op: str, which: str) -> None:
    def build(body: Body, harm: Harm, place: Place) -> None:
        chosen = {"then_branch": _good(body, 1), "else_branch": _good(body, 1, name="other")}
        chosen[which] = _evil(body, harm, place, 1)
        body.const("flag", which == "then_branch")
        _sum(body, body.add("call", op, "flag", "safe", Tcond=B, Tin=[F], Tout=[F], **chosen))
    _graph_place("%s of %s" % (which, op))(build)


for _op in ("If", "StatelessIf"):
    for _which in ("then_branch", "else_branch"):
        _branch(_op, _which)


@_graph_place("branch of Case")
def _case(body: Body, harm: Harm, place: Place) -> None:
    branches = [_good(body, 1), _evil(body, harm, place, 1)]
    _sum(body, body.add("call", "Case", body.const("index", 1), "safe", Tin=[F], Tout=[F], branches=branches))


def _loop(op: str, part: str) -> None:
    def build(body: Body, harm: Harm, place: Place) -> None:
        step = body.define("step", 1)
        step.add("next", "Add", "a0", step.const("one", 1.0), T=F)
        step.returns("next")
        more = body.define("more", 1)
        more.add("less", "Less", "a0", more.const("one", 1.0), T=F)
        more.returns("less", kind=10)
        chosen = {"body": Function("step"), "cond": Function("more")}
        inner = step if part == "body" else more
        harm.build(inner, place)
        next(node for node in inner.nodes if node.name in ("next", "less")).input.append("^harm")
        _sum(body, body.add("call", op, body.const("start", 0.0), T=[F], **chosen))
    _graph_place("%s of %s" % (part, op))(build)


for _op in ("While", "StatelessWhile"):
    for _which in ("body", "cond"):
        _loop(_op, _which)


@_graph_place("body of a TensorFlow-1 loop")
def _old_loop(body: Body, harm: Harm, place: Place) -> None:
    frame = dict(T=F, frame_name=b"loop", parallel_iterations=10)
    body.add("enter", "Enter", body.const("start", 0.0), is_constant=False, **frame)
    body.add("limit", "Enter", body.const("end", 1.0), is_constant=True, **frame)
    body.nodes.add(name="merge", op="Merge", input=["enter", "next"])
    body.nodes[-1].attr["N"].i, body.nodes[-1].attr["T"].type = 2, F
    body.add("less", "Less", "merge", "limit", T=F)
    body.add("going", "LoopCond", "less")
    body.add("switch", "Switch", "merge", "going", T=F)
    body.add("inside", "Identity", ("switch", 1), T=F)
    _within(body, harm, place, "inside")
    body.add("step", "Const", "^inside", "^harm", dtype=F)
    body.nodes[-1].attr["value"].tensor.CopyFrom(_tf.tf.make_tensor_proto(1.0))
    body.add("added", "Add", "inside", "step", T=F)
    body.add("next", "NextIteration", "added", T=F)
    body.add("exit", "Exit", "switch", T=F)
    _sum(body, "exit")


def _within(body: Body, harm: Harm, place: Place, inside: str) -> None:
    """Adds a harm whose sources run when a node has run: in its frame, in its arm."""
    before = len(body.nodes)
    harm.build(body, place)
    for node in body.nodes[before:]:
        if not any(not entry.startswith("^") for entry in node.input):
            node.input.append("^" + inside)


@_graph_place("arm of a TensorFlow-1 branch")
def _old_branch(body: Body, harm: Harm, place: Place) -> None:
    body.add("switch", "Switch", "safe", body.const("flag", True), T=F)
    body.add("no", "Identity", "switch", T=F)
    body.add("inside", "Identity", ("switch", 1), T=F)
    _within(body, harm, place, "inside")
    body.add("yes", "Identity", "inside", "^harm", T=F)
    body.add("out", "Merge", "no", "yes", N=2, T=F)


_TYPED = dict(output_types=[F], output_shapes=[Shape((1,))])


def _stage(name: str, complete: Callable[[Body, Harm, Place], str]) -> None:
    """A place among the functions of a data set, taken by one op."""
    def build(body: Body, harm: Harm, place: Place) -> None:
        body.add("numbers", "TensorDataset", body.const("three", [3.0]), Toutput_types=[F], output_shapes=[Shape((1,))])
        source = complete(body, harm, place)
        if source != "reduced":
            body.add("reduced", "DatasetToSingleElement", source, **_TYPED)
        _sum(body, "reduced")
    _graph_place(name)(build)


_stage("map of a data set", lambda body, harm, place: body.add(
    "mapped", "MapDataset", "numbers", f=_evil(body, harm, place, 1), Targuments=[], **_TYPED))
_stage("parallel map of a data set", lambda body, harm, place: body.add(
    "mapped", "ParallelMapDataset", "numbers", body.const("calls", 1), f=_evil(body, harm, place, 1), Targuments=[],
    **_TYPED))
_stage("filter of a data set", lambda body, harm, place: body.add(
    "filtered", "FilterDataset", "numbers", predicate=_evil(body, harm, place, 1, flag=True), Targuments=[], **_TYPED))
_stage("reduction of a data set", lambda body, harm, place: body.add(
    "reduced", "ReduceDataset", "numbers", body.const("from", [0.0]), f=_evil(body, harm, place, 1, 1), Tstate=[F],
    Targuments=[], **_TYPED))


@_graph_place("map of a function")
def _map_defun(body: Body, harm: Harm, place: Place) -> None:
    _sum(body, body.add("call", "MapDefun", "safe", f=_evil(body, harm, place, 1), Targuments=[F], Tcaptured=[],
                        output_types=[F], output_shapes=[Shape(())]))


def _looked_up(body: Body) -> None:
    body.add("table", "HashTableV2", key_dtype=S, value_dtype=L, shared_name=b"table")
    body.add("found", "LookupTableFindV2", "table", body.const("word", "a"), body.const("none", -1, "int64"), Tin=S,
             Tout=L)
    body.add("number", "Cast", "found", SrcT=L, DstT=F)
    _sum(body, "number")


@_graph_place("table initialiser", "fill")
def _filled(body: Body, harm: Harm, place: Place) -> None:
    _looked_up(body)
    harm.build(body, place)
    body.add("fill", "InitializeTableV2", "table", body.const("words", ["a"]), body.const("ids", [1], "int64"), "^harm",
             Tkey=S, Tval=L)


@_graph_place("function that fills a table", "fill")
def _filled_inside(body: Body, harm: Harm, place: Place) -> None:
    _looked_up(body)
    inner = body.define("filling", 20)
    harm.build(inner, place)
    inner.add("fill", "InitializeTableV2", "a0", inner.const("words", ["a"]), inner.const("ids", [1], "int64"), "^harm",
              Tkey=S, Tval=L)
    inner.const("one", 1.0)
    inner.add("after", "Identity", "one", "^fill", T=F)
    inner.returns("after")
    body.add("fill", "StatefulPartitionedCall", "table", Tin=[type(F)(20)], Tout=[F], f=Function("filling"))


@_graph_place("initialiser of a variable", "fill")
def _assigned(body: Body, harm: Harm, place: Place) -> None:
    body.add("variable", "VariableV2", dtype=F, shape=Shape((1,)))
    harm.build(body, place)
    body.add("initial", "Identity", body.const("number", [1.0]) if not any(
        node.name == "number" for node in body.nodes) else body.const("first", [1.0]), "^harm", T=F)
    body.add("fill", "Assign", "variable", "initial", T=F)
    _sum(body, "variable")


# ---- files that are more than a graph


def _meta(body: Body) -> Any:
    meta_graph = _tf.tf.MetaGraphDef()
    meta_graph.graph_def.CopyFrom(body.graph)
    return meta_graph


def _beside(harm: Harm, place: Place) -> Body:
    body = empty()
    _control(body, harm, place)
    return body


def _meta_place(name: str, trigger: str, complete: Callable[[Any], None]) -> None:
    def write(harm: Harm, place: Place, folder: str) -> str:
        meta_graph = _meta(_beside(harm, place))
        complete(meta_graph)
        path = os.path.join(folder, "model.meta")
        with open(path, "wb") as file:
            file.write(meta_graph.SerializeToString())
        return path
    PLACES[name] = Where(write, trigger)


def _saver(meta_graph: Any) -> None:
    meta_graph.saver_def.restore_op_name, meta_graph.saver_def.save_tensor_name = "harm", "harm:0"
    meta_graph.saver_def.filename_tensor_name = "x:0"


def _collection(key: str) -> Callable[[Any], None]:
    return lambda meta_graph: meta_graph.collection_def[key].node_list.value.append("harm")


_meta_place("restore op", "harm", _saver)
_meta_place("collection of table initialisers", "harm", _collection("table_initializer"))
_meta_place("collection of initialisers", "harm", _collection("init_op"))


def _signature(meta_graph: Any, key: str, output: str) -> None:
    signature = meta_graph.signature_def[key]
    signature.method_name = "tensorflow/serving/predict"
    for place, name, tensor in ((signature.inputs, "x", "x:0"), (signature.outputs, "y", output)):
        place[name].name, place[name].dtype = tensor, 1
        place[name].tensor_shape.dim.add(size=1)


def _saved_place(name: str, trigger: str, complete: Callable[[Any], None]) -> None:
    def write(harm: Harm, place: Place, folder: str) -> str:
        saved = _tf.SavedModel()
        saved.saved_model_schema_version = 1
        meta_graph = saved.meta_graphs.add()
        meta_graph.CopyFrom(_meta(_beside(harm, place)))
        meta_graph.meta_info_def.tags.append("serve")
        _signature(meta_graph, "serving_default", "safe:0")
        complete(meta_graph)
        with open(os.path.join(folder, "saved_model.pb"), "wb") as file:
            file.write(saved.SerializeToString())
        return folder
    PLACES[name] = Where(write, trigger)


def _init_signature(meta_graph: Any) -> None:
    meta_graph.signature_def["__saved_model_init_op"].outputs["__saved_model_init_op"].name = "harm"


_saved_place("side branch of a signature", "saved", lambda meta_graph: _signature(meta_graph, "side", "out:0"))
_saved_place("main op", "saved", _collection("saved_model_main_op"))
_saved_place("older main op", "saved", _collection("legacy_init_op"))
_saved_place("initialising signature", "saved", _init_signature)
