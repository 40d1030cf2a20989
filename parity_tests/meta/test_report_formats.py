"""The report as data, for a machine and for a notebook."""

import copy
import json
import pickle

import jax.numpy as jnp
import numpy as np
import pytest
import torch

import parity
from samples import MATRIX, VECTOR, quick


def strict(text):
    """Parse JSON as the standard has it: no NaN, no Infinity."""

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.fixture(scope="module")
def report():
    return quick(lambda x: {"a": x, "b": x.exp()}, lambda x: {"a": 2 * x, "b": jnp.exp(x)}, (MATRIX,), seed=5, name="n")


@pytest.fixture(scope="module")
def infinite():
    return quick(lambda x: x / 0, lambda x: x, (VECTOR,))


def test_json_has_the_verdict_the_seed_and_the_name(report):
    document = strict(report.to_json())
    assert (document["ok"], document["seed"], document["name"]) == (False, 5, "n")


def test_json_has_every_leaf_in_order(report):
    leaves = strict(report.to_json())["leaves"]
    assert [leaf["path"] for leaf in leaves] == [leaf.path for leaf in report.leaves]


def test_json_numbers_survive_the_round_trip_bit_for_bit(report):
    leaf = strict(report.to_json())["leaves"][0]
    assert (leaf["error"], leaf["limit"]) == (report.leaves[0].error, report.leaves[0].limit)


def test_json_has_the_worst_element(report):
    place = strict(report.to_json())["leaves"][0]["absolute"]
    assert (place["index"], place["left"], place["right"]) == ([1, 3], 3.0, 6.0)


def test_json_names_the_versions_that_ran(report):
    versions = strict(report.to_json())["versions"]
    assert versions["numpy"] == np.__version__
    assert versions["torch"].split("+")[0] == torch.__version__.split("+")[0]  # some wheels leave out +cu130


def test_json_writes_infinities_as_strings(infinite):
    leaf = strict(infinite.to_json())["leaves"][0]
    assert (leaf["error"], leaf["ratio"], leaf["absolute"]["left"]) == ("inf", "inf", "inf")


def test_json_writes_nan_as_a_string():
    report = quick(lambda x: x * float("nan"), lambda x: x, (VECTOR,))
    assert strict(report.to_json())["leaves"][0]["absolute"]["left"] == "nan"


def test_json_writes_complex_numbers_as_pairs():
    report = quick(lambda x: torch.complex(x, x), lambda x: x - 2j * x, (VECTOR,))
    place = strict(report.to_json())["leaves"][0]["absolute"]
    assert (place["left"], place["right"]) == ([2.0, 2.0], [2.0, -4.0])


def test_json_of_integers_and_booleans():
    report = quick(lambda n: (n, n > 0), lambda n: (n + 1, n > 1), (np.array([1, 2]),))
    assert [leaf["mismatched"] for leaf in strict(report.to_json())["leaves"]] == [2, 1]


def test_html_has_a_row_for_every_leaf(report):
    assert report._repr_html_().count("<tr>") == len(report.leaves) + 1


def test_html_of_a_failure_has_the_whole_text(report):
    assert "mismatched" in report._repr_html_()


def test_html_of_a_success_is_the_table_alone():
    assert "<pre>" not in quick(torch.tanh, jnp.tanh, (VECTOR,))._repr_html_()


def test_html_escapes_names_and_paths():
    script = "<script>alert(1)</script>"
    page = quick(lambda x: {script: x}, lambda x: {script: x + 1}, (VECTOR,), name=script)._repr_html_()
    assert script not in page
    assert "&lt;script&gt;" in page


def test_a_leaf_is_found_by_path_dtype_and_quantity(report):
    assert report.leaf("output/a") is report.leaves[0]
    assert report.leaf("grad/x", "float64", "gradient").quantity == "gradient"


def test_a_leaf_that_was_not_compared_is_a_key_error_that_lists_the_others(report):
    with pytest.raises(KeyError, match=r"got grad/y at float64; compared: grad/x at float64, output/a at float64"):
        report.leaf("grad/y")


def test_a_report_survives_copy_and_pickle(report):
    assert str(copy.deepcopy(report)) == str(pickle.loads(pickle.dumps(report))) == str(report)


def test_a_mismatch_error_keeps_its_report_through_pickle(report):
    error = pickle.loads(pickle.dumps(parity.MismatchError(report)))
    assert isinstance(error.report, parity.Report)
