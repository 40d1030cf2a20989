"""Files of weights: torch's .safetensors and Flax's .msgpack, one made of the other."""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from parity.bridge import to_linen, to_torch
from parity.errors import InputError
from parity.kinds import is_linen_module, is_torch_module
from parity.message import first_line
from parity.trees import flatten

__all__ = ["Conversion"]


@dataclass(frozen=True)
class Conversion:
    """Two modules with the same weights, and what settles which weight is which.

    Attributes:
        module: of torch.
        port: of linen.
        inputs: examples of what both are called with; empty if none were given.
        options: of the bridge.
    """

    module: Any
    port: Any
    inputs: tuple[np.ndarray, ...]
    options: dict[str, Any]

    @classmethod
    def of(cls, torch: str, linen: str, inputs: list[str], channels_last: bool, rename: list[str]) -> Conversion:
        """Read what the command line says.

        Raises:
            InputError: if a module cannot be made, or a shape or a name cannot be read.
        """
        options = {"channels_last": channels_last, "rename": dict(map(_pair, rename)) or None}
        module, port = _made("--torch", torch, is_torch_module), _made("--linen", linen, is_linen_module)
        return cls(module, port, tuple(map(_example, inputs)), options)

    def run(self, source: Path) -> tuple[bytes, int, int]:
        """The other file's bytes, and how many tensors and numbers it holds.

        Raises:
            InputError: if the file cannot be read, or its weights do not match the modules'.
        """
        to_flax = source.suffix == ".safetensors"
        if to_flax and not self.inputs:
            raise InputError("convert: --inputs must give the shape of every input of the modules, got none.")
        try:
            held = _torch_file(source) if to_flax else _flax_file(source)
        except Exception as error:
            raise InputError(
                f"convert: IN must hold weights, got {type(error).__name__}: {first_line(error)}."
            ) from error
        try:
            return self._to_flax(held) if to_flax else self._to_safe(held)
        except InputError as error:
            raise InputError(_for_the_shell(str(error))) from error

    def _to_flax(self, state: dict[str, Any]) -> tuple[bytes, int, int]:
        from flax.serialization import msgpack_serialize

        self._load(state)
        variables = to_linen(self.module, self.port, self.inputs, **self.options)
        return msgpack_serialize(variables), *_counted(variables)

    def _load(self, state: dict[str, Any]) -> None:
        """Put a file's tensors into the module at their own dtypes; a shared one may stand under one of its names."""
        owners = self.module.state_dict(keep_vars=True)
        for name, owner in owners.items():
            aliases = [other for other in state if owners.get(other) is owner]
            if name not in state and aliases:
                state[name] = state[aliases[0]]
            if name in state:
                owner.data = owner.data.to(state[name].dtype)
        try:
            self.module.load_state_dict(state)
        except RuntimeError as error:
            said = " ".join(str(error).split()).rpartition(f"{type(self.module).__name__}: ")[2].rstrip(".")
            raise InputError(f"convert: IN must hold the state dict of --torch, got {_shortened(said)}.") from error

    def _to_safe(self, variables: dict[str, Any]) -> tuple[bytes, int, int]:
        import torch
        from safetensors.torch import save

        floats = [leaf.dtype for leaf in flatten(variables).values() if np.dtype(leaf.dtype).kind in "fV"]
        for dtype in set(map(str, floats)) if len(set(floats)) == 1 else ():
            self.module.to(getattr(torch, dtype))
        port = (self.port, self.inputs) if self.inputs else ()
        options = self.options if port else {"rename": self.options["rename"]}
        state = to_torch(variables, self.module, *port, **options)
        # Shared tensors are written under each of their names, as load_state_dict wants them.
        return save({name: tensor.contiguous().clone() for name, tensor in state.items()}), *_counted(state)


def _for_the_shell(said: str) -> str:
    """The bridge's sentence, what it asks for as this command takes it."""
    said = said.replace("Pass linen_module and inputs,", "Give --inputs,")
    return said.replace("told so by channels_last.", "told so by --channels-last.").replace("rename={", "--rename {")


def _shortened(said: str) -> str:
    """Of each list of names the first three."""
    three = r'((?:"[^"]*", ){2}"[^"]*")((?:, "[^"]*")+)'
    return re.sub(three, lambda names: f"{names[1]} and {names[2].count(', ')} more", said)


def _torch_file(source: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(source)


def _flax_file(source: Path) -> dict[str, Any]:
    from flax.serialization import msgpack_restore

    tree: Any = msgpack_restore(source.read_bytes())
    return tree if "params" in tree else {"params": tree}


def _counted(tree: Any) -> tuple[int, int]:
    leaves = flatten(tree).values()
    return len(leaves), sum(int(np.prod(leaf.shape)) for leaf in leaves)


def _pair(text: str) -> tuple[str, str | None]:
    name, equals, path = text.partition("=")
    if not (name and equals):
        raise InputError(f"convert: --rename must be NAME=PATH, torch's name and linen's place, got {text}.")
    return name, path or None


def _example(text: str) -> np.ndarray:
    """Zeros of a shape, 1,784 or 2,16:int32."""
    shape, _, dtype = text.partition(":")
    try:
        return np.zeros([int(length) for length in shape.split(",")], dtype or "float32")
    except (TypeError, ValueError) as error:
        raise InputError(f"convert: --inputs must be a shape, as 1,784 or 2,16:int32, got {text}.") from error


def _made(option: str, text: str, is_kind: Callable[[Any], bool]) -> Any:
    """The module that ``module:Class`` names, imported from here or from an installed package."""
    place, _, name = text.partition(":")
    if not (place and name):
        raise InputError(f"convert: {option} must be module:Class, got {text}.")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        made = getattr(importlib.import_module(place), name)
        made = made if is_kind(made) else made()
    except (Exception, SystemExit) as error:
        said = f"{type(error).__name__}: {first_line(error)}"
        raise InputError(f"convert: {option} must name a class that is made without arguments, got {said}.") from error
    if not is_kind(made):
        kind = "linen module" if option == "--linen" else "torch module"
        raise InputError(f"convert: {option} must make a {kind}, got {type(made).__name__}.")
    return made
