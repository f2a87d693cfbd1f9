"""``tf1-ig threads``: settings measured in processes of their own, and advice that noise does not give."""

import numpy as np
import pytest

from graph_tools import _tf
from graph_tools.errors import GraphToolsError
from tests.models import small
from tf1_ig import cli
from tf1_ig.commands import threads as threads_command
from tf1_ig.commands.threads import Timing


@pytest.fixture
def words(tmp_path):
    small.model_of(small.quadratic).save(tmp_path / "model.pb")
    np.savez(tmp_path / "feed.npz", **{"x:0": np.ones((3, 4), np.float32)})
    return ["threads", str(tmp_path / "model.pb"), "--feed", str(tmp_path / "feed.npz"), "--output", "y",
            "--input", "x", "--label", "none"]


def test_settings_begin_with_tensorflows_own():
    for cores in (1, 2, 4, 64):
        found = threads_command.settings(cores)
        assert found[0] == (0, 0) and len(found) == len(set(found))
        assert all(intra * inter <= cores for intra, inter in found)


@pytest.mark.parametrize("shares, told", [
    ((0.70, 0.75, 0.80), "--threads 1,2: 75 %"),
    ((0.85, 0.95, 0.99), "own choice"),   # too little
    ((0.60, 0.80, 1.05), "own choice"),   # not steady
    ((1.10, 1.20, 1.30), "own choice")])
def test_advice(shares, told):
    assert told in threads_command.advice([Timing((0, 0), 1.0, (1.0, 1.0, 1.0)), Timing((1, 2), 0.8, shares),
                                           Timing((1, 1), 2.0, (1.9, 2.0, 2.1))])


@pytest.mark.dealt
def test_processes_are_measured(words, capfd, monkeypatch):
    monkeypatch.setattr(threads_command, "settings", lambda cores: [(0, 0), (1, 1)])
    assert cli.main(words + ["--turns", "1"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["threads", "its", "1,1"] and lines[3]
    assert lines[1].endswith("1.00 (1.00 to 1.00)") and float(lines[2].split()[1]) > 0


def test_what_a_process_cannot_explain_is_told(words):
    words[words.index("y")] = "nosuch"
    with pytest.raises(GraphToolsError, match="no tensor 'nosuch:0'"):
        threads_command.measure(words, [(1, 1)], 1)


# A process that opens, and then does what the line says when it is asked to explain.
PRETENDS = """import os, sys, time
print("a greeting")
print('{"opened": true}', flush=True)
for line in sys.stdin:
    %s
"""


@pytest.fixture
def pretend(monkeypatch):
    started = []

    class Watched(threads_command.subprocess.Popen):
        def __init__(self, *arguments, **more):
            super().__init__(*arguments, **more)
            started.append(self)

    def as_if(line):
        monkeypatch.setattr(threads_command, "_CHILD", PRETENDS % line)
        monkeypatch.setattr(threads_command.subprocess, "Popen", Watched)
        return started
    return as_if


def test_each_setting_is_measured_as_often(pretend, words):
    started = pretend("print('{\"seconds\": %s}' % (1.0 if sys.argv[1] == '0,0' else 0.5), flush=True)")
    found = threads_command.measure(words, [(0, 0), (1, 2)], 3)
    assert [(timing.seconds, timing.shares) for timing in found] == [(1.0, (1.0,) * 3), (0.5, (0.5,) * 3)]
    assert [process.returncode for process in started] == [0, 0]


def test_a_process_that_dies_is_told_and_the_others_end(pretend, words, capsys):
    started = pretend("sys.stderr.write('no memory\\n'); sys.exit(9) if sys.argv[1] == '1,1' else time.sleep(0.01) or "
                      "print('{\"seconds\": 1.0}', flush=True)")
    with pytest.raises(GraphToolsError, match=r"status 9 \(no memory\)"):
        threads_command.measure(words, [(0, 0), (1, 1)], 1)
    assert len(started) == 2 and all(process.poll() is not None for process in started)
    assert cli.main(words) == 1  # and not a silent success
    assert "status 9" in capsys.readouterr().err


def test_an_interrupt_ends_what_works(pretend, words, monkeypatch):
    started = pretend("time.sleep(600)")

    def interrupted(self):
        raise KeyboardInterrupt
    monkeypatch.setattr(threads_command._Worker, "seconds", interrupted)
    assert cli.main(words) == 130
    assert started and all(process.poll() is not None for process in started)


def test_wrong_usage_is_told(words, capsys):
    assert cli.main(words + ["--threads", "1,2"]) == 2
    assert "leave it out" in capsys.readouterr().err
    assert cli.main(words + ["--out", "x.json"]) == 2
    assert "--out is for explain" in capsys.readouterr().err
    for text in ("two", "1", "1,x", "99999999999,1", "\u00b2,1", "-1,2"):
        assert cli.main(["explain"] + words[1:] + ["--threads=" + text]) == 2
        assert "%r is not two numbers such as 1,2" % text in capsys.readouterr().err


def test_explain_takes_threads_and_leaves_nothing_behind(words, capsys, monkeypatch):
    seen = []
    own = _tf.session_config

    def watched():
        config = own()
        seen.append((config.intra_op_parallelism_threads, config.inter_op_parallelism_threads))
        return config

    monkeypatch.setattr(_tf, "session_config", watched)
    assert cli.main(["explain"] + words[1:] + ["--threads", "1,2"]) == 0
    assert seen and set(seen) == {(1, 2)}
    config = own()
    assert (config.intra_op_parallelism_threads, config.inter_op_parallelism_threads) == (0, 0)
