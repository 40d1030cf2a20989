"""How each kind of layer stores its weights on either side: one table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from parity.bridge_moves import Rule

__all__ = ["RULES", "Way", "describes", "parts_of", "remark", "suffixes", "verbatim", "ways_of"]


@dataclass(frozen=True)
class Way:
    """One way in which linen may hold a torch layer's tensors.

    Attributes:
        rules: tensor by tensor; those of tensors that the layer does not have are skipped.
        fields: of the linen module, that tell this way from another of the same shapes.
        dropped: tensors that linen has no place for, and need not have.
    """

    rules: tuple[Rule, ...]
    fields: Mapping[str, Any] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()


_BIAS = Rule("bias", "bias")
_TABLE = (Way((Rule("weight", "embedding"),)),)
_NORM = (Rule("weight", "scale"), _BIAS)
_RUNNING = (
    Rule("running_mean", "mean", collection="batch_stats"),
    Rule("running_var", "var", collection="batch_stats"),
)
# linen counts no batches; a layer of one's own may. Only a momentum of None asks for the number.
_BATCHES = (
    Way((*_NORM, *_RUNNING), dropped=("num_batches_tracked",)),
    Way((*_NORM, *_RUNNING, Rule("num_batches_tracked", "count", collection="batch_stats"))),
)


def _convolution(space: int) -> tuple[Way, ...]:
    """torch stores (out, in, *window), linen (*window, in, out)."""
    return (Way((Rule("weight", "kernel", (*range(2, space + 2), 1, 0)), _BIAS)),)


def _transposed(space: int) -> tuple[Way, ...]:
    """torch stores (in, out, *window), the kernel of the convolution whose gradient this is.

    linen with ``transpose_kernel`` takes that kernel, (*window, out, in); without it one of (*window, in, out), which
    it slides over the spread input as it stands, so that the window runs the other way.
    """
    window = range(2, space + 2)
    return (
        Way((Rule("weight", "kernel", (*window, 1, 0)), _BIAS), {"transpose_kernel": True}),
        Way((Rule("weight", "kernel", (*window, 0, 1), reversed=space), _BIAS), {"transpose_kernel": False}),
    )


def _recurrent(letters: tuple[str, ...], biases: Callable[[str], tuple[str, str]]) -> Callable:
    """torch stacks the gates' matrices in the order of ``letters``; linen has a pair of layers for each gate.

    ``biases`` names, for a gate, the leaves that hold torch's two. Where they are one leaf it holds their sum. linen's
    own cells have them even where torch has none: as zeros.
    """

    def ways(module: Any, suffix: str) -> tuple[Way, ...]:
        rules, empty = [], []
        for block in enumerate(letters):
            place, letter = (block[0], len(letters)), block[1]
            first, second = biases(letter)
            rules += [
                Rule(f"weight_ih{suffix}", f"i{letter}/kernel", (1, 0), place),
                Rule(f"weight_hh{suffix}", f"h{letter}/kernel", (1, 0), place),
                Rule(f"bias_ih{suffix}", first, None, place),
                Rule(f"bias_hh{suffix}", second, None, place, added=first == second),
            ]
            empty += [Rule(f"weight_hh{suffix}", leaf, None, place, absent=True) for leaf in sorted({first, second})]
        return (Way(tuple(rules)),) if module.bias else (Way(tuple(rules)), Way((*rules, *empty)))

    return ways


def _gru_biases(letter: str) -> tuple[str, str]:
    """The reset gate multiplies the candidate's second bias, so that it has to stay where it is."""
    return ("in/bias", "hn/bias") if letter == "n" else (f"i{letter}/bias", f"i{letter}/bias")


def _attention(module: Any, _: str) -> tuple[Way, ...]:
    """torch projects all heads by one matrix; query, key and value are blocks of one where their widths agree."""
    heads = module.num_heads
    rules = [
        Rule("out_proj.weight", "out/kernel", (1, 2, 0), view=(module.embed_dim, heads, -1)),
        Rule("out_proj.bias", "out/bias"),
    ]
    for place, name in enumerate(("query", "key", "value")):
        into = {"axes": (2, 0, 1), "view": (heads, module.head_dim, -1)}
        rules += [
            Rule("in_proj_weight", f"{name}/kernel", block=(place, 3), **into),
            Rule(f"{name[0]}_proj_weight", f"{name}/kernel", **into),
            Rule("in_proj_bias", f"{name}/bias", block=(place, 3), view=(heads, -1)),
        ]
    return (Way(tuple(rules)),)


_VERBATIM = " A layer of your own that keeps torch's names and shapes takes them as they are."

