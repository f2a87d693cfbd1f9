"""Every input mechanism: found, swapped, nothing of it left, the same numbers, no hang, any batch."""

import numpy as np
import pytest

import graph_tools as gt
from graph_tools import _tf
from graph_tools.errors import EditError, TensorNotFoundError
from graph_tools.graph import names
from graph_tools.running import runs
from tests.models import queues

_PRODUCERS = ("Queue", "Iterator", "Reader", "Stage", "stage", "Dataset", "PyFunc", "CountUpTo", "Optional")
_BY_NAME = {name: (build, kind, batch) for name, build, kind, batch in queues.MECHANISMS}
_CASES = [(name, control) for name in _BY_NAME for control in (False, True)
          if not (control and name == "behind_default")]  # its ids come from a placeholder, which cannot block


def _run(model, feeds):
    with model.open_session() as session:
        return runs.run(session, ["logits:0", "loss:0"], feeds, timeout=20)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """``built(name, control)``: the case and one real batch with its outputs, made once for the module."""
    made = {}

    def get(name, control=False):
        if (name, control) not in made:
            case = queues.build(_BY_NAME[name][0], str(tmp_path_factory.mktemp(name)), control)
            made[name, control] = case, case.run_live()
        return made[name, control]
    return get


@pytest.mark.dealt
@pytest.mark.parametrize("form", ["training graph", "frozen"])
@pytest.mark.parametrize("name, control", _CASES)
def test_every_mechanism(built, name, control, form):
    case, (ids, label, logits, loss) = built(name, control)
    np.testing.assert_allclose(logits, queues.logits_of(ids), atol=1e-5)  # the live run is the oracle: check it too
    _, kind, batch = _BY_NAME[name]
    model = case.model if form == "training graph" else case.frozen
    before = model.meta_graph.SerializeToString(deterministic=True)

    found = gt.find_inputs(model).only(kind=kind)
    staged = kind == "staging_area" and form == "frozen"  # freezing drops Stage, which alone knew the shape
    assert found.batch == (None if staged else batch)
    assert bool(found.control) == control
    edited, edit = gt.swap_inputs(model)

    assert model.meta_graph.SerializeToString(deterministic=True) == before
    assert not [node.op for node in edited.index.nodes.values() if any(sort in node.op for sort in _PRODUCERS)]
    assert not edited.index.graph_def.library.function
    assert "queue_runners" not in edited.meta_graph.collection_def
    ids_name, label_name = (edit.placeholders.get(tensor.name, tensor.name)
                            for tensor in (case.pipeline.ids, case.pipeline.label))
    assert edited.index.op(names.parse(ids_name).node) == "Placeholder"
    same = _run(edited, {ids_name: ids, label_name: label})
    np.testing.assert_array_equal(same[0], logits)
    assert same[1] == loss
    other_ids, other_label = queues.IDS[:5], queues.LABELS[:5]
    other = _run(edited, {ids_name: other_ids, label_name: other_label})
    np.testing.assert_allclose(other[0], queues.logits_of(other_ids), atol=1e-5)
    np.testing.assert_allclose(other[1], queues.loss_of(other_ids, other_label), rtol=1e-5)


@pytest.mark.parametrize("name", sorted(_BY_NAME))
def test_a_lookup_of_what_a_mechanism_hands_over_is_seen_before_the_swap(built, name):
    case, _ = built(name)
    for model in (case.model, case.frozen):
        assert gt.find_embeddings(model).only(kind="gather").tensor == "rows:0"


@pytest.mark.parametrize("name", [name for name in _BY_NAME if name not in ("behind_default", "fifo_dequeue_unknown",
                                                                            "python_function")])
def test_recovered_dtypes_and_shapes(built, name):
    case, _ = built(name)
    edited, edit = gt.swap_inputs(case.model)
    for tensor, rank in ((case.pipeline.ids, 2), (case.pipeline.label, 1)):
        placeholder = edited.graph.get_tensor_by_name(edit.placeholders[tensor.name])
        assert placeholder.dtype == tensor.dtype
        assert placeholder.shape.rank == rank
        assert placeholder.shape.as_list()[0] is None
        assert placeholder.shape.as_list()[1:] == tensor.shape.as_list()[1:]


