"""What became of the rows of a data set, in numbers."""

import dataclasses
from typing import Tuple

from tf1_ig.scale.kept import never


@dataclasses.dataclass(frozen=True)
class Summary:
    """How many rows were read, and what became of them.

    Attributes:
      rows: all rows that were read, those of earlier tries in the same folder too.
      explained, rejected: their two parts.
      unconverged: of the explained, how many did not reach the tolerance.
      seconds: what this try took.
      evaluations: rows sent forward and backward through the model.
      lacking: columns that were to be kept, and that no row has.
      doubtful: of the explained, how many failed a check; their ``failing_checks`` say which.
    """

    rows: int = 0
    explained: int = 0
    rejected: int = 0
    unconverged: int = 0
    seconds: float = 0.0
    evaluations: int = 0
    lacking: Tuple[str, ...] = ()
    doubtful: int = 0

    def __add__(self, other: "Summary") -> "Summary":
        return type(self)(*(getattr(self, field.name) + getattr(other, field.name)
                            for field in dataclasses.fields(self)))

    def __str__(self) -> str:
        return "%d rows: %d explained (%d not converged), %d rejected, %.1f s, %.0f rows/s%s" % (
            self.rows, self.explained, self.unconverged, self.rejected, self.seconds,
            self.rows / max(self.seconds, 1e-9), self.lacking and "; " + never(self.lacking) or "")
