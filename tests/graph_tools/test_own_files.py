"""Which files are a model's own: below its folder, links followed, regular, and not too large."""

import os

import pytest

from graph_tools.errors import UnsafeModelError
from graph_tools.safety import files

OUT = "is not in the model's folder"


@pytest.fixture
def place(tmp_path):
    """A model's folder ``m`` with files, and files beside it."""
    for folder in ("m/assets", "m/inner", "m2"):
        os.makedirs(str(tmp_path / folder))
    for name in ("m/own.txt", "m/inner/deep.txt", "m2/beside.txt", "outside.txt"):
        (tmp_path / name).write_text("words")
    os.symlink(str(tmp_path / "outside.txt"), str(tmp_path / "m" / "led"))
    os.symlink("own.txt", str(tmp_path / "m" / "within"))
    os.symlink(str(tmp_path / "m" / "own.txt"), str(tmp_path / "into"))
    os.mkfifo(str(tmp_path / "m" / "pipe"))
    return tmp_path


@pytest.mark.parametrize("path, said", [
    ("m/own.txt", ""), ("m/inner/deep.txt", ""), ("m/inner/../own.txt", ""), ("m/within", ""), ("into", ""),
    ("m/not there", ""), ("m2/beside.txt", OUT), ("outside.txt", OUT), ("m/../outside.txt", OUT), ("m/led", OUT),
    ("m/own.txt\0", "is the path of no file"), ("m\0/../../etc/passwd", "is the path of no file"),
    ("m/inner", "is not a regular file"), ("m/pipe", "is not a regular file"), ("not there", OUT)])
def test_what_may_be_read(place, path, said):
    for folder in ("m", "m/", "m/inner/.."):
        why = files.refusal(str(place / path), str(place) + "/" + folder)
        assert said in why and bool(said) == bool(why)
        assert ("it is a link to %r" % os.path.realpath(str(place / "outside.txt")) in why) == (path == "m/led")
    assert files.refusal(str(place / path), None) == ""  # whoever is trusted may read any


def test_no_folder_is_the_one_where_we_are(place, monkeypatch):
    monkeypatch.chdir(str(place / "m"))
    assert files.refusal("own.txt", "") == "" and OUT + " '.'" in files.refusal("../outside.txt", "")


@pytest.mark.parametrize("path, folder, fine", [
    ("gs://b/m/a.txt", "gs://b/m", True), ("gs://b/m/a.txt", "gs://b/m/", True), ("gs://b/m2/a.txt", "gs://b/m", False),
    ("gs://b/m/../a.txt", "gs://b/m", False), ("gs://b/m/..", "gs://b/m", False), ("gs://b/m/..a", "gs://b/m", True),
    ("/etc/passwd", "gs://b/m", False), ("gs://b/m/a.txt", "/m", False), ("gs://c/a.txt", "gs://b/m", False)])
def test_files_of_other_machines(path, folder, fine):
    assert files.refusal(path, folder) == ("" if fine else "%r is not in the model's folder %r" % (path, folder))


def test_files_of_other_machines_are_not_looked_for_here(place, monkeypatch):
    monkeypatch.chdir(str(place / "m"))
    os.makedirs(str(place / "m" / "gs:" / "b"))
    os.symlink(str(place / "outside.txt"), str(place / "m" / "gs:" / "b" / "model"))
    assert OUT in files.refusal("gs://b/model", str(place / "m"))
    files.demand_pattern("gs://b/model", str(place / "m"), "a checkpoint")


@pytest.mark.parametrize("size, most, said", [(7, 7, ""), (8, 7, "is 0.0 GB, more"), (1350000000, 1, "is 1.4 GB, more"),
                                              (4 << 30, None, ""), ((4 << 30) + 1, None, "is 4.3 GB, more")])
def test_how_large_a_file_may_be(tmp_path, size, most, said):
    """A vocabulary has at most four gigabytes (the file has holes and takes no room)."""
    with open(str(tmp_path / "large"), "wb") as file:
        file.truncate(size)
    why = files.refusal(str(tmp_path / "large"), str(tmp_path), *[most] * (most is not None))
    assert said in why and bool(said) == bool(why)


def test_a_copy_in_the_folder_stands_for_a_file_elsewhere(place):
    folder, elsewhere = str(place / "m"), "/elsewhere/vocab.txt"
    assert files.own(elsewhere, folder) == elsewhere  # there is no copy
    (place / "m" / "assets" / "vocab.txt").write_text("words")
    assert files.own(elsewhere, folder) == folder + "/assets/vocab.txt" == files.own(elsewhere, folder + "/")
    (place / "m" / "vocab.txt").write_text("words")
    assert files.own(elsewhere, folder) == folder + "/vocab.txt"
    assert files.own(elsewhere, None) == elsewhere
    assert files.own("/elsewhere/led", folder) == "/elsewhere/led"  # the copy leads out
    assert files.own("/elsewhere/inner", folder) == "/elsewhere/inner"
    assert files.own(folder + "/own.txt", folder) == folder + "/own.txt"
    (place / "m" / "deep.txt").write_text("other words")
    assert files.own(folder + "/inner/deep.txt", folder) == folder + "/inner/deep.txt"


def test_what_is_demanded(place):
    files.demand(str(place / "m" / "own.txt"), str(place / "m"), "a table")
    with pytest.raises(UnsafeModelError, match="a table: .*outside.txt' is not in the model's folder .* trust"):
        files.demand(str(place / "outside.txt"), str(place / "m"), "a table")
    with pytest.raises(UnsafeModelError, match="more than a vocabulary"):
        files.demand(str(place / "m" / "own.txt"), str(place / "m"), "a table", 4)


@pytest.mark.parametrize("name, judged", [("model", True), ("model.index", True), ("model-00001", True),
                                          ("models", False), ("other", False), ("a.model", False)])
def test_every_file_of_a_checkpoint_is_judged(place, name, judged, monkeypatch):
    """By its name; how large it is does not matter."""
    folder = place / "m"
    with open(str(folder / "model.data"), "wb") as file:
        file.truncate((4 << 30) + 1)
    os.mkdir(str(folder / "model.folder"))
    files.demand_pattern(str(folder / "model"), str(folder), "a checkpoint")
    os.symlink(str(place / "outside.txt"), str(folder / name))
    monkeypatch.chdir(str(folder))
    for prefix in (str(folder / "model"), "model"):
        files.demand_pattern(prefix, None, "a checkpoint")
        if judged:
            with pytest.raises(UnsafeModelError, match="a checkpoint: .*" + OUT):
                files.demand_pattern(prefix, str(folder), "a checkpoint")
        else:
            files.demand_pattern(prefix, str(folder), "a checkpoint")
    files.demand_pattern("gs://b/model", str(folder), "a checkpoint")
    files.demand_pattern(str(place / "no folder" / "model"), str(folder), "a checkpoint")
