"""Prepared runs give what ``session.run`` gives: values, nesting, dtypes and errors."""

import numpy as np
import pytest

from graph_tools import _tf
from graph_tools.running.prepared import PreparedRuns


@pytest.fixture
def session():
    tf = _tf.tf
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None, 2], "x")
        ids = tf.placeholder(tf.int32, [None], "ids")
        words = tf.placeholder(tf.string, [None], "words")
        tf.add(x, 1.0, name="more")
        tf.gather(tf.constant([1.0, 2.0]), ids, name="rows")
        tf.strings.join([words, words], name="twice")
        tf.reduce_sum(x, name="sum")
        tf.cast(x, tf.float16, name="half")
        tf.identity(x, "same")
        tf.reshape(x, [-1], "flat")
        tf.constant(np.ones((64, 64), np.float32), name="constant")
        tf.placeholder(tf.float32, [2], "fixed")
        graph.prevent_feeding(tf.identity(tf.constant([1.0, 2.0]), "still"))
    graph.finalize()
    with tf.Session(graph=graph, config=_tf.session_config()) as session:
        yield session


X = np.array([[1.0, 2.0], [3.0, 4.0]])


@pytest.mark.parametrize("fetches, feed", [
    ("more:0", {"x:0": X}),
    (["more:0", ("sum:0", ["x:0"])], {"x:0": X}),
    (("sum:0", ()), {"x:0": X.astype(np.float32)}),
    (["more:0", "more:0"], {"x:0": X}),
    (["rows:0", "half:0"], {"x:0": X, "ids:0": [1, 0]}),
    ("twice:0", {"words:0": ["a", "ä"]}),
    ("twice:0", {"words:0": np.array([b"a\0b", b"\xff"], object)}),
    ("sum:0", {"more:0": X, "x:0": X[:0]}),
    (["x:0", "sum:0"], {"x:0": X}),
    (["x:0"], {"x:0": X}),
])
def test_values_are_those_of_the_session(session, fetches, feed):
    prepared = PreparedRuns(session)
    flat = _tf.tf.nest.flatten
    for _ in range(2):
        found = prepared.run(fetches, feed)
        expected = session.run(fetches, feed)
        _tf.tf.nest.assert_same_structure(found, expected)
        for one, other in zip(flat(found), flat(expected)):
            assert np.asarray(one).dtype == np.asarray(other).dtype
            np.testing.assert_array_equal(one, other)


def test_tensors_do_as_well_as_names(session):
    more = session.graph.get_tensor_by_name("more:0")
    np.testing.assert_array_equal(PreparedRuns(session).run([more], {"x:0": X})[0], X + 1)


def test_one_set_of_fetches_and_feeds_is_looked_up_once(session, monkeypatch):
    prepared, made, make = PreparedRuns(session), [], _tf.make_callable
    monkeypatch.setattr(_tf, "make_callable", lambda *given: made.append(given) or make(*given))
    for batch in (X, X[:1], X + 1):
        prepared.run("more:0", {"x:0": batch})
    prepared.run("sum:0", {"x:0": X})
    assert len(made) == 2


def test_errors_are_those_of_the_session(session):
    prepared, tf = PreparedRuns(session), _tf.tf
    with pytest.raises(tf.errors.InvalidArgumentError, match="not in"):
        prepared.run("rows:0", {"ids:0": [7]})
    with pytest.raises(tf.errors.InvalidArgumentError, match="x"):
        prepared.run("more:0", {})


@pytest.mark.parametrize("fetch, feed", [("more:0", {"x:0": np.ones(3)}), ("more:0", {"x:0": np.ones((2, 3))}),
                                         ("fixed:0", {"fixed:0": np.ones(3)}), ("still:0", {"still:0": np.ones(2)})])
def test_what_the_session_does_not_take_is_refused(session, fetch, feed):
    """A run itself looks at no shapes: arrays of other shapes than the graph says would make other numbers."""
    with pytest.raises(ValueError):
        session.run(fetch, feed)
    with pytest.raises(ValueError, match="cannot (feed|be fed)"):
        PreparedRuns(session).run(fetch, feed)


def test_results_have_memory_of_their_own(session):
    prepared, x = PreparedRuns(session), np.ones((300, 2), np.float32)
    for name in ("same:0", "flat:0", "x:0", "constant:0"):
        found = prepared.run(name, {"x:0": x})
        kept = np.array(found)
        x[:] = 7
        np.testing.assert_array_equal(found, kept)
        found[:] = 9
        assert (x == 7).all()
        x[:] = 1
        np.testing.assert_array_equal(prepared.run(name, {"x:0": x}), kept)
