"""What each class of ``torch.optim`` keeps for a parameter, and where the optax state has the same numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from parity.errors import InputError
from parity.optimizer_memory import as_array, memory_from_torch, memory_to_torch

__all__ = ["KINDS", "Kind", "state_from_torch", "state_to_torch"]

Settings = Callable[[Mapping[str, Any], Any], dict[str, Any]]


@dataclass(frozen=True)
class Kind:
    """One class of ``torch.optim``.

    Attributes:
        rule: the name of its transformation.
        arrays: torch's name of each array of a parameter, and the field of the optax state that holds all of them.
        numbers: the same of what torch keeps with every parameter and is one number for a group; with "step" last.
        settings: of a group, by the transformation's names.
    """

    rule: str
    arrays: Mapping[str, str] = field(default_factory=dict)
    numbers: Mapping[str, str] = field(default_factory=lambda: {"step": "count"})
    settings: Settings = lambda group, library: dict(group)


_MOMENTS = {"exp_avg": "mu", "exp_avg_sq": "nu"}
_STEP = {"step": "count"}


def _adafactor(group: Mapping[str, Any], library: Any) -> dict[str, Any]:
    return {**group, "epsilons": group["eps"], "clipping": group["d"]}


def _muon(group: Mapping[str, Any], library: Any) -> dict[str, Any]:
    names = ("ns_coefficients", "ns_steps", "eps")
    return {**group, "newton_schulz": library.NewtonSchulz(*(group[name] for name in names))}


def _lbfgs(group: Mapping[str, Any], library: Any) -> dict[str, Any]:
    return {**group, "tolerances": (group["tolerance_grad"], group["tolerance_change"])}


KINDS: Mapping[str, Kind] = {
    "SGD": Kind("sgd", {"momentum_buffer": "trace"}, {}),
    "ASGD": Kind("asgd", {"ax": "ax"}, {"eta": "eta", "mu": "mu", **_STEP}),
    "Rprop": Kind("rprop", {"prev": "prev", "step_size": "step_size"}),
    "Adam": Kind("adam", {**_MOMENTS, "max_exp_avg_sq": "nu_max"}),
    "AdamW": Kind("adamw", {**_MOMENTS, "max_exp_avg_sq": "nu_max"}),
    "SparseAdam": Kind("sparse_adam", _MOMENTS),
    "Adamax": Kind("adamax", {"exp_avg": "mu", "exp_inf": "nu"}),
    "NAdam": Kind("nadam", _MOMENTS, {"mu_product": "mu_product", **_STEP}),
    "RAdam": Kind("radam", _MOMENTS),
    "RMSprop": Kind("rmsprop", {"square_avg": "nu", "grad_avg": "mu", "momentum_buffer": "trace"}),
    "Adagrad": Kind("adagrad", {"sum": "sum_of_squares"}),
    "Adadelta": Kind("adadelta", {"square_avg": "e_g", "acc_delta": "e_x"}),
    "Adafactor": Kind(
        "adafactor", {"row_var": "row_var", "col_var": "col_var", "variance": "variance"}, settings=_adafactor
    ),
    "Muon": Kind("muon", {"momentum_buffer": "trace"}, {}, _muon),
    "LBFGS": Kind("lbfgs", {}, {}, _lbfgs),
}
"""By the name of torch's class."""


def state_from_torch(kind: Kind, empty: Any, group: Mapping[str, Any], kept: Mapping[Any, Any]) -> Any:
    """The state of one group's transformation: ``empty`` filled with what torch keeps for the group's parameters.

    Raises:
        InputError: if some parameters have stepped and others have not, or not as often.
    """
    import optax

    if kind.rule == "lbfgs":
        return memory_from_torch(empty, group, kept)
    of_each = {name: kept.get(parameter) or {} for name, parameter in group.items()}
    # torch's SGD without momentum writes None.
    held = {name: {key: value for key, value in own.items() if value is not None} for name, own in of_each.items()}
    if not any(held.values()):
        return empty
    values: dict[str, Any] = {"count": np.int32(1)}
    for key, where in kind.numbers.items():
        found = {float(own[key]) if key in own else None for own in held.values()}
        if len(found) > 1:
            raise _uneven(key, found)
        number = found.pop()
        values[where] = np.asarray(number, _dtype(_field(empty, where)))
    for key, where in kind.arrays.items():
        place = _field(empty, where)
        if place is not None:
            present = [name for name, leaf in place.items() if name in group and leaf is not None]
            if lacking := [name for name in present if key not in held[name]]:
                raise _uneven(key, lacking)
            values[where] = {**place, **{name: as_array(held[name][key]) for name in present}}
    return optax.tree.set(empty, **values)


def state_to_torch(kind: Kind, state: Any, group: Mapping[str, Any], kept: Any) -> None:
    """The way back, in place: tensors that are there keep their dtype, new ones are made as torch makes them."""
    import torch

    if kind.rule == "lbfgs":
        memory_to_torch(state, group, kept)
        return
    count = int(np.asarray(_field(state, "count")))
    # A state of the same class has one of its arrays under any settings, save SGD's.
    if kind.rule != "sgd" and all(_field(state, where) is None for where in kind.arrays.values()):
        raise KeyError(*kind.arrays.values())
    for name, parameter in group.items():
        if count == 0 and kind.rule != "adagrad":  # Adagrad has its sum from the start
            kept.pop(parameter, None)
            continue
        own = kept[parameter]
        for key, where in kind.arrays.items():
            place = _field(state, where)
            if place is not None and place[name] is not None:
                value = torch.tensor(np.array(place[name], order="C"))
                own[key] = value.to(own[key] if own.get(key) is not None else parameter)
        for key, where in kind.numbers.items():
            number = count if where == "count" else float(np.asarray(_field(state, where)))
            fresh = torch.tensor(float(number))
            # SparseAdam alone counts in a Python integer.
            own[key] = count if kind.rule == "sparse_adam" else fresh.to(own.get(key, fresh))


def _field(state: Any, name: str) -> Any:
    """The first field of a name in a state, None if it has none; counts stand in several parts of a chain."""
    import optax

    return next((found for _, found in optax.tree.get_all_with_path(state, name)), None)


def _dtype(leaf: Any) -> Any:
    return np.int32 if leaf is None else np.asarray(leaf).dtype


def _uneven(key: str, found: Any) -> InputError:
    said = ", ".join(sorted(map(str, found)))
    return InputError(
        f"optimizer_from_torch: the parameters of a group must all have stepped alike, got {key} {said}."
        " Put those that sometimes have no gradient into a group of their own."
    )
