"""Train one classifier on real images in every implementation, from the same weights and in the same order."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from parity.digits import epoch_orders, initial_weights, load_digits
from parity.errors import InputError
from parity.pictures import check_writable
from parity.topics import implementation
from parity.train_spread import allowed, loss_spread

__all__ = ["TrainSettings", "History", "TrainingRun", "train"]

DATA = ("digits",)
SIDES = ("torch", "jax")
PACKAGES = ("torch", "jax", "flax", "optax", "numpy", "scikit-learn")


@dataclass(frozen=True)
class TrainSettings:
    """What a training run is asked to do.

    Attributes:
        data: the data set; there is one, "digits".
        impl: the implementation that trains, or "both".
        epochs: how often each example is seen.
        seed: of the initial weights and of the order of the examples.
        batch_size: the examples of one step; the last step of an epoch takes what is left.
        learning_rate: Adam's step size.
    """

    data: str = "digits"
    impl: str = "both"
    epochs: int = 20
    seed: int = 0
    batch_size: int = 64
    learning_rate: float = 1e-3


class History(Protocol):
    """What an implementation's ``train_classifier`` returns: one value an epoch."""

    loss: np.ndarray
    accuracy: np.ndarray


@dataclass(frozen=True)
class TrainingRun:
    """What was asked, and what every side did.

    Attributes:
        settings: what was asked.
        examples: how many images were trained on, and how many held back.
        histories: loss and accuracy by implementation.
        picture: where the curves were drawn, if they were.
        spread: how far 8 runs of the JAX side, started one rounding apart, have been from it in every epoch so far;
            None where one side stands alone.
    """

    settings: TrainSettings
    examples: tuple[int, int]
    histories: dict[str, History]
    picture: Path | None = None
    spread: np.ndarray | None = None

    @property
    def beyond(self) -> np.ndarray | None:
        """The epochs, counted from 1, whose gap is more than rounding explains; None where one side stands alone."""
        if self.gap is None or self.spread is None:
            return None
        return 1 + np.flatnonzero(self.gap > allowed(self.spread, self.histories["jax"].loss))

    @property
    def gap(self) -> np.ndarray | None:
        """The distance between the sides' losses in every epoch; None where one side stands alone."""
        losses = [history.loss for history in self.histories.values()]
        return np.ptp(losses, axis=0) if len(losses) > 1 else None

    @property
    def versions(self) -> dict[str, str]:
        """The packages that had a part in it."""
        return {package: number for package in PACKAGES if (number := _version_of(package))}

    def to_json(self) -> str:
        """The whole run as one JSON document."""
        gap = self.gap
        document = {
            "settings": asdict(self.settings),
            "examples": {"train": self.examples[0], "test": self.examples[1]},
            "versions": self.versions,
            "epochs": [self._epoch(index) for index in range(self.settings.epochs)],
            "final_accuracy": {name: float(history.accuracy[-1]) for name, history in self.histories.items()},
            "largest_gap": None if gap is None else {"epoch": int(gap.argmax()) + 1, "gap": float(gap.max())},
            "beyond_rounding": None if self.beyond is None else self.beyond.tolist(),
            "picture": self.picture and str(self.picture),
        }
        return json.dumps(document, indent=2)

    def _epoch(self, index: int) -> dict[str, Any]:
        return {
            "epoch": index + 1,
            "loss": {name: float(history.loss[index]) for name, history in self.histories.items()},
            "accuracy": {name: float(history.accuracy[index]) for name, history in self.histories.items()},
            "gap": None if self.gap is None else float(self.gap[index]),
            "spread": None if self.spread is None else float(self.spread[index]),
        }


def train(
    settings: TrainSettings | None = None,
    *,
    out: str | Path | None = None,
    progress: Callable[[str, float, float], None] | None = None,
) -> TrainingRun:
    """Train the digits classifier, 64-128-128-10 with ReLU, in one implementation or in all of them.

    All that is random is drawn once, in NumPy, and handed to each side. Whatever can be refused is refused before the
    first step.

    Args:
        settings: what to do; the defaults train both sides for 20 epochs.
        out: a PNG file, or a folder for one, that receives the curves; None draws nothing.
        progress: called after every epoch with the side's name, its mean loss and its test accuracy.

    Raises:
        InputError: on a setting that cannot be met, a missing package or a place that cannot be written.
    """
    settings = settings or TrainSettings()
    sides = _check(settings)
    picture = _check_picture(settings, out)
    modules = {name: _load(name) for name in sides}
    data = load_digits()
    examples = len(data[0][1]), len(data[1][1])
    rng = np.random.default_rng(settings.seed)
    weights, orders = initial_weights(rng), epoch_orders(rng, settings.epochs, examples[0])
    steps = {"batch_size": settings.batch_size, "learning_rate": settings.learning_rate}
    histories: dict[str, History] = {}
    for name, module in modules.items():
        told = progress and (lambda *values, side=name: progress(side, *values))
        histories[name] = module.train_classifier(data, weights, orders, **steps, progress=told)
    spread = None
    if len(modules) > 1:
        again = partial(modules["jax"].train_classifier, data, orders=orders, **steps)
        spread = loss_spread(lambda start: again(weights=start).loss, weights, histories["jax"].loss)
    run = TrainingRun(settings, examples, histories, picture, spread)
    if picture:
        from parity.curves import draw

        draw(run, picture)
    return run


def _check(settings: TrainSettings) -> list[str]:
    """Refuse settings that cannot be met; which sides will train."""
    rules = [
        ("data", settings.data in DATA, ", ".join(DATA)),
        ("impl", settings.impl in ("both", *SIDES), f"one of both, {', '.join(SIDES)}"),
        ("epochs", settings.epochs >= 1, "at least 1"),
        ("seed", settings.seed >= 0, "at least 0"),
        ("batch_size", settings.batch_size >= 1, "at least 1"),
        ("learning_rate", 0 < settings.learning_rate < float("inf"), "positive and finite"),
    ]
    for name, holds, rule in rules:
        if not holds:
            raise InputError(f"train: {name} must be {rule}, got {getattr(settings, name)!r}.")
    return list(SIDES) if settings.impl == "both" else [settings.impl]


def _load(side: str) -> ModuleType:
    package = implementation(side)
    try:
        return import_module(f"{package}.training")
    except ModuleNotFoundError as error:
        if (error.name or "").startswith(package):
            raise
        raise InputError(
            f"train: impl must be an installed framework, got {side!r} without {error.name}."
            f" Install it with: pip install 'torch-jax-parity[{side}]'"
        ) from error


def _check_picture(settings: TrainSettings, out: str | Path | None) -> Path | None:
    """Refuse a picture that could not be drawn or written; the file that it will be."""
    if out is None:
        return None
    path = Path(out)
    if path.is_dir():
        path /= f"train-{settings.data}.png"
    if path.suffix.lower() != ".png":
        raise InputError(f"train: out must be a folder that exists or a .png file, got {str(out)!r}.")
    check_writable("train: out", path)
    return path


def _version_of(package: str) -> str | None:
    """The installed version of a package, None where there is none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
