"""A hundred thousand rows by one command: each key once, flat memory, the numbers of single rows, CPU seconds a row.

    python scripts/large_campaign.py --rows 100000

Memory is that of the process that explains, from 10,000 rows on. 200 rows are drawn and explained one by one. The price
of a row is that of the command without its start, over that of the engine on a tenth of the rows, in memory, by length,
with as many threads as the command gives its one process.
"""

import os
import pathlib
import resource
import subprocess
import sys
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
import tf1_ig  # noqa: E402
from graph_tools.running.threads import cores  # noqa: E402
from tests.many_rows import campaign, explained, largest_difference, lines, written  # noqa: E402
from tf1_ig.scale import batches  # noqa: E402

SETTLED, DRAWN, SHARD = 10000, 200, 4096


def memory(process):
    """Megabytes of the largest process below one."""
    found = [0.0]
    for task in pathlib.Path("/proc/%d/task" % process).glob("*/children"):
        for child in map(int, task.read_text().split()):
            status = pathlib.Path("/proc/%d/status" % child).read_text().splitlines()
            found += [int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS")] + [memory(child)]
    return max(found)


def command(spec, source, out, rows):
    """Runs the command; its CPU seconds, and what memory it took between the first rows and the last ones."""
    before, sizes = resource.getrusage(resource.RUSAGE_CHILDREN), []
    words = ["explain-many", "--spec", spec, "--input", source, "--out", out, "--key", "key", "--workers", "1",
             "--rows-per-shard", str(SHARD), "--quiet"]
    job = subprocess.Popen([sys.executable, "-m", "tf1_ig"] + words, env=dict(os.environ, TF_CPP_MIN_LOG_LEVEL="3",
                                                                              PYTHONPATH=str(ROOT)))
    while job.poll() is None:
        done = len(list(pathlib.Path(out).glob("part-*.parquet")))
        if SETTLED <= done * SHARD < rows - SHARD:  # before the process ends, which gives memory back
            try:
                sizes.append(memory(job.pid))
            except OSError:  # it ended in between
                continue
        time.sleep(0.2)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert job.returncode == 0
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, [size for size in sizes if size]


def engine(spec, rows):
    """CPU seconds of the engine for rows in memory, by length."""
    read = tf1_ig.load_spec(spec)
    explainer = batches.opened(read, cores())
    ordered = sorted(rows, key=lambda row: row["text"].count(" "))
    feeds = [read.feed(ordered[start:start + 256])[0] for start in range(0, len(ordered), 256)]
    explainer.explain(feeds[0], **read.arguments())
    began = time.process_time()
    for feed in feeds:
        explainer.explain(feed, **read.arguments())
    return time.process_time() - began


def main(words=None):
    """Runs the campaign; 1 where rows are lost, doubled or other than alone, or memory grows."""
    with campaign(words, __doc__, 100000) as (rows, folder, spec):
        few = lines(os.path.join(folder, "few.jsonl"), rows[:SHARD])
        start, _ = command(spec, few, os.path.join(folder, "few"), SHARD)
        source = lines(os.path.join(folder, "rows.jsonl"), rows)
        took, sizes = command(spec, source, os.path.join(folder, "out"), len(rows))
        found, letters = written(os.path.join(folder, "out"))
        once = [row["key"] for row in found] == [row["key"] for row in rows] and not letters
        known = {row["key"]: row for row in found}
        drawn = np.random.RandomState(1).choice(len(rows), DRAWN, replace=False)
        alone = [row for place in drawn for row in explained(spec, [[rows[place]]])]
        moved = largest_difference(alone, known)
        more = (took - start) / (len(rows) - SHARD)
        price = engine(spec, rows[:len(rows) // 10]) / (len(rows) // 10)
    spread = (max(sizes) - min(sizes)) / 2 if sizes else float("nan")
    print("%d rows: %s; %d drawn rows alone within %.1e; memory %.0f +- %.0f MB, by tenths of the time %s" % (
        len(rows), "each key once" if once else "LOST OR DOUBLED", DRAWN, moved, np.mean(sizes), spread,
        ", ".join("%.0f" % np.mean(part) for part in np.array_split(sizes, 10) if len(part))))
    print("%.1f CPU s; %.2f ms a row, %.2f times the engine's %.2f ms" % (took, 1e3 * more, more / price, 1e3 * price))
    return int(not (once and moved < 1e-5 and spread <= 50))


if __name__ == "__main__":
    sys.exit(main())
