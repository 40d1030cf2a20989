"""`compare_training`: two training loops, step by step and from end to end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from parity.arrays import as_value
from parity.comparison import rerun, versions
from parity.errors import InputError
from parity.free_run import Training
from parity.one_step import sampled
from parity.settings import Settings
from parity.training_report import TrainingReport
from parity.training_sides import JaxTraining, Program, TorchTraining
from parity.trees import flatten, map_leaves

__all__ = ["compare_training"]


def compare_training(
    torch_side: TorchTraining,
    jax_side: JaxTraining,
    batches: Iterable[Any],
    *,
    dtypes: Sequence[str] = ("float64", "float32"),
    maps: int = 16,
    metric: Callable[[Any], Any] | None = None,
) -> TrainingReport:
    """Compare a torch training loop with its port to JAX.

    Three questions, at every dtype. *One step*: is the JAX side, put where torch stands, after one step where torch
    is? At float64 to 1e-12, below within the simulated rounding noise of the step itself. *End to end*: do free runs
    from one start stay within 4 times the spread of 8 JAX runs that start one rounding apart? Asked until that spread
    is 1e-2 of a leaf's size: chaos is reported as such and is no failure. *Metric*: do both end in one band?

    Args:
        torch_side: module and optimizer, a step, and how to read the state.
        jax_side: the state before the first step, and a step.
        batches: for each step a tuple of positional arguments or a dict of keywords, of arrays and numbers.
        dtypes: under test, of "float64", "float32", "bfloat16", "float16".
        maps: how many steps are judged one by one, spread over the run.
        metric: of the JAX side's state at the end of the run: a test loss, an accuracy.

    Returns:
        The report: ``report.ok``, ``report.steps``, ``report.chaos``, ``report.plot("run.png")``.

    Raises:
        InputError: if the comparison cannot be made.

    Example:
        >>> model, x, y = torch.nn.Linear(3, 1), np.linspace(-1, 1, 12).reshape(4, 3), np.ones((4, 1))
        >>> start = {"w": model.weight.detach().numpy().T, "b": model.bias.detach().numpy()}
        >>> def torch_step(state, x, y):
        ...     model, optimizer = state
        ...     optimizer.zero_grad()
        ...     loss = ((model(x) - y) ** 2).mean()
        ...     loss.backward()
        ...     optimizer.step()
        ...     return loss
        >>> def jax_step(state, x, y):
        ...     loss, slope = jax.value_and_grad(lambda p: ((x @ p["w"] + p["b"] - y) ** 2).mean())(state)
        ...     return jax.tree.map(lambda p, g: p - 0.1 * g, state, slope), loss
        >>> live = model, torch.optim.SGD(model.parameters(), lr=0.1)
        >>> left = parity.TorchTraining(live, torch_step, lambda now: {"w": now[0].weight.T, "b": now[0].bias})
        >>> parity.compare_training(left, parity.JaxTraining(start, jax_step), [(x, y)] * 9).ok
        True
    """
    settings = Settings.of("compare_training", {"dtypes": dtypes})
    _check(torch_side, jax_side, maps)
    copied = _copied(batches)
    training = Training(torch_side, Program(jax_side), copied, sampled(len(copied), maps, copied), metric)
    runs = {dtype: training.run(dtype) for dtype in settings.dtypes}
    name = getattr(jax_side.step, "__name__", type(jax_side.step).__name__)
    call = f"parity.compare_training(torch_side, jax_side, batches, dtypes={tuple(dtypes)!r}, maps={maps})"
    return TrainingReport.of(name, runs, versions(), rerun(call))


def _check(torch_side: Any, jax_side: Any, maps: Any) -> None:
    for argument, side, kind in (("torch_side", torch_side, TorchTraining), ("jax_side", jax_side, JaxTraining)):
        if not isinstance(side, kind):
            raise InputError(
                f"compare_training: {argument} must be a parity.{kind.__name__}, got {type(side).__name__}."
            )
        for name in ("step", "read"):
            function = getattr(side, name, callable)
            if not callable(function):
                raise InputError(f"compare_training: {argument}.{name} must be a function, got {function!r}.")
    if not isinstance(maps, int) or maps < 1:
        raise InputError(f"compare_training: maps must be an integer from 1 on, got {maps!r}.")


def _copied(batches: Iterable[Any]) -> list[Any]:
    """The batches as NumPy arrays, floats at float64.

    Raises:
        InputError: unless there is one, and all are nested alike and finite.
    """
    rule = "compare_training: batches must"
    if isinstance(batches, (Mapping, str)) or not isinstance(batches, Iterable):
        raise InputError(f"{rule} be a sequence with one tuple or dict for each step, got {type(batches).__name__}.")
    copied = [_batch(number, batch) for number, batch in enumerate(batches)]
    if not copied:
        raise InputError(f"{rule} hold at least one step, got none.")
    for number, batch in enumerate(copied):
        paths = [*flatten(batch)]
        if type(batch) is not type(copied[0]) or paths != [*flatten(copied[0])]:
            raise InputError(f"{rule} be nested alike, got {', '.join(paths) or 'nothing'} in batch {number}.")
        for path, leaf in flatten(batch).items():
            if not np.isfinite(leaf).all():
                raise InputError(f"{rule} be finite, got {leaf[~np.isfinite(leaf)][0]} at {path} of batch {number}.")
    return copied


def _batch(number: int, batch: Any) -> Any:
    rule = "compare_training: batches must"
    if not isinstance(batch, (tuple, list, Mapping)):
        got = type(batch).__name__
        raise InputError(
            f"{rule} be tuples of arguments or dicts of keywords, got {got} as batch {number}."
            " A single argument goes into a tuple: (x,)."
        )
    try:
        copied = map_leaves(lambda _, leaf: as_value(leaf).data, batch)
    except TypeError as error:
        raise InputError(f"{rule} hold arrays of numbers, got batch {number}: {error}.") from error
    return copied if isinstance(batch, Mapping) else tuple(copied)
