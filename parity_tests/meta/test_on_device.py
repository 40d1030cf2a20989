"""Comparisons on an accelerator, as far as a machine without one can show: on a device that is simulated."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import pytest
import torch

import gpu_page
import parity
from gpu_speed import PRECISIONS, SIDES, Sizes, peak, speeds
from house import ROOT
from parity import cli
from parity.devices import chosen
from parity.proofs import Outcome

FACTS = """
import simulated_device as simulated
simulated.two_cpus()
import flax.linen as nn, jax, jax.numpy as jnp, json, numpy as np, torch, parity

from parity.scopes import jax_scope

X, seen = np.linspace(-1, 1, 12).reshape(3, 4), set()
QUICK = {"dtypes": ("float64", "float32")}

def torch_side(x):
    seen.add(str(x.device))
    return torch.tanh(x) + torch.arange(4, device=x.device)

def jax_side(x):
    return jnp.tanh(x) + jnp.arange(4)

def stray(x):
    return x + torch.arange(4)

facts = {}
with simulated.simulated_device(), parity.on_device("meta"):
    facts["agree"] = parity.compare(torch_side, jax_side, (X,), **QUICK).ok
    facts["differ"] = parity.compare(torch.tanh, jnp.sinh, (X,), **QUICK).ok
    layer = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3))
    port = nn.Sequential([nn.Dense(3), nn.BatchNorm(use_running_average=True, epsilon=1e-5)])
    facts["modules"] = parity.compare_modules(layer, port, (X,), **QUICK).ok
    facts["left"] = sorted({str(tensor.device) for tensor in layer.state_dict().values()})
    try:
        parity.compare(stray, jax_side, (X,), **QUICK)
    except parity.InputError as error:
        facts["stray"] = str(error)
    program = jax.jit(lambda x: x + 1)
    with jax_scope("float32"):
        there = program(jnp.ones(2)).device
    with jax_scope("float32", "cpu"):
        simulated_at = program(jnp.ones(2)).device
    facts["jax"] = [device.id for device in (there, simulated_at, program(jnp.ones(2)).device)]
facts["seen"] = sorted(seen)
print(json.dumps(facts))
"""


@pytest.fixture(scope="module")
def facts():
    path = os.pathsep.join([str(ROOT), str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    result = subprocess.run(
        [sys.executable, "-c", FACTS], env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_both_sides_compute_on_the_device(facts):
    assert facts["agree"]
    assert facts["seen"] == ["meta"]
    assert not facts["differ"]


def test_jax_s_default_device_is_the_chosen_one_inside_a_comparison_alone(facts):
    assert facts["jax"] == [1, 0, 0]


def test_a_module_is_moved_and_the_caller_s_own_is_left(facts):
    assert facts["modules"]
    assert facts["left"] == ["cpu"]


def test_a_tensor_made_on_the_cpu_is_told(facts):
    assert "torch_fn must run on the inputs at float64, got RuntimeError: Expected all tensors" in facts["stray"]


@pytest.mark.parametrize("name", ["cuda", "abacus", "cuda:99", "cpu:x"])
def test_a_device_that_is_not_there_is_refused(name):
    if torch.cuda.is_available() and name == "cuda":
        pytest.skip("this machine has one")
    with (
        pytest.raises(parity.InputError, match=rf"^on_device: name must be a device of torch and of JAX, got '{name}'"),
        parity.on_device(name),
    ):
        pass
    assert chosen() == "cpu"


@pytest.mark.parametrize("command", [("run", "linear"), ("report", "linear"), ("check", "my_port.py")])
def test_a_command_without_the_device_is_one_sentence_and_exit_code_2(command, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("JAX_PLATFORMS", "")
    monkeypatch.setattr(sys, "argv", ["parity", *command, "--device", "abacus"])
    with pytest.raises(SystemExit, match=r"^2$"):
        cli.main()
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(f"{command[0]}: --device must be a device of torch and of JAX, got 'abacus', which torch has")


def test_the_choice_ends_with_its_block_and_when_it_raises():
    with pytest.raises(KeyError, match="gone"), parity.on_device("cpu"):
        raise KeyError("gone")
    assert chosen() == "cpu"


def test_jax_alone_without_the_device_is_told(monkeypatch):
    monkeypatch.setattr("parity.devices._torch_device", lambda name: torch.device(name))
    if any(device.platform == "gpu" for device in jax.devices()):
        pytest.skip("this machine has one")
    rule = r"'cuda', which JAX has not .*pip install 'jax\[cuda13\]'"
    with pytest.raises(parity.InputError, match=rule), parity.on_device("cuda"):
        pass


def test_the_page_of_figures_is_written_whatever_the_device(tmp_path):
    sizes = Sizes(batch=6, width=8, layers=1, peaks=(16,), repeats=1)
    before = torch.get_float32_matmul_precision(), jax.config.jax_default_matmul_precision
    text = gpu_page.speed_section(list(speeds("cpu", sizes)), peak("cpu", sizes), sizes)
    assert (torch.get_float32_matmul_precision(), jax.config.jax_default_matmul_precision) == before
    for side in SIDES:
        assert f"| {side} | float32 |" in text
        assert sum(line.startswith(f"| {side} |") for line in text.splitlines()) == len(PRECISIONS)
    proven = gpu_page.proofs_section(Outcome(failures={"test_a": "first\nsecond"}, passed=2))
    assert "2 tests passed, 1 failed" in proven
    assert proven.endswith("- `test_a`: first")
    assert gpu_page.page("cpu", [proven, text]).startswith("# On an accelerator\n\nWritten by `make gpu` on 2")


def test_a_step_s_operations_are_counted_as_its_products_are():
    sizes = Sizes(batch=3, width=5, layers=2)
    forward, backward = 2, 3  # the first layer has no gradient of its input
    assert sizes.operations == (forward + backward) * 2 * 3 * 5 * 5
