"""Labels by the names of classes: wherever a label may stand as a number, its name may."""

from typing import Any, Mapping, Optional, Sequence

import numpy as np

from tf1_ig.errors import LabelError
from tf1_ig.question.label import RANKED

_SHOWN = 20


def number_of(name: str, class_names: Optional[Sequence[str]]) -> int:
    """The number of a class that is given by its name.

    Raises:
      LabelError: no class is called so, or classes have no names.
    """
    if not class_names:
        raise LabelError("the class %r cannot be found: the classes have no names; give its number, or the names of "
                         "the classes" % name)
    if name not in class_names:
        raise LabelError("no class is called %r; there are: %s%s" % (
            name, ", ".join(class_names[:_SHOWN]), ", …" if len(class_names) > _SHOWN else ""))
    return list(class_names).index(name)


def numbered(label: Any, class_names: Optional[Sequence[str]]) -> Any:
    """A label with numbers for names of classes: of one class, in an index tuple, of each row, among weights.

    Args:
      label: as ``IntegratedGradients.explain`` takes it.
      class_names: ``None``: nothing has a name.

    Raises:
      LabelError: no class is called so.

    >>> numbered({"good": 1, "bad": -1}, ["bad", "good"]), numbered((4, "good"), ["bad", "good"])
    ({1: 1, 0: -1}, (4, 1))
    """
    if class_names is None:
        return label
    if isinstance(label, str):
        return label if label in RANKED and label not in class_names else number_of(label, class_names)
    if isinstance(label, Mapping):
        return {numbered(key, class_names): weight for key, weight in label.items()}
    if isinstance(label, tuple):
        return tuple(numbered(part, class_names) if isinstance(part, str) else part for part in label)
    if isinstance(label, list) or isinstance(label, np.ndarray) and label.dtype.kind in "UO":
        return [numbered(each, class_names) for each in label]
    return label
