"""What counts as an output of a graph when it is judged, and what as data that is fed."""

import numpy as np
import pytest

from graph_tools import _tf
from graph_tools.graph import walk
from graph_tools.safety import disarm, judge
from tests.attacks import harms
from tests.attacks.body import DOUBLE, Dtype, F, Function, S, empty
from tests.models.hostile import Place

PLACE = Place("target", "secret", 1)


def meta_of(body):
    meta_graph = _tf.tf.MetaGraphDef()
    meta_graph.graph_def.CopyFrom(body.graph)
    return meta_graph


def outlook(meta_graph):
    return judge.outlook(meta_graph, walk.GraphIndex(meta_graph.graph_def), judge.judge(meta_graph.graph_def))


def hopeless(meta_graph):
    return outlook(meta_graph).hopeless


@pytest.fixture
def writing():
    body = empty()
    harms.HARMS["write_file"].build(body, PLACE)
    body.add("out", "Identity", "safe", "^harm", T=F)
    return meta_of(body)


def test_outputs_are_those_of_signatures_but_of_the_initialising_one(writing):
    writing.signature_def["__saved_model_init_op"].outputs["__saved_model_init_op"].name = "harm"
    writing.signature_def["serving_default"].outputs["y"].name = "safe:0"
    assert hopeless(writing) is None
    writing.signature_def["serving_default"].outputs["y"].name = "out:0"
    assert hopeless(writing).node == "harm"


@pytest.mark.parametrize("given, hope", ((True, True), (False, False)))
def test_a_file_whose_name_is_fed_is_data(given, hope):
    """A picture that is read by its path may be fed instead; a path in the file itself is the file's choice."""
    body = empty()
    name = body.add("name", "Placeholder", dtype=S) if given else body.const("name", "secret")
    body.add("content", "ReadFile", name)
    body.add("length", "StringLength", "content")
    body.add("score", "Cast", "length", SrcT=Dtype(3), DstT=F)
    meta_graph = meta_of(body)
    meta_graph.signature_def["serve"].outputs["y"].name = "score:0"
    assert (hopeless(meta_graph) is None) == hope


def test_another_reader_of_a_fed_name_is_refused():
    body = empty()
    body.add("name", "Placeholder", dtype=S)
    body.add("content", "RestoreV2", "name", body.const("keys", ["a"]), body.const("slices", [""]), dtypes=[F])
    body.add("score", "Tanh", "content", T=F)
    meta_graph = meta_of(body)
    meta_graph.signature_def["serve"].outputs["y"].name = "score:0"
    assert hopeless(meta_graph).node == "content"


def test_what_is_cut_out_keeps_its_types_and_its_number_of_outputs():
    body = empty()
    body.add("many", "RestoreV2", body.const("path", "secret"), body.const("keys", ["a", "b"]),
             body.const("slices", ["", ""]), dtypes=[F, Dtype(DOUBLE)])
    body.add("none", "WriteFile", "path", body.const("text", ""))
    assert set(disarm.disarm(body.graph)) == {"many", "none"}
    nodes = {node.name: node for node in body.graph.node}
    assert nodes["none"].op == "NoOp" and nodes["many"].op == "IdentityN"
    assert list(nodes["many"].attr["T"].list.type) == [F, DOUBLE]
    kinds = [nodes[entry].attr["dtype"].type for entry in nodes["many"].input]
    assert kinds == [F, DOUBLE] and all(nodes[entry].op == "Placeholder" for entry in nodes["many"].input)


def test_a_refusal_in_words():
    body = empty()
    harms.HARMS["write_file"].build(body, PLACE)
    inner = body.define("evil")
    harms.HARMS["write_file"].build(inner, PLACE)
    body.add("call", "PartitionedCall", Tin=[], Tout=[], f=Function("evil"))
    refused = judge.judge(body.graph)
    assert str(refused["harm"]) == "node 'harm', an op WriteFile that could write files"
    assert str(refused["call"]) == ("node 'call', an op WriteFile (in the function 'evil' that it calls) that could "
                                    "write files")
    assert judge.first_of(refused, ["call", "harm", "x"]) == refused["harm"]  # the first of the graph
    assert judge.first_of(refused, ["call"]) == refused["call"] and judge.first_of(refused, ["x"]) is None


@pytest.mark.parametrize("function, gradient, tainted", [
    ("good", "evil", {"evil", "good", "around"}), ("evil", "good", {"evil"}), ("good", "not there", {"evil"}),
    ("not there", "evil", {"evil"})])
def test_a_gradient_is_what_its_function_can_do(function, gradient, tainted):
    body = empty()
    harms.HARMS["write_file"].build(body.define("evil"), PLACE)
    body.define("good").const("one", 1.0)
    body.define("around").add("call", "PartitionedCall", Tin=[], Tout=[], f=Function("good"))
    body.graph.library.gradient.add(function_name=function, gradient_func=gradient)
    assert set(judge.tainted_functions(body.graph.library)) == tainted


