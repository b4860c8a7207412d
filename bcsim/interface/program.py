"""A compiled program with what can be done with it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bcsim.compiler.program import layers
from bcsim.compiler.program.onnx_format import save_program
from bcsim.compiler.standard.model import save_standard
from bcsim.data import Dataset, load_dataset
from bcsim.execution.execute import execute
from bcsim.execution.raw_levels import program_input
from bcsim.interface.arguments import Data, named_or_dataset
from bcsim.interface.hardware import verify, verilog
from bcsim.interface.result import Result
from bcsim.interface.simulate import simulate
from bcsim.results.input_meaning import input_meaning

if TYPE_CHECKING:
    from bcsim.rtl.generate.verify import Verification

__all__ = ["Prediction", "Program", "with_methods"]


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a program says of n images: scores float64 (n, classes) on the float network's scale; classes int64 (n,)."""

    scores: NDArray[np.float64]
    classes: NDArray[np.int64]


class Program(layers.Program):
    """An integer program: what every level below the float network computes (docs/arithmetic.md)."""

    __slots__ = ()

    def run(self, data: Data) -> Prediction:
        """Scores and classes of images: an array, a data set or what `load_dataset` takes.

        Raises BcsimError for images that do not fit the program.
        """
        given = named_or_dataset(data)
        dataset = given if isinstance(given, Dataset) else load_dataset(given)
        input_meaning(self, dataset)
        found = execute(self, program_input(self, dataset))
        return Prediction(self.layers[-1].target.decode(found.scores), found.classes)

    def simulate(self, data: Data, labels: ArrayLike | None = None, **options: Any) -> Result:
        """`bcsim.simulate(program, data, labels, ...)`."""
        return simulate(self, data, labels, **options)

    def save(self, path: str | Path, *, standard: bool = False) -> Path:
        """`bcsim.save(program, path, ...)`."""
        (save_standard if standard else save_program)(self, path)
        return Path(path)

    def verilog(self, folder: str | Path, **options: Any) -> Path:
        """`bcsim.verilog(program, folder, ...)`."""
        return verilog(self, folder, **options)

    def verify(self, **options: Any) -> Verification:
        """`bcsim.verify(program, ...)`."""
        return verify(self, **options)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(layer.name)}</td><td>{layer.inputs:,}</td><td>{layer.outputs:,}</td>"
            f"<td>{layer.source.bits} → {layer.target.bits}</td><td>{'yes' if layer.exact else 'no'}</td></tr>"
            for layer in self.layers
        )
        head = "".join(f"<th>{name}</th>" for name in ("layer", "inputs", "outputs", "bits", "exact"))
        notes = "".join(f"<li>{escape(note)}</li>" for note in self.notes)
        return f"<table><caption>{escape(self.name)}</caption><tr>{head}</tr>{rows}</table><ul>{notes}</ul>"


def with_methods(program: layers.Program) -> Program:
    """The same program with methods."""
    return Program(**{field.name: getattr(program, field.name) for field in fields(layers.Program)})
