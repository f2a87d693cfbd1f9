"""Restored loops and branches: gradients equal those of the live graph, and finite differences."""

import pathlib
import threading

import numpy as np
import pytest

from graph_tools import _tf, control_flow
from graph_tools.control_flow import nodes, repair, structure
from graph_tools.control_flow.arms import Arm
from graph_tools.errors import ControlFlowError
from tests.models import control_flow as models, freezing, functional
from tests.models.random_control_flow import random_kind

WRITTEN = sorted((pathlib.Path(__file__).parent.parent / "fixtures" / "control_flow").glob("*.npz"))
FIXTURES = [path for path in WRITTEN if not path.stem.startswith("functional_")]
FUNCTIONAL = [path for path in WRITTEN if path.stem.startswith("functional_")]
IS_TF1 = _tf.version[0] == 1
KINDS = {kind.name: kind for kind in models.BOTH + (models.TF1 if IS_TF1 else ())}
# What 1.15 wrote is read by all; on 1.15 itself the live kinds cover the rest.
WRITTEN_BY_TF1 = [path for path in FIXTURES if not IS_TF1 or path.stem.startswith("while_s")]


def _differentiate(graph, output, inputs):
    with graph.as_default():
        return freezing.dense_gradients(graph.get_tensor_by_name(output),
                                        [graph.get_tensor_by_name(name) for name in inputs])


def _session(graph):
    return _tf.tf.Session(graph=graph, config=_tf.session_config())


def _run(session, fetches, feed):
    """A run that cannot hang: a broken gradient loop would wait for ever."""
    return session.run(fetches, feed, options=_tf.tf.RunOptions(timeout_in_ms=60000))


def _directional(session, frozen, feed, name, direction):
    step = 1e-6 if frozen.exact else 1e-2
    ahead, behind = (session.run(frozen.output, dict(feed, **{name: feed[name] + sign * step * direction}))
                     for sign in (1, -1))
    return (float(ahead) - float(behind)) / (2 * step)


def _assert_gradients(frozen, graph, differences=True):
    """Value and gradients for every feed, against the live graph's; and against finite differences."""
    gradients = _differentiate(graph, frozen.output, frozen.inputs)
    tight = dict(rtol=1e-9, atol=1e-12) if frozen.exact else dict(rtol=2e-4, atol=2e-6)
    with _session(graph) as session:
        for number, feed in enumerate(frozen.feeds):
            value, found = _run(session, (frozen.output, gradients), feed)
            np.testing.assert_allclose(value, frozen.values[number], **tight)
            for live, gradient in zip(frozen.gradients[number], found):
                np.testing.assert_allclose(gradient, live, **tight)
            if differences:
                for name, gradient in zip(frozen.inputs, found):
                    direction = np.cos(1.3 * np.arange(gradient.size)).reshape(gradient.shape)
                    expected = _directional(session, frozen, feed, name, direction)
                    np.testing.assert_allclose(np.sum(gradient * direction), expected,
                                               **(dict(rtol=1e-5, atol=1e-7) if frozen.exact else
                                                  dict(rtol=2e-2, atol=2e-2)))


# --- the families ---------------------------------------------------------------------------------------------------

@pytest.mark.dealt
@pytest.mark.parametrize("name", list(KINDS))
def test_gradients_equal_the_live_graphs(name):
    frozen = freezing.freeze(KINDS[name], tuple(freezing.OPTIMIZERS) if IS_TF1 else ("frozen", "trained", "grappler"))
    for variant, graph_def in frozen.graphs.items():
        graph = freezing.imported(graph_def)
        control_flow.restore_control_flow(graph)
        _assert_gradients(frozen, graph, differences=variant == "frozen")


@pytest.mark.dealt
@pytest.mark.parametrize("path", WRITTEN_BY_TF1, ids=lambda path: path.stem)
def test_gradients_of_graphs_written_by_tf1(path):
    frozen = freezing.load(path)
    # Kinds that this release builds itself differ in what the optimisers of 1.15 make of them.
    variants = [variant for variant in frozen.graphs if path.stem not in KINDS or variant in ("grappler", "transforms")]
    for variant in variants:
        graph = freezing.imported(control_flow.normalize(frozen.graphs[variant]))
        control_flow.restore_control_flow(graph)
        _assert_gradients(frozen, graph, differences=variant == "frozen")


