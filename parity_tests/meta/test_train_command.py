"""``parity train``: what it prints, what it writes, and what it refuses before it trains."""

import json
import re
import sys
from dataclasses import replace

import numpy as np
import pytest
import typer
from matplotlib.figure import Figure
from typer.testing import CliRunner

from parity import cli
from parity.cli_train import train_command
from parity.curves import summary
from parity.digits import epoch_orders, initial_weights, load_digits
from parity.errors import InputError
from parity.train import TrainSettings, train
from parity.train_spread import loss_spread

PNG = b"\x89PNG\r\n\x1a\n"
APP = typer.Typer()
APP.command()(train_command)


def run(*arguments):
    return CliRunner(env={"COLUMNS": "100"}).invoke(
        APP, [str(argument) for argument in arguments], catch_exceptions=False
    )


def test_a_run_prints_one_table_and_draws_one_picture(tmp_path):
    result = run("--epochs", 2, "--out", tmp_path / "curves.png")
    assert result.exit_code == 0
    headings = ("epoch", "loss torch", "loss jax", "accuracy torch", "accuracy jax", "gap", "spread")
    assert all(heading in result.stdout for heading in headings)
    assert [line.split("│")[1].strip() for line in result.stdout.splitlines() if line.startswith("│")] == ["1", "2"]
    assert "Largest gap between the losses: " in result.stdout
    assert "Every gap is within 4 times the spread so far, or 8 float32 roundings of the loss." in result.stdout
    assert "Test accuracy on 359 held-back images: torch 0." in result.stdout
    assert "2/2" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["curves.png"]
    assert (tmp_path / "curves.png").read_bytes().startswith(PNG)


def test_json_is_one_document_and_nothing_else(tmp_path):
    first, second = (run("--epochs", 2, "--seed", 3, "--out", tmp_path, "--json") for _ in range(2))
    document = json.loads(first.stdout)
    assert first.stdout == second.stdout
    assert document["settings"]["seed"] == 3
    assert document["examples"] == {"train": 1438, "test": 359}
    assert document["picture"] == str(tmp_path / "train-digits.png")
    assert [row["epoch"] for row in document["epochs"]] == [1, 2]
    for row in document["epochs"]:
        assert row["gap"] == abs(row["loss"]["torch"] - row["loss"]["jax"])
        assert 0 < row["spread"] < 1e-6  # measured 3e-8: a run that starts one rounding off stays within a few
    assert document["beyond_rounding"] == []
    assert document["largest_gap"]["gap"] == max(row["gap"] for row in document["epochs"])
    assert document["final_accuracy"] == document["epochs"][-1]["accuracy"]
    # Measured 8e-8 after two epochs: the last digits of float32, at a loss of 2.
    assert document["largest_gap"]["gap"] < 1e-6


@pytest.mark.parametrize("impl", ["torch", "jax"])
def test_one_side_stands_alone(impl, tmp_path):
    result = run("--epochs", 1, "--impl", impl, "--out", tmp_path)
    assert f"loss {impl}" in result.stdout
    assert "gap" not in result.stdout


def test_a_gap_beyond_rounding_is_told():
    """A learning rate a ten-thousandth too large on one side alone."""
    run = train(TrainSettings(epochs=2))
    assert run.beyond is not None
    wrong = train(TrainSettings(impl="jax", epochs=2, learning_rate=1.0001e-3)).histories["jax"]
    mistaken = replace(run, histories={**run.histories, "torch": wrong})
    assert (run.beyond.tolist(), mistaken.beyond.tolist()) == ([], [1, 2])
    assert "In epoch 1, 2 the gap is more than 4 times the spread so far" in summary(mistaken)


def test_the_spread_is_that_of_other_runs_and_grows():
    """Runs that answer for their start: the first weight, moved by at most one rounding."""
    starts = []

    def losses_from(weights):
        starts.append(weights[0][0][0, 0])
        return np.array([float(starts[-1]), 1.0])

    spread = loss_spread(losses_from, [(np.ones((1, 1), np.float32), np.zeros(1, np.float32))], np.ones(2))
    assert len(starts) == 8
    assert set(starts) <= {np.float32(1 - 2**-23), np.float32(1), np.float32(1 + 2**-23)}
    assert spread.tolist() == [2**-23, 2**-23]


