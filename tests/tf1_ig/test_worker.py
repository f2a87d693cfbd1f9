"""The process in which TensorFlow works: how it ends is said in one line, and nothing of it is left behind."""

import os
import signal
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the command line forks where it can, and only there")

_PROGRAM = """
import os, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job of the background starts with Ctrl-C ignored
from graph_tools.safety import memory
from tf1_ig.commands import worker
def work():
%s
sys.exit(worker.run(work, %s, False))
"""


def run(body, limit=None, **options):
    lines = "\n".join("    " + line for line in body.splitlines())
    return subprocess.run([sys.executable, "-c", _PROGRAM % (lines, limit)], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, universal_newlines=True, timeout=120, **options)


def test_the_status_and_both_streams_are_the_childs():
    done = run("print('out'); print('err', file=sys.stderr); return 3")
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "err\n")


@pytest.mark.parametrize("name", ("SIGSEGV", "SIGABRT", "SIGKILL", "SIGBUS"))
def test_a_crash_is_one_line(name):
    done = run("print('before', flush=True); os.write(2, b'what it said\\n'); os.kill(os.getpid(), signal.%s)" % name)
    assert done.returncode == 1 and done.stdout == "before\n"
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("error: TensorFlow")
    assert "what it said" in done.stderr


@pytest.mark.parametrize("hard", (True, False))
def test_cpu_time_that_the_shell_does_not_give_is_told_as_that(hard):
    """At a hard limit the kernel kills, at a soft one it sends SIGXCPU."""
    import resource

    done = run("while True: pass", None, preexec_fn=lambda: resource.setrlimit(
        resource.RLIMIT_CPU, (3, 3 if hard else resource.RLIM_INFINITY)))
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "(ulimit -t: 3 seconds)" in done.stderr and "--steps 16" in done.stderr and "scan" not in done.stderr


def test_a_kill_below_the_limit_of_the_shell_is_none_by_it():
    import resource

    done = run("os.kill(os.getpid(), signal.SIGKILL)", None, preexec_fn=lambda: resource.setrlimit(
        resource.RLIMIT_CPU, (100, resource.RLIM_INFINITY)))
    assert done.returncode == 1 and "ulimit" not in done.stderr and "out of memory?" in done.stderr


def test_a_hang_is_one_line():
    begun = time.monotonic()
    done = run("time.sleep(1000)", 0.5)
    assert done.returncode == 1 and time.monotonic() - begun < 60
    assert done.stderr == ("error: it did not end within 0.5 s, and was stopped; allow more with --time-limit "
                           "SECONDS\n")


def test_what_is_open_may_take_longer():
    done = run("worker.opened(); time.sleep(1.5); return 0", 0.5)
    assert done.returncode == 0, done.stderr


def test_an_error_of_ours_in_the_child_shows_its_traceback():
    done = run("raise RuntimeError('ours')")
    assert done.returncode == 1 and "RuntimeError: ours" in done.stderr


def test_ctrl_c_is_handed_on():
    program = subprocess.Popen([sys.executable, "-c", _PROGRAM % (
        "    print('ready', flush=True)\n    time.sleep(1000)", None)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert program.stdout.readline() == b"ready\n"
    program.send_signal(signal.SIGINT)
    out, err = program.communicate(timeout=60)
    assert b"KeyboardInterrupt" in err and program.returncode == 1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux ends a child with its parent")
def test_the_child_ends_with_its_parent():
    program = subprocess.Popen([sys.executable, "-c", _PROGRAM % (
        "    print(os.getpid(), flush=True)\n    time.sleep(1000)", None)], stdout=subprocess.PIPE)
    child = int(program.stdout.readline())
    program.kill()
    program.wait(timeout=60)
    for _ in range(100):
        try:
            os.kill(child, 0)
            with open("/proc/%d/stat" % child) as file:
                if file.read().rpartition(")")[2].split()[0] == "Z":  # ended, and nobody has asked for its status
                    return
        except (ProcessLookupError, FileNotFoundError):
            return
        time.sleep(0.1)
    raise AssertionError("the child %d outlives its parent" % child)


def test_memory_is_limited():
    done = run("memory.limit(1 << 28)\ntry:\n    bytearray(1 << 30)\nexcept MemoryError:\n    return 5\nreturn 0")
    assert done.returncode == 5