def test_the_placeholders_have_names_that_say_where_they_come_from(built):
    case, _ = built("fifo_dequeue_many")
    _, edit = gt.swap_inputs(case.model)
    assert dict(edit.placeholders) == {"dequeue:0": "dequeue/component_0:0", "dequeue:1": "dequeue/component_1:0"}
    text = str(edit)
    assert "- examples" in text and "+ dequeue/component_0" in text
    assert "~ rows: dequeue -> dequeue/component_0" in text
    assert any("batch of 2" in note for note in edit.notes)


def test_only_the_used_components_become_placeholders(built):
    case, _ = built("fifo_dequeue_many")
    small, _ = gt.prune(case.model, "logits")
    edited, edit = gt.swap_inputs(small)
    assert list(edit.placeholders) == ["dequeue:0"]
    assert [one.tensor for one in gt.find_inputs(edited)] == ["dequeue/component_0:0"]


def test_nothing_to_swap_returns_the_same_model():
    with _tf.tf.Graph().as_default() as graph:
        queues.classify(_tf.tf.placeholder(_tf.tf.int64, [None, 3], "ids"), _tf.tf.placeholder(_tf.tf.int64, [None]))
    model = queues.Case(graph, None).model
    edited, edit = gt.swap_inputs(model)
    assert edited is model
    assert not edit.placeholders and not edit.removed
    assert "nothing to replace" in str(edit)


@pytest.mark.parametrize("asked", ["dequeue:0", "dequeue", "examples", "candidate", "list"])
def test_the_caller_may_say_which(built, asked):
    case, _ = built("fifo_dequeue_many")
    model = case.model
    found = gt.find_inputs(model).only()
    inputs = {"candidate": found, "list": [found]}.get(asked, asked)
    _, edit = gt.swap_inputs(model, inputs)
    assert set(edit.placeholders) == {"dequeue:0", "dequeue:1"}


def test_a_tensor_that_comes_out_of_nothing_is_an_error_that_lists_the_inputs(built):
    case, _ = built("fifo_dequeue_many")
    with pytest.raises(EditError, match="'rows:0' does not come out of .* 'dequeue:0'"):
        gt.swap_inputs(case.model, "rows:0")


def test_the_summary_of_the_queue_goes_and_that_of_the_loss_stays():
    tf = _tf.tf
    with tf.Graph().as_default() as graph:
        ids, label, _ = queues.train_batch(tf, "")
        queues.classify(ids, label)
        tf.summary.scalar("loss_now", graph.get_tensor_by_name("loss:0"))
        tf.summary.merge_all(name="merged")
    model = queues.Case(graph, None).model
    edited, edit = gt.swap_inputs(model)
    ops = [node.op for node in edited.index.nodes.values()]
    assert ops.count("ScalarSummary") == 1 and ops.count("MergeSummary") == 1
    with edited.open_session() as session:
        text = runs.run(session, "merged/merged:0", {edit.placeholders["batch:0"]: queues.IDS,
                                                     edit.placeholders["batch:1"]: queues.LABELS})
    assert [value.tag for value in tf.Summary.FromString(text).value] == ["loss_now"]
    assert list(edited.meta_graph.collection_def["summaries"].node_list.value) == ["loss_now:0"]


def _two_queues(condition):
    """A training and a validation queue behind ``tf.cond``, the classic of its time."""
    tf = _tf.tf
    with tf.Graph().as_default() as graph:
        pred = tf.placeholder(tf.bool, [], name="training")
        made = [tf.FIFOQueue(9, [tf.int64, tf.int64], [[3], []], name=name) for name in ("train", "valid")]
        with _tf.control_flow_v1():
            ids, label = tf.cond(pred, lambda: made[0].dequeue_many(2, name="take_train"),
                                 lambda: made[1].dequeue_many(2, name="take_valid"), name=condition)
        queues.classify(ids, label)
    return queues.Case(graph, None)