def test_another_seed_is_another_run_on_the_same_images():
    left, right = (train(TrainSettings(impl="torch", epochs=1, seed=seed)) for seed in (0, 1))
    assert left.examples == right.examples
    assert left.histories["torch"].loss != right.histories["torch"].loss


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "mnist"], "train: data must be digits, got 'mnist'."),
        (["--impl", "numpy"], "train: impl must be one of both, torch, jax, got 'numpy'."),
        (["--epochs", 0], "train: epochs must be at least 1, got 0."),
        (["--seed", -1], "train: seed must be at least 0, got -1."),
        (["--out", "curves.pdf"], "train: out must be a folder that exists or a .png file, got 'curves.pdf'."),
        (
            ["--out", "missing/curves.png"],
            "train: out must be in a folder that can be written, got 'missing/curves.png' (No such file or directory).",
        ),
    ],
    ids=["data", "impl", "epochs", "seed", "out", "folder"],
)
def test_bad_usage_is_one_sentence_and_nothing_is_written(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["parity", "train", *map(str, arguments)])
    with pytest.raises(SystemExit, match="2"):
        cli.main()
    printed = capsys.readouterr()
    assert printed.err.strip() == message
    assert not printed.out
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": 0}, "train: batch_size must be at least 1, got 0."),
        ({"learning_rate": float("nan")}, "train: learning_rate must be positive and finite, got nan."),
    ],
)
def test_settings_without_an_option_are_checked_too(settings, message):
    with pytest.raises(InputError, match=re.escape(message)):
        train(TrainSettings(**settings))


@pytest.mark.parametrize(
    ("package", "module", "sentence"),
    [
        (
            "torch",
            "torch_impl.training",
            "got 'torch' without torch. Install it with: pip install 'torch-jax-parity[torch]'",
        ),
        ("optax", "jax_impl.training", "got 'jax' without optax. Install it with: pip install 'torch-jax-parity[jax]'"),
        ("sklearn", "sklearn", "without scikit-learn. Install it with: pip install 'torch-jax-parity[study]'"),
        (
            "matplotlib.figure",
            "matplotlib",
            "without matplotlib. Install it with: pip install 'torch-jax-parity[study]'",
        ),
    ],
)
def test_a_missing_package_is_named_with_its_extra(package, module, sentence, tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.startswith((module, f"{module.partition('.')[0]}._"))]:
        monkeypatch.delitem(sys.modules, name)
    # None in sys.modules is Python's own way to say: not to be found.
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=re.escape(sentence)):
        train(TrainSettings(epochs=1), out=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_picture_that_fails_half_way_leaves_the_old_one(tmp_path, monkeypatch):
    def fail(figure, path, **options):
        path.write_bytes(PNG)
        raise OSError("no space left")

    old = tmp_path / "curves.png"
    old.write_bytes(b"old")
    monkeypatch.setattr(Figure, "savefig", fail)
    with pytest.raises(OSError, match="no space left"):
        train(TrainSettings(impl="torch", epochs=1), out=old)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


def test_the_held_back_fifth_is_fixed():
    (images, _), (test_images, test_labels) = load_digits()
    assert (images.shape, test_images.shape) == ((1438, 64), (359, 64))
    assert (images.min(), images.max()) == (0, 1)
    assert test_labels[:8].tolist() == [6, 6, 6, 2, 5, 6, 6, 2]
    assert np.bincount(test_labels).tolist() == [28, 38, 33, 40, 33, 39, 32, 42, 41, 33]


def test_weights_are_drawn_by_the_law_of_torch(rng):
    weights = initial_weights(rng, "float64")
    assert [weight.shape for weight, _ in weights] == [(128, 64), (128, 128), (10, 128)]
    for weight, bias in weights:
        bound = weight.shape[1] ** -0.5
        assert max(np.abs(weight).max(), np.abs(bias).max()) <= bound
        # The standard deviation of U(-b, b) is b / sqrt(3); 1,280 draws know it to 2 in 100.
        assert weight.std() == pytest.approx(bound / 3**0.5, rel=0.05)


def test_an_order_is_a_permutation_for_each_epoch(rng):
    orders = epoch_orders(rng, 3, 10)
    assert (np.sort(orders, axis=1) == np.arange(10)).all()
    assert not (orders[0] == orders[1]).all()
