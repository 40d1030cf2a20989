"""What L-BFGS remembers: torch keeps lists of vectors with its first parameter, the JAX side arrays with room."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["as_array", "memory_from_torch", "memory_to_torch"]


def as_array(tensor: Any) -> np.ndarray:
    """A tensor as a NumPy array of its own, at its own dtype."""
    tensor = tensor.detach().cpu()
    if str(tensor.dtype) == "torch.bfloat16":
        import ml_dtypes

        return tensor.float().numpy().astype(ml_dtypes.bfloat16)
    return np.array(tensor.numpy())


def memory_from_torch(empty: Any, group: Mapping[str, Any], kept: Mapping[Any, Any]) -> Any:
    """The state of ``lbfgs``: ``empty`` filled with what torch keeps."""
    own = kept.get(next(iter(group.values()))) or {}
    if not own:
        return empty
    state = empty._replace(**{name: np.int32(own[name]) for name in ("func_evals", "n_iter")}, count=np.int32(1))
    if own.get("d") is None:
        return state
    order, memory = _order(group), empty.memory
    pairs = {
        name: _rows(own[name], np.array(getattr(memory, name)), order if name != "ro" else ...)
        for name in ("old_dirs", "old_stps", "ro")
    }
    numbers = {"num_old": np.int32(len(own["ro"])), "H_diag": _number(own["H_diag"], memory.H_diag)}
    vectors = {name: as_array(own[name])[order] for name in ("d", "prev_flat_grad")}
    return state._replace(
        memory=memory._replace(**pairs, **numbers),
        t=_number(own["t"], empty.t),
        prev_loss=_number(own["prev_loss"], empty.prev_loss),
        **vectors,
    )


def memory_to_torch(state: Any, group: Mapping[str, Any], kept: Any) -> None:
    """The way back, in place."""
    import torch

    first = next(iter(group.values()))
    if int(state.func_evals) == 0:
        kept.pop(first, None)
        return
    back, own, memory = np.argsort(_order(group)), kept[first], state.memory
    own.update(func_evals=int(state.func_evals), n_iter=int(state.n_iter))
    if int(state.n_iter) == 0:
        return

    def tensor(value: Any) -> Any:
        return torch.tensor(np.array(value)).to(first)

    count = int(memory.num_old)
    for name in ("old_dirs", "old_stps"):
        own[name] = [tensor(row[back]) for row in np.asarray(getattr(memory, name))[:count]]
    own["ro"] = [tensor(number) for number in np.asarray(memory.ro)[:count]]
    own.update({name: tensor(np.asarray(getattr(state, name))[back]) for name in ("d", "prev_flat_grad")})
    own.update(H_diag=tensor(memory.H_diag), t=tensor(state.t), prev_loss=float(state.prev_loss))
    own.setdefault("al", [None] * len(memory.ro))


def _order(group: Mapping[str, Any]) -> np.ndarray:
    """torch lays parameters out in the group's order, JAX by name: where the elements of the latter stand."""
    ends = np.cumsum([parameter.numel() for parameter in group.values()])
    places = {name: np.arange(end - group[name].numel(), end) for name, end in zip(group, ends, strict=True)}
    return np.concatenate([places[name] for name in sorted(group)])


def _rows(values: Any, room: np.ndarray, order: Any) -> np.ndarray:
    for index, value in enumerate(values):
        room[index] = as_array(value)[order]
    return room


def _number(value: Any, like: Any) -> np.ndarray:
    return np.asarray(float(value), np.asarray(like).dtype)
