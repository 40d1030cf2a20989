"""Where torch's losses and what JAX offers for them part ways, each with its size."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch
from torch.nn import functional

from jax_impl import losses as jax_side
from loss_cases import log_softmax
from torch_impl import losses as torch_side

LABELS = np.array([2, 0, 1, 1, 0])
NAN = float("nan")


@pytest.fixture(autouse=True)
def x64():
    """Sizes are stated in float64."""
    with jax.enable_x64(True):
        yield


def both(torch_loss, jax_loss):
    return float(torch_loss), float(jax_loss)


def differs(parity, torch_fn, jax_fn, inputs):
    """The instrument sees the divergence too."""
    return not parity.compare(torch_fn, jax_fn, inputs, dtypes=("float64",), jit=False, record=False).ok


def test_trap_l2_loss_half(parity, rng):
    """l2-loss-half: ``optax.l2_loss`` is half of the squared error."""
    a, b = rng.normal(size=(2, 5, 3))
    left, right = both(functional.mse_loss(torch.tensor(a), torch.tensor(b)), optax.l2_loss(a, b).mean())
    assert left / right == pytest.approx(2)
    assert differs(parity, functional.mse_loss, lambda a, b: optax.l2_loss(a, b).mean(), (a, b))


def test_trap_smooth_l1_vs_huber(parity, rng):
    """smooth-l1-vs-huber: Huber's loss is delta times the other."""
    a, b = 2 * rng.normal(size=(2, 5, 3))
    smooth = functional.smooth_l1_loss(torch.tensor(a), torch.tensor(b), beta=0.5)
    left, right = both(smooth, optax.huber_loss(a, b, delta=0.5).mean())
    assert left / right == pytest.approx(2)
    assert float(jax_side.smooth_l1_loss(a, b, beta=0.5)) == pytest.approx(left)


def test_trap_l1_gradient_where_nothing_is_wrong():
    """abs-zero: at a gap of 0 ``grad(jnp.abs)`` is 1; torch and the twin have 0."""
    x = torch.zeros(1, requires_grad=True)
    functional.l1_loss(x, torch.zeros(1)).backward()
    plain = jax.grad(lambda x: jnp.abs(x).mean())(jnp.zeros(1))
    assert (x.grad.item(), plain.item()) == (0, 1)
    assert jax.grad(lambda x: jax_side.l1_loss(x, jnp.zeros(1)))(jnp.zeros(1)).item() == 0


def test_trap_ignore_index(rng):
    """ignore-index: optax has NaN at -100 and the last class at -1; one-hot labels divide by those ignored too."""
    scores = rng.normal(size=(4, 3))
    with_ignored = optax.softmax_cross_entropy_with_integer_labels(scores, np.array([2, -100, 1, -1]))
    assert np.isnan(with_ignored).tolist() == [False, True, False, False]
    last = optax.softmax_cross_entropy_with_integer_labels(scores, np.array([2, 0, 1, 2]))
    assert with_ignored[3] == last[3]
    half = np.array([2, -100, 1, -100])
    kept = functional.cross_entropy(torch.tensor(scores), torch.tensor(half))
    hot = optax.softmax_cross_entropy(scores, jax.nn.one_hot(half, 3)).mean()
    assert float(kept) / float(hot) == pytest.approx(2)


def test_trap_ce_class_axis(parity, rng):
    """ce-class-axis: torch's classes are axis 1, optax's the last; silent where both have one length."""
    scores, labels = rng.normal(size=(2, 4, 4)), rng.integers(4, size=(2, 4))
    plain = lambda z, y: optax.softmax_cross_entropy_with_integer_labels(z, y).mean()  # noqa: E731
    assert differs(parity, functional.cross_entropy, plain, (scores, labels))


def test_trap_ce_class_weights():
    """ce-class-weights: torch divides by the weights of the labels."""
    weights, scores = np.array([1.0, 2.0, 6.0]), np.zeros((5, 3))
    left = functional.cross_entropy(torch.tensor(scores), torch.tensor(LABELS), torch.tensor(weights))
    losses = optax.softmax_cross_entropy_with_integer_labels(scores, LABELS) * weights[LABELS]
    assert float(losses.mean()) / float(left) == pytest.approx(weights[LABELS].mean())


def test_trap_ce_masked_logits():
    """ce-masked-logits: optax gives NaN for a forbidden class and one-hot labels; torch infinity with smoothing."""
    scores, label = np.array([[1.0, -np.inf, 2.0]]), np.array([0])
    left = functional.cross_entropy(torch.tensor(scores), torch.tensor(label)).item()
    assert left == pytest.approx(1.3132616875182228)
    assert np.isnan(optax.softmax_cross_entropy(scores, jax.nn.one_hot(label, 3))[0])
    smoothed = functional.cross_entropy(torch.tensor(scores), torch.tensor(label), label_smoothing=0.1)
    assert smoothed.item() == float(jax_side.cross_entropy(jnp.asarray(scores), label, label_smoothing=0.1)) == np.inf


