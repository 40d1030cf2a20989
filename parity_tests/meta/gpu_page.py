"""Run every proof on an accelerator, time mixed precision there, and write ``notebooks/gpu.md``: what `make gpu` does.

python parity_tests/meta/gpu_page.py [TOPIC ...] [--device cuda] [--jobs 2] [--width 8192]

Exit codes: 0 all hold, 1 something differs or failed, 2 no accelerator that both frameworks have.
"""

import os

os.environ.setdefault("JAX_PLATFORMS", "")  # every platform: the proofs simulate rounding on the CPU
os.environ.setdefault(
    "XLA_PYTHON_CLIENT_PREALLOCATE", "false"
)  # JAX would take most of the memory, and torch needs some

import argparse
import datetime
import sys
from pathlib import Path

import torch

from gpu_speed import PRECISIONS, SIDES, Sizes, Speed, peak, speeds
from house import ROOT
from parity.comparison import versions
from parity.devices import find_device
from parity.errors import InputError
from parity.proofs import Outcome, run_proofs
from parity.summary import cells, closing_line, columns, rows
from parity.topics import proofs

__all__ = ["main", "page", "proofs_section", "speed_section"]

PAGE = ROOT / "notebooks/gpu.md"


def page(device: str, sections: list[str]) -> str:
    """The page: where and when, then the sections."""
    libraries = ", ".join(f"{name} {version}" for name, version in versions().items())
    cuda = f", CUDA {torch.version.cuda}" if device.startswith("cuda") else ""
    head = f"Written by `make gpu` on {datetime.date.today()}: {_called(device)}{cuda}; {libraries}."
    return "\n\n".join(["# On an accelerator", head, *sections, ""])


def _called(device: str) -> str:
    return torch.cuda.get_device_name(device) if device.startswith("cuda") else device


def proofs_section(outcome: Outcome) -> str:
    """Every topic's worst error over its allowance, and what failed."""
    table = rows(outcome.records)
    headings = columns(table)
    lines = ["| " + " | ".join(headings) + " |", "| " + " | ".join("---" for _ in headings) + " |"]
    lines += ["| " + " | ".join(cells(row, headings)) + " |" for row in table]
    said = [
        "## The proofs\n\nInputs, weights and states of both frameworks on the device; products of float32 in float32"
        " (no TF32 on torch's side, `highest` on JAX's); rounding simulated on the CPU.",
        "\n".join(lines),
        f"{closing_line(outcome.records)} {outcome.passed} tests passed, {len(outcome.failures)} failed,"
        f" {outcome.skipped} were skipped.",
    ]
    failed = [f"- `{test}`: {text.strip().splitlines()[0]}" for test, text in outcome.failures.items()]
    return "\n\n".join([*said, "\n".join(["Failed:", "", *failed])] if failed else said)


def speed_section(found: list[Speed], best: dict[str, float], sizes: Sizes) -> str:
    """A line for each side and precision: time, speed-up over float32, share of the measured bfloat16 peak."""
    times = {(speed.side, speed.precision): speed for speed in found}
    lines = [
        "| side | precision | ms a step | speed-up over float32 | TFLOP/s | share of the bfloat16 peak |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for side in SIDES:
        for precision in PRECISIONS:
            speed = times[side, precision]
            gain = times[side, "float32"].seconds / speed.seconds
            figures = f"{speed.seconds * 1e3:.3g} | {gain:.2f} | {speed.per_second / 1e12:.3g}"
            lines.append(f"| {side} | {precision} | {figures} | {speed.per_second / best[side]:.0%} |")
    peaks = ", ".join(f"{side} {best[side] / 1e12:.3g} TFLOP/s" for side in SIDES)
    text = (
        f"## Speed\n\nOne SGD step of {sizes.layers} square layers {sizes.width} wide with ReLU, {sizes.batch} rows,"
        " float32 parameters; autocast on torch's side, run eagerly, and `dtype=` of the layers on JAX's, compiled;"
        f" no loss scale. Median of {sizes.repeats} steps. float32 is in full, tf32 the same with factors rounded."
        f" The peak is the best plain bfloat16 product of orders {', '.join(map(str, sizes.peaks))}: {peaks}."
    )
    return f"{text}\n\n" + "\n".join(lines)


def main(device: str, jobs: int, topics: list[str], sizes: Sizes, out: Path) -> int:
    """Prove, time, print and write the page; the exit code."""
    outcome = run_proofs("gpu", proofs("gpu", ROOT / "parity_tests", topics), jobs, device)
    proven = proofs_section(outcome)
    print(proven, flush=True)
    out.write_text(page(device, [proven]))  # kept if the device has no room for what is timed
    timed = speed_section(list(speeds(device, sizes)), peak(device, sizes), sizes)
    print(f"\n{timed}")
    out.write_text(page(device, [proven, timed]))
    print(f"\nWritten to {out.relative_to(ROOT) if out.is_relative_to(ROOT) else out}")
    return int(bool(outcome.failures) or not all(record.ok for record in outcome.records))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("topics", nargs="*", help="topics to prove; all without one")
    parser.add_argument("--device", default="cuda", help="where both sides compute: cuda, cuda:1")
    parser.add_argument("--jobs", type=int, default=2, help="processes that prove")
    parser.add_argument("--width", type=int, default=8192, help="of the model that is timed, and rows of its batch")
    asked = parser.parse_args()
    try:
        find_device(asked.device, "gpu", "--device")
        sys.exit(main(asked.device, asked.jobs, asked.topics, Sizes(asked.width, asked.width), PAGE))
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
