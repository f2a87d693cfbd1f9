"""Python's collector waits while a graph is read and imported, and only then."""

import gc
import threading

import pytest

import graph_tools as gt
from graph_tools import _tf, collector


def test_a_load_and_an_import_wait_with_collections(tmp_path, collections):
    path = str(tmp_path / "model.pb")
    with _tf.tf.Graph().as_default() as graph:
        before = _tf.tf.placeholder("float32", [None], name="x")
        for _ in range(100):
            before = _tf.tf.tanh(before)
    with open(path, "wb") as file:
        file.write(graph.as_graph_def().SerializeToString())
    gt.load(path).new_graph()  # what is made once
    gc.collect()
    gc.set_threshold(500, 10, 10)
    del collections[:]
    model = gt.load(path)
    model.import_into(_tf.tf.Graph())
    assert len(collections) <= 2 and gc.isenabled()  # what they left is looked at after each


def test_it_waits_for_the_last_who_is_inside_whatever_ends_it():
    inside, leave = threading.Event(), threading.Event()

    def other():
        with collector.waits():
            inside.set()
            leave.wait(60)

    thread = threading.Thread(target=other)
    with pytest.raises(ValueError), collector.waits(), collector.waits():
        thread.start()
        assert inside.wait(60) and not gc.isenabled()
        raise ValueError
    assert not gc.isenabled()
    leave.set()
    thread.join()
    assert gc.isenabled()


def test_one_that_is_switched_off_stays_so():
    gc.disable()
    try:
        with collector.waits():
            assert not gc.isenabled()
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_file_that_is_refused_leaves_it_on(tmp_path):
    path = tmp_path / "model.pb"
    path.write_bytes(b"no graph")
    with pytest.raises(gt.ModelFormatError):
        gt.load(str(path))
    assert gc.isenabled()
