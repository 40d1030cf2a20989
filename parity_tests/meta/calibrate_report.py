"""What a calibration measured, as a page and a picture."""

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from parity.comparison import versions
from parity.tolerance import FACTOR

__all__ = ["page", "write"]

QUANTILES = (0.5, 0.9, 0.99, 0.999)
SIDES = ("torch", "jax")


def write(leaves: Sequence[Any], out: Path) -> None:
    """``out``.md and ``out``.png."""
    out.with_suffix(".md").write_text(page(leaves, out.name))
    figure = picture(leaves)
    figure.savefig(out.with_suffix(".png"), dpi=110)
    plt.close(figure)


def page(leaves: Sequence[Any], picture_name: str) -> str:
    """The page."""
    flagged = {(leaf.pair, leaf.dtype) for leaf in leaves if leaf.judged > 1}
    left_out = {(leaf.pair, leaf.dtype) for leaf in leaves if leaf.judged != leaf.judged}
    pairs, programs = {leaf.pair for leaf in leaves}, {leaf.pair[0] for leaf in leaves}
    libraries = ", ".join(f"{name} {version}" for name, version in versions().items())
    lines = [
        "# Calibration: correct pairs and what is allowed them",
        "",
        f"{len(pairs)} random correct pairs ({len(programs)} programs, each in PyTorch and in JAX, with its gradients,"
        f" under several inputs), {len(leaves)} arrays of one side at one dtype. **Flagged: {len(flagged)}.**"
        f" Left out, since float16 overflows on both sides: {len(left_out)}.",
        "",
        f"Error over allowance, the allowance being {FACTOR:g} times the largest of 16 simulated rounding errors,"
        " simulated for every array: a report simulates only where rounding the result does not explain the error."
        " *Judged* is the report's own ratio, of both sides: beyond its noise an array has what inputs one rounding"
        " away do to the truth. 1 is the limit.",
        "",
        *_table(leaves),
        "",
        f"![histogram]({picture_name}.png)",
        "",
        *_closest(leaves),
        "",
        f"{datetime.date.today()}; {libraries}; CPU.",
    ]
    return "\n".join([*lines, ""])


def _table(leaves: Sequence[Any]) -> list[str]:
    head = ["dtype", "side", "arrays", *(f"{q:.1%} below" for q in QUANTILES), "largest", "largest judged"]
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    for dtype, side in _groups(leaves):
        chosen = [leaf for leaf in leaves if (leaf.dtype, leaf.side) == (dtype, side)]
        ratios = _ratios(chosen)
        figures = [f"{np.quantile(ratios, q):.2g}" for q in QUANTILES]
        judged = max(leaf.judged for leaf in chosen if leaf.judged == leaf.judged)
        row = [dtype, side, str(len(ratios)), *figures, f"{ratios.max():.2g}", f"{judged:.2g}"]
        lines.append(f"| {' | '.join(row)} |")
    return lines


def _closest(leaves: Sequence[Any]) -> list[str]:
    worst: dict[str, Any] = {}
    for leaf in leaves:
        if np.isfinite(leaf.ratio) and leaf.ratio > getattr(worst.get(leaf.name), "ratio", 0):
            worst[leaf.name] = leaf
    ranked = sorted(worst.values(), key=lambda leaf: -leaf.ratio)[:8]
    return ["The programs that came closest:", ""] + [
        f"- {leaf.ratio:.2g}, {leaf.dtype}, {leaf.side}, {leaf.path}: {leaf.name}" for leaf in ranked
    ]


def _groups(leaves: Sequence[Any]) -> list[tuple[str, str]]:
    dtypes = dict.fromkeys(leaf.dtype for leaf in leaves)
    return [(dtype, side) for dtype in dtypes for side in SIDES]


def _ratios(leaves: Sequence[Any]) -> np.ndarray:
    return np.array([leaf.ratio for leaf in leaves if leaf.judged == leaf.judged])


def picture(leaves: Sequence[Any]) -> Any:
    """One histogram a dtype, the sides in it as lines."""
    dtypes = list(dict.fromkeys(leaf.dtype for leaf in leaves))
    figure, axes = plt.subplots(1, len(dtypes), figsize=(4 * len(dtypes), 3.2), sharey=True, squeeze=False)
    bins = np.logspace(-4, 0.5, 46)
    for dtype, axis in zip(dtypes, axes[0], strict=True):
        for side, style in zip(SIDES, ("-", "--"), strict=True):
            ratios = _ratios([leaf for leaf in leaves if (leaf.dtype, leaf.side) == (dtype, side)])
            axis.hist(np.clip(ratios, bins[0], bins[-1]), bins=bins, histtype="step", linestyle=style, label=side)
        axis.axvline(1, color="black", linewidth=0.8)
        axis.set(xscale="log", yscale="log", title=dtype, xlabel="error / allowance")
    axes[0, 0].set_ylabel("arrays")
    axes[0, 0].legend(loc="lower center")
    figure.tight_layout()
    return figure
