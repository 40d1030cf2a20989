"""What a report of two training loops says, in every format; and what is refused before the first step."""

import copy
import doctest
import json
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from matplotlib import image

import parity
from trainings import double_well

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def right():
    return parity.compare_training(*double_well(0.1), [()] * 20, maps=4)


@pytest.fixture(scope="module")
def wrong():
    return parity.compare_training(*double_well(0.1, 0.1001), [()] * 20, maps=4)


@pytest.fixture(scope="module")
def chaotic():
    return parity.compare_training(*double_well(1.8), [()] * 90, dtypes=("float32",), maps=4)


def test_the_example_of_the_docstring_runs():
    names = {"parity": parity, "torch": torch, "jax": jax, "np": np}
    examples = doctest.DocTestFinder(recurse=False).find(parity.compare_training, globs=names)
    runner = doctest.DocTestRunner()
    assert [runner.run(example) for example in examples] == [(0, runner.tries)]


def test_a_row_for_every_step_of_every_dtype(right):
    assert [(step.dtype, step.number) for step in right.steps] == [
        (dtype, number) for dtype in ("float64", "float32") for number in range(20)
    ]


def test_one_step_maps_stand_where_they_were_made(right):
    mapped = [step.number for step in right.steps if step.dtype == "float64" and step.one_step is not None]
    assert mapped == [0, 1, 6, 13, 19]


def test_losses_are_those_of_both_sides(right):
    first = right.steps[0]
    assert first.losses[0] == first.losses[1] < 0


def test_the_text_of_a_success(right):
    text = str(right)
    assert text.startswith("jax_step: torch and jax train alike over 20 steps, at float64 and float32.\n")
    assert "  one step    5 maps from torch's own state: worst " in text
    assert "x the spread of 8 JAX runs started one rounding apart, 4 allowed (state, " in text
    assert "rerun" not in text


def test_the_text_of_a_failure_has_the_leaf_the_step_and_both_values(wrong):
    text = str(wrong)
    assert "torch and jax train differently; leaves that differ: " in text.splitlines()[0]
    assert re.search(r"leaf +step 0/state  float64 \[5\]", text)
    assert re.search(r"worst abs +\S+ at \[\d\]: torch \S+ \| jax \S+", text)
    assert "also differ state float64 at 3 steps" in text
    assert "beyond the spread from step 0 on; at step " in text
    assert "rerun       pytest '" in text


def test_a_leaf_is_found_by_its_step(wrong):
    assert not wrong.leaf("step 0/state", "float64").ok
    assert wrong.leaf("step 0/loss", "float64").ok


def test_json_has_the_steps_and_the_chaos(chaotic):
    document = json.loads(chaotic.to_json())
    assert document["ok"]
    assert len(document["steps"]) == 90
    assert document["chaos"]["float32"] == list(chaotic.chaos["float32"])
    assert document["asserted"] == {"float32": [0, 1]}
    assert document["steps"][-1]["ratio"] is None


def test_html_has_the_headline_and_a_table(wrong):
    page = wrong._repr_html_()
    assert page.count("<tr>") > 8
    assert "train differently" in page


