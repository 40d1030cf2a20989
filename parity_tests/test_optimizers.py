"""Every class of ``torch.optim`` under every option set of PyTorch's own: parameters and state after 20 steps.

The rate falls to 0.3 of itself at step 7. A class's option sets are one program; L-BFGS needs an objective and has a
file of its own.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch

from jax_impl import optimizers as jax_side
from optimizer_streams import CLASSES, default_dtype, jax_run, option_sets, stream, torch_run
from oracles import agrees
from torch_impl import optimizers as torch_side

OF_GRADIENTS = [cls for cls in CLASSES if cls is not torch.optim.LBFGS]
FLOAT32_QUICKLY = (torch.optim.Adadelta,)  # simulated rounding costs ten times the float64 proof
SIDES = [pytest.param(torch_side, id="torch"), pytest.param(jax_side, id="jax")]


@pytest.fixture(autouse=True)
def _torch_in_float64():
    """torch keeps NAdam's product and ASGD's rates in the default dtype, whatever that of the parameters (traps)."""
    with default_dtype("float64"):
        yield


def compared(parity, rng, cls, dtype):
    sets = partial(option_sets, cls)
    sides = [run(cls, sets) for run in (torch_run, jax_run)]
    options = {"gradients": False, "jit": False, "dtypes": (dtype,), "name": cls.__name__}
    report = parity.compare(*sides, stream(cls, rng), **options)
    assert report.ok, str(report)
    assert {leaf.path.split("/")[1] for leaf in report.leaves} == {name.split("/")[0] for name in sets()}


@pytest.mark.parametrize(
    "cls",
    [pytest.param(cls, marks=[pytest.mark.slow] * (cls is torch.optim.Muon)) for cls in OF_GRADIENTS],  # 11 s
    ids=lambda cls: cls.__name__,
)
def test_every_option_set_agrees(parity, rng, cls):
    compared(parity, rng, cls, "float64")


@pytest.mark.parametrize(
    "cls",
    [pytest.param(cls, marks=() if cls in FLOAT32_QUICKLY else pytest.mark.slow) for cls in OF_GRADIENTS],
    ids=lambda cls: cls.__name__,
)
def test_every_option_set_agrees_in_float32(parity, rng, cls):
    compared(parity, rng, cls, "float32")


def test_91_of_91_option_sets_are_proven():
    """SparseAdam's and Muon's too; a release of PyTorch that adds one is noticed here."""
    counts = {cls.__name__: len(option_sets(cls)) for cls in CLASSES}
    assert sum(counts.values()) == 91
    assert counts["LBFGS"] == 5
    assert len(OF_GRADIENTS) == 14


BEYOND = {
    torch.optim.SGD: {
        "no rest": {"momentum": 0.9, "dampening": 0.5, "weight_decay": 0.1, "maximize": True},
        "nesterov alone": {"momentum": 0.5, "nesterov": True},
    },
    torch.optim.ASGD: {"averaging": {"t0": 4.0, "alpha": 0.5, "lambd": 0.2}},
    torch.optim.Adafactor: {"epsilons": {"eps": (1e-3, 0.5), "lr": 0.9, "weight_decay": 0.1}},
    torch.optim.Muon: {
        "plain": {"nesterov": False, "lr": 0.1, "eps": 10.0},
        "rms": {"adjust_lr_fn": "match_rms_adamw", "momentum": 0.5},
    },
    torch.optim.RMSprop: {"alpha": {"alpha": 0.5, "eps": 0.1, "momentum": 0.9}},
    torch.optim.Adam: {
        "decoupled": {"decoupled_weight_decay": True, "weight_decay": 0.1},
        "b1 0": {"betas": (0.0, 0.5)},
    },
}
"""Options that PyTorch's list does not try."""


@pytest.mark.parametrize("cls", BEYOND, ids=lambda cls: cls.__name__)
def test_options_beyond_the_list_agree(parity, rng, cls):
    sides = [run(cls, lambda: BEYOND[cls]) for run in (torch_run, jax_run)]
    parity.assert_equivalent(*sides, stream(cls, rng), gradients=False, jit=False, dtypes=("float64",), name="beyond")