@pytest.mark.parametrize("training", [True, False])
def test_queues_in_the_branches_of_a_cond_stay_in_their_branches(training):
    edited, edit = gt.swap_inputs(_two_queues("choose").model)
    train, valid = queues.IDS[:2], queues.IDS[2:6]
    feeds = {"training:0": training}
    for take, ids, label in (("take_train", train, [0, 1]), ("take_valid", valid, [1, 0, 1, 1])):
        feeds[edit.placeholders["choose/%s:0" % take]] = ids
        feeds[edit.placeholders["choose/%s:1" % take]] = label
    logits, loss = _run(edited, feeds)
    expected = (train, [0, 1]) if training else (valid, [1, 0, 1, 1])
    np.testing.assert_allclose(logits, queues.logits_of(expected[0]), atol=1e-5)
    np.testing.assert_allclose(loss, queues.loss_of(*expected), rtol=1e-5)


def test_a_dequeue_in_a_loop_is_refused():
    tf = _tf.tf
    with tf.Graph().as_default() as graph:
        queue = tf.FIFOQueue(9, [tf.float32], [[2]], name="numbers")
        with _tf.control_flow_v1():
            tf.while_loop(lambda i, total: i < 3, lambda i, total: (i + 1, total + queue.dequeue(name="take")),
                          [tf.constant(0), tf.zeros([2])], name="loop")
    with pytest.raises(EditError, match="'loop/take' runs inside the loop 'loop/while_context'.*each iteration"):
        gt.swap_inputs(queues.Case(graph, None).model)


def test_signatures_follow_their_tensors(built):
    case, _ = built("fifo_dequeue_many")
    tf, meta_graph = _tf.tf, case.model.meta_graph
    with case.graph.as_default():
        info = tf.saved_model.utils.build_tensor_info
        get = case.graph.get_tensor_by_name
        meta_graph.signature_def["classify"].CopyFrom(tf.saved_model.build_signature_def(
            {"ids": info(get("dequeue:0"))}, {"logits": info(get("logits:0"))}))
        meta_graph.signature_def["fill"].CopyFrom(tf.saved_model.build_signature_def(
            {"ids": info(get("fill_ids:0"))}, {"logits": info(get("logits:0"))}))
    edited, edit = gt.swap_inputs(gt.Model(meta_graph, "with signatures"))
    assert list(edited.signatures) == ["classify"]
    assert edited.signatures["classify"].inputs["ids"].name == "dequeue/component_0:0"
    assert edited.signatures["classify"].outputs["logits"].name == "logits:0"
    assert any("'fill'" in note for note in edit.notes)


def test_what_is_left_can_be_imported_as_a_meta_graph(built):
    """Collections and saver name nothing that is gone: plain TensorFlow takes the edited meta graph."""
    tf = _tf.tf
    case, _ = built("train_batch")
    edited, _ = gt.swap_inputs(case.model)
    with tf.Graph().as_default() as graph:
        tf.train.import_meta_graph(edited.meta_graph)
        assert graph.get_tensor_by_name("logits:0") is not None
        assert not graph.get_collection(tf.GraphKeys.QUEUE_RUNNERS)
        assert not graph.get_collection(tf.GraphKeys.LOCAL_VARIABLES)  # the epoch counter of the input producer


def test_who_asks_for_a_tensor_of_a_queue_is_shown_what_is_fed_in_its_place():
    """Names of the other placeholders look more alike, and each of them takes any column."""
    tf = _tf.tf
    with tf.Graph().as_default() as graph:
        queue = tf.FIFOQueue(10, [tf.float32] * 12, [[]] * 12)
        columns = queue.dequeue_many(4, name="random_shuffle_queue_DequeueUpTo")
        tf.add_n(columns, name="score")
        model = gt.from_session(tf.Session(graph=graph))
    served, _ = gt.prune(gt.swap_inputs(model)[0], "score")
    for port in (1, 10, 11):
        with pytest.raises(TensorNotFoundError, match="did you mean '[^ ]*DequeueUpTo/component_%d:0'[?]" % port):
            gt.prune(served, "random_shuffle_queue_DequeueUpTo:%d" % port)
