"""The arrows between modules, the one door to TensorFlow, and what importing does to a process: nothing."""

import ast
import functools
import pathlib
import shutil
import subprocess
import sys
import textwrap

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
PACKAGES = ("graph_tools", "tf1_ig")

# load -> find -> edit -> attribute -> check -> show: a module imports from its own stage and from those above it here.
# The longest prefix decides; what is not named belongs to the first line of its package.
STAGES = (
    ("ground", ("graph_tools.*",)),
    ("load", ("graph_tools.load",)),
    ("find", ("graph_tools.find",)),
    ("edit", ("graph_tools.edit", "graph_tools.running.runs", "graph_tools.verify")),
    ("graph_tools", ("graph_tools",)),
    ("attribute", ("tf1_ig.*",)),
    ("check", ("tf1_ig.check",)),
    ("show", ("tf1_ig.show",)),
    ("scale", ("tf1_ig.scale",)),
    ("tf1_ig", ("tf1_ig",)),
    ("front", ("tf1_ig.cli", "tf1_ig.commands", "tf1_ig.__main__", "tf1_ig.demo")),
)
# The result record has methods that draw; they import the view when they are called, never at import.
DOORS = {("tf1_ig.result.attribution", "tf1_ig.show.report"), ("tf1_ig.result.attribution", "tf1_ig.show.table"),
         ("tf1_ig.result.attribution", "tf1_ig.show.figure")}
WITHOUT_TENSORFLOW = (
    "graph_tools.errors", "graph_tools.graph.names", "graph_tools.report", "graph_tools.graph.walk",
    "tf1_ig.baselines", "tf1_ig.check", "tf1_ig.integrate", "tf1_ig.quadrature", "tf1_ig.refine",
    "tf1_ig.result.attribution",
    "tf1_ig.result.interactions",
    "tf1_ig.result.storage", "tf1_ig.show",
)


def _modules():
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = list(path.relative_to(ROOT).with_suffix("").parts)
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = _modules()


@functools.lru_cache(maxsize=None)
def _imports(module):
    """``(imported module, whether inside a function)`` of every import statement of a module."""
    found = []
    todo = [(ast.parse(MODULES[module].read_text(encoding="utf-8")), False)]
    while todo:
        node, deferred = todo.pop()
        if isinstance(node, ast.Import):
            found += [(alias.name, deferred) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "%s: imports are written in full" % module
            inner = [node.module + "." + alias.name for alias in node.names]
            found += [(name if name in MODULES else node.module, deferred) for name in inner]
        elif isinstance(node, (ast.stmt, ast.Module, ast.excepthandler)):  # an expression imports nothing
            inside = deferred or isinstance(node, ast.FunctionDef)
            todo += [(child, inside) for child in ast.iter_child_nodes(node)]
    return found


def _ours(name):
    return name.split(".")[0] in PACKAGES


def _stage(module):
    best = max(((prefix, rank) for rank, (_, prefixes) in enumerate(STAGES) for prefix in prefixes
                if _belongs(module, prefix)), key=lambda found: len(found[0].rstrip(".*")))
    return best[1]


def _belongs(module, prefix):
    if prefix in PACKAGES:  # the package's own __init__
        return module == prefix
    return module.startswith(prefix[:-1]) if prefix.endswith(".*") else (module + ".").startswith(prefix + ".")


def test_the_stages_know_the_modules_they_are_for():
    names = [name for name, _ in STAGES]
    assert names[_stage("graph_tools.graph.walk")] == "ground" and names[_stage("graph_tools.load.frozen")] == "load"
    assert names[_stage("graph_tools")] == "graph_tools" and names[_stage("tf1_ig")] == "tf1_ig"
    assert names[_stage("tf1_ig.engine.operated")] == "attribute" and names[_stage("tf1_ig.show.text")] == "show"
    named = [prefix for _, prefixes in STAGES for prefix in prefixes if not prefix.endswith(".*")]
    assert [prefix for prefix in named if prefix not in MODULES] == []


@pytest.mark.parametrize("module", sorted(MODULES))
def test_no_arrow_runs_back(module):
    back = sorted("%s imports %s" % (module, name) for name, deferred in _imports(module)
                  if _ours(name) and _stage(name) > _stage(module)
                  and not (deferred and (module, name) in DOORS))
    assert back == []


def test_no_modules_need_each_other():
    """What a module imports, at import or when it is called, never leads back to it."""
    imported = {module: {name for name, _ in _imports(module) if name in MODULES and name not in PACKAGES}
                for module in MODULES if module not in PACKAGES}
    leaves = True
    while leaves:  # modules that need nothing that is left are taken away until none is
        leaves = {module for module, needs in imported.items() if not needs & set(imported)}
        imported = {module: needs for module, needs in imported.items() if module not in leaves}
    assert imported == {}


def test_graph_tools_knows_nothing_of_attribution():
    assert [module for module in MODULES if module.startswith("graph_tools")
            for name, _ in _imports(module) if name.startswith("tf1_ig")] == []


def test_tensorflow_has_one_door():
    importing = {module for module in MODULES for name, _ in _imports(module)
                 if name.split(".")[0] in ("tensorflow", "keras", "tensorboard")}
    assert importing == {"graph_tools._tf"}


@pytest.mark.parametrize("root", WITHOUT_TENSORFLOW)
def test_numbers_and_views_do_not_reach_the_door(root):
    todo = [module for module in MODULES if _belongs(module, root)]
    assert todo, "no module %s" % root
    seen = set()
    while todo:
        module = todo.pop()
        assert module != "graph_tools._tf", "reached from %s through %s" % (root, sorted(seen))
        if module not in seen:
            seen.add(module)
            # A package's __init__ only gathers names, and the door itself is lazy.
            todo += [name for name, _ in _imports(module) if _ours(name) and name not in PACKAGES]


def _python(code):
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], cwd=str(ROOT), stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, universal_newlines=True, timeout=300)
    assert done.returncode == 0, done.stdout
    return done.stdout


