"""What the columns of explained and of rejected rows are; pyarrow is imported when it is first needed.

No column of explained rows has nulls: pandas 1.3 would read whole numbers beside them as floats. What a row does not
have is -1, NaN, "" or an empty list.
"""

from typing import Any, Callable, Dict

from tf1_ig.errors import package

VERSION = 1
EXPLAINED, REJECTED = "explained", "rejected"


def arrow() -> Any:
    """The package pyarrow.

    Raises:
      MissingPackageError: it is not installed.
    """
    return package("pyarrow", "to explain whole data sets", "'tf1-ig[scale]'")


def _made(columns: Callable[[Any], Any], name: str) -> Any:
    pa = arrow()
    return pa.schema([pa.field(column, kind, nullable=False) for column, kind in columns(pa)],
                     metadata={"tf1_ig.schema": "%s %d" % (name, VERSION)})


def _explained(pa: Any) -> Any:
    texts = pa.list_(pa.string())
    return (
        ("key", pa.string()), ("status", pa.string()),
        ("label", pa.int64()), ("label_name", pa.string()),
        ("prediction", pa.int64()), ("prediction_name", pa.string()),
        ("score", pa.float64()), ("baseline_score", pa.float64()), ("delta", pa.float64()),
        ("converged", pa.bool_()), ("evaluations", pa.int64()),
        ("tokens", texts), ("attributions", pa.list_(pa.float64())), ("inputs", texts),
        ("failing_checks", texts), ("extra", pa.string()),
        ("reason", pa.string()), ("column", pa.string()))


def _rejected(pa: Any) -> Any:
    return ("key", pa.string()), ("reason", pa.string()), ("column", pa.string())


def explained() -> Any:
    """The schema of explanations: ``tf1_ig.scale.SCHEMA``."""
    return _made(_explained, "explained")


def rejected() -> Any:
    """The schema of rows that could not be explained: ``tf1_ig.scale.REJECTED``."""
    return _made(_rejected, "rejected")


SCHEMAS: Dict[str, Callable[[], Any]] = {"SCHEMA": explained, "REJECTED": rejected}

# What the columns of a rejected row hold, beside its key, reason and column.
NOTHING = {"status": REJECTED, "label": -1, "label_name": "", "prediction": -1, "prediction_name": "",
           "score": float("nan"), "baseline_score": float("nan"), "delta": float("nan"), "converged": False,
           "evaluations": 0, "tokens": [], "attributions": [], "inputs": [], "failing_checks": [], "extra": "{}"}
