"""Dask and Ray: the recipes of docs/scale.md, run as they stand, give what a single process gives."""

import glob
import importlib.util
import os
import re
import subprocess
import sys

import pytest

from tests.many_rows import demo_spec, explained, largest_difference, lines, reviews

parquet = pytest.importorskip("pyarrow.parquet")
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def recipe(name):
    """The block of the page that imports a package."""
    with open(os.path.join(ROOT, "docs", "scale.md"), encoding="utf-8") as file:
        blocks = re.findall("```python\n(.*?)```", file.read(), re.DOTALL)
    return next(block for block in blocks if re.search("^import .*%s" % name, block, re.MULTILINE))


@pytest.mark.slow
@pytest.mark.parametrize("package, written", [("distributed", "rows/*.parquet"), ("ray", "explained/*.parquet")])
def test_a_recipe_gives_what_a_single_process_gives(package, written, tmp_path):
    if importlib.util.find_spec(package) is None:
        pytest.skip("%s is in the extra: pip install '.[engines]'" % package)
    spec, rows = demo_spec(tmp_path), reviews(120, key="id")
    rows[5]["text"] = ""
    (tmp_path / "rows").mkdir()
    for number in range(3):
        lines(tmp_path / "rows" / ("%d.jsonl" % number), rows[number::3])
    done = subprocess.run([sys.executable, "-c", recipe(package)], cwd=str(tmp_path), stderr=subprocess.PIPE, env=dict(
        os.environ, PYTHONPATH=ROOT, RAY_USAGE_STATS_ENABLED="0", TF_CPP_MIN_LOG_LEVEL="3"), timeout=400)
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")[-3000:]
    found = [row for path in glob.glob(str(tmp_path / written)) for row in parquet.ParquetFile(path).read().to_pylist()]
    known = {row["key"]: row for row in explained(spec, [rows], key="id")}
    assert sorted(row["key"] for row in found) == sorted(known)
    assert [row["key"] for row in found if row["status"] == "rejected"] == ["k5"]
    assert largest_difference([row for row in found if row["status"] == "explained"], known) < 1e-6
