"""Spark: a frame of rows in, a frame of explanations out, on as many machines as the cluster has.

Spec and model travel once, as one archive, and are opened once in every Python worker. A task that is tried again
explains in a process of its own, so that a row which ends the process is found and left out. The driver's and the
workers' Pythons have tf1-ig and TensorFlow installed; pyspark 3.4 and 4 are known to work.
"""

import atexit
import dataclasses
import functools
import os
import shutil
import sys
import tempfile
from typing import Any, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from graph_tools.errors import FeedError
from tf1_ig.errors import WorkerError
from tf1_ig.rows.spec import ExplanationSpec, load_spec
from tf1_ig.scale import batches, records, schemas, shipped
from tf1_ig.scale.aggregates import Aggregate
from tf1_ig.scale.batches import Asked
from tf1_ig.scale.folder import Range
from tf1_ig.scale.worker import Job, Worker

WINDOW = 1024
_KINDS = {"string": "string", "int64": "bigint", "double": "double", "bool": "boolean"}

_packed: Dict[Tuple[str, str], str] = {}  # names of archives by application and path; a context carries each once


class Metrics(NamedTuple):
    """Accumulators of what became of rows. A row of a task that was tried again counts each time; rows never double.

    Attributes:
      rows, rejected, unconverged, evaluations: as of ``tf1_ig.scale.Summary``.
    """

    rows: Any
    rejected: Any
    unconverged: Any
    evaluations: Any


def metrics(session: Any) -> Metrics:
    """New accumulators of a ``SparkSession``, to be given to ``explain``."""
    return Metrics(*(session.sparkContext.accumulator(0) for _ in Metrics._fields))


@dataclasses.dataclass(frozen=True)
class _Job:
    """What a worker needs to know; a worker with another version is told so."""

    archive: str
    allow_code: bool
    key: str
    keep: Tuple[str, ...]
    window: int
    options: Tuple[Tuple[str, Any], ...]
    version: str
    metrics: Optional[Tuple[Any, ...]]


def explain(frame: Any, spec: Any, key: str = "key", keep: Sequence[str] = (), window: int = WINDOW,
            metrics: Optional[Metrics] = None, **options: Any) -> Any:
    """A frame of ``tf1_ig.scale.SCHEMA``: an explained or rejected row for every row, none lost, none twice.

    Write it by one job, ``.write.partitionBy("status").parquet(out)``: two filtered writes would explain twice.

    Args:
      frame: a ``pyspark.sql.DataFrame`` with the columns that the spec reads.
      spec: an ``ExplanationSpec``, or the path of one on the driver's machine.
      key: the column that rows are known by.
      keep: columns that go along, as JSON, in ``extra``.
      window: most rows that a worker holds.
      metrics: accumulators that count along.
      **options: arguments of ``IntegratedGradients.explain`` that replace those of the spec.

    Raises:
      FeedError: the frame lacks a column.
      SpecError: the spec is none, or its baseline is ``"mean"``.

    >>> found = tf1_ig.scale.spark.explain(frame, "spec.json", key="id")                           # doctest: +SKIP
    >>> found.write.partitionBy("status").parquet("explained")                                     # doctest: +SKIP
    """
    spec = spec if isinstance(spec, ExplanationSpec) else load_spec(spec)
    batches.refuse_mean(spec, options)
    needed = list(dict.fromkeys([key, *keep, *spec.columns]))
    missing = [name for name in needed if name not in frame.columns]
    if missing:
        raise FeedError("the frame has no column %r; it has %s (key= names the one that rows are known by)" % (
            missing[0], ", ".join(map(repr, frame.columns[:20]))))
    job = _Job(_ship(frame.sparkSession, spec), spec.allow_code, key, tuple(keep), window,
               tuple(sorted(options.items())), _version(), metrics and tuple(metrics))
    chosen = frame.select(["`%s`" % name.replace("`", "``") for name in needed])
    return chosen.mapInArrow(lambda given: _explained(job, given), _columns())


