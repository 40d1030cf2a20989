"""A policy of three dtypes, and the digits classifier under it.

Differs from its twin: autocast casts below the calls, so the module need not know; the twin hands each layer its dtype.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from torch_impl.training import DigitsClassifier

__all__ = ["Policy", "choose_policy", "cast", "MixedClassifier"]


class Policy(NamedTuple):
    """What is stored, computed and handed on in which dtype.

    Attributes:
        param: of the parameters, and so of their gradients, of the moments and of the updates.
        compute: of products and convolutions; what needs more range or more digits stays in float32.
        output: of the scores, and so of the loss.
    """

    param: torch.dtype = torch.float32
    compute: torch.dtype = torch.float32
    output: torch.dtype = torch.float32


def choose_policy(name: str) -> Policy:
    """Find the usual policy for a compute dtype: parameters, scores and loss stay in float32.

    Args:
        name: "float32", "bfloat16" or "float16".

    Returns:
        The policy.

    Raises:
        ValueError: if there is none of that name.
    """
    names = ("float32", "bfloat16", "float16")
    if name not in names:
        raise ValueError(f"choose_policy: name must be one of {', '.join(names)}, got {name!r}.")
    return Policy(compute=getattr(torch, name))


def cast(x: Float[Tensor, "*shape"], dtype: torch.dtype) -> Float[Tensor, "*shape"]:
    """Cast an array, unless it is float64: autocast leaves float64 alone, and so does a policy.

    Args:
        x: any shape.
        dtype: to which.

    Returns:
        The array in that dtype, or in float64.
    """
    return x if x.dtype == torch.float64 else x.to(dtype)


class MixedClassifier(DigitsClassifier):
    """The digits classifier of the topic training, its three products in the compute dtype of a policy.

    Args:
        policy: the dtypes of the parameters, of the products and of the scores.

    Differs from its twin: the layers are those of the float32 classifier; autocast casts their arguments.
    """

    def __init__(self, policy: Policy) -> None:
        super().__init__()
        self.policy = policy
        self.to(policy.param)

    def forward(self, images: Float[Tensor, "*batch 64"]) -> Float[Tensor, "*batch 10"]:
        compute = self.policy.compute
        with torch.autocast(images.device.type, compute, enabled=compute.itemsize < 4):
            return cast(super().forward(images), self.policy.output)
