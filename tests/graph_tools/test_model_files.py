"""Files beside a model that lead elsewhere, or are no files: nothing outside of the folder is opened, nothing hangs."""

import glob
import os
import shutil

import pytest

import graph_tools as gt
from graph_tools.errors import UnsafeModelError
from tests.graph_tools.test_safety import Watched
from tests.models import formats


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return formats.write_style(tmp_path_factory.mktemp("file"), "file")


@pytest.fixture
def training(written, tmp_path):
    """A training folder of its own: its path, and the prefix of its checkpoint."""
    folder = tmp_path / "training"
    folder.mkdir()
    for path in glob.glob(written.checkpoint + ".*"):
        shutil.copy(path, str(folder))
    for path in glob.glob(os.path.join(os.path.dirname(written.checkpoint), "*.txt")):
        shutil.copy(path, str(folder))
    name = os.path.basename(written.checkpoint)
    (folder / "checkpoint").write_text('model_checkpoint_path: "%s"\n' % name)
    return str(folder), str(folder / name)


def led_away(path, tmp_path):
    """Moves a file out of the folder and leaves a link; returns what sees the file being opened."""
    outside = tmp_path / "outside"
    outside.mkdir()
    away = str(outside / os.path.basename(path))
    shutil.move(path, away)
    os.symlink(away, path)
    return Watched(away)


def piped(path):
    os.remove(path)
    os.mkfifo(path)


def asked(path):
    """Loads and scans; each must refuse."""
    with pytest.raises(UnsafeModelError):
        gt.load(path)
    try:
        assert gt.scan(path).verdict == "reaches out"
    except UnsafeModelError:
        pass


PARTS = (".meta", ".index", ".data-00000-of-00001")


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("by", ("folder", "prefix"))
def test_parts_of_a_checkpoint_that_are_links_are_not_opened(part, by, training, tmp_path):
    folder, prefix = training
    watched = led_away(prefix + part, tmp_path)
    with pytest.raises(UnsafeModelError, match="is not in the model's folder"):
        gt.load(folder if by == "folder" else prefix)
    with pytest.raises(UnsafeModelError, match="is not in the model's folder"):
        gt.scan(folder if by == "folder" else prefix)
    assert not watched.opened()


def test_the_file_that_names_the_checkpoint_is_not_read_where_it_is_a_link(training, tmp_path):
    folder, _ = training
    watched = led_away(os.path.join(folder, "checkpoint"), tmp_path)
    asked(folder)
    assert not watched.opened()
    assert gt.load(folder, trusted=True).format == "meta_graph"


def test_a_checkpoint_in_one_file_that_is_a_link_is_not_opened(training, tmp_path):
    folder, prefix = training
    for path in glob.glob(prefix + ".index") + glob.glob(prefix + ".data*"):
        os.remove(path)
    with open(prefix, "wb") as file:
        file.write(b"not a checkpoint")
    watched = led_away(prefix, tmp_path)
    asked(prefix + ".meta")
    assert not watched.opened()


@pytest.mark.timeout(60)
@pytest.mark.parametrize("part", PARTS + ("checkpoint",))
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(part, training):
    folder, prefix = training
    piped(os.path.join(folder, part) if part == "checkpoint" else prefix + part)
    with pytest.raises(UnsafeModelError, match="not a regular file"):
        gt.load(folder)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", ("saved_model.pb", "variables/variables.index"))
def test_a_pipe_in_a_saved_model_is_not_waited_for(name, written, tmp_path):
    folder = str(tmp_path / "saved")
    shutil.copytree(written.saved_model, folder)
    piped(os.path.join(folder, name))
    with pytest.raises(UnsafeModelError, match="not a regular file"):
        gt.load(folder)


def test_a_folder_of_the_checkpoints_name_is_none_of_its_files(training):
    _, prefix = training
    os.mkdir(prefix)
    assert gt.load(prefix + ".meta").format == "meta_graph"