GRADIENTS = {"w": np.array([[3.0, 4.0], [0.0, 0.0]]), "b": np.array([6.0, 8.0])}
PARAMS = {"w": np.array([[1.0, -2.0], [3.0, 0.5]]), "b": np.array([0.3, -0.7])}


def stepped(optimizer, steps=3):
    """Parameters after some steps of a torch optimizer over (w, b) under the same gradients."""
    w, b = (torch.nn.Parameter(torch.tensor(PARAMS[name])) for name in "wb")
    live = optimizer([w, b])
    for _ in range(steps):
        w.grad, b.grad = (torch.tensor(GRADIENTS[name]) for name in "wb")
        live.step()
    return {"w": w.detach().numpy(), "b": b.detach().numpy()}


def walked(rule, steps=3):
    """The same of a transformation, in one compiled scan."""
    with jax.enable_x64(True):
        params, gradients = (jax.tree.map(jnp.asarray, tree) for tree in (PARAMS, GRADIENTS))

        def step(carry, _):
            params, state = carry
            updates, state = rule.update(gradients, state, params)
            return (optax.apply_updates(params, updates), state), None

        start = params, rule.init(params)
        return jax.tree.map(np.asarray, jax.jit(lambda start: jax.lax.scan(step, start, length=steps)[0][0])(start))


def same(left, right):
    return all(agrees(right[name], left[name]) for name in "wb")


@pytest.mark.parametrize("max_norm", [0.6, 11.18033988749895, 100.0], ids=["far", "at the norm", "not reached"])
def test_a_chain_with_clipping_is_clip_grad_norm(max_norm):
    """One norm for all, and 1e-6 in the denominator: gradients just at the bound shrink a little."""
    gradients = {name: torch.tensor(value) for name, value in GRADIENTS.items()}
    leaves = [torch.nn.Parameter(torch.zeros_like(value)) for value in gradients.values()]
    for leaf, gradient in zip(leaves, gradients.values(), strict=True):
        leaf.grad = gradient.clone()
    norm = torch_side.clip_by_global_norm(max_norm)(leaves)
    assert norm.item() == pytest.approx(11.18033988749895)
    rule = optax.chain(jax_side.clip_by_global_norm(max_norm), jax_side.sgd(1.0))
    moved = walked(rule, steps=1)
    assert all(agrees(PARAMS[name] - moved[name], leaf.grad) for name, leaf in zip("wb", leaves, strict=True))


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd", "nadam"])
def test_decay_of_matrices_only_agrees(name):
    """Two groups on one side, a partition on the other; the bias goes as if there were no decay."""
    sides = [partial(getattr(side, name), 0.1) for side in (torch_side, jax_side)]
    left = stepped(lambda leaves: torch_side.decay_matrices(sides[0], leaves, 0.5))
    right = walked(jax_side.decay_matrices(sides[1], PARAMS, 0.5))
    assert same(left, right)
    assert agrees(right["b"], walked(sides[1](weight_decay=0.0))["b"])
    assert not agrees(right["w"], walked(sides[1](weight_decay=0.0))["w"])


def test_masked_decay_is_the_same_partition():
    masked = optax.chain(
        optax.masked(optax.add_decayed_weights(0.5), {"w": True, "b": False}), jax_side.adam(0.1, weight_decay=0.0)
    )
    assert same(walked(masked), walked(jax_side.decay_matrices(partial(jax_side.adam, 0.1), PARAMS, 0.5)))


@pytest.mark.parametrize("name", ["sgd", "adam", "rmsprop", "adafactor", "asgd", "rprop", "radam"])
def test_maximize_is_descent_on_the_negative(name):
    left = stepped(torch_side.maximize(getattr(torch_side, name)(0.1)))
    assert same(left, walked(jax_side.maximize(getattr(jax_side, name)(0.1))))


