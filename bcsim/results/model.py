"""A network as the user hands it over: an ONNX file of floats, or a program that `bcsim compile` stored."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import as_file, files
from math import prod
from pathlib import Path

from bcsim.common.errors import BcsimError
from bcsim.common.escape import printable
from bcsim.common.metadata import DATASET_KEY
from bcsim.common.shipped import SHIPPED
from bcsim.compiler.graph.nodes import Graph
from bcsim.compiler.graph.shapes import tensor_shapes
from bcsim.compiler.program.layers import Program

__all__ = ["Model", "check_weight_bits", "load", "locate"]


@dataclass(frozen=True, slots=True)
class Model:
    """A loaded file: either `graph` (a float network, to be compiled) or `program` (already compiled) is set."""

    name: str
    path: Path
    graph: Graph | None = None
    program: Program | None = None

    def __repr__(self) -> str:
        if self.program is not None:
            return f"<Model {self.name}: {self.program!r}>"
        assert self.graph is not None
        shape = " x ".join(map(str, self.graph.input_shape))
        trained = f", for {self.dataset}" if self.dataset else ""
        scores = prod(tensor_shapes(self.graph)[self.graph.output])
        return f"<Model {self.name}: {shape} to {scores} scores, {len(self.graph.nodes)} operations{trained}>"

    @property
    def metadata(self) -> Mapping[str, str]:
        """The file's own key-value pairs."""
        source = self.graph or self.program
        return source.metadata if source else {}

    @property
    def dataset(self) -> str | None:
        """The data set that the file says it was trained for."""
        return self.metadata.get(DATASET_KEY)


def load(path: str | Path, *, weight_bits: int | None = None) -> Model:
    """The network in an ONNX file, or a bundled one by name: those of `bcsim.models.SHIPPED`.

    weight_bits : 2 to 8, that real weights are rounded to after training, for each output; by default they are refused.
    Raises BcsimError, one sentence, for whatever cannot be read or is not supported.
    """
    check_weight_bits(weight_bits)
    from bcsim.compiler.importer import import_onnx
    from bcsim.compiler.program.onnx_format import is_program, load_program

    file = locate(path)
    if is_program(file):
        program = load_program(file)
        return Model(program.name, file, program=program)
    return Model(printable(file.stem), file, graph=import_onnx(file, weight_bits))


def check_weight_bits(weight_bits: int | None) -> None:
    """Raise BcsimError for a number of bits that real weights are not rounded to."""
    if weight_bits is not None and not 2 <= weight_bits <= 8:
        raise BcsimError(f"Weight bits must be from 2 to 8, not {weight_bits!r}")


def locate(path: str | Path) -> Path:
    """The file at `path`, or of the bundled network of that name. Raises BcsimError for a name of neither."""
    name, found = str(path), Path(path)
    if name and os.path.exists(name):
        return found
    if name in SHIPPED:
        with as_file(files("bcsim.models").joinpath(f"{name}.onnx")) as bundled:
            return bundled
    if name in ("", found.stem):
        raise BcsimError(
            f"There is no file {name!r}, and no bundled network of that name; those are {', '.join(SHIPPED)}"
        )
    return found