@pytest.mark.dealt
@pytest.mark.parametrize("path", FUNCTIONAL, ids=lambda path: path.stem)
def test_gradients_of_functional_and_lowered_control_flow(path):
    """TF 2's loops and branches, as functions, lowered when frozen, and lowered by the optimiser; on every release."""
    frozen = freezing.load(path)
    for variant, graph_def in frozen.graphs.items():
        graph = freezing.imported(control_flow.normalize(graph_def))
        made = control_flow.restore_control_flow(graph)
        assert (made > 0) == (variant != "functional" and path.stem != "functional_call")
        _assert_gradients(frozen, graph)


def _assert_random_program(seed):
    frozen = freezing.freeze(random_kind(seed))
    for graph_def in frozen.graphs.values():
        graph = freezing.imported(graph_def)
        control_flow.restore_control_flow(graph)
        assert control_flow.restore_control_flow(graph) == 0
        _assert_gradients(frozen, graph, differences=False)


@pytest.mark.dealt
@pytest.mark.parametrize("seed", range(3))
def test_random_programs(seed):
    _assert_random_program(seed)


@pytest.mark.dealt
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3, 15))
def test_many_random_programs(seed):
    _assert_random_program(seed)


def test_the_fixtures_cover_every_kind():
    kinds = [kind.name for kind in models.BOTH + models.TF1]
    assert len(kinds) == len(set(kinds)) >= 38
    assert sorted(kinds) == [path.stem for path in FIXTURES]
    assert all({"frozen", "trained", "grappler"} <= set(freezing.load(path).graphs) for path in FIXTURES[::10])
    assert sorted("functional_" + function.name for function in functional.FUNCTIONS) == [
        path.stem for path in FUNCTIONAL]


@pytest.mark.dealt
@pytest.mark.parametrize("name", ["while_simple", "bidirectional", "nested_wcw", "cond_nested", "map_fn_over_scan"])
def test_a_live_graph_is_left_alone(name):
    """TensorFlow's own contexts, gradients already built: nothing to do, nothing added, nothing moved."""
    tf = _tf.tf
    with tf.Graph().as_default() as graph, _tf.control_flow_v1():
        case = KINDS[name].build()
        tf.gradients(case.output, case.inputs)
        before = graph.as_graph_def()
        contexts = [op._get_control_flow_context() for op in graph.get_operations()]
        assert control_flow.restore_control_flow(graph) == 0
        assert graph.as_graph_def() == before
        after = [op._get_control_flow_context() for op in graph.get_operations()]
        assert all(was is now for was, now in zip(contexts, after) if was is not None)


# --- how many contexts, and once ------------------------------------------------------------------------------------

@pytest.mark.dealt
@pytest.mark.parametrize("name, contexts", [
    ("while_simple", 1), ("while_nested_three", 3), ("cond_top", 2), ("cond_shared_predicate", 2), ("nested_wcwc", 6),
    ("cond_nested", 4), ("bidirectional", 2), ("static_rnn", None), ("batch_norm_inference", 0)])
def test_counts_contexts_and_is_idempotent(name, contexts):
    frozen = freezing.load(_fixture(name))
    graph = freezing.imported(frozen.graphs["frozen"])
    made = control_flow.restore_control_flow(graph)
    assert made == contexts or contexts is None and made > 0
    before = graph.as_graph_def()
    assert control_flow.restore_control_flow(graph) == 0
    gradients = _differentiate(graph, frozen.output, frozen.inputs)
    assert control_flow.restore_control_flow(graph) == 0
    assert gradients[0] is not None and len(graph.as_graph_def().node) > len(before.node)
    _assert_gradients(frozen, graph, differences=False)  # a second call of tf.gradients on the same graph


def _fixture(name):
    return next(path for path in FIXTURES if path.stem == name)


@pytest.mark.parametrize("path", FIXTURES[::3], ids=lambda path: path.stem)
def test_normalize_is_pure_and_idempotent(path):
    for graph_def in freezing.load(path).graphs.values():
        before = graph_def.SerializeToString(deterministic=True)
        once = control_flow.normalize(graph_def)
        assert graph_def.SerializeToString(deterministic=True) == before
        assert control_flow.normalize(once) is once
        assert {node.name for node in graph_def.node} <= {node.name for node in once.node}


