"""Embeddings: rows of a table by their ids, one by one or in bags, with a padding row and a cap on their length.

Differs from its twin: a cap leaves the table as it is; an id beyond it gives NaN, one below 0 counts from the end.
"""

from jax_impl._embedding_bags import BagOptions, embedding_bag
from jax_impl._embedding_tables import embedding, embedding_layer, one_hot, renormalized

__all__ = ["embedding", "renormalized", "embedding_layer", "BagOptions", "embedding_bag", "one_hot"]
