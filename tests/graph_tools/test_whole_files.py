"""A file is the old one or the new one, whatever happens while it is written."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

import graph_tools as gt
import tf1_ig
from graph_tools import whole_files
from tests.models import small

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def test_a_file_takes_its_place_at_the_end(tmp_path):
    path = tmp_path / "page.html"
    path.write_text("old")
    os.chmod(str(path), 0o640)
    with whole_files.writing(path, "w", encoding="utf-8") as file:
        file.write("neu é")
        assert path.read_text() == "old"
    assert path.read_text(encoding="utf-8") == "neu é" and os.stat(str(path)).st_mode & 0o777 == 0o640
    assert os.listdir(str(tmp_path)) == ["page.html"]


def test_an_error_leaves_what_was_there_and_nothing_else(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError):
        with whole_files.writing(path) as file:
            file.write(b"half")
            raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError):
        with whole_files.writing_folder(str(tmp_path / "model")) as folder:
            (open(os.path.join(folder, "x"), "w")).close()
            raise ZeroDivisionError
    assert path.read_bytes() == b"old" and os.listdir(str(tmp_path)) == ["a.bin"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_a_full_disk_keeps_the_file(tmp_path, monkeypatch):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    monkeypatch.setattr(whole_files, "_aside", lambda path: str(tmp_path / "full"))
    os.symlink("/dev/full", str(tmp_path / "full"))
    plain = open
    monkeypatch.setattr("builtins.open", lambda name, mode="r", *more, **named: plain(
        name, mode.replace("x", "w"), *more, **named))
    with pytest.raises(OSError, match="No space"):
        with whole_files.writing(path) as file:
            file.write(b"new" * 10000)
    assert path.read_bytes() == b"old"


def test_a_link_is_followed_and_a_device_is_written_to(tmp_path):
    (tmp_path / "real").write_bytes(b"old")
    os.symlink(str(tmp_path / "real"), str(tmp_path / "link"))
    with whole_files.writing(tmp_path / "link") as file:
        file.write(b"new")
    assert (tmp_path / "real").read_bytes() == b"new" and os.path.islink(str(tmp_path / "link"))
    with whole_files.writing(os.devnull) as file:
        file.write(b"gone")
    assert os.path.exists(os.devnull) and not os.path.isfile(os.devnull)


def test_a_folder_takes_its_place_where_an_empty_one_is(tmp_path):
    (tmp_path / "model").mkdir()
    with whole_files.writing_folder(str(tmp_path / "model")) as folder:
        assert folder != str(tmp_path / "model")
        with open(os.path.join(folder, "x"), "w") as file:
            file.write("x")
    assert os.listdir(str(tmp_path)) == ["model"] and os.listdir(str(tmp_path / "model")) == ["x"]


_WRITES = """
    import sys, numpy as np
    from tests.tf1_ig.results import result
    one = result(np.random.RandomState(0).normal(size=(50, 4000)))
    print("ready", flush=True)
    for _ in range(200):
        one.save(sys.argv[1])
"""


@pytest.mark.parametrize("delay", [0.05, 0.21, 0.4])
def test_a_kill_leaves_a_whole_file(tmp_path, delay):
    path = str(tmp_path / "result.npz")
    working = subprocess.Popen([sys.executable, "-c", textwrap.dedent(_WRITES), path], cwd=ROOT, stdout=subprocess.PIPE,
                               env=dict(os.environ, PYTHONPATH=ROOT))
    assert working.stdout.readline() == b"ready\n"
    while not os.path.exists(path):
        time.sleep(0.01)
    time.sleep(delay)
    working.send_signal(signal.SIGKILL)
    working.wait()
    working.stdout.close()
    assert len(tf1_ig.load_attribution(path)) == 50


def test_a_model_is_written_whole(tmp_path, monkeypatch):
    model = small.model_of(small.quadratic)
    (tmp_path / "m.pb").write_bytes(b"old")

    def fails(*_):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(os, "fsync", fails)
    for name in ("m.pb", "m.pbtxt", "folder"):
        with pytest.raises(OSError, match="No space"):
            model.save(str(tmp_path / name))
    assert os.listdir(str(tmp_path)) == ["m.pb"] and (tmp_path / "m.pb").read_bytes() == b"old"
    monkeypatch.undo()
    for name in ("m.pb", "m.pbtxt", "folder"):
        model.save(str(tmp_path / name))
    assert sorted(os.listdir(str(tmp_path))) == ["folder", "m.pb", "m.pbtxt"]
    np.testing.assert_array_equal(*[sorted(gt.load(str(tmp_path / name)).index.nodes) for name in (
        "m.pb", "m.pbtxt")])
