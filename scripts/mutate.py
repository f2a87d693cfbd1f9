"""Mutation testing: one small fault at a time in the code, and whether the tests notice.

    PYTHONPATH=. python scripts/mutate.py [--modules WORD] [--most N] [--seed N] [--list]

Each mutant is a forked child that has TensorFlow already, imports the mutated module in the place of the true one and
runs the tests of that module until one fails. The ones that no test notices are printed; ``docs/reliability.md`` says
what became of them.
"""

import argparse
import ast
import copy
import importlib.machinery
import importlib.util
import os
import random
import signal
import sys
import time
from typing import Any, Iterator, List, NamedTuple, Tuple

SECONDS = 240.0  # of the tests of one mutant; what takes longer counts as noticed
TESTS = {
    "tf1_ig.engine.lean": ("tests/tf1_ig/test_lean.py",),
    "tf1_ig.engine.prefix": ("tests/tf1_ig/test_prefix.py",),
    "tf1_ig.engine.affine": ("tests/tf1_ig/test_affine.py", "tests/tf1_ig/test_prefix.py"),
    "tf1_ig.engine.probe": ("tests/tf1_ig/test_engine.py", "tests/tf1_ig/test_lengths.py"),
    "tf1_ig.engine.packing": ("tests/tf1_ig/test_engine.py", "tests/tf1_ig/test_memory.py"),
    "graph_tools.edit.inline": ("tests/graph_tools/test_inline.py",),
    "graph_tools.safety.judge": ("tests/graph_tools/test_safety.py",),
    "graph_tools.safety.disarm": ("tests/graph_tools/test_safety.py",),
    "graph_tools.safety.folding": ("tests/graph_tools/test_safety.py", "tests/graph_tools/test_folding.py"),
    "graph_tools.safety.bounds": ("tests/graph_tools/test_safety.py",),
    "graph_tools.safety.files": ("tests/graph_tools/test_model_files.py", "tests/graph_tools/test_safety.py"),
    "tf1_ig.quadrature": ("tests/tf1_ig/test_quadrature.py",),
    "tf1_ig.integrate": ("tests/tf1_ig/test_integrate.py",),
}
_COMPARED = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
             ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is}
_COMPUTED = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
             ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd}


class Mutant(NamedTuple):
    """One fault: the module, the line, what was there and what is there now."""

    module: str
    line: int
    what: str
    tree: Any


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
    found = []
    for number, node in sites:
        for position, (what, _) in enumerate(changes(node)):
            changed = copy.deepcopy(tree)
            one = next(inner for at, inner in enumerate(ast.walk(changed)) if at == number)
            list(changes(one))[position][1](one)
            line = getattr(node, "lineno", 0)
            found.append(Mutant(module, line, "%s: %s" % (what, source.splitlines()[line - 1].strip()), changed))
    return found


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
        loader.tree = self._mutant.tree
        return importlib.util.spec_from_file_location(name, self._path, loader=loader)


def noticed(mutant: Mutant, path: str) -> bool:
    """Whether the tests of its module fail with the mutant, or do not end."""
    child = os.fork()
    if not child:
        os.setpgid(0, 0)
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        status = 1
        try:
            import pytest

            sys.meta_path.insert(0, _Finder(mutant, path))
            tests = [name for name in TESTS[mutant.module] if os.path.exists(name)]
            status = int(pytest.main(["-x", "-q", "-p", "no:cacheprovider"] + tests))
        finally:
            os._exit(status)
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return status != 0
        time.sleep(0.05)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


def main() -> int:
    parser = argparse.ArgumentParser(prog="python scripts/mutate.py")
    parser.add_argument("--modules", default="", help="those with this word in their name")
    parser.add_argument("--most", type=int, default=8, help="of each module, drawn by the seed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--list", action="store_true", help="print what there is and test nothing")
    options = parser.parse_args()
    chosen, paths = [], {}
    for module in TESTS:
        if options.modules in module:
            paths[module] = importlib.util.find_spec(module).origin
            there = mutants(module)
            chosen += random.Random(options.seed).sample(there, min(options.most, len(there)))
    for name in [name for name in sys.modules if name.partition(".")[0] in ("graph_tools", "tf1_ig")]:
        del sys.modules[name]  # finding them has imported their packages
    if options.list:
        for mutant in chosen:
            print("%s:%d  %s" % mutant[:3])
        return 0
    importlib.import_module("tensorflow")
    alive = []
    for mutant in chosen:
        found = noticed(mutant, paths[mutant.module])
        print("%s %s:%d  %s" % (("killed" if found else "ALIVE ",) + mutant[:3]), flush=True)
        alive += [] if found else [mutant]
    print("%d mutants, %d noticed" % (len(chosen), len(chosen) - len(alive)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
