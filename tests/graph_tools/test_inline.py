"""Called functions brought into the graph: every value stays, lookups inside are found and explained."""

import numpy as np
import pytest

import graph_tools as gt
import graph_tools.edit.inline
import tf1_ig
from graph_tools import _tf
from graph_tools.graph import ops
from graph_tools.model import Model
from tests.attacks.body import F, Function, empty
from tests.models import embeddings

needs_tf2 = pytest.mark.skipif(_tf.version < (2, 0), reason="TF 1.15 writes no such SavedModels")


def of_session(build):
    """The model of a graph, and the names of the tensors that ``build`` returns."""
    tf = _tf.tf
    with tf.Graph().as_default(), tf.Session() as session:
        fetched = [tensor.name for tensor in build()]
        session.run(tf.global_variables_initializer())
        return gt.from_session(session), fetched


def several():
    """Calls in a call; two outputs, the second used; a captured variable; a call that must run after an assignment."""
    tf, function = _tf.tf, _tf.tensorflow.function
    ids = tf.placeholder(tf.int32, [None, 3], "ids")
    table = tf.get_variable("table", initializer=tf.constant(embeddings.TABLE), use_resource=True)
    count = tf.get_variable("count", initializer=0.0, use_resource=True)

    @function
    def look_up(ids):
        return tf.gather(table, ids)

    @function
    def both(ids):
        first, second = tf.split(look_up(ids), 2, axis=2)
        return first, tf.concat([second, 2.0 * first], 2)

    with tf.control_dependencies([count.assign_add(1.0)]):
        first, rows = both(ids)

        @function
        def read():
            return count.read_value() + 0.0
        runs = read()
    return [first, rows, runs, tf.nn.softmax(tf.reduce_sum(tf.tanh(rows), 1), name="scores")]


def test_values_stay_and_the_lookup_is_found():
    model, fetched = of_session(several)
    inlined, edit = gt.inline_calls(model)
    assert {node.op for node in model.graph_def.node} & set(ops.CALLS)
    assert not {node.op for node in inlined.graph_def.node} & set(ops.CALLS) and edit.notes == ()
    feed = {"ids:0": embeddings.IDS}
    with model.open_session() as one, inlined.open_session() as other:
        for expected in (1.0, 2.0, 3.0):
            was, now = one.run(fetched, feed), other.run(fetched, feed)
            for mine, theirs in zip(now, was):
                np.testing.assert_array_equal(mine, theirs)
            assert now[2] == expected  # the call still follows the assignment before it
    assert not gt.find_embeddings(model, output="scores")
    found = gt.find_embeddings(inlined, output="scores").only()
    assert (found.kind, found.ids, found.table, found.vocab_size) == ("gather", "ids:0", "table:0", embeddings.ROWS)
    again, edit = gt.inline_calls(inlined)
    assert again is inlined and not edit.added


def test_only_what_the_outputs_need():
    model, fetched = of_session(several)
    inlined, _ = gt.inline_calls(model, [fetched[2]])
    assert sum(node.op in ops.CALLS for node in inlined.graph_def.node) == 1


def test_a_call_in_a_loop():
    """A body with a constant of its own must run in the loop's frame."""
    tf, function = _tf.tf, _tf.tensorflow.function

    def build():
        x = tf.placeholder(tf.float32, [None], "x")

        @function
        def step(value):
            return value * tf.constant(1.5) + 1.0

        with _tf.control_flow_v1():
            return [tf.while_loop(lambda i, _: i < 4, lambda i, value: (i + 1, tf.ensure_shape(step(value), [None])),
                                  [tf.constant(0), x])[1]]

    model, fetched = of_session(build)
    inlined, _ = gt.inline_calls(model)
    assert not any(node.op in ops.CALLS for node in inlined.graph_def.node)
    for each in (model, inlined):
        with each.open_session() as session:
            np.testing.assert_allclose(session.run(fetched[0], {"x:0": [0.0, 2.0]}), [8.125, 18.25])


def test_what_owns_a_state_stays_a_function():
    tf = _tf.tf

    def build():
        x = tf.placeholder(tf.float32, [], "x")

        @_tf.tensorflow.function
        def fetch(value):
            handle = _tf.tensorflow.raw_ops.VarHandleOp(dtype=tf.float32, shape=[], shared_name="own")
            _tf.tensorflow.raw_ops.AssignVariableOp(resource=handle, value=value)
            return _tf.tensorflow.raw_ops.ReadVariableOp(resource=handle, dtype=tf.float32)
        return [fetch(x)]

    model, _ = of_session(build)
    inlined, edit = gt.inline_calls(model)
    assert "stays a function" in edit.notes[0] and "owns a state" in edit.notes[0]
    assert inlined.graph_def.node == model.graph_def.node