def goals(body):
    refused = judge.judge(body.graph)
    return judge._goals(meta_of(body), walk.GraphIndex(body.graph), refused)


def restored(body):
    body.add("restore", "RestoreV2", body.const("path", "p"), body.const("keys", ["a"]), body.const("slices", [""]),
             dtypes=[F])
    body.add("assigned", "Identity", "restore", T=F)


@pytest.mark.parametrize("more, ends", [
    (lambda body: None, ["safe"]),
    (lambda body: body.add("out", "Neg", "safe", T=F), ["out"]),
    (lambda body: body.add("out", "Neg", "x", "^safe", T=F), ["safe", "out"]),  # a control edge uses nothing up
    (lambda body: body.add("told", "Print", "safe", "safe", T=F, U=[F]), ["safe"]),
    (lambda body: body.add("all", "NoOp", "^safe"), ["safe"]),
    (lambda body: body.add("saved", "SaveV2", "x", "x", "x", "safe", dtypes=[F]), ["safe"]),
    (lambda body: body.add("content", "ReadFile", "safe"), ["safe"]),
    (restored, ["safe"])])
def test_ends_of_a_graph_that_compute_something(more, ends):
    body = empty()
    more(body)
    assert goals(body) == ends


def test_what_is_behind_a_restore_alone_is_an_output_where_there_is_no_other():
    body = empty()
    del body.graph.node[:]
    restored(body)
    assert goals(body) == ["assigned"]


def test_signatures_name_outputs_of_the_graph(writing):
    writing.signature_def["a"].outputs["y"].name = "not there:0"
    index, refused = walk.GraphIndex(writing.graph_def), judge.judge(writing.graph_def)
    assert judge._goals(writing, index, refused) == ["out"]
    writing.signature_def["a"].outputs["z"].name = "safe:0"
    writing.signature_def["b"].outputs["z"].name = "safe:0"
    writing.signature_def["b"].outputs["nothing"].name = ""
    assert judge._goals(writing, index, refused) == ["safe"]


def test_what_outputs_depend_on_and_python_is_worth_a_warning():
    body = empty()
    for name in ("first", "second", "beside"):
        body.add(name, "ReadFile", "file", Tout=[])
    body.const("file", "secret")
    body.add("python", "PyFunc", token=b"t", Tin=[], Tout=[F])
    body.add("python too", "PyFunc", token=b"t", Tin=[], Tout=[F])
    restored(body)
    body.add("out", "Pack", "first", "second", "^restore", N=2, T=S)
    meta_graph = meta_of(body)
    meta_graph.signature_def["serve"].outputs["y"].name = "out:0"
    refused = judge.judge(body.graph)
    assert list(refused) == ["first", "second", "beside", "python", "python too", "restore"]
    found = outlook(meta_graph)
    assert [one.node for one in found.needed] == ["first", "second", "python", "python too"]
    reads, calls = judge.warnings(found.needed)
    assert reads.startswith("node 'first', an op ReadFile that could read any file (and 1 more); it is kept from")
    assert calls.startswith("node 'python', an op PyFunc that calls a Python function that is not in the file (and 1 ")
    assert found.hopeless == refused["first"]
    assert judge.outlook(meta_graph, None, {}) == ((), None) and judge.warnings([]) == ()


def test_a_file_is_fed_by_its_name_where_data_leads_to_it_alone():
    """A placeholder that only has to run before names nothing."""
    body = empty()
    body.add("content", "ReadFile", body.const("name", "secret"), "^x")
    body.add("length", "StringLength", "content")
    body.add("score", "Cast", "length", SrcT=Dtype(3), DstT=F)
    meta_graph = meta_of(body)
    meta_graph.signature_def["serve"].outputs["y"].name = "score:0"
    assert hopeless(meta_graph).node == "content"


@pytest.mark.parametrize("op, attrs, kinds, shapes", [
    ("MatchingFiles", {}, [7], [[-1]]), ("ReadFile", {}, [7], [None]), ("ReaderReadV2", {}, [7, 7], [[], []]),
    ("ReaderReadUpToV2", {}, [7, 7], [[-1], [-1]]), ("SummaryWriter", {}, [20], [[]]),
    ("CacheDataset", {}, [21], [[]]), ("WholeFileReader", {}, [7], [None]),
    ("RestoreV2", {"dtypes": [F]}, [1], [None]), ("WriteFile", {}, [], [])])
