"""Many explanations at once: each thread gets its own row, nothing grows, and a spawned process explains as well.

``EXPLAINS=2000`` makes of it what ``docs/reliability.md`` tells; by default it is a small share.
"""

import functools
import gc
import multiprocessing
import os
import pickle
import threading

import numpy as np
import pytest

import graph_tools as gt
import tf1_ig
from graph_tools.running import threads
from tf1_ig import demo

EXPLAINS, THREADS = int(os.environ.get("EXPLAINS", "64")), 16
STEPS = 8
pytestmark = [pytest.mark.slow, pytest.mark.timeout(0 if "EXPLAINS" in os.environ else 300)]


@functools.lru_cache(maxsize=None)
def feeds():
    """A sentence each, of sixteen lengths."""
    words = "the film was slow and dull but a superb cast made it moving in the end after all".split()
    encoded = [demo.encode([words[:number + 1]], demo.load_vocabulary()) for number in range(THREADS)]
    return [{demo.IDS: ids, demo.LENGTHS: lengths} for ids, lengths in encoded]


def explained(explainer, feed):
    """Everything that a row's explanation says, as one vector."""
    found = explainer.explain(feed, label=1, steps=STEPS)
    (values,) = found.values.values()
    return np.concatenate([np.ravel(values[0]), found.score, found.baseline_score, found.delta])


def opened(model):
    return tf1_ig.IntegratedGradients(model, demo.OUTPUT)


@pytest.fixture(scope="module")
def case():
    """The model, and what each feed gives when nothing else is going on."""
    model = gt.load(demo.MODEL)
    with opened(model) as explainer:
        return model, [explained(explainer, feed) for feed in feeds()]


def in_threads(work):
    """Runs ``work(number)`` in sixteen threads that begin together; what one raises is raised here."""
    together, wrong = threading.Barrier(THREADS), []

    def one(number):
        try:
            together.wait(120)
            work(number)
        except BaseException as error:  # raised below, by the thread of the test
            wrong.append(error)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if wrong:
        raise wrong[0]


def assert_each(explainer, expected, number, times):
    for turn in range(times):
        which = (number + 5 * turn) % THREADS
        np.testing.assert_allclose(explained(explainer, feeds()[which]), expected[which], rtol=0, atol=2e-6)


def test_one_explainer_serves_sixteen_threads(case):
    model, expected = case
    with opened(model) as explainer:
        in_threads(lambda number: assert_each(explainer, expected, number, EXPLAINS // THREADS))


@pytest.mark.dealt
def test_sixteen_explainers_in_sixteen_threads(case):
    """Each is opened, used and closed in its thread, on one model."""
    model, expected = case

    def work(number):
        with opened(model) as explainer:
            assert_each(explainer, expected, number, EXPLAINS // THREADS)

    in_threads(work)


def resident():
    """Bytes that this process holds."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.dealt
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="the memory of a process is read off Linux's /proc")
def test_nothing_grows(case, monkeypatch):
    """Neither ops nor objects, and of memory what allocators keep."""
    model, expected = case

    monkeypatch.setattr(threads, "_IDLE", 0.2)

    def state():
        for one in list(threads._free()):  # threads without work end by themselves, and what they hold with them
            one.join(60)
        for _ in range(4):  # nested tuples of numbers are no longer counted, after as many passes
            gc.collect()
        return len(explainer._engine.graph.get_operations()), len(gc.get_objects()), resident()

    with opened(model) as explainer:
        assert_each(explainer, expected, 0, EXPLAINS // 2)
        before = state()
        assert_each(explainer, expected, 0, EXPLAINS // 2)
        after = state()
    assert after[0] == before[0] and abs(after[1] - before[1]) <= 20 and after[2] - before[2] < 8 << 20, (before, after)


def spawned(pickled, number):
    """In a process of its own."""
    with opened(pickle.loads(pickled)) as explainer:
        return explained(explainer, feeds()[number])


@pytest.mark.dealt
def test_a_spawned_process_explains_a_model_that_was_used(case):
    model, expected = case
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        found = pool.starmap(spawned, [(pickle.dumps(model), number) for number in (3, 12)])
    np.testing.assert_allclose(found[0], expected[3], rtol=0, atol=2e-6)
    np.testing.assert_allclose(found[1], expected[12], rtol=0, atol=2e-6)
