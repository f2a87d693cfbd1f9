"""Kills a running job again and again, resumes it, and counts what is lost, doubled or torn.

    python scripts/kill_campaign.py --kills 60

The process group gets kill -9 at a random moment after something new is written; when a folder is complete, another
is begun. ``--writer naive`` puts a writer in the same place that appends lines to a file and notes how many rows are
done: the harness is to find that it loses rows. Each job is a fork of this process, which has imported TensorFlow and
opened nothing, so that a kill costs little; ``--workers 1`` has it start a process of its own for the explaining, as
the command does.
"""

import argparse
import collections
import json
import multiprocessing
import os
import pathlib
import signal
import sys
import tempfile
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
import tf1_ig  # noqa: E402
from graph_tools import _tf  # noqa: E402
from tests.many_rows import demo_spec, lines, reviews, written  # noqa: E402
from tf1_ig import cli  # noqa: E402

LATEST = 1.0   # seconds after something was written


def naive(spec, source, out, workers):
    """Appends an explanation a line, and notes how many rows are done."""
    del workers
    path, noted = os.path.join(out, "explained.jsonl"), pathlib.Path(out, "done")
    before = int(noted.read_text() or 0) if noted.exists() else 0
    with open(source, encoding="utf-8") as file:
        rows = [json.loads(line) for line in file][before:]
    with open(path, "a", encoding="utf-8") as file:
        for batch in tf1_ig.explain_batches(spec, [rows], window=8):
            file.writelines(json.dumps(row, default=str) + "\n" for row in batch.to_pylist())
            before += batch.num_rows
            noted.write_text(str(before))


def of_naive(out):
    """Keys of the naive writer's file."""
    with open(os.path.join(out, "explained.jsonl"), encoding="utf-8") as file:
        return [json.loads(line)["key"] for line in file]


def ours(spec, source, out, workers):
    """The command."""
    assert cli.main(["explain-many", "--spec", spec, "--input", source, "--out", out, "--key", "key", "--resume",
                     "--workers", str(workers), "--rows-per-shard", "8", "--quiet"]) == 0


def of_ours(out):
    """Keys of explained and rejected rows."""
    return [row["key"] for found in written(out) for row in found]


WRITERS = {"ours": (ours, of_ours), "naive": (naive, of_naive)}


def wanted(folder, count):
    """A spec of the demo model, and a file of reviews, every 20th of them broken; the keys."""
    spec, rows = demo_spec(folder), reviews(count, longest=60)
    for row in rows[::20]:
        row["text"] = ""
    source = lines(os.path.join(folder, "rows.jsonl"), rows)
    return spec, source, [row["key"] for row in rows]


def size(out):
    """Files and bytes in a folder, of what is not only the lock and the plan."""
    found = 0
    for entry in os.scandir(out):
        try:
            found += 1 + entry.stat().st_size if not entry.name.startswith("_") else 0
        except OSError:  # renamed in between
            continue
    return found


def alone(write, *given):
    """What a job's process does, in a group of its own and in silence."""
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    write(*given)


def started(write, *given):
    """A job, as it runs."""
    job = multiprocessing.get_context("fork").Process(target=alone, args=(write,) + given)
    job.start()
    return job


def killed(job, out, drawn):
    """Kills a job some time after it wrote something; whether it was still alive then."""
    before = size(out)
    while job.is_alive() and size(out) == before:
        time.sleep(0.002)
    time.sleep(drawn.uniform(0, LATEST))
    alive = job.is_alive()
    if alive:
        os.killpg(job.pid, signal.SIGKILL)
    job.join()
    return alive


def judged(read, out, keys):
    """What is wrong with a folder that is said to be complete; ``None``: nothing."""
    # Whatever a reader raises, the file does not open.
    try:
        count = collections.Counter(read(out))
    except Exception as wrong:  # noqa: B902
        return "a file does not open: %s" % " ".join(str(wrong).split())[:120]
    lost, doubled = len(set(keys) - set(count)), sum(number - 1 for number in count.values())
    return "%d lost, %d doubled" % (lost, doubled) if lost or doubled or set(count) - set(keys) else None


def main(words=None):
    """Runs the campaign; 1 where something was lost, doubled or torn."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--rows", type=int, default=1500)
    parser.add_argument("--writer", choices=sorted(WRITERS), default="ours")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=0, help="processes that explain (default: 0, the job's own)")
    options = parser.parse_args(words)
    write, read = WRITERS[options.writer]
    _tf.tf.Graph  # noqa: B018 TensorFlow is imported now, before the first fork
    drawn, kills, folders, wrong = np.random.RandomState(options.seed), 0, 0, []
    with tempfile.TemporaryDirectory() as folder:
        with multiprocessing.get_context("fork").Pool(1) as apart:  # it opens a session, which no fork survives
            spec, source, keys = apart.apply(wanted, (folder, options.rows))
        while kills < options.kills:
            folders += 1
            out = os.path.join(folder, "out-%d" % folders)
            os.mkdir(out)
            job, alive = (write, spec, source, out, options.workers), True
            while alive and kills < options.kills:
                alive = killed(started(*job), out, drawn)
                kills += alive
            last = started(*job)
            last.join()
            found = judged(read, out, keys) if not last.exitcode else "the job ended with status %d" % last.exitcode
            wrong += [found] if found else []
            print("%d kills, %d folders of %d rows: %s" % (
                kills, folders, len(keys), found or "each row once"), flush=True)
    print("%s: %d kills, %d folders, %d of them wrong" % (options.writer, kills, folders, len(wrong)))
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