_LSTM = _recurrent(("i", "f", "g", "o"), lambda letter: (f"h{letter}/bias", f"h{letter}/bias"))
_GRU = _recurrent(("r", "z", "n"), _gru_biases)
_RNN = _recurrent(("",), lambda _: ("i/bias", "i/bias"))

RULES: Mapping[str, tuple[Way, ...] | Callable[[Any, str], tuple[Way, ...]]] = {
    # torch multiplies by the transpose of an (out, in) weight, linen by an (in, out) kernel.
    "linear.Linear": (Way((Rule("weight", "kernel", (1, 0), splits=True), Rule("bias", "bias", splits=True))),),
    "conv.Conv1d": _convolution(1),
    "conv.Conv2d": _convolution(2),
    "conv.Conv3d": _convolution(3),
    "conv.ConvTranspose1d": _transposed(1),
    "conv.ConvTranspose2d": _transposed(2),
    "conv.ConvTranspose3d": _transposed(3),
    "batchnorm._NormBase": _BATCHES,  # batch and instance norms
    "normalization.LayerNorm": (Way(_NORM),),
    "normalization.GroupNorm": (Way(_NORM),),
    "normalization.RMSNorm": (Way(_NORM),),
    "sparse.Embedding": _TABLE,
    "sparse.EmbeddingBag": _TABLE,
    "activation.PReLU": (Way((Rule("weight", "negative_slope", leaf=()),)),),
    "activation.MultiheadAttention": _attention,
    "rnn.LSTM": _LSTM,
    "rnn.LSTMCell": _LSTM,
    "rnn.GRU": _GRU,
    "rnn.GRUCell": _GRU,
    "rnn.RNN": _RNN,
    "rnn.RNNCell": _RNN,
}
"""By the torch layer's class, in torch.nn.modules."""


def ways_of(module: Any, suffix: str, names: list[str]) -> tuple[Way, ...]:
    """The ways of the named tensors: its class's, else each tensor as it is.

    Args:
        module: a torch module.
        suffix: of its tensors' names, "_l0_reverse".
        names: of its tensors.
    """
    found = _of_class(module)
    if found is None:
        return (verbatim(names),)
    ways = found if isinstance(found, tuple) else found(module, suffix)
    return tuple(Way(tuple(r for r in way.rules if r.torch in names), way.fields, way.dropped) for way in ways)


def verbatim(names: Iterable[str]) -> Way:
    """Each tensor as it is, under its own name: a port's own layer may keep torch's layout."""
    return Way(tuple(Rule(name, name) for name in names))


def parts_of(module: Any) -> frozenset[str]:
    """The linen submodules that share a torch layer's tensors; empty where one module holds them."""
    found = _of_class(module)
    rules = () if found is None or isinstance(found, tuple) else found(module, "")[0].rules
    return frozenset(rule.linen.partition("/")[0] for rule in rules)


def describes(module: Any) -> bool:
    """Whether the table has the module's class."""
    return _of_class(module) is not None


def suffixes(module: Any) -> list[str]:
    """What the names of a stack's tensors end in, layer by layer and way by way; [""] where there is one layer."""
    if getattr(module, "all_weights", None) is None:
        return [""]
    ways = ("", "_reverse") if module.bidirectional else ("",)
    return [f"_l{layer}{way}" for layer in range(module.num_layers) for way in ways]


def remark(module: Any, lacking: set[str]) -> str:
    """A sentence for an error about what linen has no place for; "" where nothing is known.

    Args:
        module: of torch.
        lacking: the leaves that its tensors need and linen does not have.
    """
    name = type(module).__name__
    if "hn/bias" in lacking:
        return " GRU's reset gate multiplies the candidate's second bias; a cell without a bias at hn cannot hold it."
    if not describes(module):
        kinds = ", ".join(key.rpartition(".")[2].strip("_") for key in RULES)
        return f" {name} has no rule of its own; there are rules for {kinds}."
    if name.startswith("ConvTranspose") and module.groups > 1:
        return f" linen's ConvTranspose has no groups.{_VERBATIM}"
    if getattr(module, "proj_size", 0):
        return f" linen's LSTMCell has no projection.{_VERBATIM}"
    if getattr(module, "bias_k", None) is not None:
        return " linen's attention has no bias_k and bias_v."
    return ""


def _of_class(module: Any) -> Any:
    names = [
        f"{base.__module__}.{base.__qualname__}".removeprefix("torch.nn.modules.") for base in type(module).__mro__
    ]
    return next((RULES[name] for name in names if name in RULES), None)