EVERY_MODULE = """
    import importlib, sys
    for module in %r:
        importlib.import_module(module)
""" % [module for module in sorted(MODULES) if not module.endswith(("__main__", "beam"))]


def test_importing_everything_imports_no_tensorflow():
    _python(EVERY_MODULE + """
    assert not [name for name in sys.modules if name.split(".")[0] in ("tensorflow", "keras", "pandas", "matplotlib")]
    """)


def test_a_result_is_judged_and_shown_where_there_is_no_tensorflow(tmp_path):
    _python("""
    import sys
    sys.modules["tensorflow"] = None  # importing it raises ImportError
    """ + EVERY_MODULE + """
    import numpy as np
    import graph_tools as gt, tf1_ig
    from graph_tools.errors import TensorFlowMissingError
    record = tf1_ig.Attribution(
        values={"rows:0": np.ones((1, 2, 3))}, score=np.array([7.0]), baseline_score=np.array([1.0]),
        delta=np.array([0.0]), label=np.array([1]), steps=np.array([4]), evaluations=np.array([4]),
        converged=np.array([True]), output="scores:0", method="midpoint")
    record.save(PATH)
    again = tf1_ig.load_attribution(PATH)
    assert "good" in again.to_html(tokens=[["good", "film"]])
    assert {finding.name for finding in tf1_ig.check(again)}
    try:
        gt.load("tf1_ig/demo/model.pb")
    except TensorFlowMissingError as error:
        assert "pip install" in str(error)
    else:
        raise AssertionError("loaded a model without TensorFlow")
    """.replace("PATH", repr(str(tmp_path / "result.npz"))))


STATE = """
    import logging, os, signal, sys, warnings
    import numpy as np
    import tensorflow
    import tensorflow.compat.v1 as tf
    from tensorflow.python.ops import control_flow_util

    if not tf.executing_eagerly():
        tf.constant(1.0, name="the_callers_own")

    def state():
        return {
            "eager": tf.executing_eagerly(), "control flow v2": control_flow_util.ENABLE_CONTROL_FLOW_V2,
            "resource variables": tf.resource_variables_enabled(), "session": tf.get_default_session(),
            "default graph": tf.get_default_graph(), "graph": tf.get_default_graph().as_graph_def(),
            "loggers": [(logging.getLogger(name).level, list(logging.getLogger(name).handlers))
                        for name in ("", "tensorflow", "absl")],
            "warnings": list(warnings.filters), "environment": dict(os.environ), "hook": sys.excepthook,
            "interrupt": signal.getsignal(signal.SIGINT), "random": np.random.get_state()[1].tolist(),
            "numpy": np.get_printoptions(), "numpy errors": np.geterr(),
        }

    def changed(before):
        return {key: value for key, value in state().items() if value != before[key]}

    before = state()
"""


def test_importing_and_explaining_leave_the_process_as_it_was():
    _python(STATE + EVERY_MODULE + """
    assert changed(before) == {}
    from tf1_ig import demo
    demo.explain(["A wonderful film that never bores."], steps=2)
    assert changed(before) == {}
    if tf.executing_eagerly():  # and TensorFlow 2 still does what it did
        @tensorflow.function
        def triple(x):
            return tensorflow.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, y + x), [0, 0 * x])[1]
        with tensorflow.GradientTape() as tape:
            x = tensorflow.Variable(2.0)
            y = triple(x)
        assert (float(y), float(tape.gradient(y, x))) == (6.0, 3.0)
    """)


SHADOW = "from __future__ import print_function\nclass Graph(object):\n    pass\n"


@pytest.mark.parametrize("how", ["in front", "over"])
def test_another_distribution_named_graph_tools_is_told(how, tmp_path):
    """The registry's graph-tools is a single __init__.py; it comes first on the path, or was installed over ours."""
    if how == "in front":
        (tmp_path / "graph_tools").mkdir()
    else:
        for package in PACKAGES:
            shutil.copytree(str(ROOT / package), str(tmp_path / package))
    (tmp_path / "graph_tools" / "__init__.py").write_text(SHADOW)
    output = _python("""
    import sys
    sys.path[:0] = [%r]
    try:
        import tf1_ig
    except ImportError as error:
        print(error)
    """ % str(tmp_path))
    assert "unrelated distribution graph-tools" in output and "pip uninstall graph-tools" in output
    assert str(tmp_path) in output
