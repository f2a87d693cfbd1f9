"""Mutation testing: one small fault at a time in the code, and whether the tests notice.

    PYTHONPATH=. python scripts/mutate.py [--modules WORD] [--most N] [--seed N] [--lines 10-20] [--list]

The tests of a module run once with every line of it watched. Then each mutant is a forked child that has TensorFlow
already, imports the mutated module in the place of the true one and runs the tests that reach the changed line, the
quickest first, until one fails. The ones that no test notices are printed. Faults that change nothing that can be
observed stand in ``equivalent_mutants.txt`` with the reason; they are tried like all others, and one that a test
notices after all is said to be wrongly listed.
"""

import argparse
import ast
import collections
import copy
import functools
import importlib.machinery
import importlib.util
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple

EQUIVALENT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "equivalent_mutants.txt")
SECONDS = 30.0  # and ten times what its tests take else: what takes longer counts as noticed
TESTS = {
    "tf1_ig.engine.lean": ("tf1_ig/test_lean.py",),
    "tf1_ig.engine.prefix": ("tf1_ig/test_prefix.py", "tf1_ig/test_prefix_rules.py"),
    "tf1_ig.engine.affine": ("tf1_ig/test_affine.py", "tf1_ig/test_rules_of_the_core.py"),
    "tf1_ig.engine.probe": ("tf1_ig/test_probe.py", "tf1_ig/test_rules_of_the_core.py"),
    "tf1_ig.engine.packing": ("tf1_ig/test_packing.py", "tf1_ig/test_still_rows.py"),
    "tf1_ig.engine.run_sizes": ("tf1_ig/test_packing.py",),
    "graph_tools.edit.inline": ("graph_tools/test_inline.py",),
    "graph_tools.safety.judge": ("graph_tools/test_judge.py", "graph_tools/test_safety.py"),
    "graph_tools.safety.disarm": ("graph_tools/test_judge.py", "graph_tools/test_safety.py"),
    "graph_tools.safety.folding": ("graph_tools/test_folding.py",),
    "graph_tools.safety.arithmetic": ("graph_tools/test_folding.py",),
    "graph_tools.safety.bounds": ("graph_tools/test_bounds.py",),
    "graph_tools.safety.files": ("graph_tools/test_own_files.py",),
    "tf1_ig.quadrature": ("tf1_ig/test_quadrature.py", "tf1_ig/test_integrate.py"),
    "tf1_ig.integrate": ("tf1_ig/test_integrate.py",),
    "tf1_ig.refine": ("tf1_ig/test_refine.py",),
    "tf1_ig.halves": ("tf1_ig/test_refine.py",),
    "tf1_ig.paths": ("tf1_ig/test_refine.py", "tf1_ig/test_integrate.py"),
    "tf1_ig.ensemble": ("tf1_ig/test_variants.py", "tf1_ig/test_still_rows.py"),
    "tf1_ig.answer": ("tf1_ig/test_explainer.py", "tf1_ig/test_nonfinite.py", "tf1_ig/test_still_rows.py"),
}
_COMPARED = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
             ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is}
_COMPUTED = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
             ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd}


class Mutant(NamedTuple):
    """One fault: the module, the line, what is changed (function, kind, which of that kind in the line), the tree."""

    module: str
    line: int
    what: str
    tree: Callable[[], Any]


def changes(node: ast.AST) -> Iterator[Tuple[str, Any]]:
    """The faults that one node of a syntax tree can have: a word for each, and what makes it, in place."""
    if isinstance(node, ast.Compare) and type(node.ops[0]) in _COMPARED:
        yield "comparison", lambda one: one.ops.__setitem__(0, _COMPARED[type(one.ops[0])]())
    if isinstance(node, ast.BinOp) and type(node.op) in _COMPUTED and not (
            isinstance(node.op, ast.Add) and isinstance(node.left, ast.Constant) and isinstance(node.left.value, str)):
        yield "operator", lambda one: setattr(one, "op", _COMPUTED[type(one.op)]())
    if isinstance(node, ast.BoolOp):
        yield "and/or", lambda one: setattr(one, "op", ast.Or() if isinstance(one.op, ast.And) else ast.And())
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "not", lambda one: setattr(one, "operand", ast.UnaryOp(op=ast.Not(), operand=one.operand))
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        yield "constant", lambda one: setattr(
            one, "value", not one.value if isinstance(one.value, bool) else one.value + 1)
    if isinstance(node, ast.IfExp):
        yield "if/else", lambda one: one.__dict__.update(body=one.orelse, orelse=one.body)


