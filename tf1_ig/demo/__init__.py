"""The demo: a small sentiment model trained by scripts/train_demo.py, with its input queue still in the graph."""

from tf1_ig.demo.text import encode, load_vocabulary, tokenize

__all__ = ["encode", "load_vocabulary", "tokenize"]
