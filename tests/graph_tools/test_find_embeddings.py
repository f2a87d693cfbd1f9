"""Every pattern of lookup, live and frozen, on the release that runs: found, the right tensor, the right per_occurrence."""

import numpy as np
import pytest

import graph_tools as gt
from graph_tools import _tf
from tests.models import embeddings as models

PATTERNS = models.patterns()


@pytest.fixture(scope="module")
def made():
    """Builds each pattern once."""
    cache = {}

    def get(name):
        if name not in cache:
            cache[name] = models.live_and_frozen(PATTERNS[name])
        return cache[name]
    return get


def _buildable(name):
    pattern = PATTERNS[name]
    return pytest.param(name, marks=pytest.mark.skipif(bool(pattern.lacking), reason=pattern.lacking or "-"))


def run(model, fetches, feed):
    """Runs a model under a feed of which freezing may have pruned some placeholders."""
    feed = {name: value for name, value in feed.items() if name.split(":")[0] in model.index}
    with model.open_session() as session:
        return session.run(fetches, feed)


@pytest.mark.parametrize("name", [_buildable(name) for name in PATTERNS])
@pytest.mark.parametrize("state", ["live", "frozen"])
def test_pattern(made, name, state):
    built, live, frozen = made(name)
    model = live if state == "live" else frozen
    if model is None:  # freezing loses what fills a lookup table: there is no frozen form to search
        return
    found = gt.find_embeddings(model, output=built.output)
    assert len(found) == len(built.lookups), str(found)
    for one, expected in zip(_matched(model, built, found), built.lookups):
        assert one.kind in expected.kind, str(found)
        if one.kind == "sparse_on_table":
            assert _tf.version >= (2, 0) or "on_table" in name
        assert one.per_occurrence == expected.per_occurrence
        assert (one.vocab_size, one.dim) == expected.table.shape[-2:] or one.kind == "gather_nd"
        assert one.dtype == "float32" and one.why and not (one.caveat and not one.in_loop)
        if expected.rows is not None:
            for feed, rows in zip(built.feeds, expected.rows):
                np.testing.assert_allclose(run(model, one.tensor, feed), rows, atol=1e-6)


def _matched(model, built, found):
    """Candidates in the order of the expected lookups: told apart by their dim, or by their number of ids."""
    if len(found) < 2:
        return list(found)
    left = list(found)
    ordered = []
    for expected in built.lookups:
        rows, _ = expected.occurrences[0]
        ids = [run(model, one.ids, built.feeds[0]) for one in left]
        best = [place for place, one in enumerate(left) if one.dim == rows.shape[1]
                and np.allclose(expected.table[ids[place]], rows, atol=1e-6)]
        ordered.append(left.pop(best[0]))
    return ordered
