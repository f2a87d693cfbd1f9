"""What a user gets from pip: both packages with their data, one command, no TensorFlow forced on anybody."""

import email
import inspect
import pathlib
import re
import shutil
import subprocess
import sys
import zipfile

import pytest

import graph_tools
import tf1_ig

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOURCES = ("setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md",
           "LICENSE", "Makefile",
           "graph_tools", "tf1_ig")


def _run(*command, **options):
    done = subprocess.run([sys.executable] + [str(word) for word in command], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, universal_newlines=True, timeout=300, **options)
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel built from a source distribution, built from a copy of the sources (a build writes beside them)."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(str(source), str(folder / name), ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(str(source), str(folder / name))
    _run("setup.py", "--quiet", "sdist", cwd=str(folder))
    source, = (folder / "dist").glob("*.tar.gz")
    _run("-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder / "out", source)
    path, = (folder / "out").glob("*.whl")
    return path


@pytest.fixture(scope="module")
def metadata(wheel):
    with zipfile.ZipFile(str(wheel)) as archive:
        name, = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return email.message_from_string(archive.read(name).decode("utf-8"))


def test_the_wheel_holds_both_packages_with_their_data_and_nothing_else(wheel):
    with zipfile.ZipFile(str(wheel)) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    expected = {str(path.relative_to(ROOT)) for package in ("graph_tools", "tf1_ig")
                for path in (ROOT / package).rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert held == expected
    assert {"graph_tools/py.typed", "tf1_ig/py.typed", "tf1_ig/demo/model.pb", "tf1_ig/demo/vocab.txt",
            "tf1_ig/demo/model.json", "tf1_ig/show/templates/page.html"} <= held


def test_an_installed_wheel_runs_away_from_the_checkout(wheel, tmp_path):
    _run("-m", "pip", "install", "--no-deps", "--quiet", "--target", tmp_path / "site", wheel)
    code = ("import sys; sys.path.insert(0, 'site'); import graph_tools, tf1_ig; from tf1_ig import cli, demo; "
            "assert 'site' in tf1_ig.__file__ and 'site' in graph_tools.__file__; "
            "print(len(demo.load_vocabulary()), demo.facts()['classes'], callable(cli.main))")
    assert _run("-c", code, cwd=str(tmp_path)).split()[-1] == "True"


def test_the_version_is_the_one_that_is_told(metadata):
    assert metadata["Version"] == tf1_ig.__version__


def test_the_public_names_are_whole_and_typed():
    """`make types` checks a user's program strictly; here that the program uses every public name."""
    program = (ROOT / "tests" / "typed_user.py").read_text(encoding="utf-8")
    for package, short in ((graph_tools, "gt"), (tf1_ig, "tf1_ig")):
        public = {name for name, value in vars(package).items()
                  if not name.startswith("_") and not inspect.ismodule(value)}
        rooms = {name for name in package.__all__ if inspect.ismodule(getattr(package, name))}
        assert public == set(package.__all__) - rooms
        assert public <= set(re.findall(r"\b%s\.(\w+)" % short, program))
        for name in public:
            value = getattr(package, name)
            for each in [value] if inspect.isfunction(value) else [
                    found for key, found in vars(value).items() if inspect.isfunction(found) and key[0] != "_"]:
                known = inspect.signature(each)
                assert known.return_annotation is not known.empty, (name, each)
                bare = [one.name for one in known.parameters.values() if one.annotation is one.empty]
                assert bare in ([], ["self"]), (name, each, bare)


def test_the_command_is_declared(wheel):
    with zipfile.ZipFile(str(wheel)) as archive:
        name, = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
        assert re.search(r"tf1-ig\s*=\s*tf1_ig\.cli:main", archive.read(name).decode("utf-8"))


def test_tensorflow_is_never_installed_unasked(metadata):
    required = metadata.get_all("Requires-Dist")
    plain = sorted(re.split(r"[^\w-]", line)[0].lower() for line in required if "extra ==" not in line)
    assert plain == ["ipython", "jinja2", "numpy", "tqdm"]
    assert metadata["Name"] == "tf1-ig" and metadata["Requires-Python"] == ">=3.7"
    assert metadata["License"] == "Apache-2.0" or metadata["License-Expression"] == "Apache-2.0"
    by_extra = {extra: [line for line in required if re.search(r"extra == .%s\b" % extra, line)]
                for extra in metadata.get_all("Provides-Extra")}
    assert any(re.match(r"tensorflow *\(?==1\.15\.5\)?", line) for line in by_extra["tf1"])
    assert all(by_extra.values())


def test_every_extra_that_the_readme_names_exists(metadata):
    named = {extra for extras in re.findall(r"(?:tf1-ig|\.)\[([\w,-]+)\]", (ROOT / "README.md").read_text("utf-8"))
             for extra in extras.split(",")}
    assert named and named <= set(metadata.get_all("Provides-Extra"))