def test_a_normalized_graph_is_restored_without_another_change():
    for path in FIXTURES[::5]:
        for graph_def in freezing.load(path).graphs.values():
            graph = freezing.imported(control_flow.normalize(graph_def))
            graph.finalize()
            control_flow.restore_control_flow(graph)


def test_places_of_loops_and_branches():
    graph_def = freezing.load(_fixture("nested_wcw")).graphs["grappler"]
    plan = repair.plan(structure.analyse(nodes.read_graph_def(graph_def)))
    assert plan.changes and len(plan.structure.loops) == 2
    assert {len(place.arms) for place in plan.structure.place.values()} == {0, 1}
    inner = plan.structure.loops["while/cond/while/LoopCond"]
    assert inner.parent.loop == "while/LoopCond" and [arm.branch for arm in inner.parent.arms] == [1]


# --- what optimisers take away --------------------------------------------------------------------------------------

def test_the_missing_identity_makes_gradients_silently_wrong_and_is_put_back():
    """With the structure left as an optimiser leaves it, contexts alone give wrong numbers; restored, right ones."""
    frozen = freezing.load(_fixture("while_several_uses"))
    bare = frozen.graphs["trained"]
    switch = next(node.name for node in bare.node if node.op == "Switch" and node.name == "while/Switch_1")
    readers = [node for node in bare.node if switch + ":1" in node.input]
    assert len(readers) > 1 and all(node.op != "Identity" for node in readers)
    changes = repair.plan(structure.analyse(nodes.read_graph_def(bare))).changes
    added = [change.node for change in changes if isinstance(change, repair.Add)]
    assert [node.op for node in added if node.inputs[0].node == switch] == ["Identity"]
    graph = freezing.imported(bare)
    control_flow.restore_control_flow(graph)
    assert [op.type for op in graph.get_tensor_by_name(switch + ":1").consumers()] == ["Identity"]
    _assert_gradients(frozen, graph)


def test_pruned_exits_come_back():
    frozen = freezing.load(_fixture("while_unread_variables")).graphs["frozen"]
    loop, = structure.analyse(nodes.read_graph_def(frozen)).loops.values()
    assert sum(not variable.exits for variable in loop.variables) == 3
    loop, = structure.analyse(nodes.read_graph_def(control_flow.normalize(frozen))).loops.values()
    assert all(len(variable.exits) == 1 for variable in loop.variables)


def test_true_before_false_and_next_before_first_are_put_in_order():
    """Lowered control flow of TF 2 merges (then, else), where gradients take (false, true) for granted."""
    tf = _tf.tf
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float64, [3], "x")
        flag = tf.placeholder(tf.bool, [], "flag")
        no, yes = tf.raw_ops.Switch(data=x, pred=flag)
        merged, which = tf.raw_ops.Merge(inputs=[tf.sin(yes), no * no])
        tf.add(tf.reduce_sum(merged), tf.cast(which, tf.float64) * 10.0, name="y")
        with tf.Session() as session:
            feed = {"x:0": [0.1, 0.2, 0.3]}
            expected = [session.run("y:0", dict(feed, **{"flag:0": value})) for value in (True, False)]
        control_flow.restore_control_flow(graph)
        gradient, = tf.gradients(graph.get_tensor_by_name("y:0"), x)
        with _session(graph) as session:
            for value, before, slope in ((True, expected[0], np.cos), (False, expected[1], lambda z: 2 * z)):
                now, found = session.run(("y:0", gradient), dict(feed, **{"flag:0": value}))
                np.testing.assert_allclose(now, before)
                np.testing.assert_allclose(found, slope(np.array(feed["x:0"])))


def test_a_counter_that_lost_its_branch_is_guarded():
    """Without its control edges a loop's counter starts in a branch that is not taken."""
    frozen = freezing.load(_fixture("nested_cw"))
    graph_def = _tf.tf.GraphDef()
    graph_def.CopyFrom(frozen.graphs["frozen"])
    counter, = (node for node in graph_def.node if node.name == "cond/Const")
    assert [entry[0] for entry in counter.input] == ["^"]
    del counter.input[:]
    graph = freezing.imported(graph_def)
    control_flow.restore_control_flow(graph)
    _assert_gradients(frozen, graph)


