"""A result told what its entries are called and where they stand in the texts that a spec cut."""

import dataclasses
from typing import Any, Dict, List, Optional, Tuple

import numpy as np

from graph_tools.graph import names
from tf1_ig.result.attribution import Attribution
from tf1_ig.result.interactions import Interactions
from tf1_ig.rows.record import Cut, Encoded


def annotate(result: Attribution, spec: Any, encoded: Encoded, explainer: Any) -> Attribution:
    """The result with the words, the raw texts and the bytes of each that its entries came from.

    An input whose entries are those of one placeholder of the spec takes that placeholder's; others are left alone.

    Args:
      result: what ``explainer.explain(encoded.feed, …)`` returned.
      spec: the ``ExplanationSpec`` that made the feed; encoded: what ``spec.encode`` returned.
      explainer: the ``IntegratedGradients`` that explained.
    """
    found = _behind({name: [int(np.size(row)) for row in rows] for name, rows in result.tokens.items()}, result.rows,
                    spec, encoded, explainer)
    changes: Dict[str, Any] = {key: dict(getattr(result, key) or {}, **told) for key, told in found.items() if told}
    return dataclasses.replace(result, **changes)


def named(pairs: Interactions, spec: Any, encoded: Encoded, explainer: Any) -> Interactions:
    """The pairs with the words and features that their tokens are, one input after another; places where no name is
    known. Arguments as for ``annotate``."""
    counts = dict(zip(pairs.inputs, pairs.token_counts.T.tolist()))
    known = _behind(counts, None, spec, encoded, explainer)["strings"]
    if not known:
        return pairs
    texts = [[text for name, of_rows in counts.items() for text in (
        known[name][row] if name in known else map(str, range(of_rows[row])))] for row in range(len(pairs.values))]
    return dataclasses.replace(pairs, token_texts=texts)


def _behind(counts: Dict[str, List[int]], rows: Any, spec: Any, encoded: Encoded, explainer: Any
            ) -> Dict[str, Dict[str, List[Any]]]:
    """Names, raw texts and places in them, by input; ``counts``: how many tokens each has in each row of a result,
    ``rows``: which example each row is, where there are several for one."""
    found: Dict[str, Dict[str, List[Any]]] = {"strings": {}, "raw_texts": {}, "spans": {}}
    for one in explainer.resolved.inputs:
        source = source_of(one, spec, explainer.resolved)
        if source is None or one.name not in counts:
            continue
        of_rows, fixed = counts[one.name], spec.placeholders[source].names
        if fixed is not None and set(of_rows) == {len(fixed)}:
            found["strings"][one.name] = [list(fixed) for _ in of_rows]
        cuts = encoded.cuts.get(source, ())
        if rows is not None and len(cuts) > max(rows):
            cuts = [cuts[row] for row in rows]  # one row of the result for each position of an example
        if len(cuts) != len(of_rows):
            continue
        laid = list(filter(None, (_laid_out(cut, count, spec, source, encoded) for cut, count in zip(cuts, of_rows))))
        if len(laid) < len(cuts):
            continue
        found["strings"][one.name] = [tokens for tokens, _ in laid]
        if all(cut.text is not None for cut in cuts):
            found["raw_texts"][one.name] = [cut.text for cut in cuts]
            found["spans"][one.name] = [spans for _, spans in laid]
    return found


def source_of(one: Any, spec: Any, resolved: Any) -> Optional[str]:
    """The placeholder of the spec that an attributed input's entries are; ``None`` for none, or several."""
    index = resolved.model.index
    own = {resolved.renamed.get(tensor, tensor): tensor for tensor in spec.placeholders}
    start = one.ids or one.attributed.tensor
    if start in own:
        return own[start]
    upstream = index.ancestors([start], control=False)
    found = [tensor for name, tensor in own.items() if names.parse(name).node in upstream
             and spec.placeholders[tensor].kind in ("text", "category", "numbers")]
    if len(found) > 1:  # components of one queue: the ids lead back to one of its outputs
        found = [tensor for name, tensor in own.items() if tensor in found and _reads(index, upstream, name)]
    return found[0] if len(found) == 1 else None


def _reads(index: Any, upstream: Any, tensor: str) -> bool:
    return any(use.node in upstream for use in index.uses(tensor))


def _laid_out(cut: Cut, count: int, spec: Any, source: str, encoded: Encoded) -> Optional[Tuple[
        List[str], List[Any]]]:
    """Tokens and spans of a row, entry by entry with its padding; ``None`` where they are not as many."""
    encoder, array = spec.placeholders[source], encoded.feed[source]
    rows = array if spec.batch_axis is None else np.moveaxis(array, spec.batch_axis, 0)
    shape = rows.shape if spec.batch_axis is None else rows.shape[1:]
    if cut.words is None and len(cut.tokens) == count:
        return list(cut.tokens), list(cut.spans)
    shape = shape[:1 if cut.words is None else 2]
    if int(np.prod(shape)) != count:
        return None
    if cut.words is None:
        left = encoder.left
        return _filled(cut.tokens, encoder.padding, count, left), _filled(cut.spans, None, count, left)
    tokens, spans = np.full(shape, encoder.padding, object), np.full(shape, None, object)
    start = shape[0] - len(cut.tokens) if encoder.left else 0
    for place, (word, of_word) in enumerate(zip(cut.tokens, cut.spans), start):
        _put(tokens[place], spans[place], word, of_word, encoder.left)
    return tokens.ravel().tolist(), spans.ravel().tolist()


def _filled(known: List[Any], padding: Any, count: int, left: bool) -> List[Any]:
    """What is known of a row's entries, and padding for the others."""
    fill = [padding] * (count - len(known))
    return fill + known if left else known + fill


def _put(tokens: np.ndarray, spans: np.ndarray, names_of: List[str], places: List[Any], left: bool) -> None:
    start = len(tokens) - len(names_of) if left else 0
    for place, (name, span) in enumerate(zip(names_of, places), start):
        tokens[place], spans[place] = name, span
