"""A result told what its entries are called and where they stand in the texts that a spec cut."""

import dataclasses
from typing import Any, Dict, List, Optional, Sequence

from graph_tools.graph import names
from tf1_ig.result import entries
from tf1_ig.result.attribution import Attribution
from tf1_ig.result.interactions import Interactions
from tf1_ig.rows.record import Encoded


def annotate(result: Attribution, spec: Any, encoded: Encoded, explainer: Any, in_text: bool = True) -> Attribution:
    """The result with the words, the raw texts and the bytes of each that its entries came from.

    An input whose entries are those of one placeholder of the spec takes that placeholder's; others are left alone.

    Args:
      result: what ``explainer.explain(encoded.feed, …)`` returned.
      spec: the ``ExplanationSpec`` that made the feed; encoded: what ``spec.encode`` returned.
      explainer: the ``IntegratedGradients`` that explained.
      in_text: with the raw texts and the bytes in them too; else the words alone.
    """
    sums = result.tokens
    counts = {name: [entries.of_row(result, name, row, sums).size for row in range(len(result))] for name in sums}
    found = _behind(counts, result.rows, spec, encoded, explainer, in_text)
    changes: Dict[str, Any] = {key: dict(getattr(result, key) or {}, **told) for key, told in found.items() if told}
    return dataclasses.replace(result, called=_called(result.called, spec, explainer), **changes)


def named(pairs: Interactions, spec: Any, encoded: Encoded, explainer: Any) -> Interactions:
    """The pairs with the words and features that their tokens are, one input after another; what they are called
    already where no name is known. Arguments as for ``annotate``."""
    counts = dict(zip(pairs.inputs, pairs.token_counts.T.tolist()))
    known = _behind(counts, None, spec, encoded, explainer, False)["strings"]
    called = _called(explainer.resolved.called, spec, explainer)
    texts = []
    for row in range(len(pairs.values)):
        own, start = pairs.texts(row), 0
        for name, of_rows in counts.items():
            stop = start + of_rows[row]
            if name in known:
                own[start:stop] = known[name][row]
            elif own[start:stop] == entries.numbered(explainer.resolved.called, name, (of_rows[row],)):
                own[start:stop] = entries.numbered(called, name, (of_rows[row],))
            start = stop
        texts.append(own)
    return dataclasses.replace(pairs, token_texts=texts)


def _called(known: entries.Called, spec: Any, explainer: Any) -> entries.Called:
    """What inputs are called, by the columns of the spec where it fills them."""
    found = dict(known)
    for one in explainer.resolved.inputs:
        source = source_of(one, spec, explainer.resolved)
        encoder = None if source is None else spec.placeholders[source]
        if encoder is not None and (encoder.names or len(encoder.columns) == 1):
            found[one.name] = tuple(encoder.names or encoder.columns)
    return tuple(found.items())


def _behind(counts: Dict[str, List[int]], rows: Any, spec: Any, encoded: Encoded, explainer: Any, in_text: bool
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
        encoder, shape = spec.placeholders[source], encoded.feed[source].shape
        if spec.batch_axis is not None:
            shape = shape[:spec.batch_axis] + shape[spec.batch_axis + 1:]
        of = [(count, cut.words is not None, shape, encoder.left) for cut, count in zip(cuts, of_rows)]
        tokens = [_laid_out(cut.tokens, encoder.padding, *each) for cut, each in zip(cuts, of)]
        if None in tokens:
            continue
        found["strings"][one.name] = tokens
        if in_text and all(cut.text is not None for cut in cuts):
            found["raw_texts"][one.name] = [cut.text for cut in cuts]
            found["spans"][one.name] = [_laid_out(cut.spans, None, *each) for cut, each in zip(cuts, of)]
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


def _laid_out(known: List[Any], fill: Any, count: int, words: bool, shape: Sequence[int], left: bool
              ) -> Optional[List[Any]]:
    """What is known of a row's entries, with the padding among them; ``None`` where these are not as many.

    Args:
      known, words: one list, or one for each word; fill: what stands for padding.
      count: entries of the row; shape: of its part of the feed; left: padding stands first.
    """
    if not words:
        if len(known) == count:
            return list(known)
        return _filled(known, fill, count, left) if shape[:1] == (count,) else None
    if len(shape) < 2 or shape[0] * shape[1] != count:
        return None
    padded = _filled([_filled(word, fill, shape[1], left) for word in known], [fill] * shape[1], shape[0], left)
    return [one for word in padded for one in word]


def _filled(known: List[Any], padding: Any, count: int, left: bool) -> List[Any]:
    """What is known of a row's entries, and padding for the others."""
    fill = [padding] * (count - len(known))
    return fill + known if left else known + fill
