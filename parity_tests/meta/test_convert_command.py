"""``parity convert``: files of weights there and back, and one sentence for what cannot be converted."""

import re
import sys

import ml_dtypes
import numpy as np
import pytest
import torch
from flax.serialization import msgpack_restore, msgpack_serialize
from safetensors.torch import load_file, save_file

from parity import cli
from parity.convert import Conversion

NETS = """
import torch
from torch import nn
from flax import linen


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv2d(1, 3, 2), nn.BatchNorm2d(3), nn.Linear(36, 2)

    def forward(self, x):
        return self.head(self.norm(self.conv(x)).flatten(1))


class Port(linen.Module):
    @linen.compact
    def __call__(self, x, train=False):
        x = linen.BatchNorm(use_running_average=not train)(linen.Conv(3, (2, 2), padding="VALID")(x))
        return linen.Dense(2)(x.reshape(len(x), -1))


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.output = nn.Embedding(7, 3), nn.Linear(3, 7, bias=False)
        self.output.weight = self.embed.weight

    def forward(self, ids):
        return self.output(self.embed(ids))


class TiedPort(linen.Module):
    @linen.compact
    def __call__(self, ids):
        table = linen.Embed(7, 3)
        return table.attend(table(ids))


class Sized(nn.Module):
    def __init__(self, width):
        super().__init__()
"""
IMAGES = ("--torch", "nets_to_convert:Net", "--linen", "nets_to_convert:Port", "--inputs", "1,1,5,4", "--channels-last")
TIED = ("--torch", "nets_to_convert:Tied", "--linen", "nets_to_convert:TiedPort", "--inputs", "2,4:int32")


@pytest.fixture
def nets(tmp_path, monkeypatch):
    """A folder with two networks and their ports, as the working directory."""
    (tmp_path / "nets_to_convert.py").write_text(NETS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "nets_to_convert", raising=False)
    import nets_to_convert  # pyright: ignore[reportMissingImports]

    return nets_to_convert


