"""What steps are called in a sentence."""

__all__ = ["WORDS"]

WORDS = {
    "add": "sum",
    "sub": "difference",
    "mul": "product",
    "dot_general": "matrix product",
    "div": "quotient",
    "select_n": "choice",
}
"""By primitive; the others go by their own name."""
