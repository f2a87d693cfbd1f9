"""Relatives of Integrated Gradients under their first name: the methods of ``tf1_ig.methods`` but the first."""

from tf1_ig.methods import METHODS
from tf1_ig.methods.paths import averaged, expected_gradients, gradient, gradient_x_input, smoothgrad

VARIANTS = {name: method for name, method in METHODS.items() if name != "integrated_gradients"}

__all__ = ["VARIANTS", "averaged", "expected_gradients", "gradient", "gradient_x_input", "smoothgrad"]
