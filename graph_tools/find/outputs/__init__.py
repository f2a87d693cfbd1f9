"""Find what a graph predicts: softmax, sigmoid and logits heads, outputs of signatures; best first, with evidence."""

import dataclasses
from typing import Dict, Set, Tuple

from graph_tools.find.candidates import Candidates, Miss, Output
from graph_tools.find.dataflow import LEARNED
from graph_tools.find.outputs.heads import ACTIVATIONS, HeadSearch
from graph_tools.find.outputs.one_head import grouped
from graph_tools.find.view import FLOATS, View, view_of
from graph_tools.graph import names
from graph_tools.graph.names import TensorRef
from graph_tools.model import Model

_ORDER = ("softmax", "sigmoid", "log_softmax") + ACTIVATIONS + ("prediction", "logits", "label_logits")


def find_outputs(model: Model) -> Candidates:
    """Finds the tensors that are likely predictions, best first.

    Those whose variables all have values come first, and of those what a signature names; then softmax, sigmoid,
    log-softmax, other activations, what a loss compares with labels, logits, other ends of the graph; of one kind those
    with the most layers behind them.
    Functions of one logit are one head: ``same_as`` of the others names the best of them, and ``only()`` and
    ``likely()`` take no other.

    Returns:
      ``Candidates`` of ``Output``; losses, metrics, attention, gates and training ops are in ``misses``.

    Example:
      >>> find_outputs(model).only(kind="softmax").tensor  # doctest: +SKIP
      'head/predictions/probabilities:0'
    """
    return find_heads(view_of(model))


def find_heads(view: View) -> Candidates:
    """``find_outputs`` on a view that is there already; made once for a model."""
    return view.model.once(_find_heads)


def _find_heads(model: Model) -> Candidates:
    view = view_of(model)
    search = HeadSearch(view)
    found = {one.tensor: one for one in search.run()}
    _add_signatures(search, found)
    _add_last_complete(search, found)
    missing = set(model.missing)
    ranked = sorted(found.values(), key=lambda one: _rank(search, one, missing))
    return Candidates(grouped(view, ranked), search.misses, what="output")


def _rank(search: HeadSearch, one: Output, missing: Set[str]) -> Tuple[bool, bool, bool, bool, int, int]:
    """What comes first: what can be computed, what a signature names or training changes, what is not random, the
    kind, the layers."""
    kind = _ORDER.index(one.kind) if one.kind in _ORDER else len(_ORDER)
    behind = search.view.index.ancestors([one.tensor], control=False)
    trained = search.ends.trained
    return (not behind.isdisjoint(missing), not one.signatures,
            bool(trained) and trained.isdisjoint(behind), not behind.isdisjoint(search.random),
            0 if one.tensor in search.chosen else kind,
            -len(behind.intersection(search.ends.layers)))


def _add_last_complete(search: HeadSearch, found: Dict[str, Output]) -> None:
    """Where every head needs variables without values: what the layers that lack them take, if it was learned."""
    view, missing = search.view, set(search.view.model.missing)

    def lacks(tensor: str) -> bool:
        return not missing.isdisjoint(view.index.ancestors([tensor], control=False))

    if not missing or not view.model.variables or not all(map(lacks, found)):
        return
    for layer in filter(lacks, search.ends.layers):
        for ref in map(view.origin, view.inputs(layer)):
            if view.flow.bits(ref.node) & LEARNED and not lacks(str(ref)) and ref.node not in view.loop_nodes:
                found.setdefault(str(ref), search.output(
                    ref, "prediction", "the last that can be computed: variables of %s have no values" % layer,
                    [ref.node]))


def _add_signatures(search: HeadSearch, found: Dict[str, Output]) -> None:
    """Marks the candidates that a signature names; adds float outputs of signatures that no rule found."""
    for signature, definition in sorted(search.view.model.signatures.items()):
        for key, info in sorted(definition.outputs.items()):
            if info.name:
                _add_signature(search, "%s/%s" % (signature, key), names.parse(info.name), found)


def _add_signature(search: HeadSearch, label: str, ref: TensorRef, found: Dict[str, Output]) -> None:
    view = search.view
    if ref.node not in view.index:
        search.misses.append(Miss(str(ref), "signature output %s names it but it is not in the graph" % label))
        return
    if ref.port >= view.tensor_count(ref.node):  # the initializer of a TF 2 SavedModel is a signature, too
        search.misses.append(Miss(str(ref), "signature output %s names it but %s has no such output" % (
            label, ref.node)))
        return
    dtype = view.dtype(ref)
    if dtype not in FLOATS or not view.flow.bits(ref.node):
        reason = "of dtype %s, which has no gradient" % dtype if dtype not in FLOATS else "does not depend on any input"
        search.misses.append(Miss(str(ref), "signature output %s, but %s" % (label, reason)))
        return
    known = found.get(str(ref)) or found.get(str(view.origin(ref, ("Identity",))))
    if known is None:
        known = search.output(ref, "signature", "a float output that depends on the input", [ref.node])
    found.pop(known.tensor, None)
    found[str(ref)] = dataclasses.replace(
        known, tensor=str(ref), why="%s; it is signature output %s" % (known.why, label),
        signatures=known.signatures + (label,))
