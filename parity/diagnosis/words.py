"""What steps are called in a sentence."""

__all__ = ["MOVES", "WORDS"]

WORDS = {
    "add": "sum",
    "sub": "difference",
    "mul": "product",
    "dot_general": "matrix product",
    "div": "quotient",
    "select_n": "choice",
}
"""By primitive; the others go by their own name."""

MOVES = ("broadcast_in_dim", "reshape", "transpose", "squeeze", "expand_dims", "convert_element_type", "copy", "slice")
"""Primitives that compute nothing."""
