"""Layers that linen does not have, in a port's own module that keeps torch's names and shapes, or linen's layout."""

from functools import partial

import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import linen
from torch import nn

import parity
from jax_impl.convolution import conv_transpose
from jax_impl.recurrent import CellWeights, lstm
from test_bridge_kinds import Output, normal

HIDDEN, PROJECTED = 5, 2
quick = partial(parity.compare_modules, dtypes=("float64",), jit=False)


class ProjectedLstm(linen.Module):
    """Two layers, both ways, with a projection."""

    @linen.compact
    def __call__(self, x):
        def cell(suffix, width):
            shapes = {
                "weight_ih": (4 * HIDDEN, width),
                "weight_hh": (4 * HIDDEN, PROJECTED),
                "bias_ih": (4 * HIDDEN,),
                "bias_hh": (4 * HIDDEN,),
                "weight_hr": (PROJECTED, HIDDEN),
            }
            draw = linen.initializers.normal()
            return CellWeights(**{name: self.param(name + suffix, draw, shape) for name, shape in shapes.items()})

        widths = (("_l0", x.shape[-1]), ("_l1", 2 * PROJECTED))
        cells = [cell(layer + way, width) for layer, width in widths for way in ("", "_reverse")]
        return lstm(x, cells, batch_first=True, bidirectional=True)[0]


class GroupedUp(linen.Module):
    """A transposed convolution in two groups, its kernel as torch stores it or as linen would."""

    verbatim: bool

    @linen.compact
    def __call__(self, x):
        draw = linen.initializers.normal()
        if self.verbatim:
            kernel = jnp.transpose(self.param("weight", draw, (4, 3, 2, 3)), (2, 3, 1, 0))
        else:
            kernel = self.param("kernel", draw, (2, 3, 3, 4))
        bias = self.param("bias", draw, (6,))
        y = conv_transpose(jnp.moveaxis(x, 1, -1), kernel, bias, stride=2, groups=2)
        return jnp.moveaxis(y, -1, 1)


class Model(linen.Module):
    """A layer of one's own before a layer of linen's."""

    @linen.compact
    def __call__(self, x):
        return linen.Dense(3)(ProjectedLstm()(x))


def torch_model():
    rows = Output(nn.LSTM(3, HIDDEN, 2, proj_size=PROJECTED, bidirectional=True, batch_first=True))
    return nn.Sequential(rows, nn.Linear(2 * PROJECTED, 3))


PAIRS = {
    "a projection": (torch_model, Model(), (normal(2, 4, 3),)),
    "groups, torch's kernel": (lambda: nn.ConvTranspose2d(4, 6, (2, 3), 2, groups=2), GroupedUp(True), None),
    "groups, linen's kernel": (lambda: nn.ConvTranspose2d(4, 6, (2, 3), 2, groups=2), GroupedUp(False), None),
}


def sides(kind):
    module, port, inputs = PAIRS[kind]
    return module(), port, inputs or (normal(2, 4, 3, 5),)


@pytest.mark.parametrize("kind", PAIRS)
def test_outputs_and_every_gradient_agree(kind):
    report = quick(*sides(kind))
    assert not report.failures, str(report)


@pytest.mark.parametrize("kind", PAIRS)
def test_there_and_back_bit_for_bit(kind):
    module, port, inputs = sides(kind)
    back = parity.to_torch(parity.to_linen(module, port, inputs), module, port, inputs)
    assert set(back) == set(module.state_dict())
    assert all(torch.equal(back[name], tensor) for name, tensor in module.state_dict().items())


def test_a_leaf_that_was_renamed_is_in_linens_layout():
    """Where the weight is square, its shape would fit either way."""

    class Renamed(linen.Module):
        @linen.compact
        def __call__(self, x):
            return x @ self.param("w", linen.initializers.normal(), (3, 3)) + self.param(
                "bias", linen.initializers.zeros, (3,)
            )

    module = nn.Sequential(nn.Linear(3, 3))
    variables = parity.to_linen(module, Renamed(), (normal(2, 3),), rename={"0.weight": "w", "0.bias": "bias"})
    assert np.array_equal(variables["params"]["w"], module[0].weight.detach().numpy().T)
