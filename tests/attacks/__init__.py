"""Hostile models by the hundred: what could do harm, times where in a model it may hide, times what is done with it.

``python -m tests.attacks`` builds each, shows in a throw-away process that plain TensorFlow does the harm, and holds
everything that this project does with a model against it.
"""