@pytest.mark.parametrize("name", ["sgd", "adamw", "asgd", "adafactor", "nadam", "adadelta"])
def test_an_injected_rate_may_be_changed_between_steps(name):
    """``inject_hyperparams`` traces every number, the weight decay too."""
    make = partial(getattr(torch_side, name), weight_decay=0.1)
    w, b = (torch.nn.Parameter(torch.tensor(PARAMS[key])) for key in "wb")
    live = make(0.1)([w, b])
    with jax.enable_x64(True):
        rule = optax.inject_hyperparams(getattr(jax_side, name))(learning_rate=0.1, weight_decay=0.1)
        params = jax.tree.map(jnp.asarray, PARAMS)
        state = rule.init(params)
        for rate in (0.1, 0.1, 0.02):
            live.param_groups[0]["lr"] = state.hyperparams["learning_rate"] = rate
            w.grad, b.grad = (torch.tensor(GRADIENTS[key]) for key in "wb")
            live.step()
            updates, state = rule.update(jax.tree.map(jnp.asarray, GRADIENTS), state, params)
            params = optax.apply_updates(params, updates)
        assert same({"w": w.detach().numpy(), "b": b.detach().numpy()}, jax.tree.map(np.asarray, params))


def test_sparse_adam_touches_the_rows_it_is_told(rng):
    """An embedding's row that was looked up moves even where its gradient is 0; no other row does."""
    table, rows = rng.normal(size=(4, 3)), [0, 2]
    embedding = torch.nn.Embedding(4, 3, sparse=True, _weight=torch.tensor(table))
    live = torch_side.sparse_adam(0.1)(embedding.parameters())
    weights = torch.tensor([[1.0, 0.0, 2.0], [0.0, -1.0, 0.5]], dtype=torch.float64)
    touched = np.zeros((4, 1), bool)
    touched[rows] = True
    with jax.enable_x64(True):
        rule, params = jax_side.sparse_adam(0.1), jnp.asarray(table)
        state = rule.init(params)
        for sign in (1.0, -0.5, 1.0):
            live.zero_grad()
            (embedding(torch.tensor(rows)) * weights * sign).sum().backward()
            gradient = embedding.weight.grad.to_dense().numpy()
            live.step()
            updates, state = rule.update(jnp.asarray(gradient), state, params, touched=jnp.asarray(touched))
            params = optax.apply_updates(params, updates)
        assert agrees(np.asarray(params), embedding.weight.detach().numpy())
        assert np.array_equal(np.asarray(params)[[1, 3]], table[[1, 3]])


@pytest.mark.parametrize("name", ["sgd", "adam", "rmsprop", "lbfgs", "rprop"])
def test_the_walk_down_the_valley_agrees(name):
    # L-BFGS at a rate of 0.02 is chaotic here: 1e-15 in the start is 4e-4 after eleven steps, in torch itself.
    start, rate = np.array([-1.5, 2.0]), 1.0 if name == "lbfgs" else 0.02
    left = torch_side.minimise(torch_side.valley, start, getattr(torch_side, name)(rate), 20)
    with jax.enable_x64(True):
        right = jax_side.minimise(jax_side.valley, start, getattr(jax_side, name)(rate), 20)
    assert left.shape == right.shape == (21, 2)
    assert agrees(right, left)


@pytest.mark.parametrize("side", SIDES)
def test_bad_settings_are_told(side):
    for call, message in {
        lambda: side.sgd(-1.0): r"sgd: learning_rate must be at least 0, got -1.0",
        lambda: side.sgd(
            0.1, nesterov=True
        ): r"sgd: nesterov must come with momentum and no dampening, got 0.0 and 0.0",
        lambda: side.adam(betas=(0.9, 1.0)): r"adam: betas must be in \[0, 1\), got \(0.9, 1.0\)",
        lambda: side.rprop(etas=(1.5, 1.2)): r"rprop: etas must be below 1, then above 1, got \(1.5, 1.2\)",
        lambda: side.adadelta(rho=1.1): r"adadelta: rho must be from 0 to 1, got 1.1",
        lambda: side.adafactor(clipping=0.5): r"adafactor: clipping must be at least 1, got 0.5",
        lambda: side.muon(adjust_lr_fn="x"): r"muon: adjust_lr_fn must be None, 'original' or 'match_rms_adamw', got x",
        lambda: side.lbfgs(
            line_search_fn="armijo"
        ): r"lbfgs: line_search_fn must be None or 'strong_wolfe', got armijo",
        lambda: side.clip_by_global_norm(-1.0): r"clip_by_global_norm: max_norm must be at least 0, got -1.0",
    }.items():
        with pytest.raises(ValueError, match=f"^{message}\\.$"):
            call()