@pytest.mark.parametrize("name", ["cond_constant_branch", "cond_nested_constant_branch"])
def test_a_constant_that_lost_its_branch_is_gated(name):
    """TransformGraph leaves a constant live on both sides: its Merge passes on whichever value comes first."""
    frozen = freezing.load(_fixture(name))
    raced = nodes.read_graph_def(frozen.graphs["transforms"])
    gated = nodes.read_graph_def(control_flow.normalize(frozen.graphs["transforms"]))

    def live_together(found):
        """Constants of a branch whose Merge may see them and the other side's value in one run."""
        walked = structure.analyse(found)
        return [ref.node for node in found.values() if node.op == "Merge" for ref in node.inputs
                if not any(Arm(arm.pred, 1 - arm.branch) in walked.output_arms(other)
                           for other in node.inputs if other != ref for arm in walked.output_arms(ref))]

    assert live_together(raced) and not live_together(gated)
    assert not live_together(nodes.read_graph_def(frozen.graphs["frozen"]))


def test_what_may_race_unprovably_is_left_as_it_is():
    """Two constants that both lost their side: nothing tells which was whose."""
    tf = _tf.tf
    with tf.Graph().as_default() as graph:
        tf.raw_ops.Merge(inputs=[tf.constant(1.0), tf.constant(2.0)])
    graph_def = graph.as_graph_def()
    assert control_flow.normalize(graph_def) is graph_def


def test_a_chain_of_merges_is_not_taken_for_a_race():
    """A Merge may have no value in cases that the conditions common to its inputs do not exclude."""
    tf = _tf.tf
    with tf.Graph().as_default() as graph:
        x, p, q = (tf.placeholder(dtype, [], name) for name, dtype in (("x", "float32"), ("p", "bool"), ("q", "bool")))
        no, first = tf.raw_ops.Switch(data=x, pred=p)
        third, second = tf.raw_ops.Switch(data=no, pred=q)
        some = tf.raw_ops.Merge(inputs=[first * 1.0, second * 10.0])[0]
        tf.identity(tf.raw_ops.Merge(inputs=[some, third * 100.0])[0], "y")
    graph_def = control_flow.normalize(graph.as_graph_def())
    assert not any("_gate" in node.name for node in graph_def.node)
    with _session(freezing.imported(graph_def)) as session:
        assert [session.run("y:0", {"x:0": 3.0, "p:0": p, "q:0": q}) for p in (True, False) for q in (True, False)] == [
            3.0, 3.0, 30.0, 300.0]


def test_an_order_of_conditions_that_is_a_guess_is_not_acted_on():
    """The predicates do not tell which is inside of which, so neither is the one that the constant is tied to."""
    tf = _tf.tf
    with tf.Graph().as_default() as graph:
        x, p, q = (tf.placeholder(dtype, [], name) for name, dtype in (("x", "float32"), ("p", "bool"), ("q", "bool")))
        inner = tf.raw_ops.Switch(data=tf.raw_ops.Switch(data=x, pred=q)[1], pred=p)
        tf.raw_ops.Merge(inputs=[inner[0] * 5.0, tf.constant(7.0)])
    assert not any("_gate" in node.name for node in control_flow.normalize(graph.as_graph_def()).node)


def test_a_reference_is_gated_by_a_switch_of_references():
    tf = _tf.tf
    with tf.Graph().as_default() as graph:
        p = tf.placeholder(tf.bool, [], "p")
        one, other = (tf.Variable(value, use_resource=False)._ref() for value in (1.0, 2.0))
        tf.identity(tf.raw_ops.RefMerge(inputs=[tf.raw_ops.RefSwitch(data=one, pred=p)[0], other])[0], "y")
        initializer = tf.global_variables_initializer().name
    graph = freezing.imported(control_flow.normalize(graph.as_graph_def()))
    with _session(graph) as session:
        session.run(initializer)
        assert [session.run("y:0", {"p:0": value}) for value in (False, True) * 10] == [1.0, 2.0] * 10


@pytest.mark.dealt
@pytest.mark.parametrize("name", list(KINDS))
def test_what_tensorflow_writes_needs_no_gates(name):
    tf = _tf.tf
    with tf.Graph().as_default() as graph, _tf.control_flow_v1():
        case = KINDS[name].build()
        if KINDS[name].live:
            tf.gradients(case.output, case.inputs)
    graph_def = control_flow.normalize(graph.as_graph_def())
    assert not any("_gate" in node.name and node.op.endswith("Switch") for node in graph_def.node)


