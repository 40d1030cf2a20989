"""Compilation: compiled is eager up to rounding, a second call compiles nothing, and what a compiler cannot see."""

import shutil

import jax
import numpy as np
import pytest
import torch
from jax import numpy as jnp

from jax_impl import compilation as jax_compilation
from torch_impl import compilation as torch_compilation

torch.set_num_threads(1)

SIDES = [
    pytest.param(torch_compilation, torch.tensor, id="torch"),
    pytest.param(jax_compilation, jnp.asarray, id="jax"),
]
ON_BOTH_SIDES = pytest.mark.parametrize(("side", "array"), SIDES)
NEEDS_COMPILER = pytest.mark.skipif(
    shutil.which("g++") is None, reason="torch.compile builds C++ on a CPU: no g++ here"
)


@pytest.fixture
def layers(rng):
    shapes = {"x": (4, 3), "first": (6, 3), "second": (5, 6)}
    return {name: rng.normal(size=shape) for name, shape in shapes.items()}


def test_eager_agrees(parity, layers):
    parity.assert_equivalent(torch_compilation.feed_forward, jax_compilation.feed_forward, layers)


@NEEDS_COMPILER
@pytest.mark.slow  # g++ builds four programs, in half a minute
def test_compiled_agrees(parity, layers):
    """Outputs and all gradients of torch's compiled program against JAX's, and against JAX's eager run."""
    torch.compiler.reset()
    whole = torch_compilation.whole(torch_compilation.feed_forward)
    parity.assert_equivalent(whole, jax_compilation.whole(jax_compilation.feed_forward), layers)


@NEEDS_COMPILER
def test_torch_compiled_is_eager(parity, layers):
    """The forward pass at float32: one program for g++ to build."""
    torch.compiler.reset()
    whole = torch_compilation.whole(torch_compilation.feed_forward)
    report = parity.compare(
        whole, jax_compilation.feed_forward, layers, dtypes=("float32",), gradients=False, jit=False
    )
    assert report.ok, report


def test_the_choices_agree(parity):
    for value in (-2.0, 0.0, 3.0):
        report = parity.compare(
            torch_compilation.absolute_by_where, jax_compilation.absolute_by_where, (np.array(value),)
        )
        assert report.ok, report
        report = parity.compare(
            torch_compilation.absolute_by_branch, jax_compilation.absolute_by_branch, (np.array(value),), jit=False
        )
        assert report.ok, report


@pytest.mark.parametrize("exponent", [0, 1, 3])
def test_powers_agree(parity, rng, exponent):
    inputs = {"x": rng.normal(size=(2, 3)), "exponent": exponent}
    parity.assert_equivalent(torch_compilation.power, jax_compilation.power, inputs)


@ON_BOTH_SIDES
def test_a_second_call_of_the_same_shapes_compiles_nothing(side, array):
    calls = [(array(np.full((3, 2), value)),) for value in (1.0, 2.0, 3.0)]
    assert side.compilations(lambda x: 2 * x, calls) == 1


@ON_BOTH_SIDES
def test_another_shape_or_dtype_compiles_again(side, array):
    """A short last batch is a second program; an integer batch a third."""
    full, short, whole = np.ones((3, 2), np.float32), np.ones((1, 2), np.float32), np.ones((3, 2), np.int32)
    calls = [(array(x),) for x in (full, full, short, whole, short, full)]
    assert side.compilations(lambda x: 2 * x, calls) == 3


def test_a_python_number_is_part_of_torchs_program_and_an_argument_of_jaxs():
    """torch compiles again for another integer; JAX traces it, unless it is declared static."""
    torch_calls = [(torch.ones(2), exponent) for exponent in (2, 3, 2)]
    assert torch_compilation.compilations(torch_compilation.power, torch_calls) == 2
    assert jax_compilation.compilations(lambda x, y: x * y, [(jnp.ones(2), factor) for factor in (2, 3, 2)]) == 1
    before = jax_compilation.power._cache_size()
    for exponent in (7, 8, 7):
        jax_compilation.power(jnp.ones(9), exponent)
    assert jax_compilation.power._cache_size() - before == 2


