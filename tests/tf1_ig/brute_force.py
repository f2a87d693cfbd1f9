"""The oracle of the tests: what ``tf1_ig.testing`` ships, and how far two results are apart."""

import numpy as np

from tf1_ig.testing import integrated_gradients, session_of

__all__ = ["integrated_gradients", "relative_l1", "session_of"]


def relative_l1(found, expected) -> float:
    """Sum of absolute differences over the sum of absolute expected values."""
    return float(np.abs(np.asarray(found) - expected).sum() / np.abs(expected).sum())
