"""Which TensorFlow release reads and runs a graph, and what makes it fit."""