def test_trap_labels_out_of_range():
    """torch refuses a label that no class has; in JAX it is NaN, or a wrapped one's."""
    with pytest.raises(IndexError, match=r"Target 3 is out of bounds"):
        functional.cross_entropy(torch.zeros(1, 3), torch.tensor([3]))
    assert np.isnan(jax_side.cross_entropy(jnp.zeros((1, 3)), jnp.array([3])))


def test_trap_kl_div_args(rng):
    """kl-div-args: torch takes log q first and divides by all elements; optax sums a row."""
    log_q, p = log_softmax(rng.normal(size=(4, 5))), rng.dirichlet(np.ones(5), size=4)
    mean = torch_side.kl_div(torch.tensor(log_q), torch.tensor(p)).item()
    row = float(optax.kl_divergence(log_q, p).mean())
    assert row / mean == pytest.approx(5)
    assert float(jax_side.kl_div(log_q, p, reduction="batchmean")) == pytest.approx(row)
    swapped = float(optax.kl_divergence(np.log(p), np.exp(log_q)).mean())
    assert abs(swapped - row) > 0.05 * row


def test_trap_bce_clamp():
    """A wrong certainty costs 100 in torch, and infinity by the formula."""
    left = functional.binary_cross_entropy(torch.zeros(1), torch.ones(1)).item()
    assert (left, float(-jnp.log(jnp.zeros(())))) == (100, np.inf)
    with pytest.raises(RuntimeError, match="all elements of input should be between 0 and 1"):
        functional.binary_cross_entropy(torch.tensor([1.5]), torch.ones(1))
    assert np.isnan(jax_side.binary_cross_entropy(jnp.array([1.5]), jnp.ones(1)))  # the logarithm of -1/2


def test_trap_bce_pos_weight():
    """bce-pos-weight: the weight is of a yes alone; a no would cost three times as much."""
    scores, no = np.array([2.0]), np.array([0.0])
    left = functional.binary_cross_entropy_with_logits(
        torch.tensor(scores), torch.tensor(no), pos_weight=torch.tensor(3.0)
    )
    assert left.item() == pytest.approx(2.1269280110429727)
    assert float(3 * optax.sigmoid_binary_cross_entropy(scores, no)[0]) == pytest.approx(3 * left.item())


def test_trap_soft_margin_overflows():
    """torch's soft margin loss is infinite, its gradient NaN, where ``jax.nn.softplus`` has 800 and -1."""
    x = torch.tensor([-800.0], dtype=torch.float64, requires_grad=True)
    loss = functional.soft_margin_loss(x, torch.ones(1, dtype=torch.float64))
    loss.backward()
    assert (loss.item(), np.isnan(x.grad.item())) == (np.inf, True)
    value, slope = jax.value_and_grad(lambda x: jax_side.soft_margin_loss(x, jnp.ones(1)))(jnp.array([-800.0]))
    assert (float(value), np.isnan(slope[0])) == (np.inf, True)
    assert float(jax.nn.softplus(800.0)) == 800


def test_trap_pairwise_distance_eps():
    """pairwise-distance-eps: 1e-6 on each component; equal points are 1.4e-6 apart."""
    x, y = np.array([[3.0, 4.0], [1.0, 1.0]]), np.array([[0.0, 0.0], [1.0, 1.0]])
    left = functional.pairwise_distance(torch.tensor(x), torch.tensor(y)).numpy()
    assert left == pytest.approx([5.0000014, 1.41421356e-6])
    assert np.asarray(jnp.linalg.norm(x - y, axis=-1)).tolist() == [5, 0]
    assert np.asarray(jax_side.pairwise_distance(x, y)) == pytest.approx(left)


def test_trap_triplet_margin_of_optax():
    """optax adds eps under the root; at odd p it powers signed differences, and is NaN."""
    anchor, positive, negative = (np.array([row]) for row in ([0.0, 0.0], [3.0, 4.0], [0.0, 4.5]))
    loss = functional.triplet_margin_loss(*map(torch.tensor, (anchor, positive, negative))).item()
    other = float(optax.losses.triplet_margin_loss(anchor, positive, negative)[0])
    assert loss == pytest.approx(1.5, abs=1e-5)  # the distances' eps of 1e-6 on each component
    assert 1e-8 < abs(loss - other) < 1e-5
    odd = optax.losses.triplet_margin_loss(anchor, positive, negative, norm_degree=3)
    assert np.isnan(odd[0])


