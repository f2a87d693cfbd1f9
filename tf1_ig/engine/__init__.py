"""The operated graph and its runs: scores and gradients at many points."""
