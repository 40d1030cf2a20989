"""Every loss agrees with its twin under every setting, in value and gradient, also where it has a corner."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from jax_impl import losses as jax_side
from loss_cases import CASES, CLASS_WEIGHTS, sides
from oracles import agrees
from torch_impl import losses as torch_side

SIDES = [pytest.param(torch_side, torch.tensor, id="torch"), pytest.param(jax_side, jnp.asarray, id="jax")]


def test_every_loss_has_a_case():
    assert CASES.keys() == {name for name in jax_side.__all__ if name[0].islower()}


# Their programs take 10 to 20 s each; PyTorch's own samples of CTC run quickly.
LONG = ("ctc_loss", "linear_cross_entropy")
NAMES = [pytest.param(name, marks=[pytest.mark.slow] * (name in LONG)) for name in CASES]


@pytest.mark.parametrize("name", NAMES)
def test_loss_agrees(parity, rng, name):
    for draw, variants in CASES[name]:
        parity.assert_equivalent(*sides(name, variants), draw(rng), name=name)


@pytest.mark.parametrize("name", NAMES)
def test_small_values_agree(parity, rng, name):
    """At 1e-3 an epsilon, a margin or a beta decides; lengths and labels stay."""
    draw, variants = CASES[name][0]

    def small(value):
        return value * 1e-3 if value.dtype.kind == "f" else value

    inputs = {key: jax.tree.map(small, value) for key, value in draw(rng).items()}
    parity.assert_equivalent(*sides(name, variants[:1]), inputs, jit=False, dtypes=("float64",), name=name)


# Inputs on the corners: gaps of 0, of beta and of delta, scores that tie, margins that are met exactly.
STEPS = np.array([[-1.0, -0.5, 0.0], [0.5, 1.0, 2.0]])
BOTH = np.array([[1, 1, -1], [-1, 1, -1]])
ROW = {"input1": STEPS, "input2": np.zeros((2, 3)), "target": BOTH}
KINKS = {
    "l1_loss": ({"input": STEPS, "target": 0 * STEPS}, [{}]),
    "smooth_l1_loss": ({"input": STEPS, "target": 0 * STEPS}, [{}, {"beta": 0.5}, {"beta": 0.0}]),
    "huber_loss": ({"input": STEPS, "target": 0 * STEPS}, [{}, {"delta": 0.5}]),
    "gaussian_nll_loss": ({"input": STEPS, "target": 0 * STEPS, "var": np.abs(STEPS)}, [{"eps": 0.5}, {}]),
    "hinge_embedding_loss": ({"input": STEPS, "target": BOTH}, [{}, {"margin": 0.5}]),
    "margin_ranking_loss": (ROW, [{}, {"margin": 1.0}]),
    "multi_margin_loss": ({"input": STEPS, "target": np.array([2, 0])}, [{}, {"p": 2}, {"margin": 0.5}]),
    "multilabel_margin_loss": ({"input": STEPS, "target": np.array([[2, -1, 0], [0, 1, -1]])}, [{}]),
    "pairwise_distance": ({"x1": STEPS, "x2": STEPS[:, ::-1].copy()}, [{"p": p, "eps": 0.0} for p in (1.0, np.inf)]),
    "cosine_embedding_loss": (
        {"input1": np.eye(2, 3), "input2": np.eye(2, 3)[::-1].copy(), "target": np.array([-1, 1])},
        [{}],
    ),
    "triplet_margin_loss": (
        {"anchor": np.zeros((1, 2)), "positive": np.array([[0.0, 1.0]]), "negative": np.array([[0.0, 2.0]])},
        [{"eps": 0.0}, {"eps": 0.0, "swap": True, "margin": 2.0}],
    ),
}


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * n.startswith("triplet")) for n in KINKS])
def test_corners_agree(parity, name):
    inputs, variants = KINKS[name]
    parity.assert_equivalent(*sides(name, variants), inputs, jit=False, name=name)


NEITHER = {
    "hinge_embedding_loss": {"input": np.array([0.5, -0.25, 2.0])},
    "cosine_embedding_loss": {"input1": np.eye(3, 2) + 0.5, "input2": np.eye(3, 2, 1) + 0.25},
}


@pytest.mark.parametrize("name", NEITHER)
def test_a_target_that_is_neither_1_nor_minus_1_agrees(parity, name):
    """The hinge then counts both of its terms, the cosine none."""
    inputs = NEITHER[name] | {"target": np.array([1, -1, 0])}
    parity.assert_equivalent(*sides(name, [{"reduction": "none"}]), inputs, jit=False)


def test_equal_points_agree(parity):
    """At distance 0 the gradient is 0 for every norm; that of ``jnp.linalg.norm`` is NaN."""
    inputs = {"x1": np.ones((2, 3)), "x2": np.ones((2, 3))}
    variants = [{"p": p, "eps": 0.0} for p in (1.0, 2.0, 3.0, np.inf)]
    parity.assert_equivalent(*sides("pairwise_distance", variants), inputs, jit=False)


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("cross_entropy", np.array([2, 0])),
        ("binary_cross_entropy_with_logits", np.array([[0.0, 1.0, 0.0], [1.0, 1.0, 0.0]])),
        ("multilabel_soft_margin_loss", np.array([[0, 1, 0], [1, 1, 0]])),
        ("poisson_nll_loss", np.array([[0, 3, 1], [2, 1, 5]])),
    ],
)
def test_extreme_scores_agree(parity, name, target):
    """Scores of 1e4 either way: finite where the logarithm is taken in the right place."""
    scores = np.array([[-1e4, 0.0, 1e4], [1e4, 1e4, -1e4]])
    scores = scores / 100 if name == "poisson_nll_loss" else scores
    parity.assert_equivalent(
        *sides(name, [{}, {"reduction": "none"}]), {"input": scores, "target": target}, jit=False, dtypes=("float64",)
    )


@pytest.mark.parametrize("certain", [0.0, 1.0, 1e-13, 1e-50])
def test_clamped_certainties_agree(parity, certain):
    """Binary cross entropy: a wrong certainty costs 100, with a gradient of 1e12 and not 0."""
    inputs = {"input": np.full(3, certain), "target": np.array([0.0, 1.0, 0.5])}
    torch_fn, jax_fn = sides("binary_cross_entropy", [{"reduction": "none"}])

    def fixed(function, stop):
        return lambda input, target: function(input=input, target=stop(target))

    functions = fixed(torch_fn, torch.Tensor.detach), fixed(jax_fn, jax.lax.stop_gradient)
    report = parity.assert_equivalent(*functions, inputs, dtypes=("float64",), jit=False)
    assert report.ok
    assert (jax_side.binary_cross_entropy(jnp.zeros(1), jnp.ones(1)) == 100).all()
    slope = jax.grad(lambda p: jax_side.binary_cross_entropy(p, jnp.ones(1)))(jnp.zeros(1))
    assert slope.item() == pytest.approx(-1e12)


@pytest.mark.parametrize("name", ["nll_loss", "cross_entropy"])
def test_nothing_to_learn_from_agrees(parity, rng, name):
    """Every label ignored, and no label at all: the mean is NaN with gradient 0, the sum is 0."""
    variants = [{"reduction": word} for word in ("none", "mean", "sum")]
    variants += [{"label_smoothing": 0.25}, {"label_smoothing": 0.25, "weight": CLASS_WEIGHTS}] * (name[0] == "c")
    for labels, scores in ((np.full(4, -100), rng.normal(size=(4, 3))), (np.zeros(0, int), np.zeros((0, 3)))):
        inputs = {"input": scores, "target": labels}
        parity.assert_equivalent(*sides(name, variants), inputs, edge_cases=True, jit=False, dtypes=("float64",))
        assert np.isnan(getattr(jax_side, name)(jnp.asarray(scores), jnp.asarray(labels)))


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "huber_loss", "binary_cross_entropy_with_logits"])
def test_empty_batches_agree(parity, name):
    inputs = {"input": np.zeros((0, 3)), "target": np.zeros((0, 3))}
    variants = [{"reduction": word} for word in ("none", "mean", "sum")]
    parity.assert_equivalent(
        *sides(name, variants), inputs, edge_cases=True, gradients=False, jit=False, dtypes=("float64",)
    )


@jax.enable_x64(True)
def test_adaptive_probabilities_add_up_to_one_and_give_the_loss(rng):
    """The loss of PyTorch's module is the likelihood of the label among all classes."""
    draw, _ = CASES["adaptive_log_softmax_with_loss"][0]
    drawn = draw(rng)
    for side, make in ((torch_side, torch.tensor), (jax_side, jnp.asarray)):
        given = jax.tree.map(make, drawn)
        clusters = [side.Cluster(**weights) for weights in given["clusters"]]
        every = np.asarray(side.adaptive_log_prob(given["input"], given["head_weight"], clusters))
        loss = side.adaptive_log_softmax_with_loss(
            given["input"], given["head_weight"], clusters, given["target"], reduction="none"
        )
        assert agrees(np.exp(every).sum(axis=1), np.ones(5))
        assert agrees(np.asarray(loss), -every[np.arange(5), drawn["target"]])


