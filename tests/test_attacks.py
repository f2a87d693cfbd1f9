"""A share of the attacks, every harm and every place once; ``make attacks`` tries them all at every door."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

import graph_tools

ROOT = pathlib.Path(graph_tools.__file__).resolve().parent.parent


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", range(1, 4))
def test_nothing_gets_through(part):
    """In a process of its own: each attack is a forked child, which a process that has run sessions cannot have."""
    command = [sys.executable, "-m", "tests.attacks", "--share", "--no-control", "--part", "%d/3" % part]
    done = subprocess.run(command, cwd=str(ROOT), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=dict(os.environ, PYTHONPATH=str(ROOT), TF_CPP_MIN_LOG_LEVEL="3"))
    said = done.stdout.decode("utf-8")
    assert done.returncode == 0, said + done.stderr.decode("utf-8", "replace")[-2000:]
    counted = re.search(r"^TensorFlow \S+: (\d+) attacks, .* (\d+) got through", said, re.M)
    assert counted is not None and int(counted.group(1)) >= 20 and int(counted.group(2)) == 0, said
