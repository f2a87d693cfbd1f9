"""The pages of docs/ do what they say: diffs apply to the code and work, Python blocks run, commands run."""

import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

import numpy as np
import pytest

from tf1_ig import cli, demo

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"


def _blocks(page, language):
    return re.findall(r"```%s\n(.*?)```" % language, (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)


def _apply(folder, diff):
    """Applies a diff whose hunks are found by their lines, which must be in the file exactly once."""
    for old, new, body in re.findall(r"^--- (\S+)\n\+\+\+ b/(\S+)\n(.*?)(?=^--- |\Z)", diff, re.DOTALL | re.MULTILINE):
        path = folder / new
        text = "" if old == "/dev/null" else path.read_text(encoding="utf-8")
        for hunk in re.split(r"^@@.*\n", body, flags=re.MULTILINE)[1:]:
            lines = hunk.splitlines(keepends=True)
            before = "".join(line[1:] for line in lines if line[0] in " -")
            after = "".join(line[1:] for line in lines if line[0] in " +")
            if old != "/dev/null":
                assert text.count(before.rstrip("\n")) == 1, "%s does not apply to %s" % (hunk, new)
            text = text.replace(before.rstrip("\n"), after.rstrip("\n")) if before else text + after
        path.write_text(text, encoding="utf-8")


@pytest.mark.dealt
def test_every_extension_applies_and_works(tmp_path):
    for package in ("graph_tools", "tf1_ig"):
        shutil.copytree(str(ROOT / package), str(tmp_path / package), ignore=shutil.ignore_patterns("__pycache__"))
    diffs, checks = _blocks("extending.md", "diff"), _blocks("extending.md", "python")
    assert len(diffs) == len(checks) == 15
    for diff in diffs:
        _apply(tmp_path, diff)
    (tmp_path / "checks.py").write_text("\n".join(checks), encoding="utf-8")
    done = subprocess.run([sys.executable, "checks.py"], cwd=str(tmp_path), env=dict(os.environ, PYTHONPATH=""),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True, timeout=300)
    assert done.returncode == 0, done.stdout


# Most files of each task that the project allows itself.
MOST = {"An embedding pattern": 2, "An input mechanism": 2, "A quadrature rule": 1,
        "A method with a path of its own": 2, "A check that runs the model": 2, "An output format": 1, "A command": 2,
        "A measure": 2,
        "A symbol that TensorFlow has moved": 1, "A bridge to another library": 1}


def test_extensions_touch_as_few_places_as_the_page_says():
    page = (DOCS / "extending.md").read_text(encoding="utf-8")
    told = {title: int(count) for title, count in re.findall(r"^\| (An? [^|]+) \| (\d+) \|$", page, re.MULTILINE)}
    found = {part.partition("\n")[0]: part.count("\n+++ b/") for part in page.split("\n## ")[1:]}
    assert told == found and all(found[title] <= most for title, most in MOST.items())
    moved = page.partition("## A symbol that TensorFlow has moved")[2].partition("```diff\n")[2].partition("```")[0]
    assert [line[0] for line in moved.splitlines()[3:]] == ["-", "+"]  # one line


def test_a_diff_that_no_longer_fits_is_noticed(tmp_path):
    (tmp_path / "a.py").write_text("one = 1\n")
    with pytest.raises(AssertionError, match="does not apply"):
        _apply(tmp_path, "--- a/a.py\n+++ b/a.py\n@@\n-two = 2\n+two = 3\n")


@pytest.mark.dealt
@pytest.mark.parametrize("page", ["howto.md", "coming_from.md", "evaluation.md", "spec.md"])
def test_the_python_blocks_of_a_page_run_in_order(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    blocks = _blocks(page, "python")
    assert blocks
    for block in blocks:
        exec(compile(block, page, "exec"), names)


@pytest.mark.dealt
def test_the_commands_of_the_pages_run(tmp_path, monkeypatch, capsys):
    ids, lengths = demo.encode([demo.tokenize("A superb film.")], demo.load_vocabulary())
    np.savez(str(tmp_path / "feed.npz"), **{demo.IDS: ids, demo.LENGTHS: lengths})
    monkeypatch.chdir(tmp_path)
    lines = [line for page in sorted(path.name for path in DOCS.glob("*.md")) for block in _blocks(page, "console")
             for line in block.splitlines() if line.startswith("tf1-ig ")]
    assert len(lines) >= 6
    for line in lines:
        assert cli.main([demo.MODEL if word == "model.pb" else word for word in shlex.split(line)[1:]]) == 0, (
            line, capsys.readouterr())


def test_links_between_pages_lead_somewhere():
    for path in [ROOT / "README.md"] + sorted(DOCS.glob("*.md")):
        for link in re.findall(r"\]\(([^)#]+)", path.read_text(encoding="utf-8")):
            assert link.startswith("http") or (path.parent / link).exists(), (path.name, link)
