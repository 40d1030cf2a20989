"""Fixtures that every proof shares, and the settings that make it quick and repeatable."""

import os
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

# Read when the frameworks are imported, so set before any test is; the Makefile sets the same for everything else.
_CACHE = Path(__file__).parent.parent / ".cache" / "jax"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(_CACHE))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")  # --parity-device lifts it
os.environ.setdefault("OMP_NUM_THREADS", "1")  # torch's sums change with the number of threads


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On an accelerator only what compares runs, and what is marked gpu: the rest says nothing about one."""
    if config.getoption("--parity-device") != "cpu":
        dropped = [item for item in items if not (_compares(item) or item.get_closest_marker("gpu"))]
        config.hook.pytest_deselected(items=dropped)
        items[:] = [item for item in items if item not in dropped]


def _compares(item: pytest.Item) -> bool:
    return "parity" in getattr(item, "fixturenames", ())


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """A generator seeded by the test's own name: the same draws alone, in any order and on any worker."""
    return np.random.default_rng(zlib.crc32(request.node.name.encode()))


@pytest.fixture(autouse=True)
def jax_stays_on_the_cpu_beside_the_comparisons(request: pytest.FixtureRequest) -> Iterator[None]:
    """As torch does: what a test computes by itself is compared on one device; only a test marked gpu chooses."""
    if request.config.getoption("--parity-device") == "cpu" or request.node.get_closest_marker("gpu"):
        yield
        return
    import jax

    with jax.default_device(jax.local_devices(backend="cpu")[0]):
        yield


@pytest.fixture(autouse=True)
def settings_are_restored() -> Iterator[None]:
    """A test that leaves a framework set otherwise fails itself, and not some other test after it."""
    yield
    torch, jax = (sys.modules.get(name) for name in ("torch", "jax"))
    left = [str(torch.get_default_dtype())] if torch and torch.get_default_dtype() != torch.float32 else []
    left += ["jax_enable_x64"] if jax and jax.config.jax_enable_x64 else []
    if left:
        torch and torch.set_default_dtype(torch.float32)
        jax and jax.config.update("jax_enable_x64", False)
    assert not left, "These settings were not put back."
