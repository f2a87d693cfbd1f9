"""tf1_ig: Integrated Gradients for TensorFlow-1 graphs."""
