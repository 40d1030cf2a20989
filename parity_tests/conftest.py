"""Fixtures that every proof shares."""

import zlib

import numpy as np
import pytest


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """A generator seeded by the test's own name: the same draws alone, in any order and on any worker."""
    return np.random.default_rng(zlib.crc32(request.node.name.encode()))
