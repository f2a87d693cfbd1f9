"""``tf1-ig scan``, ``--trust`` and ``--sha256``: what is said of a file before anybody runs it, and which it is."""

import json

import numpy as np
import pytest

from tests.models import hostile
from tf1_ig import cli
from tf1_ig.demo import MODEL


@pytest.fixture
def writing(tmp_path):
    """A model whose output writes a file, and that file."""
    target = tmp_path / "target"
    path = tmp_path / "model" / "m.pb"
    path.parent.mkdir()
    path.write_bytes(hostile.graph_def(hostile.ATTACKS["write_in_function"], hostile.Place(
        str(target), "", 0)).SerializeToString())
    return str(path), target


def test_scan_says_what_could_happen_and_by_its_status_whether_it_matters(writing, capsys):
    path, target = writing
    assert cli.main(["scan", path]) == 1
    out = capsys.readouterr().out
    assert "verdict: reaches out" in out and "could write files" in out and "call  WriteFile in function body" in out
    assert cli.main(["scan", path, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["needed"][0]["op"] == "WriteFile" and list(told["families"]) == ["writes files"]
    assert cli.main(["scan", MODEL]) == 0 and "verdict: computes" in capsys.readouterr().out
    assert not target.exists()


@pytest.mark.parametrize("command", (["inspect"], ["edit", "--freeze", "--out", "x.pb"]))
def test_commands_refuse_it_in_one_line_that_names_the_option(writing, capsys, monkeypatch, tmp_path, command):
    path, target = writing
    monkeypatch.chdir(tmp_path)
    assert cli.main(command[:1] + [path] + command[1:]) == 1
    err = capsys.readouterr().err
    assert err.startswith("error: ") and err.count("\n") == 1 and "--trust" in err and "trusted=" not in err
    assert not target.exists() and not (tmp_path / "x.pb").exists()


def test_another_file_than_the_one_of_the_digest_is_refused(tmp_path, capsys):
    np.savez(str(tmp_path / "feed.npz"), x=np.ones(1))
    assert cli.main(["explain", MODEL, "--feed", str(tmp_path / "feed.npz"), "--sha256", "0" * 64]) == 1
    assert "it is another file" in capsys.readouterr().err


def test_scan_writes_what_code_scanners_read(writing, tmp_path, capsys):
    path, target = writing
    log = tmp_path / "scan.sarif"
    assert cli.main(["scan", path, "--sarif", str(log)]) == 1
    tree = json.loads(log.read_text())
    run, = tree["runs"]
    assert tree["version"] == "2.1.0" and {rule["id"] for rule in run["tool"]["driver"]["rules"]} >= {"writes files"}
    first = run["results"][0]
    assert (first["ruleId"], first["level"]) == ("writes files", "error") and "'call'" in first["message"]["text"]
    location, = first["locations"]
    assert location["physicalLocation"]["artifactLocation"]["uri"] == path
    assert location["logicalLocations"][0]["fullyQualifiedName"] == "call/body"
    assert cli.main(["scan", MODEL, "--sarif", str(log)]) == 0
    assert json.loads(log.read_text())["runs"][0]["results"] == [] and not target.exists()