def _frozen_with_gradients(name):
    """A graph frozen with its gradient in it, as training jobs leave it: forward and backward loops."""
    tf = _tf.tf
    with tf.Graph().as_default() as graph, _tf.control_flow_v1():
        case = KINDS[name].build()
        gradient, = freezing.dense_gradients(case.output, case.inputs)
        total = tf.reduce_sum(gradient * gradient, name="total")
        initializer = tf.global_variables_initializer()
    feed = {tensor.name: value for tensor, value in case.feeds[0].items()}
    with _session(graph) as session:
        session.run(initializer)
        expected = session.run([gradient, total], feed)
        graph_def = tf.graph_util.convert_variables_to_constants(session, graph.as_graph_def(),
                                                                 [case.output.op.name, "total"])
    return case, graph_def, feed, expected


@pytest.mark.dealt
@pytest.mark.parametrize("name", ["while_simple", "nested_wcw", "bidirectional", "scan"])
def test_a_graph_frozen_with_gradients_in_it(name):
    """New gradients do not mix with those in the file; second derivatives of loops are refused, not wrong."""
    case, graph_def, feed, (slope, total) = _frozen_with_gradients(name)
    graph = freezing.imported(control_flow.normalize(graph_def))
    assert control_flow.restore_control_flow(graph) > 0
    gradient, = _differentiate(graph, case.output.name, ["x:0"])
    with _session(graph) as session:
        found, again = _run(session, [gradient, "total:0"], feed)
    np.testing.assert_allclose(found, slope, rtol=1e-9)
    np.testing.assert_allclose(again, total, rtol=1e-9)
    with graph.as_default():
        if name == "while_simple":  # nothing but stacks leads back to x
            assert _tf.tf.gradients(graph.get_tensor_by_name("total:0"), graph.get_tensor_by_name("x:0")) == [None]
        else:
            with pytest.raises(TypeError, match="Second-order gradient"):
                _tf.tf.gradients(graph.get_tensor_by_name("total:0"), graph.get_tensor_by_name("x:0"))


