"""What the sum of the attributions of a result claims to be."""

# The difference of the scores; that difference on the average over random draws; nothing.
EXACT, IN_EXPECTATION, NONE = "exact", "in expectation", "none"
COMPLETENESS = (EXACT, IN_EXPECTATION, NONE)
