"""Mixed precision on an accelerator: the same run as on the CPU, and the same trajectory on both sides."""

import jax
import numpy as np
import pytest
import torch

from jax_impl import devices as jax_devices
from jax_impl import mixed_precision as jax_side
from mixed_precision_runs import batches, recipe_of, run
from parity.digits import initial_weights
from torch_impl import mixed_precision as torch_side

pytestmark = pytest.mark.gpu


@pytest.fixture
def gpu():
    if not torch.cuda.is_available():
        pytest.skip("needs a GPU: torch has none here")
    if jax_devices.available_devices() == ["cpu"]:
        pytest.skip("needs an accelerator: JAX has none here")


def on_the_gpu(weights, recipe, taken, start):
    """torch's run with everything moved; JAX's default device is the accelerator already."""
    state, records = torch_side.mixed_state(weights, recipe, start), []
    state.model.cuda()
    for images, labels in taken:
        records.append(torch_side.mixed_step(state, torch.tensor(images).cuda(), torch.tensor(labels).cuda()))
    return records


@pytest.mark.usefixtures("gpu")
@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step:UserWarning")
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_the_runs_agree_on_the_accelerator(rng, precision):
    weights, taken = initial_weights(rng), batches(12)
    left = on_the_gpu(weights, recipe_of(torch_side, precision), taken, torch_side.initial_scale(2.0**22))
    right, *_ = run(jax_side, weights, recipe_of(jax_side, precision), taken, jax_side.initial_scale(2.0**22))
    for name in ("scale", "growth_tracker", "skipped"):
        assert np.array_equal([getattr(r, name).numpy() for r in left], [getattr(r, name) for r in right]), name
    assert np.isfinite([float(record.loss) for record in (*left, *right)]).all()


@pytest.mark.usefixtures("gpu")
def test_the_state_of_the_scale_is_on_the_accelerator(rng):
    state = jax_side.mixed_state(initial_weights(rng), recipe_of(jax_side))
    assert state.loss_scale.scale.device == jax_devices.choose_device() == jax.devices()[0]