def test_second_derivatives_of_branches_are_right():
    case, graph_def, feed, _ = _frozen_with_gradients("cond_nested")
    graph = freezing.imported(graph_def)
    control_flow.restore_control_flow(graph)
    second, = _differentiate(graph, "total:0", ["x:0"])
    direction = np.cos(np.arange(6.0)).reshape(2, 3)
    with _session(graph) as session:
        ahead, behind = (session.run("total:0", dict(feed, **{"x:0": feed["x:0"] + sign * 1e-6 * direction}))
                         for sign in (1, -1))
        np.testing.assert_allclose(np.sum(session.run(second, feed) * direction), (ahead - behind) / 2e-6, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_value_that_forgets_the_last_one(dtype):
    """TensorFlow fills in zeros between the iterations, and in a file without static shapes takes them for float32."""
    tf = _tf.tf
    with tf.Graph().as_default() as graph, _tf.control_flow_v1():
        x = tf.placeholder(dtype, [None, 3], "x")
        loop = tf.while_loop(lambda i, u, v: i < 3, lambda i, u, v: (i + 1, tf.sin(u), u * x), (tf.constant(0), x, x))
        tf.reduce_sum(loop[2], name="y")
        graph_def = tf.graph_util.extract_sub_graph(graph.as_graph_def(), ["y"])
    graph = freezing.imported(control_flow.normalize(graph_def))
    control_flow.restore_control_flow(graph)
    gradient, = _differentiate(graph, "y:0", ["x:0"])
    start = np.array([[0.3, -0.5, 0.9]])
    inner, slope = np.sin(np.sin(start)), np.cos(np.sin(start)) * np.cos(start)  # u after two of three iterations
    with _session(graph) as session:
        found = _run(session, gradient, {"x:0": start})
    assert found.dtype == dtype
    np.testing.assert_allclose(found, slope * start + inner, rtol=2e-3 if dtype == "float16" else 1e-6)


def test_values_of_fetches_do_not_change():
    for path in FIXTURES[::6]:
        frozen = freezing.load(path)
        for graph_def in frozen.graphs.values():
            with _session(freezing.imported(control_flow.normalize(graph_def))) as session:
                for feed, value in zip(frozen.feeds, frozen.values):
                    np.testing.assert_allclose(session.run(frozen.output, feed), value, rtol=1e-6)


# --- several graphs in one ------------------------------------------------------------------------------------------

@pytest.mark.dealt
@pytest.mark.parametrize("name", ["nested_wcw", "bidirectional", "while_siblings"])
@pytest.mark.parametrize("between", [False, True], ids=["restored once", "restored after each"])
def test_one_graph_imported_twice(name, between):
    frozen = freezing.load(_fixture(name))
    graph = _tf.tf.Graph()
    made = 0
    for scope in ("a", "b"):
        with graph.as_default():
            _tf.tf.import_graph_def(frozen.graphs["frozen"], name=scope)
        if between:
            made += control_flow.restore_control_flow(graph)
    made += control_flow.restore_control_flow(graph)
    alone = control_flow.restore_control_flow(freezing.imported(frozen.graphs["frozen"]))
    assert made == 2 * alone
    frames = {op.get_attr("frame_name") for op in graph.get_operations() if op.type == "Enter"}
    assert len(frames) == 2 * len(structure.analyse(nodes.read_graph_def(frozen.graphs["frozen"])).loops)
    names = [scope + "/" + frozen.output for scope in ("a", "b")]
    with graph.as_default():
        total = graph.get_tensor_by_name(names[0]) + 3.0 * graph.get_tensor_by_name(names[1])
        gradients = _tf.tf.gradients(total, [graph.get_tensor_by_name("%s/%s" % (scope, frozen.inputs[0]))
                                             for scope in ("a", "b")])
    feed = {"%s/%s" % (scope, key): value for scope in ("a", "b") for key, value in frozen.feeds[0].items()}
    with _session(graph) as session:
        first, second = _run(session, gradients, feed)
    np.testing.assert_allclose(first, frozen.gradients[0][0], rtol=1e-9)
    np.testing.assert_allclose(second, 3.0 * frozen.gradients[0][0], rtol=1e-9)


def test_two_loops_of_one_name_in_one_graph_def():
    frozen = freezing.load(_fixture("while_simple"))
    both = _tf.tf.GraphDef()
    for scope in ("a", "b"):
        both.MergeFrom(freezing.imported(frozen.graphs["frozen"], name=scope).as_graph_def())
    frames = [node.attr["frame_name"].s for node in both.node if node.op == "Enter"]
    assert len(set(frames)) == 1
    changed = control_flow.normalize(both)
    assert len({node.attr["frame_name"].s for node in changed.node if node.op == "Enter"}) == 2
    feed = {"%s/%s" % (scope, key): value for scope in ("a", "b") for key, value in frozen.feeds[0].items()}
    with _session(freezing.imported(changed)) as session:
        for value in _run(session, ["%s/%s" % (scope, frozen.output) for scope in ("a", "b")], feed):
            np.testing.assert_allclose(value, frozen.values[0])


@pytest.mark.parametrize("name", ["nested_wcw", "bidirectional", "cond_nested", "nested_cwc"])
def test_a_meta_graph_carries_the_restored_contexts(name):
    tf, frozen = _tf.tf, freezing.load(_fixture(name))
    graph = freezing.imported(frozen.graphs["grappler"])
    made = control_flow.restore_control_flow(graph)
    with graph.as_default():
        meta_graph = tf.train.export_meta_graph()
    again = tf.Graph()
    with again.as_default():
        tf.train.import_meta_graph(meta_graph)
    assert made > 0 and control_flow.restore_control_flow(again) == 0
    _assert_gradients(frozen, again, differences=False)


def test_imported_inside_a_live_loop():
    """The loop around is TensorFlow's, the one inside is restored; the gradient goes through both."""
    tf, frozen = _tf.tf, freezing.load(_fixture("while_simple"))
    graph_def = frozen.graphs["frozen"]
    with tf.Graph().as_default() as graph, _tf.control_flow_v1():
        x = tf.placeholder(tf.float64, [2, 3], "outer_x")

        def body(i, v):
            y, = tf.import_graph_def(graph_def, {frozen.inputs[0]: v}, [frozen.output], name="inner")
            return i + 1, tf.sin(v) * y

        value = tf.while_loop(lambda i, v: i < 2, body, (tf.constant(0), x))[1]
        output = tf.reduce_sum(value, name="y")
        assert control_flow.restore_control_flow(graph) == 1
        gradient, = tf.gradients(output, x)
        start = frozen.feeds[0][frozen.inputs[0]]
        direction = np.cos(np.arange(6.0)).reshape(2, 3)
        with _session(graph) as session:
            found = np.sum(_run(session, gradient, {x: start}) * direction)
            ahead, behind = (session.run(output, {x: start + sign * 1e-6 * direction}) for sign in (1, -1))
    np.testing.assert_allclose(found, (ahead - behind) / 2e-6, rtol=1e-6)


# --- what cannot be done is said ------------------------------------------------------------------------------------

def test_a_finalized_graph_that_lacks_nodes_is_an_error():
    graph = freezing.imported(freezing.load(_fixture("while_simple")).graphs["trained"])
    graph.finalize()
    with pytest.raises(ControlFlowError, match="finalized.*while/Switch.*finalize()"):
        control_flow.restore_control_flow(graph)


def test_a_finalized_graph_that_lacks_nothing_is_restored():
    graph = freezing.imported(control_flow.normalize(freezing.load(_fixture("nested_wcw")).graphs["frozen"]))
    graph.finalize()
    assert control_flow.restore_control_flow(graph) == 4


def test_a_damaged_loop_is_named():
    graph_def = _tf.tf.GraphDef()
    graph_def.CopyFrom(freezing.load(_fixture("while_simple")).graphs["frozen"])
    for node in graph_def.node:
        if node.op == "NextIteration":
            node.op = "Identity"
    with pytest.raises(ControlFlowError, match="in a circle"):
        control_flow.normalize(graph_def)


@pytest.mark.parametrize("op", ["Enter", "Exit", "Switch"])
def test_a_node_of_a_loop_without_its_input_is_named(op):
    graph_def = _tf.tf.GraphDef()
    graph_def.CopyFrom(freezing.load(_fixture("while_simple")).graphs["frozen"])
    bare = next(node for node in graph_def.node if node.op == op)
    del bare.input[:]
    with pytest.raises(ControlFlowError, match=r"%s. \(%s\) has no input" % (bare.name, op)):
        control_flow.normalize(graph_def)


# --- TensorFlow 2 stays as it was -----------------------------------------------------------------------------------

@pytest.mark.dealt
@pytest.mark.parametrize("name", ["bidirectional", "map_fn_over_scan", "tensor_array_split_concat",
                                  "tensor_array_gather_scatter", "nested_wcw"])
@pytest.mark.parametrize("enabled", [True, False], ids=["v2 on", "v2 off"])
def test_control_flow_v2_may_be_on_or_off(name, enabled, monkeypatch):
    """A user's own tf.gradients works under either setting, and finds the setting as it was."""
    monkeypatch.setattr(_tf.control_flow_util, "ENABLE_CONTROL_FLOW_V2", enabled)
    frozen = freezing.load(_fixture(name))
    graph = freezing.imported(frozen.graphs["frozen"])
    control_flow.restore_control_flow(graph)
    _assert_gradients(frozen, graph, differences=False)
    assert _tf.control_flow_util.ENABLE_CONTROL_FLOW_V2 is enabled


def test_no_global_is_touched_when_restoring_fails():
    before = _tf.control_flow_util.ENABLE_CONTROL_FLOW_V2, _tf.tf.get_default_graph()
    graph = freezing.imported(freezing.load(_fixture("while_simple")).graphs["trained"])
    graph.finalize()
    with pytest.raises(ControlFlowError):
        control_flow.restore_control_flow(graph)
    assert (_tf.control_flow_util.ENABLE_CONTROL_FLOW_V2, _tf.tf.get_default_graph()) == before


def test_threads_restore_and_differentiate_at_once():
    frozen = freezing.load(_fixture("bidirectional"))
    before = _tf.control_flow_util.ENABLE_CONTROL_FLOW_V2
    failures = []

    def work():
        try:
            graph = freezing.imported(frozen.graphs["trained"])
            control_flow.restore_control_flow(graph)
            _assert_gradients(frozen, graph, differences=False)
        except BaseException as failure:  # a thread's failure must reach the test
            failures.append(failure)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert _tf.control_flow_util.ENABLE_CONTROL_FLOW_V2 is before
