"""Connectionist temporal classification: the loss of a labelling that does not say when."""

from collections.abc import Sequence
from typing import TypedDict, Unpack

import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float, Int

from jax_impl._losses_checks import reduction_of

__all__ = ["CTCOptions", "ctc_loss"]


class CTCOptions(TypedDict, total=False):
    """The options of `ctc_loss`: ``blank`` 0, ``reduction`` "mean", ``zero_infinity`` false by default."""

    blank: int
    reduction: str
    zero_infinity: bool


def ctc_loss(
    log_probs: Float[Array, "time *batch classes"],
    targets: Int[Array, "*labels"],
    input_lengths: Int[Array, "*batch"] | Sequence[int],
    target_lengths: Int[Array, "*batch"] | Sequence[int],
    **options: Unpack[CTCOptions],
) -> Float[Array, "*losses"]:
    r"""Sum the probabilities of all alignments of a labelling: $-\log \sum_\pi \prod_t p_t(\pi_t)$.

    The forward recursion over the labels with blanks between (Graves et al. 2006, doi:10.1145/1143844.1143891,
    eq. 6-8). As torch's, the gradient is that of scores whose softmax is $p$: it has $p$ itself more than that of the
    formula, which the log-softmax before it takes out again.

    Args:
        log_probs: logarithms of $p$; without a batch axis one sequence alone.
        targets: the labels, one row a sequence, or those of all sequences one after the other.
        input_lengths: how many steps of time of each sequence count.
        target_lengths: how many labels of each sequence count.
        **options: ``blank``, the class that stands for no label (0); ``zero_infinity``, whether a labelling that no
            alignment reaches costs 0, with gradient 0, instead of infinity, with gradient NaN (false); ``reduction``
            ("mean"): ``"none"``, ``"sum"``, or ``"mean"`` of the losses, each divided by its number of labels first.

    Returns:
        One loss a sequence, or one in all.

    Raises:
        ValueError: if there is no such reduction.
    """
    reduction = options.get("reduction", "mean")
    reduce, alone = reduction_of("ctc_loss", reduction), log_probs.ndim == 2
    times, labels_of = (jnp.asarray(lengths).reshape(-1) for lengths in (input_lengths, target_lengths))
    batch = log_probs[:, None] if alone else log_probs
    rows = targets if targets.ndim == 2 else _rows(targets, labels_of)
    blank, zero_infinity = options.get("blank", 0), options.get("zero_infinity", False)

    def one(log_probs, labels, time, count):
        return _sequence_loss(_extended(labels, blank), log_probs, time, count, zero_infinity)

    losses = jax.vmap(one, (1, 0, 0, 0))(batch, rows, times, labels_of)
    if reduction == "mean":
        return jnp.mean(losses / jnp.maximum(labels_of, 1))
    return reduce(losses[0] if alone else losses)


def _rows(targets: Array, counts: Array) -> Array:
    """Labels one after the other as rows that are long enough for any counts."""
    places = (jnp.cumsum(counts) - counts)[:, None] + jnp.arange(targets.size)
    return targets[jnp.minimum(places, targets.size - 1)]


def _extended(labels: Array, blank: int) -> Array:
    """Labels with a blank before, between and after them."""
    return jnp.full(2 * labels.size + 1, blank, labels.dtype).at[1::2].set(labels)


def _sequence_loss(states: Array, log_probs: Array, time: Array, count: Array, zero_infinity: bool) -> Array:
    """The loss of one sequence; ``states`` are its labels with blanks between."""
    # optax.ctc_loss normalises by itself and has -1e5 for log 0: unlikely alignments then lose to impossible ones.
    never = jnp.finfo(log_probs.dtype).min / 4
    counted = jnp.arange(len(log_probs)) < time
    # A blank between two labels that differ may be skipped.
    skips = (jnp.arange(len(states)) % 2 == 1) & (states != jnp.roll(states, 2))
    skips = skips.at[:2].set(False)

    def step(alpha, now):
        emitted, counts = now
        stay, move = alpha, jnp.pad(alpha, (1, 0), constant_values=never)[:-1]
        skip = jnp.where(skips, jnp.pad(alpha, (2, 0), constant_values=never)[:-2], never)
        after = jnp.logaddexp(jnp.logaddexp(stay, move), skip) + emitted
        return jnp.where(counts, jnp.maximum(after, never), alpha), None

    emitted = jnp.maximum(log_probs[:, states], never)  # (time, states)
    start = jnp.full(len(states), never, log_probs.dtype).at[0].set(0)
    alpha, _ = lax.scan(step, start, (emitted, counted))
    last = jnp.where(count > 0, alpha[jnp.maximum(2 * count - 1, 0)], never)
    loss = -jnp.logaddexp(alpha[2 * count], last)
    # The probability mass of every step: its value is taken out, its gradient stays.
    mass = jnp.where(counted[:, None], jnp.exp(log_probs), 0).sum()
    impossible = loss > -never / 2
    # Infinite, with a gradient of NaN; the 1 keeps both out of the losses that are finite.
    infinite = 0.0 if zero_infinity else -jnp.log(jnp.where(impossible, 0 * mass, 1))
    return jnp.where(impossible, infinite, loss + (mass - lax.stop_gradient(mass)))
