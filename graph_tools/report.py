"""What a check found: findings with a number, a verdict and advice, and the report that holds them."""

import dataclasses
import textwrap
from typing import Any, Iterable, Iterator, List, Tuple

VERDICTS = ("ok", "warn", "fail")


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that was checked.

    Attributes:
      name: what was checked, in a word or three (``"completeness"``).
      verdict: ``"ok"``, ``"warn"`` (read it before you believe the numbers) or ``"fail"`` (the numbers are wrong).
      value: the number that was measured, or a short text where there is no one number; ``None`` when not measured.
      advice: what it means and what to do, one or two sentences; empty when there is nothing to do.
    """

    name: str
    verdict: str
    value: Any = None
    advice: str = ""

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS:
            raise ValueError("a verdict is one of %s, not %r" % (", ".join(VERDICTS), self.verdict))

    @property
    def value_text(self) -> str:
        """The value for people: four significant digits for numbers, ``"-"`` for none."""
        if self.value is None:
            return "-"
        if isinstance(self.value, str):
            return self.value
        try:
            return "%.4g" % float(self.value)
        except (TypeError, ValueError):
            return str(self.value)


@dataclasses.dataclass(frozen=True)
class Report:
    """Findings in the order they were checked; iterable; prints as a table.

    >>> report = Report((Finding("completeness", "ok", 0.002),))
    >>> report.ok, [finding.name for finding in report]
    (True, ['completeness'])
    """

    findings: Tuple[Finding, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "findings", tuple(self.findings))

    @property
    def ok(self) -> bool:
        """False when one finding fails (warnings do not count)."""
        return not self.failed

    @property
    def failed(self) -> Tuple[str, ...]:
        """Names of the findings that fail."""
        return tuple(dict.fromkeys(finding.name for finding in self.findings if finding.verdict == "fail"))

    @property
    def worst(self) -> str:
        """The worst verdict of all findings; ``"ok"`` when there are none."""
        return max((finding.verdict for finding in self.findings), key=VERDICTS.index, default="ok")

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __len__(self) -> int:
        return len(self.findings)

    def __getitem__(self, name: str) -> Finding:
        """The first finding of that name."""
        for finding in self.findings:
            if finding.name == name:
                return finding
        raise KeyError("no finding %r; there are: %s" % (name, ", ".join(each.name for each in self.findings)))

    def __add__(self, other: Iterable[Finding]) -> "Report":
        return Report(self.findings + tuple(other))

    def __str__(self) -> str:
        if not self.findings:
            return "nothing was checked"
        wide = max(len(finding.name) for finding in self.findings)
        number = max(len(finding.value_text) for finding in self.findings)
        lines: List[str] = []
        for finding in self.findings:
            head = "%-4s  %-*s  %-*s  " % (finding.verdict, wide, finding.name, number, finding.value_text)
            advice = textwrap.wrap(finding.advice, max(40, 118 - len(head))) or [""]
            lines.append((head + advice[0]).rstrip())
            lines += [" " * len(head) + more for more in advice[1:]]
        return "\n".join(lines)