@pytest.fixture
def convert(monkeypatch, capsys):
    """Run ``parity convert``: (exit code, standard output, standard error)."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["parity", "convert", *map(str, arguments)])
        with pytest.raises(SystemExit, match=r".*") as stop:
            cli.main()
        return int(stop.value.code or 0), *capsys.readouterr()

    return run


def test_a_file_goes_there_and_back_bit_for_bit(nets, convert):
    state = {name: tensor / 3 if tensor.ndim else tensor for name, tensor in nets.Net().double().state_dict().items()}
    save_file(state, "net.safetensors")
    code, out, err = convert("net.safetensors", "net.msgpack", *IMAGES)
    assert (code, out, err) == (0, "8 tensors, 101 numbers: net.safetensors -> net.msgpack\n", "")
    with open("net.msgpack", "rb") as file:
        variables = msgpack_restore(file.read())
    assert variables["params"]["Conv_0"]["kernel"].dtype == np.float64
    assert convert("net.msgpack", "back.safetensors", *IMAGES)[0] == 0
    back = load_file("back.safetensors")
    assert all(torch.equal(back[name], tensor) for name, tensor in state.items())
    assert back["conv.weight"].dtype == torch.float64


def test_a_file_of_parameters_alone_is_read_too(nets, convert, tmp_path):
    """As train_state.params are often saved."""
    table = np.arange(21.0, dtype=np.float32).reshape(7, 3)
    (tmp_path / "bare.msgpack").write_bytes(msgpack_serialize({"Embed_0": {"embedding": table}}))
    assert convert("bare.msgpack", "back.safetensors", *TIED[:4])[0] == 0
    assert np.array_equal(load_file("back.safetensors")["output.weight"], table)


def test_a_rename_to_nothing_leaves_a_tensor_out(nets):
    """``--rename NAME=`` says that NAME has no partner."""
    made = Conversion.of("nets_to_convert:Net", "nets_to_convert:Port", ["1,1,5,4"], True, ["norm="])
    assert made.options["rename"] == {"norm": None}


def test_a_shared_tensor_may_stand_in_the_file_under_one_name(nets, convert):
    weight = torch.arange(21.0).reshape(7, 3).bfloat16()
    save_file({"embed.weight": weight}, "tied.safetensors")
    assert convert("tied.safetensors", "tied.msgpack", *TIED)[1].startswith("1 tensors, 21 numbers")
    with open("tied.msgpack", "rb") as file:
        table = msgpack_restore(file.read())["params"]["Embed_0"]["embedding"]
    assert table.dtype == ml_dtypes.bfloat16
    assert convert("tied.msgpack", "back.safetensors", *TIED[:4])[0] == 0
    back = load_file("back.safetensors")
    assert torch.equal(back["embed.weight"], weight)
    assert torch.equal(back["output.weight"], weight)


def changed(arguments, **options):
    """The same arguments with other values of some options."""
    values = dict(zip(arguments[::2], arguments[1::2], strict=True)) | {
        f"--{key}": value for key, value in options.items()
    }
    return [part for pair in values.items() for part in pair]


BAD_CALLS = {
    "one ending": (
        ("tied.safetensors", "out.safetensors", *TIED),
        r"IN and OUT must end in \.safetensors and \.msgpack",
    ),
    "no file": (
        ("none.safetensors", "out.msgpack", *TIED),
        r"IN must be a file, got none\.safetensors, which does not",
    ),
    "no folder": (("tied.safetensors", "no/out.msgpack", *TIED), r"OUT must be in a folder that exists, got no/out"),
    "no class": (
        ("tied.safetensors", "out.msgpack", *changed(TIED, torch="nets_to_convert:Tide")),
        r"--torch must name a class that is made without arguments, got AttributeError: .*Tide",
    ),
    "a class with arguments": (
        ("tied.safetensors", "out.msgpack", *changed(TIED, torch="nets_to_convert:Sized")),
        r"--torch must name a class that is made without arguments, got TypeError: .*width",
    ),
    "no module": (
        ("tied.safetensors", "out.msgpack", *changed(TIED, linen="no_such_module:Port")),
        r"--linen must name a class .*, got ModuleNotFoundError: No module named 'no_such_module'",
    ),
    "no colon": (
        ("tied.safetensors", "out.msgpack", *changed(TIED, linen="Port")),
        r"--linen must be module:Class, got Port",
    ),
    "exchanged": (
        ("tied.safetensors", "out.msgpack", *changed(TIED, linen="nets_to_convert:Tied")),
        r"--linen must make a linen module, got Tied\.",
    ),
    "no inputs": (("tied.safetensors", "out.msgpack", *TIED[:4]), r"--inputs must give the shape of every input"),
    "no shape": (
        ("tied.safetensors", "out.msgpack", *changed(TIED, inputs="2,x")),
        r"--inputs must be a shape, as 1,784",
    ),
    "no rename": (
        ("tied.safetensors", "out.msgpack", *TIED, "--rename", "x"),
        r"--rename must be NAME=PATH, .* got x\.",
    ),
    "another net's weights": (
        ("tied.safetensors", "out.msgpack", *IMAGES),
        r'IN must hold the state dict of --torch, got Missing key\(s\) in state_dict: "conv.weight", '
        r'"conv.bias", "norm.weight" and 5 more\. Unexpected',
    ),
    "no weights": (("broken.msgpack", "out.safetensors", *TIED), r"IN must hold weights, got "),
    "another net's leaves": (
        ("other.msgpack", "out.safetensors", *TIED[:4]),
        r"must have shape \(7, 3\), .* got \(2, 2\)",
    ),
}


@pytest.mark.parametrize("kind", BAD_CALLS)
def test_what_cannot_be_converted_is_one_sentence_and_writes_nothing(kind, nets, convert, tmp_path):
    save_file({"embed.weight": torch.ones(7, 3)}, "tied.safetensors")
    (tmp_path / "broken.msgpack").write_bytes(b"\xc1")
    (tmp_path / "other.msgpack").write_bytes(msgpack_serialize({"params": {"Embed_0": {"embedding": np.ones((2, 2))}}}))
    arguments, sentence = BAD_CALLS[kind]
    code, out, err = convert(*arguments)
    assert (code, out) == (2, "")
    assert re.search(f"^(convert|to_linen|to_torch): .*{sentence}", err), err
    assert "Traceback" not in err
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("out")]


def test_a_linear_layer_behind_an_image_asks_for_the_inputs_on_the_way_back(nets, convert):
    save_file(nets.Net().state_dict(), "net.safetensors")
    convert("net.safetensors", "net.msgpack", *IMAGES)
    code, _, err = convert("net.msgpack", "back.safetensors", *IMAGES[:4])
    assert (code, "how an image is flattened" in err) == (2, True)
    assert "Give --inputs, whose calls tell." in err
    code, _, err = convert("net.safetensors", "out.msgpack", *IMAGES[:-1])
    assert (code, "is told so by --channels-last." in err) == (2, True)