def test_placeholders_have_the_types_and_shapes_of_what_is_cut_out(op, attrs, kinds, shapes):
    body = empty()
    body.add("two", "Split", "x", "x", num_split=2, T=F)
    body.add("harm", op, ("two", 1), "^safe", "two", **attrs)
    body.nodes[-1].device = "/device:GPU:0"
    refused = disarm.disarm(body.graph)
    assert list(refused) == ["harm"]
    nodes = {node.name: node for node in body.graph.node}
    harm = nodes["harm"]
    made = [harm] if len(kinds) == 1 else [nodes[entry.lstrip("^")] for entry in harm.input]
    assert [node.attr["dtype"].type for node in made] == (kinds or [7]) and harm.device == ""
    for node, shape in zip(made, shapes):
        assert node.op == "Placeholder" and list(node.input) == ["^two", "^safe"]
        given = node.attr["shape"].shape
        assert given.unknown_rank == (shape is None) and [dim.size for dim in given.dim] == (shape or [])
    assert harm.op == ("Placeholder" if len(kinds) == 1 else "IdentityN" if kinds else "NoOp")


def test_what_is_kept_keeps_what_it_calls():
    body = empty()
    for name in ("kept", "gone"):
        harms.HARMS["write_file"].build(body.define("writes_" + name), PLACE)
        body.define("calls_" + name).add("call", "PartitionedCall", Tin=[], Tout=[], f=Function("writes_" + name))
        body.add(name, "PartitionedCall", Tin=[], Tout=[], f=Function("calls_" + name))
    assert list(disarm.disarm(body.graph, ["kept"])) == ["gone"]
    assert {function.signature.name for function in body.graph.library.function} == {"writes_kept", "calls_kept"}
    assert {node.name: node.op for node in body.graph.node}["kept"] == "PartitionedCall"
    assert list(disarm.disarm(body.graph)) == ["kept"] and not body.graph.library.function


def told_for_each_output(meta_graph, index, refused):
    """``outlook`` by its words: every output is walked back from, alone."""
    goals, source = judge._goals(meta_graph, index, refused), judge._is_source(index, refused)
    behind = [index.ancestors([goal], stop=source) for goal in goals]
    needed = [name for name, refusal in refused.items() if refusal.family.name == "python" or (
        refusal.op not in judge._SERVICES and any(name in one for one in behind))]
    against = [sorted(name for name in one if name in refused and not source(name)) for one in behind]
    return needed, refused[against[0][0]] if against and all(against) else None


@pytest.mark.parametrize("part", range(4))
def test_one_walk_says_what_a_walk_from_each_output_says(part):
    """Random graphs of what computes, fills, reads, writes and calls Python."""
    random = np.random.RandomState(part)
    ops, seen = ["Tanh", "Identity", "NoOp", "Placeholder", "ReadFile", "WriteFile", "SaveV2", "RestoreV2", "PyFunc",
                 "QueueDequeueV2", "Assign", "Frobnicate"], set()
    for _ in range(150):
        meta_graph, count = _tf.tf.MetaGraphDef(), random.randint(2, 14)
        for number in range(count):
            op = ops[random.choice(len(ops), p=[0.36] + [0.64 / (len(ops) - 1)] * (len(ops) - 1))]
            node = meta_graph.graph_def.node.add(name="n%02d" % random.permutation(100)[0] + "_%d" % number, op=op)
            before = [other.name for other in meta_graph.graph_def.node][:-1]
            for other in random.choice(before, min(len(before), random.randint(3)), False) if before else ():
                node.input.append(str(other) if random.randint(4) else "^" + str(other))
            node.input.sort(key=lambda entry: entry.startswith("^"))
        if random.randint(2):
            meta_graph.signature_def["serve"].outputs["y"].name = meta_graph.graph_def.node[-1].name + ":0"
        index, refused = walk.GraphIndex(meta_graph.graph_def), judge.judge(meta_graph.graph_def)
        found = judge.outlook(meta_graph, index, refused)
        needed, hopeless = told_for_each_output(meta_graph, index, refused)
        assert ([one.node for one in found.needed], found.hopeless) == (needed, hopeless)
        seen.add((bool(needed), hopeless is None))
    assert len(seen) == 4


def test_what_is_told_of_a_hopeless_graph_is_behind_its_first_output():
    """Also where a node behind the second comes first by its name."""
    body = empty()
    del body.graph.node[:]
    for name in ("b", "a"):
        body.add(name, "ReadFile", body.const("file of " + name, "secret"))
        body.add("length of " + name, "StringLength", name)
    assert hopeless(meta_of(body)).node == "b"


@pytest.mark.parametrize("source", ["IteratorGetNext", "QueueDequeueV2"])
def test_what_fills_a_source_is_nobodys_need(source):
    """What is handed over is fed in its place, whatever stands behind."""
    body = empty()
    body.add("content", "ReadFile", body.const("file", "secret"))
    body.add("next", source, "content")
    body.add("score", "Neg", "next", T=F)
    meta_graph = meta_of(body)
    meta_graph.signature_def["serve"].outputs["y"].name = "score:0"
    found = outlook(meta_graph)
    assert "content" in judge.judge(body.graph) and found.hopeless is None and list(found.needed) == []