@needs_tf2
@pytest.mark.parametrize("recurrent", [False, True])
def test_a_keras_savedmodel_is_explained_as_eager_gradients_explain_it(recurrent, tmp_path):
    """Integrated Gradients by ``GradientTape`` on the live Keras layers, nothing of ours, are the oracle."""
    tf = _tf.tensorflow
    keras = tf.keras
    keras.utils.set_random_seed(3)
    middle = keras.layers.LSTM(5) if recurrent else keras.layers.GlobalAveragePooling1D()
    layers = [keras.layers.Embedding(10, 4), middle, keras.layers.Dense(3, activation="softmax")]
    model = keras.Sequential(layers)
    ids = np.array([[1, 2, 3], [4, 5, 5]])
    model(ids)
    layers[0].set_weights([np.random.RandomState(1).normal(size=(10, 4))])
    tf.saved_model.save(model, str(tmp_path / "m")) if _tf.version < (2, 16) else model.export(
        str(tmp_path / "m"), verbose=False)
    rows, total = layers[0](tf.constant(ids)), 0.0
    for alpha in (np.arange(64) + 0.5) / 64:
        with tf.GradientTape() as tape:
            point = tf.convert_to_tensor(rows) * alpha
            tape.watch(point)
            score = tf.reduce_sum(layers[2](layers[1](point))[:, 1])
        total = total + tape.gradient(score, point).numpy() / 64
    expected = (rows.numpy() * total).sum(-1)
    loaded = gt.load(str(tmp_path / "m"))
    signature = loaded.signatures["serving_default"]
    (given,), (output,) = signature.inputs.values(), signature.outputs.values()
    feed = {given.name: ids.astype(_tf.tf.as_dtype(given.dtype).as_numpy_dtype)}
    with tf1_ig.IntegratedGradients(loaded, output.name) as explainer:
        found = explainer.explain(feed, label=1, steps=32)
    np.testing.assert_allclose(found.tokens[explainer.inputs[0]], expected, atol=2e-5)
    np.testing.assert_allclose(found.score, model(ids).numpy()[:, 1], atol=1e-6)
    assert np.abs(found.delta).max() < 1e-5


def test_functions_and_collections_follow_the_nodes():
    """A function that nothing calls any more leaves the library; what still names nodes of the graph stays."""
    def build():
        tf = _tf.tf
        x = tf.placeholder(tf.float32, [None], "x")
        y = tf.identity(_tf.tensorflow.function(lambda value: 2.0 * value)(x), name="y")
        tf.add_to_collection("kept", y)
        return [y]

    model, _ = of_session(build)
    assert [function.signature.name for function in model.graph_def.library.function]
    inlined, edit = gt.inline_calls(model)
    assert not inlined.graph_def.library.function and not edit.notes
    assert list(inlined.meta_graph.collection_def["kept"].node_list.value) == ["y:0"]
    with inlined.open_session() as session:
        assert session.run("y:0", {"x:0": [1.5]}) == [3.0]


def by_hand(complete, *given, looping=False, device=""):
    """What becomes of ``call`` in a graph built node by node: its nodes after inlining, and the edit."""
    body = empty()
    body.add("c", "NoOp")
    if looping:
        body.add("entered", "Enter", "x", T=F, frame_name=b"f")
    complete(body)
    body.add("call", "PartitionedCall", *given, Tin=[F] * sum(not one.startswith("^") for one in given),
             Tout=[F] * len(body.graph.library.function[0].signature.output_arg), f=Function("f"))
    body.nodes[-1].device = device
    meta_graph = _tf.tf.MetaGraphDef()
    meta_graph.graph_def.CopyFrom(body.graph)
    found, edit = gt.inline_calls(Model(meta_graph, "by hand"))
    return {node.name: node for node in found.graph_def.node}, edit


def inputs(node):
    """Where a node takes its inputs from; output 0 goes without its number."""
    return [entry[:-2] if entry.endswith(":0") else entry for entry in node.input]


def half(body):
    """``a0 * 0.5``; the number is a node without inputs."""
    inner = body.define("f", 1)
    inner.const("half", 0.5)
    inner.add("of_half", "Mul", "a0", "half", T=F)
    inner.returns("of_half")


@pytest.mark.parametrize("looping, follows", [(False, ["^c"]), (True, ["^c", "^x"])])
def test_bodies_run_after_what_the_call_waited_for(looping, follows):
    """In a loop what has no inputs must be tied to the frame, by the inputs of the call."""
    nodes, _ = by_hand(half, "x", "^c", looping=looping)
    assert inputs(nodes["call/half"]) == follows
    assert inputs(nodes["call/of_half"]) == ["x", "call/half", "^c"]
    assert nodes["call"].op == "Identity" and inputs(nodes["call"]) == ["call/of_half", "^c"]