def test_trap_cosine_of_a_zero_vector():
    """torch adds 1e-12 to the squared lengths, optax divides by the length itself: NaN gradients for a zero vector."""
    zero, one = np.zeros((1, 2)), np.array([[1.0, 0.0]])
    plain = jax.grad(lambda x: optax.cosine_similarity(x, one).sum())(zero)
    twin = jax.grad(lambda x: jax_side.cosine_embedding_loss(x, one, np.array([1])))(zero)
    x = torch.zeros(1, 2, dtype=torch.float64, requires_grad=True)
    functional.cosine_embedding_loss(x, torch.tensor(one), torch.tensor([1])).backward()
    assert np.isnan(plain).any()
    assert np.asarray(twin)[0].tolist() == pytest.approx(x.grad[0].tolist(), rel=1e-12)  # rounding alone
    assert x.grad[0].tolist() == pytest.approx([-1e6, 0])


# --- CTC -----------------------------------------------------------------------------------------------------------


def optax_ctc(log_probs, labels, steps, counts, **options):
    """optax's layout: batch first, padding masks for lengths."""
    logits = jnp.moveaxis(log_probs, 0, 1)
    pads = [
        np.arange(size) >= np.asarray(n)[:, None] for size, n in ((logits.shape[1], steps), (labels.shape[1], counts))
    ]
    return optax.ctc_loss(logits, pads[0].astype(float), labels, pads[1].astype(float), **options)


SPEECH = (np.array([[1, 2, 0], [3, 3, 1]]), np.array([6, 7]), np.array([2, 3]))


@pytest.mark.parametrize("blank", [0, pytest.param(3, marks=pytest.mark.slow)])
def test_ctc_of_optax_is_a_third_voice(rng, blank):
    """Where alignments are possible and likely, optax has the same losses; 1e-12 of their size."""
    log_probs, (labels, steps, counts) = log_softmax(rng.normal(size=(7, 2, 4))), SPEECH
    labels = np.where(labels == blank, 2, labels)
    ours = jax_side.ctc_loss(log_probs, labels, steps, counts, blank=blank, reduction="none")
    assert np.asarray(ours) == pytest.approx(np.asarray(optax_ctc(log_probs, labels, steps, counts, blank_id=blank)))


def test_trap_ctc_reduction(rng):
    """ctc-reduction: torch's mean divides each loss by its number of labels first."""
    log_probs, (labels, steps, counts) = log_softmax(rng.normal(size=(7, 2, 4))), SPEECH
    losses = np.asarray(optax_ctc(log_probs, labels, steps, counts))
    mean = functional.ctc_loss(*map(torch.tensor, (log_probs, labels, steps, counts))).item()
    assert mean == pytest.approx((losses / counts).mean())
    assert losses.mean() > 2 * mean


def test_trap_ctc_impossible(rng):
    """ctc-reduction: a labelling too long for its time costs infinity in torch, about 1e5 in optax."""
    log_probs, (labels, _, counts) = log_softmax(rng.normal(size=(7, 2, 4))), SPEECH
    steps = np.array([1, 3])
    left = functional.ctc_loss(*map(torch.tensor, (log_probs, labels, steps, counts)), reduction="none")
    right = np.asarray(optax_ctc(log_probs, labels, steps, counts))
    assert left.tolist() == [np.inf, np.inf]
    assert np.all((right > 1e5 - 1) & (right < 1e5 + 100))


def test_trap_ctc_gradient_is_of_the_scores(rng):
    """torch's gradient of log-probabilities has exp(log_probs) in it, which the formula's has not."""
    log_probs, (labels, steps, counts) = log_softmax(rng.normal(size=(7, 2, 4))), SPEECH
    steps = np.array([7, 7])
    leaf = torch.tensor(log_probs, requires_grad=True)
    functional.ctc_loss(leaf, *map(torch.tensor, (labels, steps, counts)), reduction="sum").backward()
    step = 1e-6 * rng.normal(size=log_probs.shape)
    up, down = (
        float(jax_side.ctc_loss(log_probs + sign * step, labels, steps, counts, reduction="sum")) for sign in (1, -1)
    )
    along_torch, extra = (leaf.grad.numpy() * step).sum(), (np.exp(log_probs) * step).sum()
    # A central difference of steps of 1e-6: 1e-9 of its size from the curve, 1e-9 from rounding.
    assert (up - down) / 2 == pytest.approx(along_torch - extra, rel=1e-6)
    assert abs(extra) > 1e-3 * abs(along_torch)


def test_the_gradient_of_logsumexp_in_bfloat16_is_no_softmax_in_torch():
    """torch subtracts the rounded result from the logits, so all weights are off alike: here their sum is 0.976."""
    logits = [60.25, 60.0, 59.0]
    leaf = torch.tensor(logits, dtype=torch.bfloat16, requires_grad=True)
    torch.logsumexp(leaf, 0).backward()
    total = jax.grad(jax.nn.logsumexp)(jnp.asarray(logits, jnp.bfloat16)).astype(jnp.float32).sum()
    assert abs(leaf.grad.double().sum().item() - 1) > 0.02
    # three weights, each rounded to bfloat16 by at most 2^-9 of itself: measured 0
    assert float(total) == pytest.approx(1, abs=2.0**-9)
