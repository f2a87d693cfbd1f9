"""What a row costs on Spark: two workers against one, and CPU seconds at the margin against the core's.

    python scripts/spark_campaign.py --rows 96000

A cluster of this machine, each worker with one core. CPU seconds are those of all its processes and the driver's; the
margin is what the rows above a sixth of them add. Walls mean something only where as many cores are free; what the
machine itself gives is measured beside it: two plain processes of the core at once against one.
"""

import multiprocessing
import os
import pathlib
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as parquet  # noqa: E402
import pyspark  # noqa: E402

from tests.many_rows import campaign  # noqa: E402
from tests.tf1_ig.network import LOCAL  # noqa: E402
from tests.tf1_ig.spark_cluster import Cluster, text  # noqa: E402
from tf1_ig.rows.spec import load_spec  # noqa: E402
from tf1_ig.scale import batches, records  # noqa: E402
from tf1_ig.scale.spark import WINDOW  # noqa: E402

FILES, TICKS = 12, os.sysconf("SC_CLK_TCK")
WARM, PLAIN, PATIENCE = 2000, 24000, 3600   # rows of a plain process, before it is timed and then; seconds for both


def written(folder, rows):
    """A folder of Parquet files with the rows."""
    os.mkdir(folder)
    for number in range(FILES):
        parquet.write_table(pa.Table.from_pylist(rows[number::FILES]), os.path.join(folder, "%d.parquet" % number))
    return folder


def job(workers, spec, source, out):
    """Seconds and CPU seconds of a job, from the moment that the cluster is up."""
    with tempfile.TemporaryDirectory() as folder:
        cluster, used = Cluster(folder, os.path.dirname(pyspark.__file__), (LOCAL,) * (workers + 1)), {}
        try:
            cluster.up()
            began = time.time()
            running = cluster.submit("--spec", spec, "--input", source, "--out", out, **{
                "spark.sql.files.maxPartitionBytes": "100000000", "spark.sql.files.openCostInBytes": "100000000",
                "spark.executor.cores": "1"})
            while running.poll() is None:
                for pid in cluster.processes(""):
                    try:
                        used[pid] = sum(map(int, text("/proc/%d/stat" % pid).rpartition(")")[2].split()[11:13])) / TICKS
                    except (OSError, IndexError):  # it ended in between
                        continue
                time.sleep(0.3)
            assert running.returncode == 0, text(os.path.join(folder, "driver.log"))[-2000:]
            used.pop(os.getpid(), None)
            return time.time() - began, sum(used.values())
        finally:
            cluster.down()


def core(spec, rows, processes):
    """Seconds, and CPU seconds of each, in which as many processes at once explain the rows each."""
    spawn = multiprocessing.get_context("spawn")
    together, told = spawn.Barrier(processes), spawn.Queue()
    running = [spawn.Process(target=alone, args=(spec, rows, together, told), daemon=True) for _ in range(processes)]
    for process in running:
        process.start()
    found = [told.get(timeout=PATIENCE) for _ in running]
    for process in running:
        process.join()
    return np.mean(found, axis=0)


def alone(spec, rows, together, told):
    """A process of the core as a Spark worker runs it: one thread, windows of as many rows."""
    spec, asked = load_spec(spec), batches.Asked("key", threads=1)
    for part in (rows[:WARM], rows):
        together.wait(PATIENCE)
        began, spent = time.time(), time.process_time()
        for found in batches.explained(spec, batches.numbered([part]), asked, WINDOW):
            records.batch(found)
    told.put((time.time() - began, time.process_time() - spent))


def main(words=None):
    """Measures and prints."""
    with campaign(words, __doc__, 96000) as (rows, folder, spec):
        few = rows[:len(rows) // 6]
        large, small = (written(os.path.join(folder, name), of) for name, of in (("large", rows), ("small", few)))
        found = {(workers, name): job(workers, spec, source, os.path.join(folder, "out-%d-%s" % (workers, name)))
                 for workers in (2, 1) for name, source in (("large", large), ("small", small))}
        plain = rows[:PLAIN]
        by_itself, beside = (core(spec, plain, processes) for processes in (1, 2))
        price = by_itself[1] / len(plain)
    for (workers, name), (wall, cpu) in found.items():
        print("%d workers, %s: %.1f s, %.1f CPU s" % (workers, name, wall, cpu))
    for workers in (1, 2):
        more = (found[workers, "large"][1] - found[workers, "small"][1]) / (len(rows) - len(few))
        print("%d workers: %.2f CPU ms a row at the margin, %.2f times the core's %.2f" % (
            workers, 1e3 * more, more / price, 1e3 * price))
    one, two = (found[workers, "large"][0] - found[workers, "small"][0] for workers in (1, 2))
    print("at the margin two workers are %.2f times as fast as one; two plain processes of the core at once %.2f times "
          "one, at %.2f times its CPU; load %.1f on %d cores" % (
              one / two, 2 * by_itself[0] / beside[0], beside[1] / by_itself[1], os.getloadavg()[0], os.cpu_count()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
