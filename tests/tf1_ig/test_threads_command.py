"""``tf1-ig threads``: settings measured in processes of their own, and advice that noise does not give."""

import numpy as np
import pytest

from graph_tools import _tf
from graph_tools.errors import GraphToolsError
from tests.models import small
from tf1_ig import cli, threads_command
from tf1_ig.threads_command import Timing


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


def test_wrong_usage_is_told(words, capsys):
    assert cli.main(words + ["--threads", "1,2"]) == 2
    assert "leave it out" in capsys.readouterr().err
    assert cli.main(["explain"] + words[1:] + ["--threads", "two"]) == 2
    assert "'two' is not two numbers such as 1,2" in capsys.readouterr().err


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
