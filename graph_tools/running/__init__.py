"""Runs that cannot hang, and runs that are prepared once."""
