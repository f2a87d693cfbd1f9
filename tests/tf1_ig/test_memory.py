"""Runs of a graph that nobody knows stay within the free memory: one row first, then as many as fit."""

import os
import subprocess
import sys

import numpy as np
import pytest

import tf1_ig
from graph_tools import _tf
from tests.models import small
from tf1_ig import answer
from tf1_ig.engine import memory

MB = 1 << 20
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Process:
    """A process whose runs take ``fixed + each * rows`` bytes, in a machine with so many bytes."""

    def __init__(self, monkeypatch, fixed, each, free):
        self.now, self.most, self.fixed, self.each, self.total = 500 * MB, 500 * MB, fixed, each, 500 * MB + free
        self.kept = 0  # of what the last run took
        monkeypatch.setattr(memory, "resident", lambda: self.now)
        monkeypatch.setattr(memory, "peak", lambda: self.most)
        monkeypatch.setattr(memory, "available", lambda: self.total - self.now)

    def run(self, rows):
        took = self.fixed + self.each * rows
        self.most, self.now = max(self.most, self.now - self.kept + took), self.now - self.kept + took // 2
        self.kept = took // 2
        return took


@pytest.mark.parametrize("fixed", [0, 40 * MB])
@pytest.mark.parametrize("each, fits", [(1 << 10, 320), (MB, 320), (20 * MB, 100), (300 * MB, 6), (9000 * MB, 1)])
def test_rows_fill_their_share_of_what_is_free_and_no_more(monkeypatch, fixed, each, fits):
    monkeypatch.setattr(memory, "MOST", 1 << 45)
    process = Process(monkeypatch, fixed, each, 4000 * MB)
    room, sizes, taken = memory.Room(), [], []
    for _ in range(24):
        sizes.append(room.rows(320))
        taken.append(process.run(sizes[-1]))
        room.ran(sizes[-1], 1.0)
    assert sizes[0] == 1 and sizes[1:] == sorted(sizes[1:]) and fits * 0.9 <= sizes[-1] <= fits
    assert max(taken) <= max(taken[0], memory.SHARE * 4000 * MB)


@pytest.mark.parametrize("weights, most", [(None, memory.MOST), (1 << 40, memory.MOST), (200 * MB, 200 * MB),
                                           (MB, memory.LEAST)])
def test_however_much_is_free_a_run_takes_no_more_than_the_weights(monkeypatch, weights, most):
    process = Process(monkeypatch, 0, 10 * MB, 64000 * MB)
    room, taken = memory.Room(weights), []
    for _ in range(24):
        size = room.rows(320)
        taken.append(process.run(size))
        room.ran(size, 1.0)
    assert 0.9 * most <= max(taken) == taken[-1] <= most


def test_runs_that_take_much_grow_only_while_rows_get_faster(monkeypatch):
    process = Process(monkeypatch, 0, 20 * MB, 64000 * MB)
    room, sizes = memory.Room(), []
    for _ in range(24):
        sizes.append(room.rows(320))
        process.run(sizes[-1])
        room.ran(sizes[-1], max(4.0, sizes[-1]))  # from four rows on, a row takes as long as ever
    assert sizes[:3] == [1, 1, 2] and max(sizes) <= 12 and sizes[-1] * 20 * MB < 0.7 * memory.MOST


@pytest.mark.parametrize("spare", [0, 20 * MB, 50 * MB])
def test_what_the_process_had_been_given_before_hides_no_row(monkeypatch, spare):
    """A first run that mostly fits in it says little of a row; what the second row takes more is seen."""
    process, taken = Process(monkeypatch, 0, 70 * MB, 64000 * MB), []
    process.kept = spare
    room = memory.Room(140 * MB)
    for _ in range(24):
        process.most = max(process.most, process.now)
        size = room.rows(320)
        taken.append(process.run(size))
        room.ran(size, 1.0 / size)
    assert taken[0] == 70 * MB and max(taken) == 140 * MB


