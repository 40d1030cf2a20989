"""Remedies that must hold for other inputs too, and what the gradients tell of what one side never reads."""

import jax
import jax.numpy as jnp
import numpy as np
import torch
from jax import lax
from torch.nn import functional

import parity
from parity.diagnosis.diagnose import diagnose
from parity.diagnosis.findings import Clues

draw = np.random.default_rng(83)
ROWS, OTHERS, LOSSES = draw.normal(size=(6, 4)), draw.normal(size=(6, 4)), draw.normal(size=10) ** 2
YES = (draw.random((6, 4)) < 0.5).astype(float)


def diagnosis(torch_side, jax_side, inputs, **options):
    """What the report says of its cause, "" for nothing."""
    return parity.compare(torch_side, jax_side, inputs, dtypes=("float64",), jit=False, **options).diagnosis or ""


def test_what_closes_one_gap_alone_is_not_called_the_cause():
    def torch_side(w, g):
        return torch.sin(3 * g / 1024 / (g / 1024).norm().clamp(min=1.0)) + w**2

    def wrong(w, g):
        return jnp.sin(3 * (g / jnp.maximum(1.0, jnp.linalg.norm(g)) / 1024)) + w**2

    # The gradient is long, its 1024th part short: a minimum for the maximum would do, here and nowhere else.
    found = diagnosis(torch_side, wrong, (draw.normal(size=5), 100 * draw.normal(size=5)))
    assert "the maximum is a minimum" not in found
    assert "1/1024, is not there but" in found


def test_a_bound_that_many_numbers_explain_is_called_no_number():
    found = diagnosis(
        lambda x, at: x[torch.floor(at + 0.1).long()], lambda x, at: x[jnp.floor(at + 0.5).astype(int)],
        {"x": draw.normal(size=7), "at": np.array([0.0, 1.25, 2.75, 4.25, 5.25, 3.75])}, gradients=False,
    )  # fmt: skip
    assert "0.5 at" not in found or "or near it" in found


def test_an_input_that_jax_never_reads_is_named():
    found = diagnosis(
        lambda x, mean: torch.tanh(x - mean.detach()) * (1 + mean.detach() ** 2).sum(),
        lambda x, mean: jnp.tanh(x - x.mean(0)) * jnp.sum(x**4),
        {"x": ROWS, "mean": OTHERS[0]},
    )
    assert "the JAX function never reads mean, and torch's result depends on it" in found


def test_what_one_side_never_reads_is_told_from_its_gradient():
    ours, theirs = draw.normal(size=(7, 3)), draw.normal(size=(7, 3))
    lengths, keep = np.array([7, 4, 6]), np.array([True, True, False, True, False, True, True])
    padded = np.where(np.arange(7)[:, None] < lengths, ours, 0)
    cases = {
        "torch is 0 from step lengths on": (padded, theirs),
        "jax is 0 where keep is False": (ours, theirs * keep[:, None]),
        "jax is 0 in the last 2 of 7 along axis 0": (ours, np.where(np.arange(7)[:, None] < 5, theirs, 0)),
    }
    clues = Clues({"lengths": lengths, "keep": keep}, gradient=True)
    for words, (left, right) in cases.items():
        assert words in diagnose(left, right, 1e-12, clues=clues)


def test_a_short_last_batch_that_counts_as_much_is_named():
    def wrong(losses):
        return jnp.stack([losses[:4].mean(), losses[4:8].mean(), losses[8:].mean()]).mean()

    found = diagnosis(lambda losses: losses.mean(), wrong, (LOSSES,))
    assert "jax is a mean of means, of batches of 4 and a short last batch of 2" in found


def test_a_weight_of_each_class_is_named():
    def torch_side(x, y):
        return (functional.softplus(x) * torch.where(y > 0, 0.75, 0.25) * torch.exp(x)).mean()

    found = diagnosis(torch_side, lambda x, y: (jax.nn.softplus(x) * jnp.exp(x + 0 * y)).mean(), {"x": ROWS, "y": YES})
    assert "torch == jax times 0.25 where y is 0, 0.75 where y is 1; look for a class weight" in found


def test_one_output_is_explained_where_another_has_a_cause_of_its_own():
    found = diagnosis(
        lambda x: {"a": torch.tanh(0.9 * x + x**2), "b": torch.sin(x) * x.sum()},
        lambda x: {"a": jnp.tanh(0.99 * x + x**2), "b": jnp.cos(x**3)},
        (ROWS,),
        gradients=False,
    )
    assert "the gap of output/a vanishes if 0.99" in found
    assert "is 0.9; other outputs differ still" in found


def test_a_scatter_is_the_same_in_numpy():
    from parity.diagnosis.scattered import added, written

    x, at, new = draw.normal(size=(5, 3)), np.array([[1], [4], [1], [7]]), draw.normal(size=(4, 3))
    names = lax.ScatterDimensionNumbers((1,), (0,), (0,))
    with jax.enable_x64(True):
        for mode in (lax.GatherScatterMode.CLIP, lax.GatherScatterMode.FILL_OR_DROP):
            right = np.asarray(lax.scatter_add(x, at, new, names, mode=mode))
            assert np.array_equal(added(x, at, new, dimension_numbers=names, mode=mode), right)
            right = np.asarray(lax.scatter(x, at[1:], new[1:], names, mode=mode))
            found = written(x, at[1:], new[1:], dimension_numbers=names, mode=mode)
            assert np.array_equal(found, right) or mode == lax.GatherScatterMode.CLIP  # where 7 becomes 4, and meets it
