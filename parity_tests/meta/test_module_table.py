"""The table of every module of ``torch.nn``: nothing is left out, and what it names exists."""

import importlib

import jax
import pytest

from module_others import CLOSED, OTHERS
from module_table import PAGE, PROOFS, SUITES, modules, page


def test_every_module_stands_in_the_table_once():
    sampled = [entry for suite in SUITES for entry in suite.counterparts]
    accounted = [*sampled, *OTHERS, *CLOSED]
    assert sorted(accounted) == modules()
    assert all(CLOSED.values())


@pytest.mark.parametrize("module", OTHERS)
def test_a_counterpart_exists_and_its_proof_speaks_of_it(module):
    counterpart, proof = OTHERS[module]
    topic, name = counterpart.split(".")
    assert name in importlib.import_module(f"jax_impl.{topic}").__all__
    files = PROOFS.glob(f"{proof.split('__')[0]}*.py"), PROOFS.glob("*_cases.py")
    assert any(name in path.read_text() for paths in files for path in paths)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # several samples ask for what torch warns of
def test_the_page_is_what_the_table_gives():
    with jax.enable_x64(True):
        assert PAGE.read_text() == page()