def test_an_old_peak_only_delays(monkeypatch):
    process = Process(monkeypatch, 0, MB, 4000 * MB)
    process.most = 3000 * MB
    room, size = memory.Room(), 0
    for _ in range(24):
        size = room.rows(320)
        process.run(size)
        room.ran(size, 1.0)
    assert size == 320


@pytest.mark.parametrize("grown", [0, 1, 2])
def test_what_others_take_between_two_runs_is_no_run_s(monkeypatch, grown):
    process = Process(monkeypatch, MB, MB, 4000 * MB)
    room, size = memory.Room(MB), 0
    for turn in range(16):
        if turn == grown:
            process.now, process.most = process.now + 400 * MB, max(process.most, process.now + 600 * MB)
        size = room.rows(100)
        process.run(size)
        room.ran(size, 1.0)
    assert size >= 60  # of the 100 that are asked for


@pytest.mark.parametrize("each, little", [(MB, True), (10 * MB, False)])
def test_runs_as_large_as_earlier_ones_that_took_little_are_not_measured_again(monkeypatch, each, little):
    process, looks = Process(monkeypatch, 0, each, 64000 * MB), []
    monkeypatch.setattr(memory, "peak", lambda: looks.append(1) or process.most)
    room = memory.Room()
    for _ in range(8):
        size = room.rows(32)
        process.run(size)
        room.ran(size, 1.0)
    assert (size == 32) is little
    looks.clear()
    for rows in (size, size // 2, 1):
        assert room.rows(rows) == rows
        room.ran(rows, 1.0)
    assert (not looks) is little


def test_what_a_run_leaves_for_a_while_is_no_others(monkeypatch):
    process = Process(monkeypatch, 0, 10 * MB, 4000 * MB)
    room, sizes = memory.Room(1 << 40), []
    for _ in range(100):
        sizes.append(room.rows(320))
        process.run(sizes[-1])
        room.ran(sizes[-1], 1.0 / sizes[-1])
        process.now, process.kept = process.now - process.kept, 0  # what was fetched is given back before the next run
    assert sizes[-1] == max(sizes) == memory.MOST // (10 * MB)


def test_where_the_system_does_not_tell_nothing_is_bounded(monkeypatch):
    monkeypatch.setattr(memory, "resident", lambda: None)
    assert memory.Room().rows(320) == 320


@pytest.mark.skipif(memory.resident() is None, reason="no /proc on this system")
def test_the_numbers_are_those_of_the_process():
    before = memory.resident()
    held = np.ones(40 * MB // 8)
    assert 30 * MB < memory.resident() - before < 80 * MB and memory.peak() >= memory.resident() - MB
    assert memory.available() > 0 and held.sum() == 40 * MB // 8


@pytest.mark.skipif(memory.resident() is None, reason="no /proc on this system")
def test_a_program_does_not_begin_with_the_peak_of_the_process_that_started_it():
    held = np.ones(400 * MB // 8)
    own = "from tf1_ig.engine import memory; print(memory.peak(), memory.resident())"
    highest, now = map(int, subprocess.check_output([sys.executable, "-c", own], cwd=str(ROOT)).split())
    assert now - MB <= highest < held.nbytes and memory.peak() > held.nbytes


def _wide():
    """Ten megabytes of activations for each row, four numbers of input."""
    tf = _tf.tf
    x = tf.placeholder(tf.float32, [None, 4], "x")
    spread = tf.tanh(x[:, :, tf.newaxis] * tf.reshape(tf.linspace(0.1, 1.0, 1 << 16), [1, 1, 1 << 16]))
    tf.reduce_mean(tf.tanh(spread) * spread, [1, 2], name="y")


_OWN_PROCESS = """
import numpy as np
import tf1_ig
from tests.models import small
from tests.tf1_ig import test_memory
from tf1_ig.engine import memory, packing

model, x = small.model_of(test_memory._wide), np.random.RandomState(0).normal(size=(6, 4)).astype(np.float32)
results, plain = [], packing.PointRunner.packed
memory.LEAST = memory.MOST = 1 << 45
memory._PAYS = float("inf")  # what runs gain in time is another test's: here the machine may be busy
for free in (100 << 20, 1 << 45):
    memory.available, sizes = lambda: free, []
    with tf1_ig.IntegratedGradients(model, "y", "x") as explainer:
        explainer.explain({"x": x[:1]}, batch_size=1, steps=1)  # the probes are over
        packing.PointRunner.packed = lambda self, rows, *more: (
            sizes.append(len(rows.example)) or plain(self, rows, *more))
        results += [explainer.explain({"x": x}, steps=12).values["x:0"].ravel() for _ in range(4)]
        packing.PointRunner.packed = plain
    print(min(sizes), max(sizes))
print(np.ptp(results, axis=0).max() / np.abs(results).max())
"""


@pytest.mark.dealt
@pytest.mark.skipif(memory.resident() is None, reason="no /proc on this system")
def test_the_first_run_is_one_row_and_the_numbers_stay():
    """In a process of its own: one that has held more before learns its runs' sizes later."""
    done = subprocess.run([sys.executable, "-c", _OWN_PROCESS], cwd=str(ROOT), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, universal_newlines=True)
    assert done.returncode == 0, done.stderr[-2000:]
    little, much, differ = [[float(word) for word in line.split()] for line in done.stdout.splitlines()]
    assert little[0] == much[0] == 1 and little[1] < 40 <= much[1]
    assert differ[0] < 1e-5


# ---- who waits is told


def test_progress_tells_evaluations_examples_and_the_time_left(capsys):
    model, x = small.model_of(small.quadratic), np.random.RandomState(0).normal(size=(9, 4)).astype(np.float32)
    with tf1_ig.IntegratedGradients(model, "y", "x") as explainer:
        quiet = explainer.explain({"x": x})
        assert capsys.readouterr().err == ""
        found = explainer.explain({"x": x}, progress=True)
        told = capsys.readouterr().err
        explainer.explain({"x": x}, progress=True, steps=5)
        fixed = capsys.readouterr().err
    assert "evaluations" in told and np.array_equal(found.evaluations, quiet.evaluations)
    assert "45" in fixed and "%" in fixed


def test_what_takes_long_is_said_once_before_it_is_paid(monkeypatch):
    model, x, told = small.model_of(small.quadratic), np.ones((2, 4), np.float32), []
    with tf1_ig.IntegratedGradients(model, "y", "x") as explainer:
        explainer.explain({"x": x}, progress=told.append)
        assert not told
        monkeypatch.setattr(answer, "_MANY", 1)
        explainer.explain({"x": x}, progress=told.append)
        assert not told
        monkeypatch.setattr(answer, "_LONG", 0.0)
        explainer.explain({"x": x}, progress=told.append, steps=5)
        assert not told  # who fixes the steps knows what they cost
        explainer.explain({"x": x}, progress=told.append)
    assert len(told) == 1 and "up to 2048 may be asked" in told[0] and "16 steps take" in told[0]


def test_a_terminal_is_told_and_a_pipe_is_not(tmp_path, capsys, monkeypatch):
    from tf1_ig import cli
    small.model_of(small.quadratic).save(str(tmp_path / "m.pb"))
    np.savez(str(tmp_path / "f.npz"), **{"x:0": np.ones((2, 4), np.float32)})
    words = ["explain", str(tmp_path / "m.pb"), "--feed", str(tmp_path / "f.npz"), "--output", "y"]
    for terminal in (False, True):
        monkeypatch.setattr(sys.stderr, "isatty", lambda terminal=terminal: terminal)
        assert cli.main(words) == 0
        assert ("evaluations" in capsys.readouterr().err) == terminal
