"""What a spec asks: a class by its name or number, a rank, an index tuple, one class against another; by which
method."""

from typing import Any, Mapping, Optional, Sequence

from tf1_ig import methods
from tf1_ig.errors import LabelError, MethodError, SpecError
from tf1_ig.question import class_names
from tf1_ig.question.label import RANKED
from tf1_ig.rows.files import Files


def label_of(tree: Mapping[str, Any], classes: Optional[Sequence[str]], files: Files) -> Any:
    """What ``explain`` takes as ``label``.

    Args:
      tree: of a spec; classes: names of its classes; files: for messages.

    Raises:
      SpecError: a name is not that of a class.
    """
    def ranked_or_class(given: Any, key: str) -> Any:
        """A rank, where no class is called so; else the number of a class."""
        return given if given in RANKED and given not in (classes or ()) else number_of(given, key)

    def number_of(given: Any, key: str) -> int:
        if isinstance(given, int):
            return given
        try:
            return class_names.number_of(given, classes)
        except LabelError as wrong:
            raise SpecError("%s: %s" % (files.place(key), wrong)) from None

    if tree.get("contrast") is not None:
        one, other = (ranked_or_class(given, "contrast") for given in tree["contrast"])
        return {one: 1.0, other: -1.0}
    label = tree.get("label", "top")
    if isinstance(label, list):
        return tuple(label[:-1]) + (number_of(label[-1], "label"),) if label else ()
    return label if label in (None, "top") else ranked_or_class(label, "label")


def check_variant(tree: Mapping[str, Any], files: Files) -> None:
    """Refuses a variant that there is none of, or that takes other options.

    Raises:
      SpecError: it is told, with its place.
    """
    given = dict(tree.get("variant") or {})
    if given:
        baseline = {} if tree.get("baseline") is None else {"baseline": tree["baseline"]}
        try:
            methods.choose(given.pop("name"), dict(baseline, **given), tree.get("steps"))
        except MethodError as wrong:
            raise SpecError("%s: %s" % (files.place("variant"), wrong)) from None
