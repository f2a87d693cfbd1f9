"""Beam: rows of a pipeline in, explained and rejected rows out, each with its key.

``Explain`` is a transform with two outputs; ``ExplanationHandler`` is for ``RunInference``. One explainer a process;
threads take turns. This module needs apache-beam when it is imported; 2.48 and 2.77 are known to work.
"""

import contextlib
import functools
import logging
import os
import shutil
import tempfile
import threading
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple

from tf1_ig.errors import MissingPackageError
from tf1_ig.rows.spec import ExplanationSpec, load_spec
from tf1_ig.scale import batches, schemas, shipped
from tf1_ig.scale.batches import Asked
from tf1_ig.scale.kept import Kept

try:
    import apache_beam
    from apache_beam.io.filesystems import FileSystems
    from apache_beam.metrics import Metrics
    from apache_beam.ml.inference.base import ModelHandler, PredictionResult
except ImportError as missing:
    raise MissingPackageError("the package apache-beam is needed (%s); install it: pip install 'tf1-ig[beam]'" % (
        missing,)) from missing

ROWS = 256  # most of one batch
_turn = threading.Lock()


class ExplanationHandler(ModelHandler):
    """The model of a ``RunInference`` whose predictions are records of ``tf1_ig.scale.SCHEMA``, rejected rows too.

    Args:
      spec: an ``ExplanationSpec``, or the path of one.
      key: the column that rows, mappings of column to value, are known by.
      keep: columns that go along, as JSON, in ``extra``; a worker logs a warning of one that its first rows lack.
      carried: a folder that every worker reads, by any of Beam's file systems; spec and model are packed into it.
        ``None``: workers find them under the paths that they have here.
      **options: arguments of ``IntegratedGradients.explain`` that replace those of the spec.

    Raises:
      SpecError: the spec is none, or its baseline is ``"mean"``.

    >>> rows | RunInference(ExplanationHandler("spec.json", key="id"))                             # doctest: +SKIP
    """

    def __init__(self, spec: Any, key: str = "key", keep: Sequence[str] = (), carried: Optional[str] = None,
                 **options: Any) -> None:
        super().__init__()
        spec = spec if isinstance(spec, ExplanationSpec) else load_spec(spec)
        batches.refuse_mean(spec, options)
        self._asked = key, tuple(keep), tuple(sorted(options.items()))
        self._kept = Kept(keep, logging.getLogger(__name__).warning)
        self._allow_code = spec.allow_code
        self._spec = spec if carried is None else None
        self._archive = None if carried is None else _carry(spec, carried)

    def load_model(self) -> ExplanationSpec:
        """The spec; its explainer is open when this returns."""
        spec = self._spec or shipped.unpacked(_fetched(self._archive), self._allow_code)
        with _turn:
            batches.opened(spec)
        return spec

    def run_inference(self, batch: Sequence[Mapping[str, Any]], model: ExplanationSpec,
                      inference_args: Optional[Dict[str, Any]] = None) -> Iterable[Any]:
        """A ``PredictionResult`` for every row, in order; ``inference_args`` replace arguments of ``explain``."""
        return [PredictionResult(row, record) for row, record in zip(batch, self.records(
            batch, model, inference_args or {}))]

    def records(self, rows: Sequence[Mapping[str, Any]], spec: ExplanationSpec,
                more: Mapping[str, Any]) -> List[Dict[str, Any]]:
        """The record of every row."""
        batches.refuse_mean(spec, more)
        key, keep, options = self._asked
        asked = Asked(key, keep, tuple(sorted(dict(options, **more).items())))
        with _turn:
            self._kept.look(rows)
            return [record for found in batches.explained(spec, batches.numbered([rows]), asked, max(1, len(rows)))
                    for record in found]

    def get_metrics_namespace(self) -> str:
        """Where ``RunInference`` counts."""
        return "tf1_ig"

    def batch_elements_kwargs(self) -> Dict[str, Any]:
        """How large the batches of ``RunInference`` are."""
        return {"min_batch_size": 1, "max_batch_size": ROWS}


class Explain(apache_beam.PTransform):
    """Rows to two collections: ``(key, record)``, ``explained`` and ``rejected``; counted in the namespace ``tf1_ig``.

    Args:
      spec, key, keep, carried, **options: as of ``ExplanationHandler``.

    >>> found = rows | Explain("spec.json", key="id")                                              # doctest: +SKIP
    >>> found.explained | beam.io.WriteToParquet("explained/part", tf1_ig.scale.SCHEMA)            # doctest: +SKIP
    """

    def __init__(self, spec: Any, **asked: Any) -> None:
        super().__init__()
        self._handler = ExplanationHandler(spec, **asked)

    def expand(self, rows: Any) -> Any:
        """The two collections."""
        return rows | apache_beam.BatchElements(1, ROWS) | apache_beam.ParDo(ExplainRows(self._handler)).with_outputs(
            schemas.REJECTED, main=schemas.EXPLAINED)


class ExplainRows(apache_beam.DoFn):
    """Lists of rows to ``(key, record)``, those that were rejected under the tag ``rejected``."""

    def __init__(self, handler: ExplanationHandler) -> None:
        super().__init__()
        self._handler = handler
        self._model: Any = None  # the ExplanationSpec, once it is open
        self._counters = {name: Metrics.counter("tf1_ig", name) for name in (
            schemas.EXPLAINED, schemas.REJECTED, "unconverged", "evaluations")}

    def setup(self) -> None:
        """Opens the explainer."""
        self._model = self._handler.load_model()

    def process(self, element: Sequence[Mapping[str, Any]]) -> Iterator[Any]:
        """Explains the rows of a list."""
        for record in self._handler.records(element, self._model, {}):
            self._counters[record["status"]].inc()
            found: Tuple[str, Dict[str, Any]] = (record["key"], record)
            if record["status"] == schemas.REJECTED:
                yield apache_beam.pvalue.TaggedOutput(schemas.REJECTED, found)
                continue
            self._counters["unconverged"].inc(int(not record["converged"]))
            self._counters["evaluations"].inc(record["evaluations"])
            yield found


def _carry(spec: ExplanationSpec, folder: str) -> str:
    """Packs a spec and its files into a folder of any of Beam's file systems."""
    with tempfile.TemporaryDirectory() as here:
        path = shipped.pack(spec, here)
        there = FileSystems.join(folder, os.path.basename(path))
        with contextlib.suppress(OSError):  # it is there
            FileSystems.mkdirs(folder)
        with open(path, "rb") as file, FileSystems.create(there, "application/octet-stream") as out:
            shutil.copyfileobj(file, out)
    return there


@functools.lru_cache(maxsize=4)
def _fetched(archive: str) -> str:
    """A folder of this machine with what an archive holds; it is there until the process ends."""
    made = tempfile.mkdtemp(prefix="tf1-ig-")
    path = os.path.join(made, os.path.basename(archive))
    with FileSystems.open(archive, "application/octet-stream") as file, open(path, "wb") as out:
        shutil.copyfileobj(file, out)
    shutil.unpack_archive(path, made)
    os.remove(path)
    return made
