"""A model by its explanation spec as a model of the Learning Interpretability Tool (``lit_nlp``)."""

from typing import Any, Dict, Iterable, List, Optional, Sequence

import numpy as np

from tf1_ig.bridges.predict import predict
from tf1_ig.errors import package
from tf1_ig.rows.spec import ExplanationSpec

_LABEL, _TOKENS, _SHARES = "probabilities", "tokens", "token_attributions"


def lit_model(spec: ExplanationSpec, column: Optional[str] = None, label: Any = "top", empty: Optional[str] = None,
              class_names: Optional[Sequence[str]] = None) -> Any:
    """A ``lit_nlp.api.model.Model`` whose predictions carry attributions, as the spec asks, beside the probabilities.

    LIT's pages then show the shares of the words as the model's own token scores (``TokenSalience``), and run what only
    asks for predictions (LIME, ablations, counterfactuals) on the frozen graph.

    Args:
      spec: an ``ExplanationSpec`` (``tf1_ig.load_spec``) of a classifier with one output row an example.
      column: the text column; ``None``: the spec's only one. LIT's field has its name.
      label: what is explained, as for ``explain``.
      empty: the text that stands in for one without a token, as for ``predict``.
      class_names: names of the classes; ``None``: the spec's, or their numbers.

    Returns:
      The model, with ``predict(inputs)``: for each ``{column: text}`` the fields ``probabilities``, ``tokens`` and
      ``token_attributions``. ``close()`` closes its session.

    Raises:
      MissingPackageError: lit_nlp is not installed; RowError: a row that the spec cannot encode.

    Example:
      >>> model = tf1_ig.bridges.lit_model(tf1_ig.load_spec("spec.json"))                    # doctest: +SKIP
      >>> lit_nlp.dev_server.Server({"frozen": model}, datasets).serve()                     # doctest: +SKIP
    """
    lit: Any = package("lit_nlp.api.model", "for a LIT model", "lit-nlp")
    from lit_nlp.api import dtypes, types

    asked = _Asked(spec, column, label, empty, class_names)

    class FrozenGraph(lit.Model):
        """A frozen TensorFlow-1 graph, explained by Integrated Gradients."""

        def input_spec(self) -> Any:
            return {asked.column: types.TextSegment()}

        def output_spec(self) -> Any:
            return {_LABEL: types.MulticlassPreds(vocab=asked.names, autosort=False),
                    _TOKENS: types.Tokens(parent=asked.column),
                    _SHARES: types.TokenSalience(autorun=True, signed=True)}

        def predict(self, inputs: Iterable[Any], **_: Any) -> List[Dict[str, Any]]:
            return [{_LABEL: of_row, _TOKENS: words, _SHARES: dtypes.TokenSalience(words, shares)}
                    for of_row, words, shares in asked.rows(list(inputs))]

        def close(self) -> None:
            asked.predict.close()

    return FrozenGraph()


class _Asked:
    """What the model is asked, with one session for predictions and explanations."""

    def __init__(self, spec: ExplanationSpec, column: Optional[str], label: Any, empty: Optional[str],
                 class_names: Optional[Sequence[str]]):
        if column is None and len(spec.columns) != 1:
            raise ValueError("the spec has the columns %s; pass column=, the one with the text" % ", ".join(
                spec.columns))
        self.column = column or spec.columns[0]
        self.predict = predict(spec, self.column, empty)
        self._label, self._names = label, class_names

    @property
    def names(self) -> List[str]:
        """Names of the classes, or their numbers."""
        known = self._names or self.predict.explainer.class_names
        if known is None:
            width = self.predict([{self.column: "a"}]).shape[1]
            known = [str(number) for number in range(width)]
        return list(known)

    def rows(self, inputs: List[Any]) -> List[Any]:
        """Of each row its probabilities, tokens and their shares."""
        if not inputs:
            return []
        feed, texts = self.predict.feed([one[self.column] for one in inputs])
        if texts is None:
            raise ValueError("column %r is not cut into ids by this spec, so there are no tokens to show" % self.column)
        found = self.predict.spec.ask(self.predict.explainer, feed, label=self._label)
        outputs = self.predict.explainer.outputs(feed)
        shares = next(iter(found.tokens.values()))
        return [(outputs[row].astype(np.float64), list(words), np.asarray(shares[row], np.float64)[:len(words)])
                for row, words in enumerate(texts)]
