"""From what the caller names to what can be operated on: the output, the attributed tensors, the edits they need."""

from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import graph_tools as gt
from graph_tools.edit.hold_state import hold_state
from graph_tools.errors import GraphToolsError, NoCandidateError, some
from graph_tools.feature_columns import Column
from graph_tools.find.candidates import Candidate, Embedding
from graph_tools.find.embeddings.onehot import VECTORS
from graph_tools.find.numbers import find_numbers
from graph_tools.graph import names
from graph_tools.model import Model
from graph_tools.running.runs import blocking_producers
from tf1_ig.engine.operated import AttributedInput
from tf1_ig.errors import InputError
from tf1_ig.question import called, views
from tf1_ig.result import entries, features


class ResolvedInput(NamedTuple):
    """An attributed tensor under the name the caller knows, and as it stands in the operated model.

    ``ids`` and ``strings`` name the tensors with the id and the string behind each entry, where there are such;
    ``table_rows`` is the number of rows of the table that ids are looked up in; ``kind`` is the candidate's;
    ``id_axes`` the order in which the axes of the ids stand in a tensor that is a transposed view of a lookup.
    """

    name: str
    attributed: AttributedInput
    ids: Optional[str] = None
    strings: Optional[str] = None
    table_rows: Optional[int] = None
    kind: str = ""
    id_axes: Optional[Tuple[int, ...]] = None

    @property
    def one_hot_rows(self) -> Optional[int]:
        """Rows of a table that is looked up by a one-hot product: an id beyond it is no error but a row of zeros."""
        return self.table_rows if self.kind == "one_hot" or self.kind in VECTORS else None

    @property
    def categories(self) -> Optional[int]:
        """Their number where the last axis of the tensor counts them (one-hot and multi-hot vectors)."""
        return self.table_rows if self.kind in VECTORS else None


class Through(NamedTuple):
    """Inputs of an explainer of a path through a layer: the layer, and what it is computed from beside it."""

    layer: Any
    inputs: Tuple[Any, ...]


class Resolved(NamedTuple):
    model: Model
    output: str
    inputs: Tuple[ResolvedInput, ...]
    # New tensor name by old one, where queues were swapped for placeholders.
    renamed: Dict[str, str]
    notes: Tuple[str, ...]
    output_kind: Optional[str]
    # Feature columns that reach the output, by name.
    columns: Dict[str, Any] = {}
    # The number of rows that a swapped queue handed over at a time.
    rows: Optional[int] = None
    # Floats that reach the output and keep their values: masks and weights, or what the caller did not name.
    held: Tuple[str, ...] = ()
    # What a softmax or a sigmoid is computed from.
    logits: Optional[str] = None

    @property
    def called(self) -> entries.Called:
        """What is fed behind each input, as the caller knows it."""
        return called.called(self.inputs, self.model, self.renamed)

    def computed_from(self, tensor: str) -> List[str]:
        """The attributed tensors that the graph computes from a tensor: fed themselves, they would hide its value."""
        below = self.model.index.descendants_of_tensor(tensor)
        return [spec.attributed.tensor for spec in self.inputs
                if spec.attributed.tensor != tensor and names.parse(spec.attributed.tensor).node in below]


def resolve(model: Model, output: Any, inputs: Any) -> Resolved:
    """Checks the caller's names, chooses the inputs when asked to, swaps queues and splits merged lookups.

    Raises:
      TensorNotFoundError: a name is not in the graph.
      NoCandidateError: ``inputs="auto"`` found nothing to attribute to.
      TypeError: ``model`` is not a ``Model``.
    """
    if not isinstance(model, Model):
        raise TypeError("model is a %s; pass gt.load(path) or gt.from_session(session)" % type(model).__name__)
    output_name = names.in_outline(model, output).name
    handed = _rows_handed_over(model, output_name)
    model, renamed = _without_queues(model, output_name)
    output_name = renamed.get(output_name, output_name)
    notes: List[str] = []
    model = _without_calls(model, output_name, notes)
    model, edit = hold_state(model, [output_name])
    notes += edit.notes
    columns = gt.find_columns(model, output_name)
    if isinstance(inputs, str) and inputs == "auto":
        chosen, held, told = _choose(model, output_name, columns)
        notes += told
    else:
        chosen = list(_listed(model, inputs))
        held = _held_beside(model, output_name, [renamed.get(name, name) for name in map(names.tensor_name, chosen)])
    model, resolved = _operable(model, chosen, renamed, notes)
    _refuse_nested(model, [spec.attributed.tensor for spec in resolved[isinstance(inputs, Through):]], output_name)
    head = output if isinstance(output, Candidate) else next(
        (found for found in gt.find_outputs(model) if found.tensor == output_name), None)
    return Resolved(model, output_name, tuple(resolved), renamed, tuple(notes), head.kind if head else None,
                    features.with_names(columns, chosen), handed, tuple(held), getattr(head, "logits", None))


