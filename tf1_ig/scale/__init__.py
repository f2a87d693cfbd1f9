"""Whole data sets: one core that every engine runs, one machine that loses nothing.

``SCHEMA`` and ``REJECTED`` are pyarrow schemas; pyarrow is imported when they are first asked for.
"""

from typing import Any

from tf1_ig.scale import schemas
from tf1_ig.scale.aggregates import Aggregate, aggregate
from tf1_ig.scale.batches import explain_batches
from tf1_ig.scale.dataset import explain_dataset
from tf1_ig.scale.summary import Summary

__all__ = ["REJECTED", "SCHEMA", "Aggregate", "Summary", "aggregate", "explain_batches", "explain_dataset"]


def __getattr__(name: str) -> Any:
    if name in schemas.SCHEMAS:
        return schemas.SCHEMAS[name]()
    raise AttributeError("module 'tf1_ig.scale' has no attribute %r" % name)
