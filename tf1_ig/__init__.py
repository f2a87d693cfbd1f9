"""tf1_ig: Integrated Gradients for TensorFlow-1 graphs."""

from tf1_ig.attribution import Attribution, load_attribution
from tf1_ig.explainer import IntegratedGradients