def _listed(model: Model, inputs: Any) -> Sequence[Any]:
    """The caller's inputs one by one; a feature column stands for its rows, or else for its part of the layer."""
    if isinstance(inputs, Through):
        return [inputs.layer] + list(inputs.inputs)
    listed = list(inputs) if isinstance(inputs, (list, tuple, gt.Candidates)) else [inputs]
    if not listed:
        raise InputError("{argument} is empty: there is nothing to attribute to; name a tensor, or leave it out",
                         argument="inputs")
    if not any(isinstance(given, Column) for given in listed):
        return listed
    embeddings = gt.find_embeddings(model)
    return [features.input_of(given.by_name(), embeddings) if isinstance(given, Column) else given for given in listed]


def _rows_handed_over(model: Model, output: str) -> Optional[int]:
    """The number of rows in the elements of the queues and iterators that feed the output, where it is one."""
    if not blocking_producers(model, [output]):
        return None
    found = {one.batch for one in gt.find_inputs(model, output=output) if one.batch and one.batch > 1}
    return found.pop() if len(found) == 1 else None


def _without_queues(model: Model, output: str) -> Tuple[Model, Dict[str, str]]:
    """The model with placeholders where queues, iterators or readers feed the output, and their new names."""
    if not blocking_producers(model, [output]):
        return model, {}
    swapped, edit = gt.swap_inputs(model)
    return swapped, dict(edit.placeholders)


def _without_calls(model: Model, output: str, notes: List[str]) -> Model:
    """The model with the bodies of the functions in its graph that are called on the way to the output, if any is."""
    inlined, edit = gt.inline_calls(model, [output])
    if inlined is not model:
        notes.extend(edit.notes)
    return inlined


class _Chosen(NamedTuple):
    """What is attributed to, and the floats that are not although they reach the output."""

    inputs: List[Any]
    held: List[str]
    notes: List[str]


def _choose(model: Model, output: str, columns: Dict[str, Any]) -> _Chosen:
    """Every embedding, feature column and number that decides about the output; what only gates others is held."""
    embeddings = gt.find_embeddings(model, output=output)
    sound = [found for found in embeddings if not found.caveat and found.tensor != output]
    if columns:
        # A column of somebody's own class may be computed from a lookup that is there already.
        computed = set().union(*[model.index.descendants_of_tensor(found.tensor) for found in sound])
        sound = [found for found in features.inputs_of(columns, sound)
                 if not isinstance(found, str) or names.parse(found).node not in computed]
    fed = gt.find_inputs(model, output=output)
    numbers = find_numbers(model, output, sound, [found.tensor for found in fed if found.switch])
    weights = {found.weights for found in embeddings if found.weights}
    taken = [one.tensor for one in numbers if one.feature and one.tensor not in weights]
    if not sound:
        reaching = {one.tensor for one in numbers}
        floats = [found.tensor for found in fed if found.kind == "placeholder" and not found.switch
                  and found.dtype.startswith(("float", "bfloat")) and (found.shape != () or found.tensor in reaching)]
        # Without lookups a product of two of them is a model of both; without any gradient the error names its end.
        taken += [one for one in floats if one in reaching and one not in taken]
        taken = taken or floats
    if not sound and not taken:
        numbers = find_numbers(model, output, (), [found.tensor for found in fed if found.switch], any_kind=True)
        taken = [one.tensor for one in numbers]
    held = [one.tensor for one in numbers if one.tensor not in taken]
    if sound or taken:
        return _Chosen(sound + taken, held, [
            "attributions are to %s, the first tensor with a gradient behind %s" % (one.tensor, ", ".join(one.sources))
            for one in numbers if one.tensor in taken and one.sources != (one.tensor,)])
    doubtful = "; ".join("%r (%s)" % (found.tensor, found.caveat or "inside a loop") for found in embeddings)
    raise NoCandidateError("no embedding and no float placeholder leads to %s%s; pass {argument} (tf1-ig inspect "
                           "shows what was looked at)" % (output, ", only %s" % doubtful if doubtful else ""),
                           argument="inputs", value="TENSOR")


