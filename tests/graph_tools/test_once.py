"""What is made of a model is made once, whichever thread asks first, and a model that was used pickles."""

import dataclasses
import gc
import pickle
import threading
import weakref

import numpy as np
import pytest

import graph_tools as gt
from graph_tools import _tf
from graph_tools.find import view
from graph_tools.find.inputs import scan
from graph_tools.graph import nodes, walk
from tests.models import formats, queues, small, training_heads


def test_threads_that_ask_first_get_one_graph_and_its_own_restore():
    """The restore of another graph would assign variables that are not in this one."""
    for _ in range(3):
        model = queues.build(queues.fifo_dequeue_unknown).model
        together, graphs = threading.Barrier(6), []

        def ask(model=model, together=together, graphs=graphs):
            together.wait()
            graphs.append(model.graph)

        threads = [threading.Thread(target=ask) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(graphs) == 6 and len(set(map(id, graphs))) == 1


def test_the_view_the_scan_and_the_heads_are_made_once(monkeypatch):
    made = []
    monkeypatch.setattr(view.View, "__init__", lambda self, model, init=view.View.__init__: (
        made.append(model), init(self, model))[1])
    model = queues.build(queues.one_shot).frozen
    found = gt.find_embeddings(model), gt.find_outputs(model), gt.find_embeddings(model, "logits:0")
    assert made == [model] and all(found)
    assert scan(model.index) == scan(model.index) and scan(model.index) is not scan(model.index)


@pytest.mark.parametrize("written", ["frozen", "saved_model", "checkpoint"])
def test_a_model_pickles_after_use(written, tmp_path):
    """Its values too: those of a checkpoint are read again where it arrives."""
    model = gt.load(getattr(formats.write(str(tmp_path)), written))
    with model.open_session():
        gt.find_embeddings(model)
    again = pickle.loads(pickle.dumps(model))
    assert again.graph_def == model.graph_def and again.graph is not model.graph
    for name in model.variables:
        np.testing.assert_array_equal(again.variables[name], model.variables[name])
    with again.open_session():
        assert list(gt.find_outputs(again)) == list(gt.find_outputs(model))


@pytest.mark.parametrize("build", [training_heads.tutorial, training_heads.auxiliary, training_heads.looped])
def test_a_part_is_read_as_the_whole_was(build):
    """What is found in it is what is found by an outline of its own, which is not made."""
    whole = small.model_of(build)
    head = [gt.find_outputs(whole)[0].tensor]
    own, part, early = (gt.prune(whole, head)[0] for _ in range(3))
    early.read_as(dataclasses.replace(whole))  # of which no outline was made
    part.read_as(whole)
    assert len(part.index.nodes) < len(whole.index.nodes) and part.outline is whole.outline
    assert own.outline is not whole.outline and early.outline is not whole.outline
    for find in (gt.find_inputs, gt.find_embeddings, gt.find_outputs, gt.find_layers):
        assert list(find(part)) == list(find(own)), find


def test_an_index_goes_with_the_last_who_uses_it():
    """Not with the next collection of garbage, which may be long after: it holds a GraphDef, and that all weights."""
    graph_def = _tf.tf.GraphDef()
    nodes.add(graph_def, "NoOp", "first")
    nodes.add(graph_def, "NoOp", "second", ["^first"])
    index = walk.GraphIndex(graph_def)
    assert index.ancestors(["second"]) == index.descendants(["first"]) == {"first", "second"}
    assert index.consumers("first") and not index.consumers("first", control=False) and not index.data_inputs("second")
    left, collecting = weakref.ref(index), gc.isenabled()
    gc.disable()
    try:
        del index
        assert left() is None
    finally:
        if collecting:
            gc.enable()
