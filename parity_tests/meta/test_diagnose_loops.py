"""Remedies of loops and orders: passes, states that stay, laws of the step, two steps exchanged."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import torch
from jax import lax

import parity

draw = np.random.default_rng(67)
START, ROWS = draw.normal(size=4), draw.normal(size=(6, 4))
SKIPPED = np.array([0, 0, 1, 0, 1, 0], bool)


def diagnosis(torch_side, jax_side, inputs, **options):
    """What the report says of its cause, "" for nothing."""
    return parity.compare(torch_side, jax_side, inputs, dtypes=("float64",), jit=False, **options).diagnosis or ""


def test_a_pass_too_many_is_named():
    def torch_side(x):
        for _ in range(5):
            x = x - 0.1 * torch.sin(3 * x)
        return x

    def wrong(x):
        return lax.scan(lambda x, _: (x - 0.1 * jnp.sin(3 * x), None), x, length=6)[0]

    assert "jax.lax.scan(length=5) instead of 6 at " in diagnosis(torch_side, wrong, (START,))


def test_a_state_that_should_have_stayed_is_named():
    def torch_side(x, rows, skipped):
        for row, skip in zip(rows, skipped, strict=True):
            x = x if skip else torch.tanh(x + row)
        return x

    def wrong(x, rows, skipped):
        def step(x, now):
            row, skip = now
            return jnp.tanh(x + row), jnp.where(skip, 0.0, row).sum()

        x, sums = lax.scan(step, x, (rows, skipped))
        return x + 0 * sums[-1]

    found = diagnosis(torch_side, wrong, (START, ROWS, SKIPPED))
    assert "state 0 of the loop stays as it was where skipped is True: a step is skipped there" in found


def test_a_norm_behind_an_activation_instead_of_before_it_is_named():
    def torch_side(x):
        return torch.relu((x - x.mean(-1, keepdim=True)) / x.norm(dim=-1, keepdim=True))

    def wrong(x):
        x = jax.nn.relu(x)
        return (x - x.mean(-1, keepdims=True)) / jnp.linalg.norm(x, axis=-1, keepdims=True)

    assert "not before it: in the other order" in diagnosis(torch_side, wrong, (ROWS,))


def test_a_gate_before_the_product_instead_of_behind_it_is_named():
    inputs = {"x": ROWS, "gate": draw.normal(size=(6, 4)), "w": draw.normal(size=(4, 4))}
    found = diagnosis(
        lambda x, gate, w: torch.tanh(x + torch.sigmoid(gate) * (x @ w)),
        lambda x, gate, w: jnp.tanh(x + (jax.nn.sigmoid(gate) * x) @ w),
        inputs,
    )
    assert "is done after the matrix product at" in found


def adam(p, g, xp, *, early):
    """TensorFlow's form of Adam adds its epsilon before the bias correction."""
    m = v = xp.zeros_like(p)
    for step in range(1, 5):
        m, v = 0.9 * m + 0.1 * g[step], 0.999 * v + 0.001 * g[step] ** 2
        one, two = 1 - 0.9**step, 1 - 0.999**step
        root = xp.sqrt(v) / two**0.5 + 1e-3
        p = p - 0.1 * (two**0.5 / one * m / (xp.sqrt(v) + 1e-3) if early else m / one / root)
    return p


def test_an_epsilon_before_the_bias_correction_is_named():
    found = diagnosis(
        lambda p, g: adam(p, g, torch, early=False), lambda p, g: adam(p, g, jnp, early=True), (START, ROWS)
    )
    assert "the eps is added after the bias correction" in found


def stepped(transform):
    def run(p, g):
        state = transform.init(p)
        for gradient in g:
            updates, state = transform.update(gradient, state, p)
            p = p + updates
        return p

    return run


def torch_stepped(make):
    def run(p, g):
        leaf = p.detach().clone().requires_grad_()
        optimizer = make([leaf])
        for gradient in g:
            leaf.grad = gradient.clone()
            optimizer.step()
        return leaf.detach()

    return run


