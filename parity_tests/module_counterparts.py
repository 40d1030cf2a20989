"""Which function of ``jax_impl`` stands for which module of ``torch.nn``."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from torch import nn

from jax_impl import activations, linear, losses
from module_samples import Counterpart

__all__ = ["ACTIVATIONS", "LINEAR", "LOSSES"]

# Said twice, or of no meaning for a function.
_UNUSED = {"inplace", "size_average", "reduce", "device", "dtype", "min_value", "max_value"}


def _set(function: Callable, **renamed: str) -> Counterpart:
    """A module without parameters: its settings are the function's keywords, some by another name."""

    def counterpart(settings: dict, arrays: dict, parameters: dict, inputs: tuple) -> Any:
        given = {renamed.get(name, name): value for name, value in settings.items() if name not in _UNUSED}
        return function(*inputs, **given, **arrays)

    return counterpart


def _owned(function: Callable) -> Counterpart:
    """A module whose parameters are the function's keywords; its settings are their shapes."""
    return lambda settings, arrays, parameters, inputs: function(*inputs, **parameters)


# Uncompiled, a scan is compiled again at every call.
_compiled_ctc = jax.jit(losses.ctc_loss, static_argnames=("blank", "reduction", "zero_infinity"))


def _ctc(settings: dict, arrays: dict, parameters: dict, inputs: tuple) -> Any:
    """Labels and lengths of one integer type, so that lists, int32 and int64 are one program."""
    log_probs, *integers = inputs
    whole = [jnp.asarray(numbers, jnp.int32) for numbers in integers]
    return _set(_compiled_ctc)(settings, arrays, parameters, (log_probs, *whole))


def _linear_cross_entropy(settings: dict, arrays: dict, parameters: dict, inputs: tuple) -> Any:
    """The module holds its weight flat, and resolves its chunks by itself."""
    shape = (settings["num_classes"], *settings["out_features"])
    weight, bias = parameters["linear.weight"], parameters.get("linear.bias")
    ignored, chunks = settings["ignore_index"], settings["options"]
    plain = inputs[0].ndim > 1 and not settings["out_features"] and not settings["label_smoothing"]
    return losses.linear_cross_entropy(
        inputs[0],
        weight.reshape(*shape, -1),
        inputs[1],
        linear_bias=None if bias is None else bias.reshape(shape),
        batch_chunk_size=chunks.batch_chunk_size if chunks and plain else None,
        weight=arrays.get("weight"),
        ignore_index=-100 if ignored is None else ignored,
        reduction=settings["reduction"],
        label_smoothing=settings["label_smoothing"],
    )


LOSSES: dict[str, Counterpart] = {
    "L1Loss": _set(losses.l1_loss),
    "MSELoss": _set(losses.mse_loss),
    "SmoothL1Loss": _set(losses.smooth_l1_loss),
    "HuberLoss": _set(losses.huber_loss),
    "PoissonNLLLoss": _set(losses.poisson_nll_loss),
    "GaussianNLLLoss": _set(losses.gaussian_nll_loss),
    "NLLLoss": _set(losses.nll_loss),
    "CrossEntropyLoss": _set(losses.cross_entropy),
    "LinearCrossEntropyLoss": _linear_cross_entropy,
    "BCELoss": _set(losses.binary_cross_entropy),
    "BCEWithLogitsLoss": _set(losses.binary_cross_entropy_with_logits),
    "KLDivLoss": _set(losses.kl_div),
    "HingeEmbeddingLoss": _set(losses.hinge_embedding_loss),
    "SoftMarginLoss": _set(losses.soft_margin_loss),
    "MarginRankingLoss": _set(losses.margin_ranking_loss),
    "MultiMarginLoss": _set(losses.multi_margin_loss),
    "MultiLabelMarginLoss": _set(losses.multilabel_margin_loss),
    "MultiLabelSoftMarginLoss": _set(losses.multilabel_soft_margin_loss),
    "CosineEmbeddingLoss": _set(losses.cosine_embedding_loss),
    "CTCLoss": _ctc,
}
if not hasattr(nn, "LinearCrossEntropyLoss"):  # before torch 2.13
    del LOSSES["LinearCrossEntropyLoss"]

ACTIVATIONS: dict[str, Counterpart] = {
    "ReLU": _set(activations.relu),
    "ReLU6": _set(activations.relu6),
    "LeakyReLU": _set(activations.leaky_relu),
    "PReLU": _owned(activations.prelu),
    "Hardtanh": _set(activations.hardtanh),
    "Hardshrink": _set(activations.hardshrink),
    "Softshrink": _set(activations.softshrink),
    "Hardswish": _set(activations.hardswish),
    "Threshold": _set(activations.threshold),
    "Sigmoid": _set(activations.sigmoid),
    "Tanh": _set(activations.tanh),
    "Tanhshrink": _set(activations.tanhshrink),
    "Softsign": _set(activations.softsign),
    "LogSigmoid": _set(activations.log_sigmoid),
    "Softplus": _set(activations.softplus),
    "ELU": _set(activations.elu),
    "SELU": _set(activations.selu),
    "CELU": _set(activations.celu),
    "GELU": _set(activations.gelu),
    "SiLU": _set(activations.silu),
    "Mish": _set(activations.mish),
    "Softmax": _set(activations.softmax, dim="axis"),
    "Softmin": _set(activations.softmin, dim="axis"),
    "Softmax2d": _set(activations.softmax2d),
    "LogSoftmax": _set(activations.log_softmax, dim="axis"),
    "GLU": _set(activations.glu, dim="axis"),
}

LINEAR: dict[str, Counterpart] = {
    "Linear": _owned(linear.linear_transform),
    "Bilinear": _owned(linear.bilinear_transform),
}
