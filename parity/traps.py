"""The known traps between PyTorch and JAX that a diagnosis points to: a short stable id and one line each.

Print the table with ``python -m parity.traps``, one line with ``python -m parity.traps linear-transpose``.
"""

from __future__ import annotations

import sys

__all__ = ["TRAPS"]

TRAPS: dict[str, str] = {
    "abs-l1-zero-grad": "the derivative of |x| at 0 is 0 in torch and 1 in JAX (sign at -0 apart).",
    "adam-eps-root": "Adam divides by sqrt(v) + eps; optax's eps_root and some ports add it under the root.",
    "adam-l2-vs-decoupled": "torch's Adam(weight_decay=) adds L2 to the gradient; optax.adamw decays the weights.",
    "bicubic-coefficient": "torch's bicubic: a = -0.75, antialiased -0.5; jax.image's: -0.5, 'bicubic-pytorch' -0.75.",
    "bn-momentum-convention": "torch's momentum weighs the new statistic, flax's the old: 0.1 here is 0.9 there.",
    "bn-running-var-bessel": "torch's running variance divides by n - 1, flax's by n.",
    "ce-class-axis": "torch puts the classes on axis 1, optax on the last.",
    "clip-boundary-grad": "the derivative on a clip's bound: 1 in torch.clamp, 1/2 in jnp.clip.",
    "complex-grad-conjugate": "the gradients of a real function of complex numbers are conjugates of each other.",
    "conv-default-padding": "torch's conv pads nothing by default, linen's pads 'SAME'.",
    "conv-kernel-layout": "torch's kernel is (out, in, height, width), linen's (height, width, in, out).",
    "convolve-flips": "jnp.convolve flips its kernel, torch's conv1d does not.",
    "detach-vs-stop-gradient": "a detach without its stop_gradient, or the reverse: outputs agree, gradients do not.",
    "dict-key-sort": "JAX sorts the keys of a dict as strings: Dense_10 comes before Dense_2.",
    "dropout-keep-vs-drop": "p is the share dropped in torch and linen, the share kept elsewhere.",
    "duplicate-index-add": "x[i] += v writes a repeated index once in torch, .at[i].add(v) every time.",
    "embed-oob": "an index out of range raises in torch and reads NaN or the last row in JAX.",
    "forgot-zero-grad": "torch adds every backward pass to .grad until zero_grad().",
    "gelu-tanh-default": "jax.nn.gelu is the tanh approximation by default, torch's gelu is exact.",
    "ignore-index": "torch's cross_entropy leaves out targets of -100 and divides by the rest.",
    "kl-div-args": "F.kl_div takes log-probabilities first, and 'mean' divides by every element.",
    "l2-loss-half": "optax.l2_loss is half the squared error.",
    "lax-rem-div-sign": "lax.rem keeps the dividend's sign, % and torch.remainder the divisor's.",
    "layernorm-eps": "LayerNorm adds 1e-5 in torch and 1e-6 in flax.",
    "layernorm-multi-axis": "torch normalises over the last len(shape) axes, flax over the last one.",
    "leaky-relu-zero": "the slope of leaky_relu at exactly 0 differs.",
    "linear-transpose": "torch keeps a Linear's weight as (out, in), flax its kernel as (in, out).",
    "lstm-gate-order": "the gates i, f, g, o stand in another order, or in separate kernels.",
    "mask-polarity": "True keeps in jax masks and in torch's attention, and drops in key_padding_mask.",
    "mask-value-half": "a mask of -1e9 or -10 in place of -inf.",
    "max-ties-grad": "at ties torch gives the gradient of max to one element or shares it; JAX shares it or not.",
    "median-even": "torch.median takes the lower of the two middle values, jnp.median their mean.",
    "mha-weight-packing": "torch packs q, k, v in one in_proj_weight; linen keeps (features, heads, head_dim).",
    "momentum-lr-inside": "the learning rate inside the velocity or outside: they part when it changes.",
    "mse-feature-sum": "a mean over everything against a sum over features and a mean over the batch.",
    "nchw-accepted-silently": "torch is NCHW, flax NHWC, and a wrong one may run.",
    "negative-index-wraps": "a negative index counts from the end in jnp, and is out of range in torch's gather.",
    "nll-on-probabilities": "a loss that takes log-probabilities was given probabilities, or logits.",
    "norm-fast-variance": "E[x^2] - E[x]^2 loses the digits that a large mean takes.",
    "norm-zero-grad": "the derivative of a norm at the zero vector is 0 in torch and NaN in JAX.",
    "padding-idx-gradient": "torch's padding_idx gives its row no gradient.",
    "partial-batch-mean": "the mean of batch means weighs a short last batch too much.",
    "positional-arguments": "two arguments of one shape in another order, or passed by position to other names.",
    "relu-vs-maximum": "the derivative at 0: 0 for relu, 1/2 for jnp.maximum(x, 0).",
    "resize-antialias": "jax.image.resize antialiases by default when it shrinks; F.interpolate does not.",
    "rmsnorm-eps": "the epsilon of RMSNorm differs: 1e-6 in flax, the dtype's eps in torch.",
    "rmsprop-defaults": "RMSprop decays by 0.99 in torch and 0.9 in optax, with eps outside the root in torch.",
    "rnn-batch-first": "torch's RNNs take time first unless batch_first=True.",
    "scheduler-step-order": "a schedule read one step early or late.",
    "softmax-implicit-dim": "F.softmax without dim, or over another axis.",
    "softmax-half": "jax.nn's and nnx's attention compute their softmax in float32 whatever they are given.",
    "softplus-beta-threshold": "torch's softplus turns linear beyond threshold=20.",
    "sort-ties": "the order of equal elements.",
    "std-ddof": "torch's std and var divide by n - 1, NumPy's and JAX's by n.",
    "sum-vs-mean-reduction": "a sum on one side and a mean on the other.",
    "totensor-scaling": "ToTensor divides images by 255.",
    "ste-straight-through": "the derivative of a rounding passed straight through on one side only.",
    "transpose-semantics": "torch.transpose swaps two axes, jnp.transpose reverses or permutes all.",
    "where-nan-grad": "the branch not taken of a where still sends NaN into the gradient.",
    "x64-float32-leaks": "a float32 constant or cast inside a float64 program.",
}
"""By id; the longer text of each is the project's own list of traps."""


def _main(wanted: list[str]) -> None:
    for name in wanted or sorted(TRAPS):
        print(f"{name:24} {TRAPS.get(name, 'no trap has this id')}")


if __name__ == "__main__":
    _main(sys.argv[1:])