def test_options_of_optimizers_that_a_port_lost_are_named():
    cases = {
        "what enters the average is multiplied by 0.3 from the second step on: dampening": (
            lambda leaves: torch.optim.SGD(leaves, lr=0.1, momentum=0.9, dampening=0.7),
            optax.sgd(0.1, momentum=0.9),
        ),
        "is divided by 1 + 0.25 k at step k, from 0: a rate that declines": (
            lambda leaves: torch.optim.Adagrad(leaves, lr=0.1, lr_decay=0.25),
            optax.adagrad(0.1, initial_accumulator_value=0.0, eps=1e-10),
        ),
        "the average of squares is centred": (
            lambda leaves: torch.optim.RMSprop(leaves, lr=0.1, alpha=0.9, centered=True),
            optax.rmsprop(0.1, decay=0.9, eps_in_sqrt=False),
        ),
    }
    for words, (make, transform) in cases.items():
        assert words in diagnosis(torch_stepped(make), stepped(transform), (START, ROWS), gradients=False)


def test_a_decay_that_leaves_one_weight_out_is_named():
    def torch_side(w, b, g):
        leaves = [part.detach().clone().requires_grad_() for part in (w, b)]
        optimizer = torch.optim.AdamW(leaves, lr=0.1, weight_decay=0.2)
        for gradient in g:
            for leaf in leaves:
                leaf.grad = gradient.clone()
            optimizer.step()
        return {"w": leaves[0].detach(), "b": leaves[1].detach()}

    transform = optax.adamw(0.1, weight_decay=0.2, mask={"w": True, "b": False})

    def wrong(w, b, g):
        leaves = {"w": w, "b": b}
        state = transform.init(leaves)
        for gradient in g:
            updates, state = transform.update({"w": gradient, "b": gradient}, state, leaves)
            leaves = optax.apply_updates(leaves, updates)
        return leaves

    found = diagnosis(torch_side, wrong, {"w": START, "b": 2 * START, "g": ROWS}, gradients=False)
    assert "b is multiplied by 0.98 before every update: a weight decay that leaves it out" in found


def test_a_state_that_runs_on_past_the_lengths_is_named():
    def torch_side(x, lengths):
        h = torch.zeros_like(x[0])
        for step, row in enumerate(x):
            h = torch.where((step < lengths)[:, None], torch.tanh(h + row), h)
        return h

    def wrong(x, lengths):
        return lax.scan(lambda h, row: (jnp.tanh(h + row), None), jnp.zeros_like(x[0]), x)[0]

    found = diagnosis(torch_side, wrong, {"x": draw.normal(size=(5, 3, 2)), "lengths": np.array([5, 2, 3])})
    assert "state 0 of the loop stays as it was from pass lengths on: padding behind the end of a sequence" in found


def test_a_bias_correction_that_a_loop_lacks_is_named():
    def torch_side(p, g):
        m = torch.zeros_like(p)
        for step, gradient in enumerate(g, 1):
            m = 0.9 * m + 0.1 * gradient
            p = p - 0.1 * torch.tanh(m / (1 - 0.9**step))
        return p

    def wrong(p, g):
        def step(state, gradient):
            p, m = state
            m = 0.9 * m + 0.1 * gradient
            return (p - 0.1 * jnp.tanh(m), m), None

        return lax.scan(step, (p, jnp.zeros_like(p)), g)[0][0]

    assert "the moving averages have their bias correction" in diagnosis(torch_side, wrong, (START, ROWS))


def test_a_share_of_one_line_is_named_with_its_line():
    def averaged(p, g, second, xp):
        m = xp.zeros_like(p)
        for gradient in g:
            p = p - 0.1 * xp.tanh(0.9 * m + 0.1 * gradient)
            m = second * m + (1 - second) * gradient
        return p

    found = diagnosis(lambda p, g: averaged(p, g, 0.99, torch), lambda p, g: averaged(p, g, 0.9, jnp), (START, ROWS))
    assert "`m = second * m + (1 - second) * gradient` is 0.99, and 0.1 is 0.01 with it" in found
