"""Marks, shares of what is dear, and what a run says of itself."""

import gc
import os
import zlib

import pytest

# Quiet TensorFlow's C++ log before any test imports it; a real error still shows in the exception.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

MARKS = (
    "slow: takes more than a few seconds; run with the rest unless deselected with -m 'not slow'",
    "dealt: dear; --share K/N runs the K-th of N shares of its cases (of several, one at least), see .ci/run",
    "exhaustive: takes many minutes; left out unless --exhaustive is given",
    "notebook: executes a notebook in a kernel of its own",
    "real: needs a model or data that a published package ships (fetched once into the user's cache folder)",
)


def pytest_configure(config):
    for mark in MARKS:
        config.addinivalue_line("markers", mark)


def pytest_addoption(parser):
    parser.addoption("--exhaustive", action="store_true", help="run the tests that take many minutes, too")
    parser.addoption("--share", metavar="K/N", default="1/1", help="of tests marked dealt, the K-th of N shares")
    parser.addoption("--nothing-skipped", action="store_true", help="fail where a test is skipped")


def pytest_sessionfinish(session):
    """Where all that the tests need is meant to be installed, what is missing fails the run."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if session.config.getoption("--nothing-skipped") and reporter and reporter.stats.get("skipped"):
        session.exitstatus = session.exitstatus or 1


def pytest_collection_modifyitems(config, items):
    left_out = of_other_shares(items, *map(int, config.getoption("--share").split("/")))
    if not config.getoption("--exhaustive"):
        left_out.update(item for item in items if item.get_closest_marker("exhaustive"))
    if left_out:
        config.hook.pytest_deselected(items=[item for item in items if item in left_out])
        items[:] = [item for item in items if item not in left_out]


def of_other_shares(items, share, shares):
    """The cases that are dealt to other shares, by their names: the same on every release and in every process.

    A test of several cases keeps one in every share, so that no release goes without it.
    """
    if not 1 <= share <= shares:
        raise pytest.UsageError("--share %d/%d: the first number counts from 1 to the second" % (share, shares))
    tests = {}
    for item in items:
        if item.get_closest_marker("dealt"):
            tests.setdefault(item.nodeid.split("[")[0], []).append(item)
    left_out = set()
    for cases in tests.values():
        dealt = [item for item in cases if zlib.crc32(item.nodeid.encode()) % shares == share - 1]
        if not dealt and len(cases) > 1:
            dealt = [min(cases, key=lambda item: zlib.crc32(item.nodeid.encode()))]
        left_out.update(item for item in cases if item not in dealt)
    return left_out


def pytest_collection_finish():
    """TensorFlow and all that the tests import is here; no later collection walks it again (a sixth of the time)."""
    gc.collect()
    gc.freeze()


def pytest_report_header(config):
    """Says which leg this is, at the top of the run (TensorFlow is asked for its version without being imported)."""
    share = config.getoption("--share")
    return "TensorFlow leg: " + _tensorflow_version() + ("" if share == "1/1" else ", share %s of what is dear" % share)


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
