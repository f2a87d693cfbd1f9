"""A short share of scripts/planted_faults.py: faults in right explanations of a model that was taught a rule."""

import importlib.util
import pathlib

import numpy as np
import pytest

from tests.models import taught

_PATH = pathlib.Path(__file__).resolve().parent.parent.parent / "scripts" / "planted_faults.py"
_SPEC = importlib.util.spec_from_file_location("planted_faults", str(_PATH))
planted_faults = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(planted_faults)


@pytest.fixture(scope="module")
def own():
    model = taught.train("table")
    assert model.accuracy > 0.9
    with planted_faults.right("table", model, 8, 1) as found:
        yield found


def test_there_are_forty_kinds_and_the_models_are_apart():
    assert len(planted_faults.FAULTS) >= 40
    assert not set(taught.CHOSEN_ON) & set(planted_faults.COUNTED) and len(planted_faults.COUNTED) >= 4


def test_the_right_explanation_passes(own):
    report = planted_faults.judged(own, own.attribution)
    assert report.ok, str(report)


@pytest.mark.dealt
def test_planted_faults_fail(own):
    kinds = list(planted_faults.FAULTS)[::3]
    found = dict(planted_faults.planted(own, kinds))
    assert len(found) >= 12
    missed = [name for name, wrong in found.items() if planted_faults.judged(own, wrong).ok]
    assert len(missed) <= 0.05 * len(found), missed


def test_a_map_that_is_nearly_right_is_no_fault(own):
    assert planted_faults.apart(own.values, own.values) == 0
    assert planted_faults.apart(own.values, -own.values) == pytest.approx(2)
    tokens = own.values + 1e-3 * np.abs(own.values).mean()
    assert planted_faults.apart(own.values, tokens) < planted_faults.APART
