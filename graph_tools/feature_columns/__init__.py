"""Feature columns: watching them while a graph is built, and the record of each that stays with a model."""

from graph_tools.feature_columns.column import COLLECTION, Categories, Column, CrossPart, Sparse, store, stored
from graph_tools.feature_columns.watch import Watch, watch_feature_columns

__all__ = ["COLLECTION", "Categories", "Column", "CrossPart", "Sparse", "Watch", "store", "stored",
           "watch_feature_columns"]
