"""Other libraries on top of the operated graph: captum, LIME, SHAP, LIT, TensorFlow 2's eager mode.

A method that a bridge brings is not built again here. Each bridge is a file; its library is imported when it is called.
"""

from tf1_ig.bridges.eager import eager_function
from tf1_ig.bridges.lit import lit_model
from tf1_ig.bridges.predict import predict
from tf1_ig.bridges.torch import torch_function

__all__ = ["eager_function", "lit_model", "predict", "torch_function"]
