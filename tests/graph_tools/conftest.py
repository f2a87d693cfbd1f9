"""What several tests watch of the process."""

import gc

import pytest


@pytest.fixture
def collections():
    """The generations of which collections start; tests say how often, by thresholds that are put back."""
    before, started = gc.get_threshold(), []

    def note(phase, info):
        if phase == "start":
            started.append(info["generation"])

    gc.callbacks.append(note)
    yield started
    gc.set_threshold(*before)
    gc.callbacks.remove(note)
