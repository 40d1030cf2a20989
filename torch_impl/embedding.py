"""Embeddings: rows of a table by their ids, one by one or in bags, with a padding row and a cap on their length.

Differs from its twin: a cap shortens the table in place; an id that is no row raises an IndexError.
"""

from torch_impl._embedding_bags import BagOptions, embedding_bag
from torch_impl._embedding_tables import embedding, embedding_layer, one_hot, renormalized

__all__ = ["embedding", "renormalized", "embedding_layer", "BagOptions", "embedding_bag", "one_hot"]
