"""Marks, and a place per test run for what TensorFlow prints."""

import os

# Quiet TensorFlow's C++ log before any test imports it; a real error still shows in the exception.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

MARKS = (
    "slow: takes more than a few seconds; run with the rest unless deselected with -m 'not slow'",
    "exhaustive: takes many minutes; left out unless --exhaustive is given",
    "notebook: executes a notebook in a kernel of its own",
    "real: needs a model or data that a published package ships (fetched once into the user's cache folder)",
)


def pytest_configure(config):
    for mark in MARKS:
        config.addinivalue_line("markers", mark)


def pytest_addoption(parser):
    parser.addoption("--exhaustive", action="store_true", help="run the tests that take many minutes, too")
    parser.addoption("--nothing-skipped", action="store_true", help="fail where a test is skipped")


def pytest_sessionfinish(session):
    """Where all that the tests need is meant to be installed, what is missing fails the run."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if session.config.getoption("--nothing-skipped") and reporter and reporter.stats.get("skipped"):
        session.exitstatus = session.exitstatus or 1


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--exhaustive"):
        left_out = [item for item in items if item.get_closest_marker("exhaustive")]
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


def pytest_report_header(config):
    """Says which leg this is, at the top of the run (TensorFlow is asked for its version without being imported)."""
    del config
    return "TensorFlow leg: " + _tensorflow_version()


def _tensorflow_version():
    try:
        from importlib.metadata import PackageNotFoundError, version
    except ImportError:
        from importlib_metadata import PackageNotFoundError, version
    for name in ("tensorflow", "tensorflow-cpu"):
        try:
            return "%s %s" % (name, version(name))
        except PackageNotFoundError:
            continue
    return "none installed"
