"""Which function of ``jax_impl`` stands for which transformer module of ``torch.nn``: layouts and names change here."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax.numpy as jnp
from torch import nn
from torch.nn import functional

from jax_impl import transformer
from module_samples import Counterpart

__all__ = ["TRANSFORMERS"]

_OPTIONS = ("dim_feedforward", "dropout", "layer_norm_eps", "norm_first", "bias")
_SEQUENCES = ("src", "tgt", "memory")


def _options(settings: dict) -> dict[str, Any]:
    known = {name: settings[name] for name in _OPTIONS if name in settings}
    gelu = settings.get("activation") in ("gelu", functional.gelu)
    return known | {"activation": "gelu" if gelu else "relu"}


def _read(layer: nn.TransformerEncoderLayer) -> dict[str, Any]:
    """The settings of a layer that torch was handed whole."""
    attention = layer.self_attn
    return {
        "d_model": attention.embed_dim,
        "nhead": attention.num_heads,
        "dim_feedforward": layer.linear1.out_features,
        "dropout": layer.dropout.p,
        "activation": layer.activation,
        "norm_first": layer.norm_first,
        "bias": layer.linear1.bias is not None,
        "batch_first": attention.batch_first,
    }


def _applied(build: Callable, settings: dict, arrays: dict, parameters: dict, inputs: dict) -> Any:
    """Batches come first in ``jax_impl``; torch has the time first unless it is told otherwise."""
    given = {name: value for name, value in inputs.items() if value is not None}
    module = build(settings["d_model"], settings["nhead"], settings, **_options(settings))
    turned = not settings.get("batch_first", False) and (given["src"] if "src" in given else given["tgt"]).ndim == 3
    given |= {name: _turned(given[name], turned) for name in _SEQUENCES if name in given}
    loaded = transformer.transformer_weights(parameters, settings["nhead"])
    return _turned(module.apply(loaded, **given), turned)


def _turned(x: Any, turned: bool) -> Any:
    return jnp.swapaxes(x, 0, 1) if turned else x


def _encoder(settings: dict, arrays: dict, parameters: dict, inputs: dict) -> Any:
    count, norm = settings["num_layers"], settings.get("norm") is not None
    build = lambda width, heads, _, **options: transformer.encoder(width, heads, count, norm=norm, **options)  # noqa: E731
    return _applied(build, _read(settings["encoder_layer"]), arrays, parameters, inputs)


def _transformer(width: int, heads: int, settings: dict, **options: Any) -> Any:
    counts = settings["num_encoder_layers"], settings["num_decoder_layers"]
    return transformer.transformer(width, heads, num_layers=counts, **options)


TRANSFORMERS: dict[str, Counterpart] = {
    "TransformerEncoderLayer": partial(
        _applied, lambda width, heads, _, **options: transformer.encoder_layer(width, heads, **options)
    ),
    "TransformerDecoderLayer": partial(
        _applied, lambda width, heads, _, **options: transformer.decoder_layer(width, heads, **options)
    ),
    "TransformerEncoder": _encoder,
    "Transformer": partial(_applied, _transformer),
}