def _held_beside(model: Model, output: str, inputs: Sequence[Any]) -> List[str]:
    """The floats that reach an output past inputs that the caller chose."""
    try:
        given = [names.in_outline(model, one).name for one in inputs]
    except GraphToolsError:
        return []  # told where the input is used
    switches = [found.tensor for found in gt.find_inputs(model, output=output) if found.switch]
    return [one.tensor for one in find_numbers(model, output, given, switches)]


def _operable(model: Model, chosen: Sequence[Any], renamed: Dict[str, str], notes: List[str]) -> Tuple[
        Model, List[ResolvedInput]]:
    """The tensors to interpolate for what the caller gave (for merged or combined lookups, after the split)."""
    tensors = [renamed.get(name, name) for name in map(names.tensor_name, chosen)]
    lookups = [_lookup(model, given, tensor) for given, tensor in zip(chosen, tensors)]
    split, edit = gt.split_occurrences(model, [one for one in lookups if one is not None])
    resolved, merged = [], []
    for given, tensor, lookup in zip(chosen, tensors, lookups):
        name = names.tensor_name(given)
        if lookup is None:
            viewed = views.lookup_behind(split, tensor)
            one = _resolved_input(name, AttributedInput(tensor), viewed and viewed.lookup, renamed)
            resolved.append(one if viewed is None else one._replace(id_axes=viewed.axes))
            continue
        row_tensor = edit.placeholders[lookup.tensor]
        if row_tensor != lookup.tensor:
            merged.append(lookup.tensor)
        if split is not model:
            lookup = next((one for one in gt.find_embeddings(split) if one.tensor == row_tensor), lookup)
            tensor = lookup.tensor
        resolved.append(_resolved_input(name, AttributedInput(tensor, lookup.owner), lookup, renamed))
    if merged:
        notes.append("%s %s ids; attributions are to one row per occurrence" % (some(merged, 3), (
            "merges or combines the rows of its" if len(merged) == 1 else "merge or combine the rows of their")))
    return split, resolved


def _lookup(model: Model, given: Any, name: str) -> Optional[Embedding]:
    """The lookup that the caller gave, or whose rows the tensor of a name is."""
    if not isinstance(given, Embedding):
        names.in_outline(model, name)
        found = next((one for one in gt.find_embeddings(model) if one.tensor == name), None)
        # A tensor of combined rows that is named itself is meant itself.
        return None if found is None or found.rows_combined_at == name else found
    if names.parse(given.ids).node not in model.index:
        # Found before queues were swapped or calls inlined; what it names has other names since.
        return next((one for one in gt.find_embeddings(model) if one.tensor == given.tensor), given)
    return given


def _resolved_input(name: str, attributed: AttributedInput, found: Optional[Embedding],
                    renamed: Dict[str, str]) -> ResolvedInput:
    if found is None:
        return ResolvedInput(name, attributed)
    ids, strings = (one and renamed.get(one, one) or None for one in (found.ids, found.strings))
    return ResolvedInput(name, attributed, ids, strings, found.vocab_size, found.kind)


def _refuse_nested(model: Model, tensors: Sequence[str], output: str) -> None:
    """Two inputs of which one is computed from the other cannot move along the path together; nor the output itself."""
    if output in tensors:
        raise InputError("input %s is the output itself; name a tensor that it is computed from" % output)
    nodes = [names.parse(tensor).node for tensor in tensors]
    for first in tensors if len(tensors) > 1 else ():
        behind = model.index.descendants_of_tensor(first)
        for second, node in zip(tensors, nodes):
            if first != second and node in behind:
                raise InputError("input %s is computed from input %s; explain one of them" % (second, first))
    repeated = [tensor for tensor in tensors if list(tensors).count(tensor) > 1]
    if repeated:
        raise InputError("input %s is given twice; give it once" % repeated[0])
