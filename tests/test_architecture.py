"""docs/architecture.md names files and tables: each exists, and no module of the packages goes unmentioned."""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent
TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_named_paths_exist():
    named = set(re.findall(r"`((?:graph_tools|tf1_ig|tests|scripts|docs)/[\w./*]*)`", TEXT))
    assert len(named) > 15
    assert [path for path in sorted(named) if not list(ROOT.glob(path.rstrip("/")))] == []


def test_named_tables_exist():
    rows = re.findall(r"`([A-Z_]+)` (?:in `([\w./]+)`|there)", TEXT)
    previous = re.findall(r"`([\w./]+)` \| `([A-Z_]+)` there", TEXT)
    places = dict([(table, path) for table, path in rows if path] + [(table, path) for path, table in previous])
    assert set(places) == {"PATTERNS", "INPUTS", "HEADS", "FORMATS", "RULES", "BASELINES", "CHECKS", "FACTS",
                           "PALETTES", "GRIDS", "METHODS", "MEASURES", "AFFINE", "LEAN", "ENCODERS", "TOKENIZERS",
                           "READERS", "WAYS", "WRITERS", "COMMANDS", "SYMBOLS"}
    for table, path in places.items():
        assert re.search(r"^%s\b" % table, (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE), (table, path)


def test_the_layout_mentions_every_top_level_module():
    layout = TEXT.split("## Where things are")[1].split("## Where the next one goes")[0]
    for package in ("graph_tools", "tf1_ig"):
        modules = {path.name for path in (ROOT / package).glob("*.py")} - {"__init__.py", "__main__.py"}
        folders = {path.parent.name + "/" for path in (ROOT / package).glob("*/*.py")}
        missing = {name for name in modules | folders if not re.search(r"(?<![\w.])" + re.escape(name), layout)}
        assert missing - {"errors.py", "_neighbour.py"} == set()
