"""Whether an output is computed in training mode whatever is fed, and the model in inference mode if that mends it."""

from typing import Any, Callable, List, Optional, Tuple

import graph_tools as gt
from graph_tools.find.decided import Decided
from graph_tools.find.inputs.switches import find_switches, unsettled
from graph_tools.graph import names


def mended(model: Any, output: Any, part: Any = None, needed: Callable[[Any], Any] = lambda model: model
           ) -> Optional[Tuple[Any, Any]]:
    """``inference_mode`` of a model, where an output needs it: something is random, or of the whole batch, even with
    every switch at its value for inference; ``None`` where nothing is, or where it would not help.

    Args:
      model, output: what is looked at.
      part: of the model, all that the output needs, where that is known.
      needed: what makes such a part: that of the model in inference mode is then all that is looked at, and what is
        given back.
    """
    name = names.tensor_name(output)
    before = _unsettled(model if part is None else part, name)
    if not before:
        return None
    served, edit = gt.inference_mode(model)
    if not edit.rewired:
        return None
    served = needed(served)
    return (served, edit) if len(_unsettled(served, name)) < len(before) else None


def _unsettled(model: Any, output: str) -> List[str]:
    switches = find_switches(model.index, [output])
    return unsettled(Decided(model.index, {one.tensor: one.value for one in switches.values()}), [output])


def told(edit: Any, most: int = 3) -> List[str]:
    """What an edit into inference mode did, in lines: how much of what, and what stays as it is."""
    done = [note for note in edit.notes if note not in edit.left]
    lines = ["inference mode: %s%s" % ("; ".join(done[:most]), "; and %d more" % (
        len(done) - most) if len(done) > most else "")] if done else ["inference mode: nothing to change was found"]
    return lines + ["  " + note for note in edit.left[:most]]
