"""Explanations inside other people's programs: training hooks, served signatures, their own loops."""
