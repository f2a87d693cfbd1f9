"""One machine: files in, a folder of explanations out, nothing lost and nothing twice whatever happens in between."""

import os
import queue
import sys
import threading
import time
from typing import Any, Callable, Iterator, List, Optional, Sequence

from graph_tools.running.threads import cores
from tf1_ig.rows import readers
from tf1_ig.rows.spec import ExplanationSpec, load_spec
from tf1_ig.scale import folder, plan, schemas
from tf1_ig.scale.batches import BY_PLACE, Asked, opened, refuse_mean
from tf1_ig.scale.folder import Range
from tf1_ig.scale.kept import Kept
from tf1_ig.scale.summary import Summary
from tf1_ig.scale.suspects import Suspects
from tf1_ig.scale.worker import Job, Worker, answer

ROWS = 4096
EACH = 60.0  # seconds from line to line where stderr is no terminal


def explain_dataset(spec: Any, files: Any, out: Any, resume: bool = False, workers: Optional[int] = None,
                    key: Optional[str] = None, rows_per_shard: int = ROWS, keep: Sequence[str] = (),
                    progress: bool = False, **options: Any) -> Summary:
    """Explains every row of files into a folder of Parquet files.

    Args:
      spec: an ``ExplanationSpec``, or the path of one.
      files: a path, a pattern, a folder, or several: Parquet, TFRecord, JSONL, CSV, text, ``.npz``, pictures.
      out: the folder; ``part-*.parquet`` (``tf1_ig.scale.SCHEMA``) and ``dead-letter-*.jsonl`` (key, reason, column).
      resume: go on in a folder that the same job began; what is there and whole is kept.
      workers: processes that explain; ``None``: one a core; 0: this process, which a row may then end.
      key: the column that rows are known by; ``None``: ``FILE:ROW``, rows counted from 1.
      rows_per_shard: most rows of one file.
      keep: columns that go along, as JSON, in ``extra``.
      progress: tell on stderr how far it is: once a second on a terminal, else in a line a minute.
      **options: arguments of ``IntegratedGradients.explain`` that replace those of the spec: ``steps``,
        ``tolerance``, ``label``, ….

    Returns:
      a ``Summary`` of all rows, those of earlier tries too.

    Raises:
      FolderError: the folder is used, was begun by another job, or another process writes to it.
      FeedError: a file is none of rows, or cannot be read on.
      SpecError, LabelError, MethodError: what is asked does not fit the model.
      OSError: the disk is full, say; the folder can be resumed.

    >>> tf1_ig.explain_dataset("spec.json", "reviews-*.parquet", "explained", key="id")            # doctest: +SKIP
    Summary(rows=100000, explained=99871, rejected=129, unconverged=3, …)
    """
    schemas.arrow()
    began = time.time()
    spec = spec if isinstance(spec, ExplanationSpec) else load_spec(spec)
    refuse_mean(spec, options)
    out, named = os.fspath(out), readers.files(files)
    settings = dict(options, key=key, rows_per_shard=rows_per_shard, keep=list(keep))
    version = sys.modules["tf1_ig"].__version__  # the package, which imports this module
    model = None if workers != 0 else opened(spec).resolved.model
    what = plan.plan(spec, named, {name: repr(value) for name, value in settings.items()}, version, model)
    workers = cores() if workers is None else workers
    asked = Asked(BY_PLACE if key is None else key, tuple(keep), tuple(sorted(options.items())),
                  threads=max(1, cores() // workers) if workers else 0)
    job = Job(spec, asked, out)
    with folder.taken(out, what, resume):
        told = _Told(progress, began)
        kept = Kept(keep, told.say)

        def todo() -> Iterator[Range]:
            for one in plan.ranges(plan.rows(spec, named), rows_per_shard):
                kept.look(row for _, row in one.rows)
                before = folder.done(out, one.number, len(one.rows))
                if before is None:
                    yield one
                else:
                    told.add(before, earlier=True)

        if workers:
            _by_workers(job, todo(), workers, told.add)
        else:
            for one in todo():
                told.add(answer(job, one, asked))
        summary = told.summary() + Summary(lacking=kept.lacking)
        folder.finish(out, summary)
        told.end()
    return summary


def _by_workers(job: Job, todo: Iterator[Range], workers: int, add: Callable[[Summary], None]) -> None:
    """Ranges are read here, and explained and written by processes, each looked after by a thread."""
    waiting: "queue.Queue[Optional[Range]]" = queue.Queue(1)
    failed: List[BaseException] = []
    suspects = Suspects(os.path.join(str(job.folder), folder.SUSPECTS))
    mine = [Worker(job, suspects) for _ in range(workers)]

    def look_after(worker: Worker) -> None:
        try:
            for one in iter(waiting.get, None):
                add(worker.explain(one))
        # It is raised below, in the caller's thread.
        except BaseException as wrong:  # noqa: B902
            failed.append(wrong)

    threads = [threading.Thread(target=look_after, args=(worker,), daemon=True) for worker in mine]
    try:
        for thread in threads:
            thread.start()
        for one in todo:
            _put(waiting, one, failed)
        for _ in threads:
            _put(waiting, None, failed)
        while any(thread.is_alive() for thread in threads) and not failed:
            time.sleep(0.02)
        if failed:
            raise failed[0]
    except BaseException:
        for worker in mine:
            worker.kill()
        raise
    finally:
        for worker in mine:
            worker.close()


def _put(waiting: "queue.Queue[Optional[Range]]", one: Optional[Range], failed: List[BaseException]) -> None:
    while True:
        if failed:
            raise failed[0]
        try:
            return waiting.put(one, timeout=0.1)
        except queue.Full:
            continue


class _Told:
    """Counts, and tells how far it is."""

    def __init__(self, progress: bool, began: float) -> None:
        self._progress, self._began = progress, began
        self._bar = progress and sys.stderr.isatty()
        self._shown = 0.0 if self._bar else began  # to a file, nothing is said of a job of less than a minute
        self._all, self._earlier = Summary(), 0
        self._lock = threading.Lock()

    def add(self, more: Summary, earlier: bool = False) -> None:
        """A range is done, or was."""
        with self._lock:
            self._all += more
            self._earlier += more.rows if earlier else 0
            if self._progress and time.time() - self._shown > (1 if self._bar else EACH):
                self._shown = time.time()
                rate = (self._all.rows - self._earlier) / max(1e-9, time.time() - self._began)
                line = "%d rows, %.0f a second, %d rejected, %d not converged" % (
                    self._all.rows, rate, self._all.rejected, self._all.unconverged)
                sys.stderr.write("\r%s " % line if self._bar else line + "\n")
                sys.stderr.flush()

    def say(self, line: str) -> None:
        """A line that cannot wait for the end, where anything is told."""
        if self._progress:
            sys.stderr.write(line + "\n")

    def summary(self) -> Summary:
        """All of it, and the seconds of this try."""
        return self._all + Summary(seconds=time.time() - self._began)

    def end(self) -> None:
        """No more is told."""
        if self._bar and self._shown:
            sys.stderr.write("\n")
