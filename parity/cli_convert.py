"""``parity convert``: a file of weights from torch's names and layouts to linen's, or back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from parity.errors import InputError

__all__ = ["convert_command"]

_ENDINGS = (".safetensors", ".msgpack")


def convert_command(
    source: Annotated[
        Path, typer.Argument(metavar="IN", help="Weights, .safetensors or .msgpack.", show_default=False)
    ],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="The file to write, of the other.", show_default=False)],
    torch: Annotated[str, typer.Option(metavar="MODULE:CLASS", help="The torch module.", show_default=False)],
    linen: Annotated[str, typer.Option(metavar="MODULE:CLASS", help="The linen module.", show_default=False)],
    inputs: Annotated[list[str] | None, typer.Option(metavar="SHAPE", help="Of an input, 1,784 or 2,16:int32.")] = None,
    channels_last: Annotated[bool, typer.Option("--channels-last", help="linen has the inputs' axis 1 last.")] = False,
    rename: Annotated[list[str] | None, typer.Option(metavar="NAME=PATH", help="torch's name, linen's place.")] = None,
) -> None:
    """Convert weights between torch's .safetensors and Flax's .msgpack, bit for bit; the endings say which way.

    Both classes are made without arguments; a function that returns a module, or a module, will do too. From torch to
    linen the shapes of the inputs are needed, one --inputs each; back only where names and shapes leave a choice.

    Example: [bold]parity convert net.safetensors net.msgpack --torch net:Net --linen port:Net --inputs 1,784[/bold]
    """
    if {source.suffix, target.suffix} != set(_ENDINGS):
        raise InputError(
            f"convert: IN and OUT must end in {' and '.join(_ENDINGS)}, one each, got {source.name} and {target.name}."
        )
    if not source.is_file():
        raise InputError(f"convert: IN must be a file, got {source}, which does not exist.")
    if not target.absolute().parent.is_dir():
        raise InputError(f"convert: OUT must be in a folder that exists, got {target}.")
    from parity.convert import Conversion

    conversion = Conversion.of(torch, linen, inputs or [], channels_last, rename or [])
    data, count, numbers = conversion.run(source)
    target.write_bytes(data)
    typer.echo(f"{count} tensors, {numbers:,} numbers: {source} -> {target}")
