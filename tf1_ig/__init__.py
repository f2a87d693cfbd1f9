"""tf1_ig: Integrated Gradients for TensorFlow-1 graphs."""

from tf1_ig import (
    _neighbour,  # first: says so when another distribution's graph_tools is in the way
    bridges,
)
from tf1_ig.check import check
from tf1_ig.engine.at import At
from tf1_ig.evaluate import evaluate
from tf1_ig.evaluate.paired import compare_measures
from tf1_ig.explainer import IntegratedGradients
from tf1_ig.integrations.hook import ExplainHook
from tf1_ig.integrations.reference_loop import ig_text
from tf1_ig.integrations.signature import attribution_signature
from tf1_ig.question.label import contrast
from tf1_ig.question.spans import byte_spans
from tf1_ig.result.attribution import Attribution, load_attribution
from tf1_ig.result.interactions import Interactions, Pair
from tf1_ig.rows.spec import ExplanationSpec, load_spec
from tf1_ig.scale import Summary, aggregate, explain_batches, explain_dataset
from tf1_ig.show.text import visualize_token_attrs

__version__ = "0.1.0"

__all__ = [
    "At", "Attribution", "ExplainHook", "ExplanationSpec", "IntegratedGradients", "Interactions", "Pair", "Summary",
    "aggregate", "attribution_signature", "bridges", "byte_spans", "check", "compare_measures", "contrast",
    "evaluate", "explain_batches", "explain_dataset", "ig_text", "load_attribution", "load_spec",
    "visualize_token_attrs",
]
