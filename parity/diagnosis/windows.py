"""Windows and borders otherwise: a convolution's, a pooling's, a padding's and a slice's parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from parity.diagnosis.flat import Step
from parity.diagnosis.machines import Call, Edit
from parity.diagnosis.proposals import Alternative, Program

__all__ = ["windows"]


def windows(program: Program) -> Iterator[Alternative]:
    """Other parameters of everything that looks at neighbours."""
    for step in program.steps:
        yield from _KINDS.get(step.name, lambda _: ())(step)


def _with(**changed: Any) -> Edit:
    return lambda call: call.run(**changed)


def _convolution(step: Step) -> Iterator[Alternative]:
    spec, params, shape = step.eqn.params["dimension_numbers"].rhs_spec, step.eqn.params, step.shapes[1]
    yield Alternative(step, "the kernel is flipped", _kernel(lambda xp, k: xp.flip(k, spec[2:])), "convolve-flips")
    if shape[spec[0]] == shape[spec[1]] > 1:
        text = "the kernel's in and out channels change places"
        yield Alternative(step, text, _kernel(lambda xp, k: xp.swapaxes(k, *spec[:2])), "conv-kernel-layout")
    if len(spec) == 4 and shape[spec[2]] == shape[spec[3]] > 1:
        text = "the kernel's height and width change places"
        yield Alternative(step, text, _kernel(lambda xp, k: xp.swapaxes(k, *spec[2:])), "conv-kernel-layout")
    sizes = [(shape[axis] - 1) * d + 1 for axis, d in zip(spec[2:], params["rhs_dilation"], strict=True)]
    for padding in _paddings(tuple(params["padding"]), sizes):
        text = f"the padding is {padding} instead of {tuple(params['padding'])}"
        yield Alternative(step, text, _with(padding=padding), "conv-default-padding")
    yield from _strided(step, len(sizes))
    yield from _bordered(step)


def _strided(step: Step, rank: int) -> Iterator[Alternative]:
    """Other strides and dilations."""
    params = step.eqn.params
    for name, noun in (
        ("window_strides", "stride"),
        ("rhs_dilation", "dilation"),
        ("lhs_dilation", "input's dilation"),
    ):
        for value in (1, 2, 3):
            new = (value,) * rank
            if new != tuple(params[name]):
                yield Alternative(step, f"the {noun} is {new} instead of {tuple(params[name])}", _with(**{name: new}))
    strides, dilation = tuple(params["window_strides"]), tuple(params["rhs_dilation"])
    if strides != dilation:
        text = f"the stride is {dilation} and the dilation {strides}, not the reverse"
        yield Alternative(step, text, _with(window_strides=dilation, rhs_dilation=strides))


def _kernel(change: Callable[[Any, Any], Any]) -> Edit:
    return lambda call: call.run([call.inputs[0], change(call.xp, call.inputs[1])])


def _bordered(step: Step) -> Iterator[Alternative]:
    """Another border than zeros."""
    padding, lhs = tuple(step.eqn.params["padding"]), step.eqn.params["dimension_numbers"].lhs_spec
    if not any(low > 0 or high > 0 for low, high in padding):
        return
    widths = [(0, 0)] * len(lhs)
    for axis, (low, high) in zip(lhs[2:], padding, strict=True):
        widths[axis] = (max(low, 0), max(high, 0))
    for mode, word in (("wrap", "circular"), ("reflect", "reflected"), ("edge", "the edge repeated")):

        def edit(call: Call, mode: str = mode) -> list[Any]:
            bordered = call.xp.pad(call.inputs[0], widths, mode=mode)
            return call.run([bordered, call.inputs[1]], padding=((0, 0),) * len(padding))

        yield Alternative(step, f"the padding is {word}, not zeros", edit)


def _paddings(old: tuple, sizes: list[int]) -> Iterator[tuple]:
    """Mirrored, none, half a window, a whole one, one place on."""
    found = [
        tuple((high, low) for low, high in old),
        tuple((0, 0) for _ in sizes),
        tuple((size // 2, size // 2) for size in sizes),
        tuple(((size - 1) // 2, size // 2) for size in sizes),
        tuple((size // 2, (size - 1) // 2) for size in sizes),
        tuple((size - 1, size - 1) for size in sizes),
        tuple((size - 1, 0) for size in sizes),
        *(
            tuple((low + a, high + b) for low, high in old)
            for a, b in ((1, 1), (-1, -1), (1, -1), (-1, 1), (1, 0), (0, 1))
        ),
    ]
    yield from (new for new in dict.fromkeys(found) if new != old)


def _pooling(step: Step) -> Iterator[Alternative]:
    params = step.eqn.params
    sizes, old = list(params["window_dimensions"]), tuple(params["padding"])
    yield from _along(step)
    for padding in _paddings(old, [size if size > 1 else 1 for size in sizes]):
        kept = tuple(new if size > 1 else was for new, was, size in zip(padding, old, sizes, strict=True))
        if kept != old:
            yield Alternative(
                step, f"the padding is {kept} instead of {old}", _with(padding=kept), "conv-default-padding"
            )
    for strides in (tuple(sizes), (1,) * len(sizes), *(tuple(s if size > 1 else 1 for size in sizes) for s in (2, 3))):
        if strides != tuple(params["window_strides"]):
            text = f"the stride is {strides} instead of {tuple(params['window_strides'])}"
            yield Alternative(step, text, _with(window_strides=strides))
    if step.name == "reduce_window_sum" and any(low or high for low, high in old):
        whole = float(np.prod(sizes))
        text = "the zeros of the padding are {}counted in the average"
        yield Alternative(step, text.format("not "), lambda call: [call.run()[0] * whole / _inside(call)])
        yield Alternative(step, text.format(""), lambda call: [call.run()[0] * _inside(call) / whole])


def _along(step: Step) -> Iterator[Alternative]:
    """A window over one axis, over another."""
    params = step.eqn.params
    wide = [axis for axis, size in enumerate(params["window_dimensions"]) if size > 1]
    for other in range(len(step.shape)) if len(wide) == 1 else ():
        if other != wide[0]:
            order = list(range(len(step.shape)))
            order[wide[0]], order[other] = other, wide[0]
            new = {
                name: tuple(params[name][axis] for axis in order)
                for name in ("window_dimensions", "window_strides", "padding", "base_dilation", "window_dilation")
            }
            yield Alternative(step, f"the window runs along axis {other} instead of axis {wide[0]}", _with(**new))


def _inside(call: Call) -> Any:
    """How many numbers each window holds that are not padding."""
    return call.run([call.inputs[0] * 0 + 1.0])[0]


def _padded(step: Step) -> Iterator[Alternative]:
    old = tuple(step.eqn.params["padding_config"])
    axes = [axis for axis, (low, high, _) in enumerate(old) if low or high]
    for a, b in ((1, -1), (-1, 1), (2, -2), (-2, 2)):
        for axis in axes:
            low, high, inner = old[axis]
            new = (*old[:axis], (low + a, high + b, inner), *old[axis + 1 :])
            text = (
                f"the padding along axis {axis} is {(low + a, high + b)} instead of {(low, high)}: off by one, a shift"
            )
            yield Alternative(step, text, _with(padding_config=new))
    text = "the padding is the other way round: each axis's low and high end change places"
    mirrored = tuple((high, low, inner) for low, high, inner in old)
    if mirrored != old:
        yield Alternative(step, text, _with(padding_config=mirrored))
    turned = old[::-1]
    if turned != old:
        text = f"the padding is given from the last axis on: {turned} instead of {old}"
        yield Alternative(step, text, _with(padding_config=turned))


def _sliced(step: Step) -> Iterator[Alternative]:
    """The same slice a place or two earlier or later."""
    starts, ends = step.eqn.params["start_indices"], step.eqn.params["limit_indices"]
    shape = step.shapes[0]
    for axis, size in enumerate(shape):
        if ends[axis] - starts[axis] == size:
            continue
        for by in (1, -1, 2, -2):
            if starts[axis] + by >= 0 and ends[axis] + by <= size:
                new = {"start_indices": _at(starts, axis, by), "limit_indices": _at(ends, axis, by)}
                text = f"the slice along axis {axis} starts at {starts[axis] + by} instead of {starts[axis]}"
                yield Alternative(step, f"{text}: off by {'one' if abs(by) == 1 else 'two'}, a shift", _with(**new))


def _at(values: Any, axis: int, by: int) -> tuple[int, ...]:
    return tuple(value + by * (place == axis) for place, value in enumerate(values))


def _ranked(step: Step) -> Iterator[Alternative]:
    for by in (1, -1):
        text = "counted one place on: off by one" if by > 0 else "counted one place back: off by one"
        yield Alternative(step, f"the indices (iota) are {text}", lambda call, b=by: [call.run()[0] + b])


_KINDS: dict[str, Callable[[Step], Iterator[Alternative]]] = {
    "conv_general_dilated": _convolution,
    "reduce_window_sum": _pooling,
    "reduce_window_max": _pooling,
    "reduce_window_min": _pooling,
    "pad": _padded,
    "slice": _sliced,
    "iota": _ranked,
}
