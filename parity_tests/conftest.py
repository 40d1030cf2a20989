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
os.environ.setdefault("JAX_PLATFORMS", "cpu")  # `make gpu` lifts it
os.environ.setdefault("OMP_NUM_THREADS", "1")  # torch's sums change with the number of threads


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """A generator seeded by the test's own name: the same draws alone, in any order and on any worker."""
    return np.random.default_rng(zlib.crc32(request.node.name.encode()))


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