def explain_stream(stream: Any, spec: Any, out: str, checkpoint: str, **asked: Any) -> Any:
    """Explains what a stream has by now, batch by batch, so that a driver that dies loses no batch that is done.

    Each batch is written, or written again, to its own folder ``out/batch=N``. Started again with the same checkpoint
    it goes on with the batch in which it died.

    Args:
      stream: ``session.readStream.schema(…).option("maxFilesPerTrigger", 8).parquet(folder)``, say.
      spec: as of ``explain``.
      out: where the batches go.
      checkpoint: where Spark notes which of them are done.
      **asked: arguments of ``explain``.

    Returns:
      the ``pyspark`` ``StreamingQuery``; ``.awaitTermination()`` waits for its end.
    """
    spec = spec if isinstance(spec, ExplanationSpec) else load_spec(spec)

    def write(frame: Any, number: int) -> None:
        explain(frame, spec, **asked).write.mode("overwrite").partitionBy("status").parquet(
            "%s/batch=%d" % (out.rstrip("/"), number))

    return stream.writeStream.foreachBatch(write).option("checkpointLocation", checkpoint).trigger(
        availableNow=True).start()


def aggregate(frame: Any, by: Optional[str] = "label_name",
              groups: Optional[Mapping[str, Sequence[str]]] = None) -> Aggregate:
    """What ``tf1_ig.aggregate`` says of a folder, of a frame that ``explain`` made or of its files read again.

    Args:
      frame: the explanations.
      by, groups: as of ``tf1_ig.scale.Aggregate``.
    """
    def gathered(rows: Iterable[Any]) -> Iterator[Aggregate]:
        made = Aggregate(by, groups)
        for row in rows:
            made.add(row.asDict())
        yield made

    return frame.rdd.mapPartitions(gathered).treeReduce(lambda one, other: one + other)


def _ship(session: Any, spec: ExplanationSpec) -> str:
    """Has the archive of a spec carried to every machine that works for a session; the name it has there."""
    folder = _folder()
    path = shipped.pack(spec, folder)
    known = session.sparkContext.applicationId, path
    if known not in _packed:
        _packed[known] = os.path.basename(path)
        session.sparkContext.addArchive(path)
    return _packed[known]


@functools.lru_cache(maxsize=None)
def _folder() -> str:
    """Where archives are until this process ends: machines that join later fetch them, too."""
    made = tempfile.mkdtemp(prefix="tf1-ig-")
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


def _version() -> str:
    return sys.modules["tf1_ig"].__version__  # the package, which imports this one


def _columns() -> str:
    """The schema as Spark writes it."""
    def kind(of: Any) -> str:
        return "array<%s>" % kind(of.value_type) if str(of).startswith("list") else _KINDS[str(of)]

    return ", ".join("`%s` %s" % (field.name, kind(field.type)) for field in schemas.explained())


# -- in a worker -----------------------------------------------------------------------------------------------------

@functools.lru_cache(maxsize=4)
def _spec_of(folder: str, allow_code: bool) -> ExplanationSpec:
    return shipped.unpacked(folder, allow_code)


def _explained(job: _Job, given: Iterable[Any]) -> Iterator[Any]:
    from pyspark import SparkFiles, TaskContext
    if job.version != _version():
        raise WorkerError("tf1-ig is %s at the driver and %s here; install one version" % (job.version, _version()))
    task = TaskContext.get()
    asked = Asked(job.key, job.keep, job.options, threads=task.cpus())
    spec = _spec_of(SparkFiles.get(job.archive), job.allow_code)
    run = _apart if task.attemptNumber() else batches.explained
    for found in run(spec, batches.numbered(given), asked, job.window):
        if job.metrics:
            _count(Metrics(*job.metrics), found)
        yield records.batch(found)


def _apart(spec: ExplanationSpec, rows: Iterable[Tuple[str, Any]], asked: Asked,
           window: int) -> Iterator[List[Dict[str, Any]]]:
    """The same by a process that a row may end: an earlier try at this task ended, and a row may have done that."""
    worker = Worker(Job(spec, asked, None))
    try:
        for number, held in enumerate(batches.windows(rows, window)):
            yield worker.explain(Range(number, held))
    finally:
        worker.close()


def _count(counters: Metrics, found: Sequence[Mapping[str, Any]]) -> None:
    explained = [one for one in found if one["status"] == schemas.EXPLAINED]
    counters.rows.add(len(found))
    counters.rejected.add(len(found) - len(explained))
    counters.unconverged.add(sum(not one["converged"] for one in explained))
    counters.evaluations.add(sum(one["evaluations"] for one in explained))
