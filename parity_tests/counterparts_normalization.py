"""Which layer of ``jax_impl.normalization`` stands for which norm of ``torch.nn``: layouts and names change here."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax.numpy as jnp

from jax_impl import normalization
from layer_samples import LayerCounterpart

__all__ = ["BATCH", "INSTANCE", "NORMS"]

_UNUSED = {"device", "dtype"}
_NAMES = {"running_mean": "mean", "running_var": "var"}


def _variables(parameters: dict, arrays: dict, momentum: float | None = 0.1) -> dict[str, Any]:
    """What torch's layer holds, in linen's collections."""
    weights = {"scale": parameters.get("weight"), "bias": parameters.get("bias")}
    statistics = {linen: arrays[torch] for torch, linen in _NAMES.items() if torch in arrays}
    if arrays and momentum is None:
        statistics["count"] = arrays["num_batches_tracked"]
    return {"params": {name: leaf for name, leaf in weights.items() if leaf is not None}, "batch_stats": statistics}


def _remembering(
    kind: tuple[Callable, int], training: bool, settings: dict, arrays: dict, parameters: dict, inputs: tuple
) -> tuple[Any, dict]:
    """A norm with running statistics, which also counts its batches; ``kind`` says which, over how many axes."""
    make, space = kind
    layer = make(**{name: value for name, value in settings.items() if name not in _UNUSED}, space=space)
    (x,) = inputs
    alone = x.ndim == space + 1 and make is normalization.instance_norm_layer
    x = jnp.moveaxis(x[None] if alone else x, 1, -1)
    mode = {"use_running_average": not training} if hasattr(layer, "space") else {}
    variables = _variables(parameters, arrays, settings["momentum"])
    y, new = layer.apply(variables, x, **mode, mutable=["batch_stats"])
    y = jnp.moveaxis(y, -1, 1)
    after = {name: new["batch_stats"][linen] for name, linen in _NAMES.items() if arrays}
    if arrays:
        counts = training and make is normalization.batch_norm_layer
        after["num_batches_tracked"] = arrays["num_batches_tracked"] + int(counts)
    return (y[0] if alone else y), after


def _group_norm(training: bool, settings: dict, arrays: dict, parameters: dict, inputs: tuple) -> tuple[Any, dict]:
    layer = normalization.group_norm_layer(**{k: v for k, v in settings.items() if k not in _UNUSED})
    return jnp.moveaxis(layer.apply(_variables(parameters, {}), jnp.moveaxis(inputs[0], 1, -1)), -1, 1), {}


def _over_last_axes(
    make: Callable, training: bool, settings: dict, arrays: dict, parameters: dict, inputs: tuple
) -> tuple[Any, dict]:
    layer = make(**{name: value for name, value in settings.items() if name not in _UNUSED})
    return layer.apply(_variables(parameters, {}), inputs[0]), {}


def _local_response(training: bool, settings: dict, arrays: dict, parameters: dict, inputs: tuple) -> tuple[Any, dict]:
    x = jnp.moveaxis(inputs[0], 1, -1)
    return jnp.moveaxis(normalization.local_response_norm(x, **settings), -1, 1), {}


BATCH: dict[str, LayerCounterpart] = {
    f"BatchNorm{space}d": partial(_remembering, (normalization.batch_norm_layer, space)) for space in (1, 2, 3)
}

INSTANCE: dict[str, LayerCounterpart] = {
    f"InstanceNorm{space}d": partial(_remembering, (normalization.instance_norm_layer, space)) for space in (1, 2, 3)
}

NORMS: dict[str, LayerCounterpart] = {
    "GroupNorm": _group_norm,
    "LayerNorm": partial(_over_last_axes, normalization.layer_norm_layer),
    "RMSNorm": partial(_over_last_axes, normalization.rms_norm_layer),
    "LocalResponseNorm": _local_response,
}
