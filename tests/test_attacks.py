"""A share of the attacks, every harm and every place once; ``make attacks`` tries them all at every door."""

import os
import pathlib
import re
import socket
import subprocess
import sys

import pytest

import graph_tools
from tests.attacks import campaign

ROOT = pathlib.Path(graph_tools.__file__).resolve().parent.parent


def test_a_call_counts_once_however_often_it_is_tried(tmp_path):
    """A client that nobody answers calls again; its second call must not be taken for that of what is tried next."""
    scene = campaign.Scene(str(tmp_path))
    try:
        callers = [socket.create_connection(("localhost", scene.place.port)) for _ in range(3)]
        assert scene.harm() == "connected" and scene.harm() == ""
        for caller in callers:
            caller.close()
    finally:
        scene.close()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_nothing_gets_through():
    """In a process of its own: each attack is a forked child, which a process that has run sessions cannot have."""
    command = [sys.executable, "-m", "tests.attacks", "--share", "--no-control"]
    done = subprocess.run(command, cwd=str(ROOT), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=dict(os.environ, PYTHONPATH=str(ROOT), TF_CPP_MIN_LOG_LEVEL="3"))
    said = done.stdout.decode("utf-8")
    assert done.returncode == 0, said + done.stderr.decode("utf-8", "replace")[-2000:]
    counted = re.search(r"^TensorFlow \S+: (\d+) attacks, .* (\d+) got through", said, re.M)
    assert counted is not None and int(counted.group(1)) >= 60 and int(counted.group(2)) == 0, said
