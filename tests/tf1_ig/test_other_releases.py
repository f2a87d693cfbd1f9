"""What ``tf1-ig edit`` writes is read by plain TensorFlow of every release, in a process that has never seen us."""

import json
import pathlib
import subprocess
import sys
import zipfile

import pytest

from tests import plain_reader
from tests.models import served

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "fixtures" / "releases"


def read_plainly(folder, python=sys.executable):
    """The release that read the folder, and the largest difference of every value from what is expected."""
    done = subprocess.run([python, "-I", plain_reader.__file__, str(folder)], cwd=str(folder), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, universal_newlines=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.partition("RESULT")[2])


def check(folder):
    _, differences = read_plainly(folder)
    assert len(differences) in (10, 18)  # frozen and served, with the loader of TF 2 as well where there is one
    assert {what: error for what, error in differences.items() if not error <= 1e-5} == {}


def test_what_this_release_writes(tmp_path, capsys):
    (tmp_path / "written").mkdir()
    (tmp_path / "scratch").mkdir()
    served.write(str(tmp_path / "written"), str(tmp_path / "scratch"))
    printed = capsys.readouterr().out
    assert printed.count("is the same before and after") == 6 and printed.count("are those of IntegratedGradients") == 2
    assert "only TensorFlow" not in printed  # every release can read it
    check(tmp_path / "written")


@pytest.mark.dealt
@pytest.mark.parametrize("archive", sorted(FIXTURES.glob("*.zip")), ids=lambda path: path.stem)
def test_what_each_release_wrote(archive, tmp_path):
    """Written by scripts/write_release_fixtures.py on that release."""
    with zipfile.ZipFile(str(archive)) as file:
        file.extractall(str(tmp_path))
    check(tmp_path)


def test_three_releases_are_there():
    assert [path.stem for path in sorted(FIXTURES.glob("*.zip"))] == ["1.15.5", "2.15.1", "2.21.0"]
