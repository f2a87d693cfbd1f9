"""Gathers that are no lookups of embeddings: the true lookup comes first, and the reason is said for the others."""

import pytest

import graph_tools as gt
from tests.models.traps import TRAPS, model_of


@pytest.mark.parametrize("name", list(TRAPS))
def test_trap(name):
    trap = TRAPS[name]
    model = model_of(trap)
    for output in (None, "scores:0"):
        found = gt.find_embeddings(model, output=output)
        assert found[0].tensor == "true_lookup:0", str(found)
        others = found[1:]
        misses = " ".join(miss.why for miss in found.misses)
        if trap.verdict == "miss":
            assert not others, str(found)
            assert trap.reason in misses, str(found)
        elif trap.verdict == "below":
            assert [one.table for one in others] == ["trap:0"]
            assert trap.reason in others[0].why + others[0].caveat, str(found)
        elif output is None:
            assert len(others) >= 1 and all(trap.reason in one.caveat for one in others), str(found)
        else:
            assert not others and "never reaches scores:0" in misses, str(found)
