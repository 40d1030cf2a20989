"""The losses' inputs and settings that the proofs share."""

from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch

from jax_impl import losses as jax_side
from torch_impl import losses as torch_side

__all__ = ["CASES", "sides"]

BATCH, CLASSES = 5, 3
LABELS = np.array([2, 0, 1, 1, 0])
SOME_IGNORED = np.array([2, -100, 1, -100, 0])
SIGNS = np.array([[1, -1, 1], [-1, -1, 1], [1, 1, -1], [-1, 1, -1], [1, -1, -1]])
YES = (SIGNS + 1) // 2
# Exact in every dtype, so that they may be constants.
CLASS_WEIGHTS = np.array([0.5, 2.0, 1.25])
HEAD_BIAS = np.array([0.5, -1.0, 0.25, 0.0])


def pair(rng: np.random.Generator) -> dict[str, np.ndarray]:
    return {"input": rng.normal(size=(BATCH, CLASSES)), "target": rng.normal(size=(BATCH, CLASSES))}


def scored(labels: np.ndarray) -> Callable[[np.random.Generator], dict[str, np.ndarray]]:
    return lambda rng: {"input": rng.normal(size=(BATCH, CLASSES)), "target": labels}


def shares(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.dirichlet(np.ones(CLASSES), size=shape)


def vectors(*names: str, **rest: np.ndarray) -> Callable[[np.random.Generator], dict[str, np.ndarray]]:
    return lambda rng: {name: rng.normal(size=(BATCH, 4)) for name in names} | rest


def log_softmax(x: np.ndarray) -> np.ndarray:
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def speech(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Three sequences of at most 7 steps and 3 labels of 4 classes, one with a repeated label, one without any."""
    return {
        "log_probs": log_softmax(rng.normal(size=(7, 3, 4))),
        "targets": np.array([[1, 1, 3], [2, 3, 1], [3, 2, 1]]),
        "input_lengths": np.array([7, 5, 6]),
        "target_lengths": np.array([3, 2, 0]),
    }


def many_classes(rng: np.random.Generator) -> dict[str, Any]:
    """Two frequent classes, then clusters of three and of two; a label of each, and one of the first again."""
    clusters = [
        {"projection": rng.normal(size=(narrow, 4)), "output": rng.normal(size=(classes, narrow))}
        for narrow, classes in ((3, 3), (1, 2))
    ]
    return {"input": rng.normal(size=(BATCH, 4)), "head_weight": rng.normal(size=(4, 4)), "clusters": clusters}


def each(*variants: dict[str, Any], words: Iterable[str] = ("none", "mean", "sum")) -> list[dict[str, Any]]:
    """Every reduction of the plain loss, and the variants."""
    return [*({"reduction": word} for word in words), *variants]


# function: one or more (inputs, settings that it is run with)
CASES: dict[str, list[tuple[Callable, list[dict[str, Any]]]]] = {
    "l1_loss": [(pair, each())],
    "mse_loss": [(pair, each())],
    "smooth_l1_loss": [(pair, each({"beta": 0.5}, {"beta": 0.0}, {"beta": 3.0, "reduction": "none"}))],
    "huber_loss": [(pair, each({"delta": 0.5}, {"delta": 3.0, "reduction": "none"}))],
    "poisson_nll_loss": [
        (lambda rng: {"input": rng.normal(size=(5, 3)), "target": rng.poisson(2.0, (5, 3))}, each({"full": True})),
        (
            lambda rng: {"input": rng.gamma(2.0, size=(5, 3)), "target": rng.gamma(2.0, size=(5, 3))},
            each({"log_input": False}, {"log_input": False, "full": True, "eps": 0.25}),
        ),
    ],
    "gaussian_nll_loss": [
        (lambda rng, shape=shape: {**pair(rng), "var": rng.gamma(2.0, size=shape)}, each({"full": True}, {"eps": 0.5}))
        for shape in ((5, 3), (5, 1), (1, 3), (5,))
    ],
    "nll_loss": [
        (
            scored(labels),
            each({"weight": CLASS_WEIGHTS}, {"weight": CLASS_WEIGHTS, "reduction": "sum"}, *more),
        )
        for labels, more in ((LABELS, [{"ignore_index": 1}]), (SOME_IGNORED, []))
    ],
    "cross_entropy": [
        (
            scored(labels),
            each(
                {"weight": CLASS_WEIGHTS},
                {"label_smoothing": 0.25},
                {"label_smoothing": 0.25, "weight": CLASS_WEIGHTS},
                {"label_smoothing": 0.25, "weight": CLASS_WEIGHTS, "reduction": "none"},
                *more,
            ),
        )
        for labels, more in ((LABELS, [{"ignore_index": 1, "label_smoothing": 0.25}]), (SOME_IGNORED, []))
    ]
    + [
        (
            lambda rng: {"input": rng.normal(size=(BATCH, CLASSES)), "target": shares(rng, BATCH)},
            each({"weight": CLASS_WEIGHTS, "label_smoothing": 0.25}),
        ),
        (lambda rng: {"input": rng.normal(size=(2, 3, 4)), "target": rng.integers(3, size=(2, 4))}, each()),
        (lambda rng: {"input": rng.normal(size=3), "target": np.array(2)}, each({"label_smoothing": 0.25})),
    ],
    "linear_cross_entropy": [
        (
            lambda rng: {
                "input": rng.normal(size=(BATCH, 4)),
                "linear_weight": rng.normal(size=(CLASSES, 4)),
                "target": SOME_IGNORED,
                "linear_bias": rng.normal(size=CLASSES),
            },
            each({"weight": CLASS_WEIGHTS, "batch_chunk_size": 2}, {"reduction": "none", "batch_chunk_size": 2}),
        )
    ],
    "adaptive_log_prob": [(many_classes, [{}, {"head_bias": HEAD_BIAS}])],
    "adaptive_log_softmax_with_loss": [
        (lambda rng: {**many_classes(rng), "target": np.array([1, 6, 0, 3, 5])}, each({"head_bias": HEAD_BIAS}))
    ],
    "binary_cross_entropy": [
        (
            lambda rng: {"input": rng.uniform(size=(BATCH, CLASSES)), "target": rng.uniform(size=(BATCH, CLASSES))},
            each({"weight": CLASS_WEIGHTS}),
        )
    ],
    "binary_cross_entropy_with_logits": [
        (
            lambda rng: {"input": rng.normal(size=(BATCH, CLASSES)), "target": rng.uniform(size=(BATCH, CLASSES))},
            each({"weight": CLASS_WEIGHTS}, {"pos_weight": CLASS_WEIGHTS}, {"pos_weight": np.array(3.0)}),
        )
    ],
    "kl_div": [
        (
            lambda rng: {"input": log_softmax(rng.normal(size=(BATCH, CLASSES))), "target": shares(rng, BATCH)},
            each({"log_target": True}, words=("none", "batchmean", "mean", "sum")),
        )
    ],
    "hinge_embedding_loss": [(scored(SIGNS), each({"margin": 0.5}))],
    "soft_margin_loss": [(scored(SIGNS.astype(float)), each())],
    "margin_ranking_loss": [(vectors("input1", "input2", target=np.repeat(SIGNS[:, :1], 4, 1)), each({"margin": 0.5}))],
    "multi_margin_loss": [(scored(LABELS), each({"p": 2}, {"margin": 0.5}, {"weight": CLASS_WEIGHTS}))],
    "multilabel_margin_loss": [(scored(np.array([[0, 2, -1], [-1, 0, 1], [1, -1, 2], [0, 1, 2], [2, 2, -1]])), each())],
    "multilabel_soft_margin_loss": [(scored(YES), each({"weight": CLASS_WEIGHTS}))],
    "pairwise_distance": [(vectors("x1", "x2"), [{}, {"p": 1.0}, {"p": 3.0}, {"p": np.inf}, {"eps": 0.125}])],
    "cosine_embedding_loss": [(vectors("input1", "input2", target=SIGNS[:, 0]), each({"margin": 0.25}))],
    "triplet_margin_loss": [
        (vectors("anchor", "positive", "negative"), each({"p": 1.0, "margin": 0.5}, {"swap": True, "eps": 0.125}))
    ],
    "triplet_margin_with_distance_loss": [
        (vectors("anchor", "positive", "negative"), each({"margin": 0.5}, {"swap": True}))
    ],
    "ctc_loss": [(speech, each({"zero_infinity": True}, {"blank": 2, "reduction": "none"}))],
}

FIXED = {"soft_margin_loss": "target"}
"""Float inputs that torch does not differentiate."""


def constants(settings: dict[str, Any], make: Callable, like: Any) -> dict[str, Any]:
    """The settings with their arrays in the form, the dtype and the place of an input."""
    return {key: make(value, like) if isinstance(value, np.ndarray) else value for key, value in settings.items()}


def sides(name: str, variants: list[dict[str, Any]]) -> tuple[Callable, Callable]:
    """A function of both trees under several settings at once; arrays among them are constants."""

    def run(side: Any, make: Callable, stop: Callable) -> Callable:
        def function(**inputs: Any) -> list[Any]:
            like = next(iter(inputs.values()))
            if "clusters" in inputs:
                inputs["clusters"] = [side.Cluster(**weights) for weights in inputs["clusters"]]
            inputs = {key: stop(value) if FIXED.get(name) == key else value for key, value in inputs.items()}
            return [getattr(side, name)(**inputs, **constants(settings, make, like)) for settings in variants]

        return function

    def tensor(value: np.ndarray, like: torch.Tensor) -> torch.Tensor:
        return torch.tensor(value).to(like)

    def array(value: np.ndarray, like: jax.Array) -> jax.Array:
        return jnp.asarray(value, like.dtype)

    return run(torch_side, tensor, torch.Tensor.detach), run(jax_side, array, jax.lax.stop_gradient)