@pytest.mark.parametrize("name", ["right", "wrong", "chaotic"])
def test_the_picture_is_drawn(name, request, tmp_path):
    path = request.getfixturevalue(name).plot(tmp_path / "run.png")
    assert path.read_bytes().startswith(PNG)
    assert len(np.unique(image.imread(path).reshape(-1, 4), axis=0)) > 20
    assert [found.name for found in tmp_path.iterdir()] == ["run.png"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("run.pdf", "plot: path must be a .png file, got 'run.pdf'."),
        ("missing/run.png", "plot: path must be in a folder that can be written, got 'missing/run.png' (No such file"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused(right, path, message):
    with pytest.raises(parity.InputError, match=re.escape(message)):
        right.plot(path)


def test_what_the_caller_handed_over_is_untouched():
    left, other = double_well(0.1)
    x, optimizer = left.state
    before, settings = x.detach().clone(), copy.deepcopy(optimizer.state_dict())
    parity.compare_training(left, other, [()] * 3, maps=1)
    assert torch.equal(x, before)
    assert x.dtype == torch.float32
    assert optimizer.state_dict() == settings
    assert torch.get_default_dtype() == torch.float32


def test_a_caller_may_pass_keywords_and_numbers():
    def torch_step(state, rate, batch):
        with torch.no_grad():
            state[0].sub_(rate * batch)
        return batch.sum()

    def jax_step(state, rate, batch):
        return (state[0] - rate * batch,), batch.sum()

    left = parity.TorchTraining((torch.ones(3),), torch_step, lambda state: state)
    right = parity.JaxTraining((np.ones(3),), jax_step)
    batches = [{"rate": 0.5**k, "batch": np.arange(3.0)} for k in range(6)]
    assert parity.compare_training(left, right, batches).ok


LEFT, RIGHT = double_well(0.1)
REFUSED = {
    "torch_side must be a parity.TorchTraining, got function.": lambda: (test_bad_input_is_one_sentence, RIGHT, [()]),
    "jax_side.step must be a function, got 3.": lambda: (LEFT, parity.JaxTraining(0.0, 3), [()]),  # pyright: ignore
    "batches must be a sequence with one tuple or dict for each step, got int.": lambda: (LEFT, RIGHT, 5),
    "batches must hold at least one step, got none.": lambda: (LEFT, RIGHT, []),
    "batches must be tuples of arguments or dicts of keywords, got ndarray as batch 0. A single argument goes into": (
        lambda: (LEFT, RIGHT, [np.ones(3)])
    ),
    "batches must be nested alike, got 0 in batch 1.": lambda: (LEFT, RIGHT, [(), (1.0,)]),
    "batches must be finite, got nan at 0 of batch 0.": lambda: (LEFT, RIGHT, [(np.nan,)]),
    "batches must hold arrays of numbers, got batch 0: an array or a number was expected, got str.": (
        lambda: (LEFT, RIGHT, [("x",)])
    ),
    "torch_side.step must run on the batches at float64, got TypeError: ": lambda: (LEFT, RIGHT, [(1.0,)]),
    "torch_side.step must return the loss, got shape (5,).": (
        lambda: (parity.TorchTraining(LEFT.state, lambda state: state[0], LEFT.read), RIGHT, [()])
    ),
    "torch_side.read must return the tree of jax_side.state, got state/x too much and without state.": (
        lambda: (parity.TorchTraining(LEFT.state, LEFT.step, lambda now: {"x": now[0]}), RIGHT, [()])
    ),
    "torch_side.read must return the tree of jax_side.state, got shape (4,) at state, where JAX has (5,).": (
        lambda: (parity.TorchTraining(LEFT.state, LEFT.step, lambda now: now[0][1:]), RIGHT, [()])
    ),
    "jax_side.step must return a state nested like the one it was given.": (
        lambda: (LEFT, parity.JaxTraining(RIGHT.state, lambda x: ((x, x), x.sum())), [()])
    ),
    "jax_side.step must run on the batches at float64, got TypeError: ": (
        lambda: (LEFT, parity.JaxTraining(RIGHT.state, lambda x: jnp.sum(x)), [()])
    ),
}


@pytest.mark.parametrize("message", REFUSED)
def test_bad_input_is_one_sentence(message):
    with pytest.raises(parity.InputError, match="^" + re.escape(f"compare_training: {message}")):
        parity.compare_training(*REFUSED[message]())


@pytest.mark.parametrize("maps", [0, 1.5])
def test_maps_are_counted_from_one(maps):
    with pytest.raises(parity.InputError, match=f"maps must be an integer from 1 on, got {maps}"):
        parity.compare_training(LEFT, RIGHT, [()], maps=maps)
