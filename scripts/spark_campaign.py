"""What a row costs on Spark: two workers against one, and CPU seconds at the margin against the core's.

    python scripts/spark_campaign.py --rows 12000

A cluster of this machine, each worker with one core. CPU seconds are those of all its processes and the driver's; the
margin is what the rows above a sixth of them add. Walls mean something only where as many cores are free.
"""

import os
import pathlib
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as parquet  # noqa: E402
import pyspark  # noqa: E402

import tf1_ig  # noqa: E402
from tests.many_rows import campaign  # noqa: E402
from tests.tf1_ig.network import LOCAL  # noqa: E402
from tests.tf1_ig.spark_cluster import Cluster, text  # noqa: E402

FILES, TICKS = 12, os.sysconf("SC_CLK_TCK")


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


def core(spec, rows):
    """CPU seconds of the core for rows, in windows as on Spark."""
    list(tf1_ig.explain_batches(spec, [rows[:300]], window=1024))
    began = time.process_time()
    list(tf1_ig.explain_batches(spec, [rows], window=1024))
    return time.process_time() - began


def main(words=None):
    """Measures and prints."""
    with campaign(words, __doc__, 12000) as (rows, folder, spec):
        few = rows[:len(rows) // 6]
        large, small = (written(os.path.join(folder, name), of) for name, of in (("large", rows), ("small", few)))
        found = {(workers, name): job(workers, spec, source, os.path.join(folder, "out-%d-%s" % (workers, name)))
                 for workers in (2, 1) for name, source in (("large", large), ("small", small))}
        price = core(spec, rows[:4000]) / len(rows[:4000])
    for (workers, name), (wall, cpu) in found.items():
        print("%d workers, %s: %.1f s, %.1f CPU s" % (workers, name, wall, cpu))
    for workers in (1, 2):
        more = (found[workers, "large"][1] - found[workers, "small"][1]) / (len(rows) - len(few))
        print("%d workers: %.2f CPU ms a row at the margin, %.2f times the core's %.2f" % (
            workers, 1e3 * more, more / price, 1e3 * price))
    one, two = (found[workers, "large"][0] - found[workers, "small"][0] for workers in (1, 2))
    print("at the margin two workers are %.2f times as fast as one; load %.1f on %d cores" % (
        one / two, os.getloadavg()[0], os.cpu_count()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
