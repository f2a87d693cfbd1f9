"""What contributors are told is there: targets, legs, forms; and what is built is what `make clean` removes."""

import pathlib
import re
import subprocess
import sys

import pytest

from tests import conftest

ROOT = pathlib.Path(__file__).resolve().parent.parent
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def _text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_targets_and_files_that_pages_name_exist():
    targets = set(re.findall(r"^([a-z0-9-]+):", MAKEFILE, re.MULTILINE))
    for page in ("CONTRIBUTING.md", "SECURITY.md", "docs/support.md"):
        named = " ".join(re.findall(r"^make ([a-z0-9 -]+)", _text(page), re.MULTILINE)).split()
        named += re.findall(r"`make ([a-z0-9-]+)", _text(page))
        assert set(named) <= targets, page
        for path in re.findall(r"`((?:docs|tests|graph_tools|tf1_ig|scripts|\.github)/[\w./]+)`", _text(page)):
            assert (ROOT / path).exists(), (page, path)


def test_the_forge_runs_every_leg_that_there_is():
    legs = set(re.findall(r"^(tf[0-9]+)\)", _text("scripts/leg.sh"), re.MULTILINE))
    assert len(legs) == 3 and set(re.findall(r"leg: (tf[0-9]+),", _text(".github/workflows/tests.yml"))) == legs
    versions = dict(re.findall(r"leg: (tf[0-9]+), python: \"([0-9.]+)\"", _text(".github/workflows/tests.yml")))
    for leg, version in versions.items():
        assert re.search(r"^%s\).*[\" ]%s[\" ]" % (leg, re.escape(version)), _text("scripts/leg.sh"), re.MULTILINE), leg


class _Case:
    def __init__(self, nodeid, dealt=True):
        self.nodeid, self.dealt = nodeid, dealt

    def get_closest_marker(self, name):
        return self.dealt and name == "dealt"


def test_what_is_dear_is_dealt_out_among_the_legs_and_nothing_else():
    cases = [_Case("tests/test_a.py::test_%d[%d]" % (test, case)) for test in range(30) for case in range(test % 7 + 1)]
    others = [_Case("tests/test_b.py::test_%d" % test, dealt=False) for test in range(30)]
    run = [[case for case in cases + others if case not in conftest.of_other_shares(cases + others, share, 3)]
           for share in (1, 2, 3)]
    for share in run:
        assert set(others) <= set(share) and len(share) < len(cases + others) / 1.4
        names = {case.nodeid.split("[")[0] for case in share}
        assert names >= {"tests/test_a.py::test_%d" % test for test in range(30) if test % 7}  # of several cases one
    assert set().union(*run) == set(cases + others), "every case runs somewhere"
    assert conftest.of_other_shares(cases, 1, 1) == set()
    with pytest.raises(pytest.UsageError, match="--share 4/3"):
        conftest.of_other_shares(cases, 4, 3)


def test_ci_gives_each_leg_its_own_share():
    found = re.findall(r"attempt make (test\S*) ARGS=\"\$\(share (\d)\)\"", _text(".ci/run"))
    assert dict(found) == {"test": "0", "test-tf1": "1", "test-tf215": "2", "test-tf221": "0"}


def test_the_forms_ask_for_what_tells_most():
    forms = list((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"))
    assert len(forms) == 2 and all("tf1-ig inspect MODEL --json" in form.read_text(encoding="utf-8") for form in forms)


def test_the_quick_tests_are_there():
    quick = MAKEFILE.split("\nQUICK = ")[1].split("\n\n")[0].replace("\\", " ").split()
    assert len(quick) > 15 and [path for path in quick if not (ROOT / path).is_file()] == []


def test_clean_removes_all_that_git_ignores():
    removed = MAKEFILE.split("\nclean:")[1]
    ignored = [line.strip("/") for line in _text(".gitignore").split()]
    assert len(ignored) > 8 and [name for name in ignored if name not in removed] == []


@pytest.mark.parametrize("options, status", [((), 0), (("--nothing-skipped",), 1)])
def test_the_leg_of_bridges_fails_where_a_test_is_skipped(tmp_path, options, status):
    assert "bridges ] && set -- --nothing-skipped" in _text("scripts/leg.sh")
    (tmp_path / "test_one.py").write_text("import pytest\n\n\ndef test_one():\n    pytest.importorskip('nosuch')\n")
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "-p", "no:cacheprovider",
                           *options, str(tmp_path)], cwd=str(ROOT), stdout=subprocess.PIPE, check=False)
    assert done.returncode == status and b"1 skipped" in done.stdout