def test_forbidden_classes_agree(parity):
    """ce-masked-logits: a score of -inf for a class that is not the label is finite on both sides."""
    inputs = {"input": np.array([[0.5, -np.inf, 1.0], [-np.inf, 0.0, 2.0]]), "target": np.array([2, 1])}
    parity.assert_equivalent(*sides("cross_entropy", [{}]), inputs, edge_cases=True, jit=False)


@pytest.mark.parametrize(("side", "make"), SIDES)
def test_arguments_that_make_no_sense_raise_one_sentence(side, make):
    x, labels = make(np.ones((2, 3), np.float32)), make(np.array([0, 1]))
    with pytest.raises(ValueError, match=r"^l1_loss: reduction must be one of none, mean, sum, got 'average'\.$"):
        side.l1_loss(x, x, reduction="average")
    with pytest.raises(ValueError, match=r"^kl_div: reduction must be one of none, batchmean, mean, sum, got 'avg'\.$"):
        side.kl_div(x, x, reduction="avg")
    with pytest.raises(ValueError, match=r"^smooth_l1_loss: beta must be at least 0, got -1\.0\.$"):
        side.smooth_l1_loss(x, x, beta=-1.0)
    with pytest.raises(ValueError, match=r"^huber_loss: delta must be above 0, got 0\.0\.$"):
        side.huber_loss(x, x, delta=0.0)
    with pytest.raises(ValueError, match=r"^gaussian_nll_loss: var must have shape \(2, 3\), or 1 .*, got \(3,\)\.$"):
        side.gaussian_nll_loss(x, x, x[0])
    with pytest.raises(ValueError, match=r"^cross_entropy: label_smoothing must be from 0 to 1, got 2\.0\.$"):
        side.cross_entropy(x, labels, label_smoothing=2.0)
    with pytest.raises(ValueError, match=r"^multi_margin_loss: p must be 1 or 2, got 3\.$"):
        side.multi_margin_loss(x, labels, p=3)
    with pytest.raises(ValueError, match=r"^triplet_margin_loss: margin must be above 0, got 0\.0\.$"):
        side.triplet_margin_loss(x, x, x, margin=0.0)
    with pytest.raises(ValueError, match=r"^pairwise_distance: p must be above 0, got 0\.0\.$"):
        side.pairwise_distance(x, x, p=0.0)
