"""The wheel holds the three packages, typed, and nothing else."""

import subprocess
import sys
import zipfile
from pathlib import Path

from house import PACKAGES, ROOT, sources


def contents(wheel: Path) -> set[str]:
    """The files of a wheel, its own metadata aside."""
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def expected() -> set[str]:
    python = {path.relative_to(ROOT).as_posix() for path in sources(*PACKAGES)}
    return python | {f"{package}/py.typed" for package in PACKAGES}


def test_the_wheel_holds_the_three_typed_packages(tmp_path):
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    result = subprocess.run(build, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    (wheel,) = tmp_path.glob("torch_jax_parity-*.whl")
    assert contents(wheel) == expected()


def test_a_stray_file_in_a_wheel_is_seen(tmp_path):
    wheel = tmp_path / "stray.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in [*expected(), "parity_tests/conftest.py", "torch_jax_parity-0.1.0.dist-info/METADATA"]:
            archive.writestr(name, "")
    assert contents(wheel) - expected() == {"parity_tests/conftest.py"}
