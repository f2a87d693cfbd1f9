"""A small share of the fuzzing, by a fixed seed: whatever is damaged, only errors of ours come out (``make fuzz``)."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

import graph_tools
from tests.fuzz import damage

ROOT = pathlib.Path(graph_tools.__file__).resolve().parent.parent


@pytest.mark.dealt
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_damaged_files_are_errors_of_ours():
    """In a process of its own, whose children it forks before any session runs."""
    command = [sys.executable, "-m", "tests.fuzz", "--seeds", "100", "--files", "3"]
    done = subprocess.run(command, cwd=str(ROOT), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=dict(os.environ, PYTHONPATH=str(ROOT), TF_CPP_MIN_LOG_LEVEL="3"))
    said = done.stdout.decode("utf-8", "replace")
    assert done.returncode == 0, said + done.stderr.decode("utf-8", "replace")[-2000:]
    assert "45 files, 0 answered by something else" in said


def test_damage_changes_a_file_and_comes_again_by_its_seed():
    data = bytes(range(256)) * 8
    found = [damage.of_bytes(data, np.random.RandomState(seed)) for seed in range(20)]
    assert found == [damage.of_bytes(data, np.random.RandomState(seed)) for seed in range(20)]
    assert sum(one != data for one in found) >= 18 and len(set(found)) >= 18
