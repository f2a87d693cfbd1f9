"""Spark: a real cluster of a master and two workers, what dies in it, and that its numbers are the single machine's."""

import contextlib
import os
import shutil
import signal
import sys
import time

import numpy as np
import pytest

import tf1_ig
from tests.many_rows import deadly, demo_spec, explained, largest_difference, reviews
from tests.tf1_ig import network
from tf1_ig.scale import aggregates, batches, shipped, spark

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

ROWS, FILES = 900, 12


def needs_spark(test):
    """Marks a test that starts Spark; it is skipped where there is none."""
    return pytest.mark.slow(pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs Java")(test))


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    return demo_spec(tmp_path_factory.mktemp("spec"))


def months():
    rows = [dict(row, month=place % 3) for place, row in enumerate(reviews(ROWS, key="id"))]
    for row in range(5, ROWS, 100):
        rows[row]["text"] = None if row % 200 == 5 else "  "
    return rows


@pytest.fixture(scope="module")
def alone(spec):
    """What a single process says."""
    return {row["key"]: row for row in explained(spec, [months()], key="id", keep=["month"])}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder, rows = tmp_path_factory.mktemp("rows"), months()
    for number in range(FILES):
        table = pa.Table.from_pylist(rows[number::FILES], pa.schema(
            [("id", pa.string()), ("text", pa.string()), ("month", pa.int64())]))
        parquet.write_table(table, str(folder / ("rows-%d.parquet" % number)))
    return folder


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    pyspark = pytest.importorskip("pyspark", reason="pyspark is in the extra: pip install '.[spark]'")
    from tests.tf1_ig.spark_cluster import Cluster
    made = Cluster(tmp_path_factory.mktemp("cluster"), os.path.dirname(pyspark.__file__))
    try:
        made.up()
        yield made
    finally:
        made.down()


def of_status(out, status):
    """Rows below a folder of Spark's that have a status, read by pyarrow."""
    paths = [path for path in out.rglob("part-*.parquet")
             if path.parent.name == "status=" + status and "_temporary" not in path.parts]
    return [row for path in paths for row in parquet.ParquetFile(str(path)).read().to_pylist()]


def assert_nothing_lost(out, alone):
    good, bad = of_status(out, "explained"), of_status(out, "rejected")
    assert sorted(row["key"] for row in good + bad) == sorted(alone)
    assert largest_difference(good, alone) < 1e-6
    assert all(row["extra"] == alone[row["key"]]["extra"] for row in good)
    assert all(alone[row["key"]]["reason"] == row["reason"] for row in bad)


def words_for(spec, source, out, *more):
    return ("--spec", spec, "--input", source, "--out", out, "--key", "id", "--keep", "month") + more


@needs_spark
def test_a_python_worker_and_an_executor_die_in_one_job(cluster, spec, source, alone, tmp_path):
    from tests.tf1_ig.spark_cluster import text, waited
    out = tmp_path / "out"
    job = cluster.submit(*words_for(spec, source, out), **{"spark.executor.cores": "1"})
    python, executor = waited(cluster.python_worker)
    time.sleep(0.5)
    os.kill(python, signal.SIGKILL)
    _, executor = waited(lambda: cluster.python_worker([executor]))  # that of the other
    os.kill(executor, signal.SIGKILL)
    assert job.wait(240) == 0, text(os.path.join(cluster.folder, "driver.log"))[-3000:]
    assert_nothing_lost(out, alone)
    assert "Python worker exited unexpectedly" in ended(cluster)
    assert any(event["Event"] == "SparkListenerExecutorRemoved" for event in cluster.told())
    assert_the_same_table(tf1_ig.aggregate(str(out), by="month"), alone)


def ended(cluster):
    """How tasks ended, as Spark's own events say."""
    return str([event["Task End Reason"] for event in cluster.told() if event["Event"] == "SparkListenerTaskEnd"])


@needs_spark
@pytest.mark.skipif(not network.allowed(), reason="network namespaces need Linux, iproute2 and root")
def test_a_python_worker_an_executor_and_a_cable_die_in_one_job(spec, source, alone, tmp_path):
    pyspark = pytest.importorskip("pyspark", reason="pyspark is in the extra: pip install '.[spark]'")
    from tests.tf1_ig.spark_cluster import Cluster, text, waited
    out, soon = tmp_path / "out", {
        "spark.network.timeout": "15s", "spark.network.timeoutInterval": "5s", "spark.executor.heartbeatInterval": "2s",
        "spark.executor.cores": "1", "spark.task.maxFailures": "8"}
    with network.hosts(2) as hosts:
        cluster = Cluster(tmp_path, os.path.dirname(pyspark.__file__), hosts)
        cluster.environment["SPARK_MASTER_OPTS"] = "-Dspark.worker.timeout=15"
        try:
            cluster.up()
            job = cluster.submit(*words_for(spec, source, out), **soon)
            python, first = waited(lambda: cluster.python_worker(host=hosts[1]))
            time.sleep(0.5)
            os.kill(python, signal.SIGKILL)
            waited(lambda: cluster.python_worker(host=hosts[1]) not in (None, (python, first)))  # the driver knows
            time.sleep(0.5)
            os.kill(first, signal.SIGKILL)
            waited(lambda: cluster.python_worker([first], hosts[1]))  # another executor took its place
            waited(lambda: cluster.python_worker(host=hosts[2]))
            network.cut(hosts[2])
            assert job.wait(400) == 0, text(os.path.join(cluster.folder, "driver.log"))[-3000:]
        finally:
            cluster.down()
    assert_nothing_lost(out, alone)
    assert "Python worker exited unexpectedly" in ended(cluster)
    removed = {event["Executor ID"]: event["Removed Reason"] for event in cluster.told()
               if event["Event"] == "SparkListenerExecutorRemoved"}
    where = {event["Executor ID"]: event["Executor Info"]["Host"] for event in cluster.told()
             if event["Event"] == "SparkListenerExecutorAdded"}
    assert {where[one] for one in removed if one in where} == {hosts[1].address, hosts[2].address}, removed


def assert_the_same_table(found, alone):
    own = aggregates.Aggregate(by="month")
    for row in alone.values():
        own.add(row)
    assert found.rows == own.rows and len(found.lines()) == len(own.lines()) > 50
    theirs = {(line.slice, line.name): line for line in found.lines()}
    for line in own.lines():
        other = theirs[line.slice, line.name]
        assert other.count == line.count
        assert np.allclose(other[3:6] + other.quantiles, line[3:6] + line.quantiles, atol=1e-7, equal_nan=True)
        assert [key for key, _ in other.examples][:1] == [key for key, _ in line.examples][:1]


@needs_spark
def test_a_driver_that_dies_goes_on_where_it_was(cluster, spec, source, alone, tmp_path):
    from tests.tf1_ig.spark_cluster import text, waited
    out, drawn = tmp_path / "out", np.random.RandomState(5)
    words = words_for(spec, source, out, "--checkpoint", tmp_path / "done", "--files", "3")
    for batch in (0, 2):
        job = cluster.submit(*words)
        waited((out / ("batch=%d" % batch)).exists)
        time.sleep(drawn.uniform(0, 1))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(job.pid, signal.SIGKILL)
        assert job.wait() == -signal.SIGKILL
    assert cluster.submit(*words).wait() == 0, text(os.path.join(cluster.folder, "driver.log"))[-3000:]
    assert_nothing_lost(out, alone)
    assert sorted(path.name for path in out.iterdir()) == ["batch=%d" % number for number in range(4)]
    assert sum(tf1_ig.aggregate(str(out)).rows.values()) == len(of_status(out, "explained"))


@needs_spark
def test_in_one_program(spec, alone, monkeypatch):
    sql = pytest.importorskip("pyspark.sql", reason="pyspark is in the extra: pip install '.[spark]'")
    from graph_tools.errors import FeedError
    from tf1_ig.errors import SpecError
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    session = sql.SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
    try:
        rows = [tuple(row[name] for name in ("id", "text", "month")) for row in months()[:60]]
        frame = session.createDataFrame(rows, "id string, text string, month int").repartition(3)
        counted = spark.metrics(session)
        found = spark.explain(frame, spec, key="id", keep=["month"], metrics=counted).cache()
        assert sorted(row.key for row in found.collect()) == sorted(row[0] for row in rows)
        assert (counted.rows.value, counted.rejected.value) == (60, 1) and counted.evaluations.value > 60
        assert_the_same_table(spark.aggregate(found, by="month"), {row[0]: alone[row[0]] for row in rows})
        with pytest.raises(FeedError, match="no column 'key'; it has 'id', 'text', 'month'"):
            spark.explain(frame, spec)
        with pytest.raises(SpecError, match="mean"):
            spark.explain(frame, spec, key="id", baseline="mean")
    finally:
        session.stop()


def test_a_task_that_is_tried_again_leaves_out_the_row_that_ends_it(spec, alone, tmp_path, monkeypatch):
    deadly(tmp_path, "k6", monkeypatch)
    rows = list(batches.numbered([months()[:12]]))
    found = [row for held in spark._apart(tf1_ig.load_spec(spec), rows, batches.Asked("id"), 8) for row in held]
    assert [row["key"] for row in found] == ["k%d" % row for row in range(12)]
    assert [row["key"] for row in found if row["status"] == "rejected"] == ["k5", "k6"]
    assert np.allclose(found[7]["attributions"], alone["k7"]["attributions"], atol=1e-6)


def test_a_spec_travels_with_its_files(spec, tmp_path):
    read, rows = tf1_ig.load_spec(spec), [{"text": "a wonderful film"}]
    path = shipped.pack(read, str(tmp_path))
    assert path == shipped.pack(tf1_ig.load_spec(spec), str(tmp_path)) and len(os.listdir(str(tmp_path))) == 1
    shutil.unpack_archive(path, str(tmp_path / "there"))
    there = shipped.unpacked(str(tmp_path / "there"))
    assert there.model_path.startswith(str(tmp_path)) and there.classes == read.classes
    np.testing.assert_array_equal(*(next(iter(one.feed(rows)[0].values())) for one in (read, there)))
    with there.open() as explainer, read.open() as other:
        assert there.explain(rows, explainer).score[0] == read.explain(rows, other).score[0]
    changed = tf1_ig.ExplanationSpec(dict(read.tree, tolerance=0.5), os.path.dirname(spec))
    assert os.path.basename(shipped.pack(changed, str(tmp_path))) != os.path.basename(path)


@pytest.mark.parametrize("named, files", [
    ("m/c", ["c.index", "c.meta", "c.data-00000-of-00001"]),
    ("m/c.meta", ["c.index", "c.meta", "c.data-00000-of-00001"]),
    ("m", ["saved_model.pb", "variables/variables.index"]), ("m/g.pb", ["g.pb"])])
def test_a_model_of_several_files_travels_whole(named, files, tmp_path):
    for name in files + ["other"]:
        path = tmp_path / "m" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    tree = {"version": 1, "model": {"path": named}, "output": "o:0",
            "feed": {"x:0": {"kind": "numbers", "columns": ["a"]}}}
    path = shipped.pack(tf1_ig.ExplanationSpec(tree, str(tmp_path)), str(tmp_path))
    shutil.unpack_archive(path, str(tmp_path / "there"))
    there = shipped.unpacked(str(tmp_path / "there"))
    assert os.path.basename(there.model_path) == os.path.basename(named)
    root = there.model_path if named == "m" else os.path.dirname(there.model_path)
    held = {os.path.relpath(os.path.join(folder, name), root) for folder, _, names in os.walk(root) for name in names}
    assert held == set(files) | ({"other"} if named == "m" else set())