def mutants(module: str) -> List[Mutant]:
    """Every fault of a module, outside of messages and annotations."""
    path = importlib.util.find_spec(module).origin
    with open(path, encoding="utf-8") as file:
        source = file.read()
    tree = ast.parse(source)
    left_out = set()
    for node in ast.walk(tree):
        parts = [node] if isinstance(node, ast.Raise) else [getattr(node, "annotation", None), getattr(
            node, "returns", None)]
        left_out |= {id(inner) for part in parts if part is not None for inner in ast.walk(part)}
    sites = [(number, node) for number, node in enumerate(ast.walk(tree)) if id(node) not in left_out]
    found: List[Mutant] = []
    counts: Any = collections.Counter()
    inside = _functions(tree)
    for number, node in sites:
        for position, (what, _) in enumerate(changes(node)):
            line = getattr(node, "lineno", 0)
            counts[line, what] += 1
            found.append(Mutant(module, line, "%s | %s | %d | %s" % (
                inside.get(line, ""), what, counts[line, what], source.splitlines()[line - 1].strip()),
                functools.partial(_changed, tree, number, position)))
    return found


def _functions(tree: Any) -> Dict[int, str]:
    """The innermost function of each line."""
    found: Dict[int, str] = {}
    for node in ast.walk(tree):  # outer ones first
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            last = max(getattr(inner, "lineno", 0) for inner in ast.walk(node))
            found.update(dict.fromkeys(range(node.lineno, last + 1), node.name))
    return found


def _changed(tree: Any, number: int, position: int) -> Any:
    """A copy of a syntax tree with one fault."""
    changed = copy.deepcopy(tree)
    one = next(inner for at, inner in enumerate(ast.walk(changed)) if at == number)
    list(changes(one))[position][1](one)
    return changed


def equivalent() -> Dict[Tuple[str, str], str]:
    """Faults that change nothing that can be observed, by module and what is changed; and why."""
    with open(EQUIVALENT, encoding="utf-8") as file:
        lines = [line.rstrip("\n").split(" | ") for line in file if not line.startswith("#")]
    return {(module, " | ".join((function, kind, number, line))): why
            for module, function, kind, numbers, line, why in lines for number in numbers.split(",")}


class _Loader(importlib.machinery.SourceFileLoader):
    """Loads a module from a changed syntax tree."""

    tree: Any = None

    def get_code(self, fullname: str) -> Any:
        return compile(ast.fix_missing_locations(self.tree), self.path, "exec")


class _Finder:
    """Finds the mutant where the module is looked for."""

    def __init__(self, mutant: Mutant, path: str):
        self._mutant, self._path = mutant, path

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != self._mutant.module:
            return None
        loader = _Loader(name, self._path)
        loader.tree = self._mutant.tree()
        return importlib.util.spec_from_file_location(name, self._path, loader=loader)


class Watch:
    """A plugin of pytest: which lines of a file each test reaches, and how long the test takes."""

    def __init__(self, path: str):
        self._path, self._reached, self._seconds = path, collections.defaultdict(set), {}
        self._now = ""

    def _call(self, frame: Any, event: str, value: Any) -> Optional[Callable]:
        return self._line if frame.f_code.co_filename == self._path else None

    def _line(self, frame: Any, event: str, value: Any) -> Callable:
        self._reached[self._now].add(frame.f_lineno)
        return self._line

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._now = nodeid

    def pytest_runtest_logreport(self, report: Any) -> None:
        self._seconds[report.nodeid] = self._seconds.get(report.nodeid, 0.0) + report.duration

    def pytest_collection_finish(self) -> None:
        self._tracing(self._call)

    def pytest_sessionfinish(self) -> None:
        self._tracing(None)

    @staticmethod
    def _tracing(call: Optional[Callable]) -> None:
        threading.settrace(call)
        sys.settrace(call)

    def found(self) -> Dict[str, Tuple[float, List[int]]]:
        return {test: (seconds, sorted(self._reached[test])) for test, seconds in self._seconds.items()}