def test_what_must_have_run_holds_back_the_call():
    def build(body):
        half(body)
        body.graph.library.function[0].control_ret["ran"] = "of_half"

    nodes, _ = by_hand(build, "x", "^c")
    assert inputs(nodes["call"]) == ["call/of_half", "^call/of_half"]
    nodes, _ = by_hand(half, "x")
    assert inputs(nodes["call"]) == ["call/of_half"] and inputs(nodes["call/half"]) == []


def test_names_that_are_taken_are_left_alone():
    def build(body):
        half(body)
        body.const("call/half", 1.0)
        body.const("call_/of_half", 1.0)

    nodes, _ = by_hand(build, "x", device="/device:CPU:0")
    assert inputs(nodes["call"]) == ["call__/of_half"] and nodes["call/half"].op == "Const"
    assert nodes["call__/of_half"].device == "/device:CPU:0"


def test_outputs_inside_are_found_by_name_and_number():
    """A list by number, a list by types, one behind another, and those of a function that is called by its name."""
    def build(body):
        inner = body.define("f", 1)
        pair = body.define("pair", 1)
        pair.returns("a0", "one")
        pair.returns("a0", "two")
        inner.const("axis", 0)
        inner.add("split", "Split", "axis", "a0", num_split=2, T=F)
        inner.add("both", "IdentityN", ("split", 0), ("split", 1), T=[F, F])
        inner.add("switch", "Switch", "a0", inner.const("flag", True), T=F)
        inner.add("pair", "pair", "a0")
        inner.add("bound", "BatchToSpace", "a0", "^pair", T=F)
        for number, entry in enumerate(("split", "both", "switch", "pair")):
            inner.returns((entry, 1), "y%d" % number)
        inner.returns("a0", "given")
        inner.nodes[-1].attr["_class"].list.s.append(b"loc:@somewhere")

    nodes, edit = by_hand(build, "x")
    assert inputs(nodes["call"]) == ["call/split:1", "call/both:1", "call/switch:1", "call/pair:1", "x"]
    assert inputs(nodes["call/both"]) == ["call/split", "call/split:1"]
    assert inputs(nodes["call/bound"]) == ["x", "^call/pair"] and "_class" not in nodes["call/bound"].attr
    assert edit.notes == ()


def test_a_call_may_be_an_op_of_the_function_s_name():
    def build(body):
        half(body)
        body.add("named", "f", "x")

    nodes, edit = by_hand(build, "x")
    for name in ("call", "named"):
        assert nodes[name].op == "Identity" and inputs(nodes[name]) == [name + "/of_half"]
        assert inputs(nodes[name + "/of_half"]) == ["x", name + "/half"]
    assert edit.notes == ()


def test_outputs_behind_lists_are_counted():
    """Lists by number and by types, told or left at their default, of an op that has both."""
    sizes = graph_tools.edit.inline._Sizes({})
    node = _tf.tf.NodeDef(name="parse", op="ParseExample")
    node.attr["Nsparse"].i, node.attr["Ndense"].i = 2, 3
    node.attr["sparse_types"].list.type.extend([F, F])
    node.attr["Tdense"].list.type.extend([F] * 3)
    lists = (("sparse_indices", 2), ("sparse_values", 2), ("sparse_shapes", 2), ("dense_values", 3))
    assert [sizes.flat(node, name, index) for name, count in lists for index in range(count)] == list(range(9))
    bare = _tf.tf.NodeDef(name="bare", op="ParseSingleSequenceExample")
    assert [sizes.flat(bare, name, 0) for name in ("context_sparse_indices", "feature_list_dense_values")] == [0, 0]
    with pytest.raises(KeyError):
        sizes.flat(node, "no such output", 0)


def _own_gradient(body):
    half(body)
    body.graph.library.gradient.add(function_name="f", gradient_func="f")


def _open_attribute(body):
    half(body)
    body.graph.library.function[0].node_def[0].attr["dtype"].placeholder = "T"


def _open_signature(field):
    def build(body):
        half(body)
        setattr(body.graph.library.function[0].signature.input_arg[0], field, "N")
    return build


def _no_type(body):
    half(body)
    body.graph.library.function[0].signature.output_arg[0].type = 0


@pytest.mark.parametrize("build, why", [
    (_own_gradient, "it has a gradient of its own"), (_open_attribute, "its types are left open"),
    (_open_signature("number_attr"), "its types are left open"), (_no_type, "its types are left open"),
    (_open_signature("type_list_attr"), "its types are left open")])
def test_functions_that_stay_functions(build, why):
    nodes, edit = by_hand(build, "x")
    assert nodes["call"].op == "PartitionedCall" and edit.notes == ("call calls f, which stays a function: " + why,)
