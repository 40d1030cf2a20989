"""The catalogue of planted mistakes, over the seven topics of the source text."""

import planted_autograd
import planted_layers
import planted_regression
import planted_tensors
from mistake import Mistake

__all__ = ["MISTAKES", "TOPICS"]

TOPICS = ("tensors", "devices", "autograd", "gradient_descent", "linear_regression", "linear", "activations")

MISTAKES: tuple[Mistake, ...] = (
    *planted_tensors.MISTAKES,
    *planted_autograd.MISTAKES,
    *planted_regression.MISTAKES,
    *planted_layers.MISTAKES,
)