class Chosen:
    """A plugin of pytest: some of the tests, in the order given."""

    def __init__(self, tests: List[str]):
        self._place = {test: number for number, test in enumerate(tests)}

    def pytest_collection_modifyitems(self, items: List[Any]) -> None:
        items[:] = sorted((item for item in items if item.nodeid in self._place),
                          key=lambda item: self._place[item.nodeid])


def run_tests(module: str, plugin: Any) -> int:
    """Runs tests of a module in this process; returns pytest's exit status."""
    import pytest

    files = ["tests/" + name for name in TESTS[module]]
    return int(pytest.main(["-x", "-q", "-p", "no:cacheprovider"] + files, plugins=[plugin]))


def in_child(work: Callable[[], int], seconds: float) -> Optional[int]:
    """The exit status of some work in a forked child that nobody hears; ``None``: it took too long."""
    child = os.fork()
    if not child:
        os.setpgid(0, 0)
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        status = 1
        try:
            status = work()
        finally:
            os._exit(status)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return status
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def watched(module: str, path: str) -> Dict[str, Tuple[float, List[int]]]:
    """What the tests of a module take and which of its lines they reach."""
    handle, answer = tempfile.mkstemp()
    os.close(handle)

    def work() -> int:
        watch = Watch(path)
        status = run_tests(module, watch)
        with open(answer, "w", encoding="utf-8") as file:
            json.dump(watch.found(), file)
        return status

    if in_child(work, 3600.0) != 0:
        raise SystemExit("the tests of %s fail without any fault" % module)
    with open(answer, encoding="utf-8") as file:
        found = json.load(file)
    os.remove(answer)
    return found


def noticed(mutant: Mutant, path: str, tests: Dict[str, Tuple[float, List[int]]]) -> bool:
    """Whether the tests that reach the mutant fail with it, or do not end (a line at import is reached by all)."""
    reached = {test: seconds for test, (seconds, lines) in tests.items()
               if mutant.line in lines or not any(mutant.line in other for _, other in tests.values())}
    chosen = sorted(reached, key=reached.get)

    def work() -> int:
        sys.meta_path.insert(0, _Finder(mutant, path))
        return run_tests(mutant.module, Chosen(chosen))

    return in_child(work, SECONDS + 10.0 * sum(reached.values())) != 0


def warm(files: List[str]) -> None:
    """Imports TensorFlow, pytest and whatever else the tests need, but nothing that a mutant could change."""
    import pytest

    importlib.import_module("tensorflow")
    pytest.main(["-q", "-p", "no:cacheprovider", "--collect-only"] + ["tests/" + name for name in sorted(set(files))])
    for name in [name for name in sys.modules if name.partition(".")[0] in ("graph_tools", "tf1_ig", "tests")]:
        del sys.modules[name]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python scripts/mutate.py")
    parser.add_argument("--modules", default="", help="those with this word in their name")
    parser.add_argument("--most", type=int, default=20, help="of each module, drawn by the seed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--lines", default="", help="only of these lines, such as 10-20")
    parser.add_argument("--list", action="store_true", help="print what there is and test nothing")
    options = parser.parse_args()
    first, _, last = options.lines.partition("-")
    chosen: Dict[str, List[Mutant]] = {}
    paths = {}
    for module in TESTS:
        if options.modules in module:
            paths[module] = importlib.util.find_spec(module).origin
            there = [mutant for mutant in mutants(module)
                     if not first or int(first) <= mutant.line <= int(last or first)]
            chosen[module] = random.Random(options.seed).sample(there, min(options.most, len(there)))
    if not options.list:
        warm([name for module in chosen for name in TESTS[module]])
    counts: Any = collections.Counter()
    argued = equivalent()
    for module, some in chosen.items():
        tests = {} if options.list or not some else watched(module, paths[module])
        for mutant in some:
            word = "listed" if options.list else "killed" if noticed(mutant, paths[module], tests) else "ALIVE"
            if (module, mutant.what) in argued:
                word = "argued" if word == "ALIVE" else word + ", although it is said to change nothing"
            print("%s %s:%d  %s" % ((word,) + mutant[:3]), flush=True)
            counts[word.partition(",")[0]] += 1
    print("%d mutants, %d noticed, %d said to change nothing, %d not noticed" % (
        sum(counts.values()), counts["killed"], counts["argued"], counts["ALIVE"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
