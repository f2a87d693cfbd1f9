"""What a search of a graph returns: candidates with the evidence for each, and near misses with theirs."""

import dataclasses
from collections.abc import Sequence
from typing import Any, Iterable, List, NamedTuple, Optional, Tuple

from graph_tools.errors import AmbiguousCandidateError, NoCandidateError, some


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A tensor that may be what was searched for; it can be passed wherever a tensor name can.

    Attributes:
      tensor: its name, ``"a/b:0"``.
      kind: the sort of thing it is (``"gather"``, ``"placeholder"``, ``"softmax"``, …).
      why: one sentence with the evidence.
      nodes: names of the nodes that were matched.
      dtype: name of its dtype (``"float32"``), ``""`` when it is not known.
      shape: ``(None, 40, 100)``; ``None`` when the rank is unknown.
    """

    tensor: str
    kind: str
    why: str
    nodes: Tuple[str, ...] = ()
    dtype: str = ""
    shape: Optional[Tuple[Optional[int], ...]] = None

    def __str__(self) -> str:
        return self.tensor


@dataclasses.dataclass(frozen=True)
class Embedding(Candidate):
    """A lookup of rows in a table: the place where a text or categorical model becomes differentiable.

    Attributes:
      ids: the tensor that says which rows are taken (for one-hot lookups the ids before the one-hot).
      table: the variable, constant or computed tensor that holds the rows; the first part of a partitioned one.
      parts: every variable or constant that the table is made of.
      dim: length of a row; vocab_size: number of rows. ``None`` when the graph does not say.
      per_occurrence: whether ``tensor`` has one row per occurrence of an id. False where ``Unique`` merged repeats
        over the whole batch, and where an op combines rows straight from the table: ``split_occurrences`` helps.
      rows_combined_at: the tensor in which rows of one example were summed or averaged; ``""`` when they are not.
      segments: the segment ids of the op that combines rows, one for each entry of ``ids``; ``None``: nothing does.
      owner: the tensor that says which example each row of ``tensor`` belongs to; ``~example`` (below 0) for a row
        that was only put in to fill an empty example; ``None`` when the leading axis is the batch or a multiple of it.
      strings: the string tensor that was hashed or looked up to make the ids, entry by entry; ``None``: there is none.
      weights: the tensor of weights, one a row, of a weighted lookup.
      in_loop: the lookup runs inside a while loop, where its rows cannot be fetched or fed.
      caveat: why it is ranked below the others; ``""`` when nothing speaks against it.
    """

    ids: str = ""
    table: str = ""
    parts: Tuple[str, ...] = ()
    dim: Optional[int] = None
    vocab_size: Optional[int] = None
    per_occurrence: bool = True
    rows_combined_at: str = ""
    segments: Optional[str] = None
    owner: Optional[str] = None
    strings: Optional[str] = None
    weights: Optional[str] = None
    in_loop: bool = False
    caveat: str = ""


@dataclasses.dataclass(frozen=True)
class Output(Candidate):
    """A likely prediction.

    Attributes:
      signatures: ``"signature/key"`` of every signature output that this tensor is.
      logits: the tensor that an activation was computed from.
      same_as: the better candidate that is a function of the same logits; ``""`` for a head of its own.
    """

    signatures: Tuple[str, ...] = ()
    logits: Optional[str] = None
    same_as: str = ""


class Miss(NamedTuple):
    """Something that looked right and was not taken: the node or tensor, and the reason."""

    name: str
    why: str


class Candidates(Sequence):
    """The candidates of one search, best first; immutable.

    Attributes:
      what: the thing searched for, in a word (``"embedding"``), for messages.
      misses: near misses, as ``Miss(name, why)``, one a name.

    Example:
      >>> found = Candidates([Candidate("scores:0", "softmax", "nothing else consumes it")], what="output")
      >>> found.only().tensor
      'scores:0'
    """

    def __init__(self, found: Iterable[Candidate] = (), misses: Iterable[Miss] = (), what: str = "candidate"):
        self._found = tuple(found)
        self.misses = tuple({miss[0]: Miss(*miss) for miss in misses}.values())
        self.what = what

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return Candidates(self._found[index], self.misses, self.what)
        return self._found[index]

    def __len__(self) -> int:
        return len(self._found)

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, Candidates) and (self._found, self.misses) == (other._found, other.misses)

    def __hash__(self) -> int:
        return hash((self._found, self.misses))

    def of_kind(self, *kinds: str) -> "Candidates":
        """Those of the given kinds, in the same order."""
        return Candidates([one for one in self._found if one.kind in kinds], self.misses, self.what)

    def distinct(self) -> "Candidates":
        """Those that are not another one over again (an output and the logits it is computed from are one head)."""
        listed = {one.tensor for one in self._found}
        return Candidates([one for one in self._found if getattr(one, "same_as", "") not in listed],
                          self.misses, self.what)

    def likely(self) -> Candidate:
        """The best candidate, where there may be several.

        Raises:
          NoCandidateError: there is none; the message lists the near misses.
        """
        return self[:1].only()

    def only(self, kind: Optional[str] = None) -> Candidate:
        """The one candidate (of a kind, when one is given); of several that are one head, the best.

        Raises:
          NoCandidateError: there is none; the message lists the near misses.
          AmbiguousCandidateError: there are several; the message lists them all, with what to type.
        """
        found = (self if kind is None else self.of_kind(kind)).distinct()._found
        label = self.what if kind is None else "%s of kind %r" % (self.what, kind)
        if len(found) == 1:
            return found[0]
        if found:
            raise AmbiguousCandidateError("%d candidates for the %s; pass the name of the one you mean: %s" % (
                len(found), label, "; ".join("%r (%s: %s)" % (one.tensor, one.kind, one.why) for one in found)),
                candidates=found)
        if kind is not None and self._found:
            reason = "found were: %s" % "; ".join("%r (%s)" % (one.tensor, one.kind) for one in self._found)
        elif self.misses:
            reason = "looked at and rejected: %s" % some(["%r (%s)" % miss for miss in self.misses], 8, "; ")
        else:
            reason = "nothing in the graph looks like one"
        raise NoCandidateError("no %s found; %s; pass the tensor's name instead" % (label, reason),
                               candidates=["%r (%s)" % miss for miss in self.misses])

    def __repr__(self) -> str:
        return "Candidates(%d %s, %d misses)" % (len(self), self.what, len(self.misses))

    def __str__(self) -> str:
        rows: List[Tuple[str, ...]] = [("", self.what, "kind", "dtype", "shape", "why")]
        rows += [(str(number), one.tensor, one.kind, one.dtype, format_shape(one.shape), one.why)
                 for number, one in enumerate(self._found)]
        rows += [("x", miss.name, "", "", "", miss.why) for miss in self.misses]
        return "\n".join(_align(rows))


def format_shape(shape: Optional[Tuple[Optional[int], ...]]) -> str:
    """A shape for people: ``[?, 40, 100]``, ``[...]`` when the rank is unknown.

    >>> format_shape((None, 3)), format_shape(None)
    ('[?, 3]', '[...]')
    """
    if shape is None:
        return "[...]"
    return "[%s]" % ", ".join("?" if size is None else str(size) for size in shape)


def short(name: str) -> str:
    """A name for sentences: its last two parts, when there are more.

    >>> short("dnn/input_layer/word_embedding/lookup:0"), short("lookup:0")
    ('.../word_embedding/lookup:0', 'lookup:0')
    """
    parts = name.split("/")
    return name if len(parts) <= 3 else ".../" + "/".join(parts[-2:])


def _align(rows: List[Tuple[str, ...]]) -> List[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    return ["  ".join([cell.ljust(width) for cell, width in zip(row, widths)] + [row[-1]]).rstrip() for row in rows]