@ON_BOTH_SIDES
def test_a_branch_on_a_number_breaks_the_program(side, array):
    value = array(np.float32(-2.0))
    assert len(side.breaks(side.absolute_by_branch, value)) == 1
    assert side.breaks(side.absolute_by_where, value) == []


def test_each_side_says_no_in_its_own_words():
    with pytest.raises(torch._dynamo.exc.Unsupported, match="Data-dependent branching"):
        torch_compilation.whole(torch_compilation.absolute_by_branch)(torch.tensor(-2.0))
    with pytest.raises(jax.errors.TracerBoolConversionError, match="boolean conversion of traced array"):
        jax_compilation.whole(jax_compilation.absolute_by_branch)(jnp.asarray(-2.0))


def test_a_side_effect_happens_at_every_call_in_torch_and_once_in_jax():
    """torch replays what a program did to a list; a jitted program has no memory of it."""
    seen = {"torch": [], "jax": []}

    def noted(side):
        def double(x):
            seen[side].append("called")
            return 2 * x

        return double

    torch.compiler.reset()
    torch_double, jax_double = torch.compile(noted("torch"), backend="eager"), jax.jit(noted("jax"))
    for _ in range(3):
        torch_double(torch.ones(2))
        jax_double(jnp.ones(2))
    assert (len(seen["torch"]), len(seen["jax"])) == (3, 1)


def test_the_operations_of_each_program():
    x, first, second = np.ones((4, 3), np.float32), np.ones((6, 3), np.float32), np.ones((5, 6), np.float32)
    names = torch_compilation.operations(torch_compilation.feed_forward, *map(torch.tensor, (x, first, second)))
    assert names == ["t", "mm", "gelu", "t", "mm"]
    names = jax_compilation.operations(jax_compilation.feed_forward, x, first, second)
    assert names.count("dot_general") == names.count("transpose") == 2


def test_a_row_is_written(parity, rng):
    """Nothing is differentiated: both consume their buffer."""
    inputs = {"buffer": rng.normal(size=(3, 4)), "row": 1, "values": rng.normal(size=4)}
    report = parity.compare(
        torch_compilation.scatter_into, jax_compilation.scatter_into, inputs, gradients=False, jit=False
    )
    assert report.ok, report


def test_the_buffer_is_changed_in_torch_and_gone_in_jax():
    buffer = torch.zeros(2, 3)
    assert torch_compilation.scatter_into(buffer, 0, torch.ones(3)) is buffer
    assert buffer.sum() == 3
    donated = jnp.zeros((2, 3))
    jax_compilation.scatter_into(donated, 0, jnp.ones(3))
    with pytest.raises(RuntimeError, match="Array has been deleted"):
        donated + 1


class Rate:
    """A number that somebody changes between the calls."""

    value = 1.0


def forgets_its_rate(x):
    """A mistake: jit reads the rate once, while it traces."""
    Rate.value += 1.0
    return Rate.value * x


def draws_at_trace(x):
    """A mistake: NumPy's noise is drawn once, and is a constant of the program from then on."""
    return x + np.random.default_rng().normal(size=x.shape)


def keeps_the_first_shape(x, lengths=[]):  # noqa: B006  # the mistake
    """A mistake: a size remembered from another call."""
    lengths.append(x.shape[0])
    return x.sum() / len(lengths)


@pytest.mark.parametrize("mistake", [forgets_its_rate, draws_at_trace, keeps_the_first_shape])
def test_a_planted_mistake_shows_as_jit_against_eager(parity, mistake):
    Rate.value = 1.0
    original = {forgets_its_rate: lambda x: 2 * x, draws_at_trace: lambda x: x, keeps_the_first_shape: torch.sum}[
        mistake
    ]
    report = parity.compare(original, mistake, (np.ones(3),), dtypes=("float64",), record=False)
    assert not report.ok
