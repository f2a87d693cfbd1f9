"""All patterns of lookup, by name; a new family of patterns is a file of its own and a word here."""

from typing import Dict

from tests.models import embeddings_columns, embeddings_dense, embeddings_in_loops, embeddings_sparse
from tests.models.embeddings import Pattern

FAMILIES = (embeddings_dense, embeddings_in_loops, embeddings_sparse, embeddings_columns)


def patterns() -> Dict[str, Pattern]:
    """All patterns; asks the running TensorFlow what it has."""
    found: Dict[str, Pattern] = {}
    for family in FAMILIES:
        found.update(family.patterns())
    return found
